//! Where a command connects, and as whom: the options that all of them share.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use skep::client::{Client, Options};

use super::failure::Failure;
use super::output::harmless;
use super::values;

/// Which bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Frontend,
    Backend,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectArgs {
    /// Where to connect: mqtt://[USER:PASSWORD@]HOST:PORT or ws://…HOST:PORT/mqtt,
    /// with TLS mqtts:// or wss://
    /// [default: on a frontend $SKEP_URL or $SKEP_FRONTEND_URL, else mqtt://127.0.0.1:11883;
    /// on a backend $SKEP_BACKEND_URL, else mqtt://127.0.0.1:1883]
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// Certificates (PEM) of who signs the bus's, for mqtts:// and wss:// [default:
    /// $SKEP_CA, else those that the system trusts]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Who to log in as [default: the URL's, else on a frontend $SKEP_USER or
    /// $SKEP_FRONTEND_USER, on a backend $SKEP_BACKEND_USER, else the sample user]
    #[arg(long, value_name = "USER")]
    user: Option<String>,

    /// File whose first line is the password [default: the URL's, else on a frontend
    /// $SKEP_PASSWORD or $SKEP_FRONTEND_PASSWORD, on a backend $SKEP_BACKEND_PASSWORD,
    /// else the sample password if the sample user logs in, else a terminal is asked]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// The password, which others on this machine can see in the list of processes
    #[arg(long, value_name = "PASSWORD", conflicts_with = "password_file")]
    password: Option<String>,

    /// Role of the backend
    #[arg(long, value_name = "ROLE", default_value = "backend", value_parser = values::role)]
    role: String,

    /// Role of the frontend
    #[arg(long, value_name = "ROLE", default_value = "frontend", value_parser = values::role)]
    frontend_role: String,

    /// Lanes between the buses: the router's setting of that name
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u8).range(1..))]
    lanes: u8,
}

/// A bus that takes longer to let somebody in is not there.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Where, and who, unless something else is said.
struct Usual {
    url: &'static str,
    user: &'static str,
    password: &'static str,
    urls: &'static [&'static str],
    users: &'static [&'static str],
    passwords: &'static [&'static str],
}

const FRONTEND: Usual = Usual {
    url: "mqtt://127.0.0.1:11883",
    user: "frontend",
    password: "abc123",
    urls: &["SKEP_URL", "SKEP_FRONTEND_URL"],
    users: &["SKEP_USER", "SKEP_FRONTEND_USER"],
    passwords: &["SKEP_PASSWORD", "SKEP_FRONTEND_PASSWORD"],
};

const BACKEND: Usual = Usual {
    url: "mqtt://127.0.0.1:1883",
    user: "backend",
    password: "def456",
    urls: &["SKEP_BACKEND_URL"],
    users: &["SKEP_BACKEND_USER"],
    passwords: &["SKEP_BACKEND_PASSWORD"],
};

/// A bus to connect to, with everything that was left open filled in.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub options: Options,
    /// URL and user, for messages: without the password.
    pub place: String,
}

impl ConnectArgs {
    /// # Errors
    /// The URL is none, or there is no password.
    pub fn endpoint(&self, side: Side) -> anyhow::Result<Endpoint> {
        self.endpoint_at(side, self.url.as_deref())
    }

    /// The backend of a command that needs both buses: the options for the login
    /// are the frontend's, so this one's are the URL's, or variables.
    ///
    /// # Errors
    /// As for [`ConnectArgs::endpoint`].
    pub fn backend_beside(&self, url: Option<&str>) -> anyhow::Result<Endpoint> {
        let ConnectArgs { ca, role, frontend_role, lanes, .. } = self;
        let (ca, role, frontend_role, lanes) = (ca.clone(), role.clone(), frontend_role.clone(), *lanes);
        let args =
            ConnectArgs { url: None, ca, user: None, password_file: None, password: None, role, frontend_role, lanes };
        args.endpoint_at(Side::Backend, url)
    }

    fn endpoint_at(&self, side: Side, url: Option<&str>) -> anyhow::Result<Endpoint> {
        let usual = match side {
            Side::Frontend => FRONTEND,
            Side::Backend => BACKEND,
        };
        let url = url.map(str::to_owned).or_else(|| variable(usual.urls)).unwrap_or_else(|| usual.url.to_owned());
        let mut options = match side {
            Side::Frontend => Options::frontend(&url)?,
            Side::Backend => Options::backend(&url)?,
        };
        if let Some(ca) = self.ca.clone().or_else(|| variable(&["SKEP_CA"]).map(PathBuf::from)) {
            options = options.ca_file(ca)?;
        }
        let (user, password) = self.login(&options, &usual)?;
        options = options.login(&user, &password).lanes(self.lanes).connect_timeout(CONNECT_TIME);
        options = options.backend_role(&self.role).frontend_role(&self.frontend_role);
        Ok(Endpoint { options, place: format!("{} as user {user:?}", without_login(&url)) })
    }

    /// What the options say, else the URL, else variables, else the sample, else
    /// whoever sits at the terminal.
    fn login(&self, options: &Options, usual: &Usual) -> anyhow::Result<(String, String)> {
        let in_url = |of_url: Option<&str>| of_url.map(str::to_owned);
        let user = self.user.clone().or_else(|| in_url(options.user()));
        let user = user.or_else(|| variable(usual.users)).unwrap_or_else(|| usual.user.to_owned());
        if let Some(path) = &self.password_file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("the password file {} can't be read", path.display()))?;
            // Editors and echo end a line; a password holds none.
            return Ok((user, text.lines().next().unwrap_or_default().to_owned()));
        }
        // The URL's password is that of the URL's user.
        let of_url = if options.user() == Some(&user) { in_url(options.password()) } else { None };
        match self.password.clone().or(of_url).or_else(|| variable(usual.passwords)) {
            Some(password) => Ok((user, password)),
            None if user == usual.user => Ok((user, usual.password.to_owned())),
            None if std::io::stdin().is_terminal() => {
                let asked = rpassword::prompt_password(format!("Password of {}: ", harmless(&user)));
                Ok((user, asked.context("the password can't be read from the terminal")?))
            }
            None => {
                let variable = usual.passwords[0];
                bail!("user {user:?} needs a password: give --password-file, {variable} or USER:PASSWORD in the URL")
            }
        }
    }
}

impl Endpoint {
    /// The same for one more connection, which has a client id of its own.
    pub fn anew(&self) -> Endpoint {
        Endpoint { options: self.options.clone().random_client_id(), place: self.place.clone() }
    }

    /// # Errors
    /// The bus can't be reached, or does not let us in.
    pub async fn connect(&self) -> Result<Client, Failure> {
        Client::connect(self.options.clone()).await.map_err(|error| self.unreachable(&error))
    }

    pub fn unreachable(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::Connection(format!("can't connect to {}: {error}", self.place))
    }
}

/// The first of these variables that is set to something.
fn variable(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

/// What can be shown of a URL.
fn without_login(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://{place}"),
        _ => url.to_owned(),
    }
}
