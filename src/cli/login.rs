//! A call that a command makes before all else, on the connection that it then
//! uses: a login, after which pushes reach it and its calls are a user's.

use anyhow::Context;
use serde_json::Value;
use skep::client::Client;

use super::connect::Endpoint;
use super::failure::Failure;
use super::params;
use super::values;

#[derive(Debug, clap::Args)]
pub struct LoginArgs {
    /// Make this call first, on the same connection: as its user, pushes to the
    /// user's address come, too
    #[arg(long, action = clap::ArgAction::Set, num_args = 2, value_names = ["METHOD", "PARAMS"])]
    login: Vec<String>,
}

impl LoginArgs {
    /// The call to make, with what it is to be given.
    ///
    /// # Errors
    /// It is no method, or the parameters are not JSON.
    pub fn call(&self) -> anyhow::Result<Option<(String, Value)>> {
        // clap takes both or none.
        let [method, params] = self.login.as_slice() else { return Ok(None) };
        let method = values::method(method).map_err(|error| anyhow::anyhow!("--login {method:?}: {error}"))?;
        Ok(Some((method, params::parse(params).context("--login")?)))
    }

    /// Makes the call, if there is one to make.
    ///
    /// # Errors
    /// It fails.
    pub async fn log_in(&self, client: &Client, endpoint: &Endpoint) -> Result<(), Failure> {
        let Some((method, params)) = self.call()? else { return Ok(()) };
        let answer: Result<Value, _> = client.call(&method, params).await;
        answer.map(drop).map_err(|error| Failure::of_call(error, &endpoint.place, &method))
    }
}
