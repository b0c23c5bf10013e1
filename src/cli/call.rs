//! `skep call`: one request from the terminal, and what came of it.

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;
use skep::client::{CallError, Client, Options, RpcError};

/// Call a method and print its result
///
/// Connects to a frontend as any client does, so that the call goes through the
/// router.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG_EXAMPLES)]
pub struct Args {
    /// Service and method, such as myapp.str.uc
    #[arg(value_name = "METHOD", value_parser = method)]
    method: String,

    /// Parameters, a JSON object or list; "-" reads them from standard input, as
    /// does leaving them out when something is piped in
    #[arg(value_name = "PARAMS", allow_hyphen_values = true)]
    params: Option<String>,

    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    timeout: Duration,

    /// Where to connect: mqtt://HOST:PORT or ws://HOST:PORT/mqtt, with TLS mqtts://
    /// or wss://
    /// [default: $SKEP_URL, else mqtt://127.0.0.1:11883]
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// Certificates (PEM) of who signs the bus's, for mqtts:// and wss:// [default:
    /// $SKEP_CA, else those that the system trusts]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Who to log in as [default: $SKEP_USER, else the sample user "frontend"]
    #[arg(long, value_name = "USER")]
    user: Option<String>,

    /// File whose first line is the password [default: $SKEP_PASSWORD, else the
    /// sample password if the sample user logs in]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// The password, which others on this machine can see in the list of processes
    #[arg(long, value_name = "PASSWORD", conflicts_with = "password_file")]
    password: Option<String>,

    /// Role of the backend that the service is on
    #[arg(long, value_name = "ROLE", default_value = "backend", value_parser = role)]
    role: String,
}

/// A bus that takes longer to let somebody in is not there.
const CONNECT_TIME: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Examples:
  skep call myapp.str.uc '{\"string\":\"hello\"}'
  echo '[1,2]' | skep call myapp.math.add
  skep call myapp.status --timeout 5 --url ws://127.0.0.1:18080/mqtt";

const LONG_EXAMPLES: &str = "\
Examples:
  skep call myapp.str.uc '{\"string\":\"hello\"}'
  echo '[1,2]' | skep call myapp.math.add
  skep call myapp.status --timeout 5 --url ws://127.0.0.1:18080/mqtt
  SKEP_PASSWORD=secret skep call myapp.status --user web

Exit status:
  0   the method returned a result, which is on standard output as JSON
  1   it returned a JSON-RPC error, which is on standard error
  2   the command line or the parameters can't be understood
  3   no answer came in time
  4   the connection failed or was refused
  5   there is a result, but it could not be written";

const USUAL_URL: &str = "mqtt://127.0.0.1:11883";
const SAMPLE_USER: &str = "frontend";
const SAMPLE_PASSWORD: &str = "abc123";

pub fn run(args: &Args) -> ExitCode {
    let request = match request(args) {
        Ok(request) => request,
        Err(error) => {
            eprintln!("skep call: {error:#}");
            return ExitCode::from(2);
        }
    };
    match send(&request) {
        Ok(result) => print(&result),
        Err(failure) => {
            let (status, text) = explain(&request, &failure);
            eprintln!("{text}");
            ExitCode::from(status)
        }
    }
}

/// A call with everything that the options left open filled in.
#[derive(Debug)]
pub struct Request {
    pub url: String,
    pub user: String,
    pub options: Options,
    pub method: String,
    pub params: Option<Value>,
    pub timeout: Duration,
}

fn request(args: &Args) -> anyhow::Result<Request> {
    let url = given(&args.url, "SKEP_URL").unwrap_or_else(|| USUAL_URL.to_owned());
    let user = given(&args.user, "SKEP_USER").unwrap_or_else(|| SAMPLE_USER.to_owned());
    let mut options = Options::frontend(&url)?;
    let from_variable = || std::env::var_os("SKEP_CA").filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(ca) = args.ca.clone().or_else(from_variable) {
        options = options.ca_file(ca)?;
    }
    let options = options
        .login(&user, &password(args, &user)?)
        .backend_role(&args.role)
        .connect_timeout(args.timeout.min(CONNECT_TIME));
    let (method, timeout) = (args.method.clone(), args.timeout);
    Ok(Request { url, user, options, method, params: params(args)?, timeout })
}

/// The option, else the variable.
fn given(option: &Option<String>, variable: &str) -> Option<String> {
    let from_variable = || std::env::var(variable).ok().filter(|value| !value.is_empty());
    option.clone().or_else(from_variable)
}

