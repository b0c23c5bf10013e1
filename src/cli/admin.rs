//! Asking the admin listener: where it is, the token, and what went wrong.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body, Error};

/// Where the admin listener is
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Admin listener")]
pub struct AdminArgs {
    /// Where it is [default: $SKEP_ADMIN_URL, else http://127.0.0.1:18888]
    #[arg(long, value_name = "URL", global = true)]
    admin: Option<String>,

    /// File whose first line is its token [default: $SKEP_ADMIN_TOKEN, else none]
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,

    /// Print the answer as JSON, on one line
    #[arg(long, global = true)]
    pub json: bool,
}

pub const EXIT_STATUS: &str = "\
Exit status:
  0   done
  1   skep refused it, or there is no such thing
  2   the command line can't be understood
  4   the admin listener can't be reached, or wants another token
  5   the answer could not be written";

const USUAL_URL: &str = "http://127.0.0.1:18888";

/// Where it is: what an option says, else the variable, else the usual place.
pub fn url(given: Option<&str>) -> String {
    let url = given.map(str::to_owned).or_else(|| variable("SKEP_ADMIN_URL"));
    url.unwrap_or_else(|| USUAL_URL.to_owned())
}

/// An environment variable that is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Longer than any list takes to be made.
const TIME: Duration = Duration::from_secs(30);

/// An admin listener to ask.
pub struct Admin {
    agent: Agent,
    /// Without a slash at the end.
    url: String,
    token: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    Usage(String),
    /// skep says no.
    Refused(String),
    Unreachable(String),
    Output(String),
}

impl AdminArgs {
    /// # Errors
    /// A URL or a token file that can't be used.
    pub fn open(&self) -> Result<Admin, Failure> {
        self.open_within(TIME)
    }

    /// The same, for who can't wait so long for an answer.
    pub fn open_within(&self, time: Duration) -> Result<Admin, Failure> {
        let url = url(self.admin.as_deref());
        if url.strip_prefix("http://").is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Err(Failure::Usage(format!("{url:?} is no URL of an admin listener, such as {USUAL_URL}")));
        }
        let token = match &self.token_file {
            None => variable("SKEP_ADMIN_TOKEN"),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("the token file {} can't be read", path.display()))
                    .map_err(|error| Failure::Usage(format!("{error:#}")))?;
                Some(text.lines().next().unwrap_or_default().trim().to_owned())
            }
        };
        // A proxy for the web has no business here.
        let config = Agent::config_builder()
            .timeout_global(Some(time))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .build();
        Ok(Admin { agent: config.into(), url: url.trim_end_matches('/').to_owned(), token })
    }
}

impl Failure {
    /// What to say of it.
    pub fn text(&self) -> &str {
        match self {
            Failure::Usage(text) | Failure::Refused(text) | Failure::Unreachable(text) | Failure::Output(text) => text,
        }
    }
}

impl Admin {
    /// Where it is, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `GET /api/v1/{path}`.
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Failure> {
        let mut request = self.agent.get(format!("{}/api/v1/{path}", self.url));
        for (name, value) in query {
            request = request.query(name, value);
        }
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        self.answer(request.call())
    }

    /// `POST /api/v1/{path}`.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let mut request = self.agent.post(format!("{}/api/v1/{path}", self.url)).header("X-Skep", "1");
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        self.answer(request.send_json(body))
    }

    fn answer(&self, response: Result<Response<Body>, Error>) -> Result<Value, Failure> {
        let url = &self.url;
        let mut response = response.map_err(|error| match error {
            Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Failure::Unreachable(format!(
                "nobody listens at {url}: is skep running, with its admin listener there? (--admin URL says where)"
            )),
            Error::BadUri(_) | Error::Http(_) => Failure::Usage(format!("{url:?} can't be asked: {error}")),
            error => Failure::Unreachable(format!("can't ask {url}: {error}")),
        })?;
        let status = response.status();
        let not_skep = || Failure::Unreachable(format!("what answers at {url} is not skep's admin listener"));
        let mut body: Value = response.body_mut().read_json().map_err(|_| not_skep())?;
        if status == StatusCode::OK {
            return Ok(body);
        }
        let Value::String(text) = body["error"].take() else { return Err(not_skep()) };
        Err(match status {
            StatusCode::UNAUTHORIZED => {
                Failure::Unreachable(format!("{url} wants a token: give --token-file or SKEP_ADMIN_TOKEN ({text})"))
            }
            _ => Failure::Refused(text),
        })
    }
}

/// The exit status of a command, after saying what went wrong.
pub fn finish(command: &str, outcome: Result<(), Failure>) -> ExitCode {
    let (status, text) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Refused(text)) => (1, text),
        Err(Failure::Usage(text)) => (2, text),
        Err(Failure::Unreachable(text)) => (4, text),
        Err(Failure::Output(text)) => (5, text),
    };
    eprintln!("skep {command}: {text}");
    ExitCode::from(status)
}

/// Writes to standard output.
pub fn print(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        // Whoever read the output has seen enough of it.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Output(format!("the answer can't be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// An answer for programs: one line, in which no text can steer a terminal.
pub fn print_json(answer: &Value) -> Result<(), Failure> {
    let mut line = String::new();
    for c in answer.to_string().chars() {
        // JSON has escaped those below a space already.
        if super::table::steers(c) {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| line.push_str(&format!("\\u{unit:04x}")));
        } else {
            line.push(c);
        }
    }
    print(&line)
}
