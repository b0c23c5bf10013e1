//! The command line: what there is to type, and what each command returns.

mod admin;
mod advice;
mod bench;
mod call;
mod check;
mod clients;
mod completions;
mod connect;
mod echo;
mod ending;
mod exec;
mod failure;
mod health;
mod import;
mod limits;
mod listen;
mod listing;
mod logging;
mod login;
mod man;
mod notify;
mod origin;
mod output;
mod params;
mod queues;
mod ready;
mod reload;
mod serve;
mod sessions;
mod settings;
mod supervisor;
mod table;
mod top;
mod user;
mod values;
mod welcome;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Two isolated MQTT buses and the JSON-RPC router between them, in one process.
///
/// Without a command, skep serves. Without a file and without options it listens
/// on 127.0.0.1 with the sample users. Each command's --help tells its exit
/// statuses.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_precedence_over_arg = true,
    after_help = EXAMPLES,
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    serve: serve::Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(after_long_help = serve::EXIT_STATUS)]
    Serve(serve::Args),
    Check(check::Args),
    Reload(reload::Args),
    User(user::Args),
    Call(call::Args),
    Top(top::Args),
    Exec(exec::Args),
    #[command(hide = true)]
    Reap(exec::ReapArgs),
    Sessions(sessions::Args),
    Queues(queues::Args),
    Clients(clients::Args),
    Notify(notify::Args),
    Listen(listen::Args),
    ServeEcho(echo::Args),
    Bench(bench::Args),
    Completions(completions::Args),
    Man(man::Args),
    #[command(after_long_help = health::EXIT_STATUS)]
    Health(health::Args),
    Import(import::Args),
}

impl Cli {
    /// Does what was asked for; the status is the process's.
    pub fn run(self) -> ExitCode {
        match self.command {
            None => serve::run(&self.serve),
            Some(Command::Serve(args)) => serve::run(&args),
            Some(Command::Check(args)) => check::run(&args),
            Some(Command::Reload(args)) => reload::run(&args),
            Some(Command::User(args)) => user::run(&args),
            Some(Command::Call(args)) => call::run(&args),
            Some(Command::Top(args)) => top::run(&args),
            Some(Command::Exec(args)) => exec::run(&args),
            Some(Command::Reap(args)) => exec::reap(&args),
            Some(Command::Sessions(args)) => sessions::run(&args),
            Some(Command::Queues(args)) => queues::run(&args),
            Some(Command::Clients(args)) => clients::run(&args),
            Some(Command::Notify(args)) => notify::run(&args),
            Some(Command::Listen(args)) => listen::run(&args),
            Some(Command::ServeEcho(args)) => echo::run(&args),
            Some(Command::Bench(args)) => bench::run(&args),
            Some(Command::Completions(args)) => completions::run(&args),
            Some(Command::Man(args)) => man::run(&args),
            Some(Command::Health(args)) => health::run(&args),
            Some(Command::Import(args)) => import::run(&args),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  skep                                     serve, with ./rumqttd.toml if it is there
  skep --data /var/lib/skep --set router.lanes=4
  skep --set frontend.frontend-1.listeners.ws.listen=127.0.0.1:0
                                           WebSocket on any free port
  SKEP_LOG=debug skep --log-format json    log everything, for programs
  skep check --config my.toml              what is in force, and where from
  skep import beekeeper /etc/beekeeper     settings from those of the framework
  skep call myapp.str.uc '{\"string\":\"hello\"}'
  skep exec -- cargo test                  a skep for as long as a command runs
  skep clients kick 7nXDsxMDwgLUSedX        disconnect a client of the skep here";
