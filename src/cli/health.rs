//! `skep health`: asks a running skep whether it is ready, for the health check
//! of a container that has no other program.

use std::process::ExitCode;
use std::time::Duration;

use ureq::Agent;
use ureq::http::StatusCode;

use super::admin;

/// Ask a running skep whether it is ready
///
/// Says "ready", or what is missing, as the admin listener's /readyz does.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the admin listener is [default: $SKEP_ADMIN_URL, else http://127.0.0.1:18888]
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
}

pub const EXIT_STATUS: &str = "\
Exit status:
  0   it is ready
  1   it is running, and not ready
  2   the command line can't be understood
  4   the admin listener can't be reached";

const UNREACHABLE: u8 = 4;

/// Who asks by the second wants no old answer.
const TIME: Duration = Duration::from_secs(2);

pub fn run(args: &Args) -> ExitCode {
    let url = format!("{}/readyz", admin::url(args.admin.as_deref()).trim_end_matches('/'));
    // A proxy for the web has no business here.
    let config = Agent::config_builder().timeout_global(Some(TIME)).http_status_as_error(false).proxy(None).build();
    let answer = Agent::from(config).get(&url).call().and_then(|mut response| {
        let status = response.status();
        response.body_mut().read_to_string().map(|text| (status, text))
    });
    match answer {
        Ok((StatusCode::OK, text)) => {
            println!("{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Ok((status, text)) => {
            eprintln!("skep: not ready ({status}): {}", text.trim_end());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("skep: {url} can't be reached: {error}");
            ExitCode::from(UNREACHABLE)
        }
    }
}