fn password(args: &Args, user: &str) -> anyhow::Result<String> {
    if let Some(path) = &args.password_file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("the password file {} can't be read", path.display()))?;
        // Editors and echo end a line; a password holds none.
        return Ok(text.lines().next().unwrap_or_default().to_owned());
    }
    match given(&args.password, "SKEP_PASSWORD") {
        Some(password) => Ok(password),
        None if user == SAMPLE_USER => Ok(SAMPLE_PASSWORD.to_owned()),
        None => bail!("user {user:?} needs a password: give --password-file or SKEP_PASSWORD"),
    }
}

fn params(args: &Args) -> anyhow::Result<Option<Value>> {
    let text = match args.params.as_deref() {
        Some("-") => stdin()?,
        Some(text) => text.to_owned(),
        None if is_piped() => stdin()?,
        None => return Ok(None),
    };
    if text.trim().is_empty() && args.params.is_none() {
        return Ok(None);
    }
    let value: Value = serde_json::from_str(&text).context("the parameters are not JSON")?;
    // JSON-RPC 2.0, 4.2: parameters are a structured value.
    if !value.is_object() && !value.is_array() {
        bail!("the parameters have to be a JSON object or list, such as '{{\"string\":\"hello\"}}'");
    }
    Ok(Some(value))
}

fn stdin() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("the parameters can't be read from standard input")?;
    Ok(text)
}

/// True when standard input has something to read of its own: a pipe or a file,
/// and neither a terminal nor `/dev/null`.
fn is_piped() -> bool {
    use rustix::fs::{FileType, fstat};
    let stdin = std::io::stdin();
    let kind = fstat(&stdin).map(|status| FileType::from_raw_mode(status.st_mode));
    !stdin.is_terminal() && matches!(kind, Ok(FileType::Fifo | FileType::RegularFile))
}

/// Why a call has no result.
#[derive(Debug)]
enum Failure {
    Connection(String),
    Call(CallError),
}

fn send(request: &Request) -> Result<Value, Failure> {
    // One connection and one call: no threads beside this one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Connection(error.to_string()))?;
    runtime.block_on(async {
        let began = Instant::now();
        let client = Client::connect(request.options.clone()).await;
        let client = client.map_err(|error| Failure::Connection(error.to_string()))?;
        let left = request.timeout.saturating_sub(began.elapsed());
        client.call_within(left, &request.method, &request.params).await.map_err(Failure::Call)
    })
}

/// The exit status of a call that gave no result, and what to say of it.
fn explain(request: &Request, failure: &Failure) -> (u8, String) {
    let (url, user, method) = (&request.url, &request.user, &request.method);
    match failure {
        Failure::Connection(why) => (4, format!("skep call: can't connect to {url} as user {user:?}: {why}")),
        Failure::Call(CallError::Rpc(RpcError { code, message, data })) => {
            let data = data.as_ref().map(|data| format!("\n{data:#}")).unwrap_or_default();
            (1, format!("error {code}: {message}{data}"))
        }
        Failure::Call(CallError::Timeout(_)) => {
            let waited = request.timeout.as_secs_f64();
            (3, format!("skep call: no answer from {method} within {waited} s"))
        }
        Failure::Call(CallError::ConnectionLost) => {
            (4, format!("skep call: the connection to {url} was lost before {method} answered"))
        }
        Failure::Call(error @ (CallError::Refused(_) | CallError::Ended(_))) => {
            (4, format!("skep call: {method} can't be called at {url} as user {user:?}: {error}"))
        }
        // What the client refuses to send.
        Failure::Call(error) => (2, format!("skep call: {error}")),
    }
}

fn print(result: &Value) -> ExitCode {
    match writeln!(std::io::stdout().lock(), "{result:#}") {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough of it.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("skep call: the result can't be written: {error}");
            ExitCode::from(5)
        }
    }
}

/// A dotted name of at least two levels, which become levels of a topic.
fn method(text: &str) -> Result<String, String> {
    match text.contains('.') && text.split('.').all(is_level) {
        true => Ok(text.to_owned()),
        false => Err("expected a service and a method, such as myapp.str.uc".to_owned()),
    }
}

/// A level of a topic, too.
fn role(text: &str) -> Result<String, String> {
    match is_level(text) {
        true => Ok(text.to_owned()),
        false => Err("expected letters, digits, \"_\" and \"-\"".to_owned()),
    }
}

fn is_level(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    !text.is_empty() && text.bytes().all(plain)
}

/// At most a day, so that it can be added to any point in time.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a number of seconds above 0 and up to 86400".to_owned()),
    }
}
