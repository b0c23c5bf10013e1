//! Serving: handlers by service and method, put to work on a backend.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::caller::{Client, Serves};
use super::error::ConnectError;
use super::names::{Method, is_dotted, service_filter};
use super::options::Options;
use super::request::Request;
use super::rpc::RpcError;
use super::shift::Shift;

/// In place of the name of a method: those that have no handler of their own.
const REST: &str = "*";

pub(super) type Answered = Pin<Box<dyn Future<Output = Result<Value, RpcError>> + Send>>;
pub(super) type Handler = Arc<dyn Fn(Request, Value) -> Answered + Send + Sync>;

/// A worker in the making: what it serves, and how much at once.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use skep::client::{Options, RpcError, Worker};
///
/// #[derive(serde::Deserialize)]
/// struct Transfer { to: String, amount: u32 }
///
/// let options = Options::backend("mqtt://127.0.0.1:1883")?.login("backend", "def456");
/// let worker = Worker::new(options)
///     .serve("myapp.math", "add", |_, (a, b): (i64, i64)| async move { Ok(a + b) })
///     .serve("myapp.bank", "transfer", |request, Transfer { to, amount }| async move {
///         let Some(from) = &request.auth else { return Err(RpcError::of_code(RpcError::NOT_LOGGED_IN)) };
///         // A call of another service, in the name of who called us.
///         let balance: u32 = request.client().call("myapp.bank.balance", ()).await?;
///         Ok(format!("{amount} of {balance} from {from} to {to}"))
///     });
/// worker.run(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await?;
/// # Ok(())
/// # }
/// ```
///
/// # What is guaranteed
/// A request is acknowledged once its response is out. If the worker dies
/// before, the bus gives it to another: a request may be served twice, see
/// [`Request::redelivered`], and is never lost.
///
/// If the connection is lost, it is made again. Handlers at work finish, but
/// what they answer is dropped: the bus has given those requests to others. The
/// worker begins no more than its concurrency allows, all connections together.
pub struct Worker {
    options: Options,
    concurrency: u16,
    /// By `{service}.{method}`, or [`REST`] for a method.
    handlers: HashMap<String, Handler>,
    services: Vec<String>,
}

impl Worker {
    pub fn new(options: Options) -> Worker {
        Worker { options, concurrency: 1, handlers: HashMap::new(), services: Vec::new() }
    }

    /// Requests that are worked on at once, which is what is told to the bus as
    /// Receive Maximum; 1 unless set, and 0 counts as 1. The bus gives a request to
    /// the worker that has most room, so with much more of it than others one
    /// gets more work.
    pub fn concurrency(mut self, requests: u16) -> Worker {
        self.concurrency = requests.max(1);
        self
    }

    /// Has `handler` answer calls of `{service}.{method}`, in place of any that
    /// did before. Its parameters and its result are any types that serde knows,
    /// [`Value`] among them, or `()` for none.
    ///
    /// A request without parameters, one with `{}` and one with `[]` are the same.
    /// Parameters that it does not take are answered with -32602, methods of the
    /// service that nobody handles with -32601, and if it panics, -32603.
    ///
    /// It shares threads with everything else in its tokio runtime: what takes
    /// long without an await belongs in `tokio::task::spawn_blocking`.
    pub fn serve<P, R, F, A>(self, service: &str, method: &str, handler: F) -> Worker
    where
        P: DeserializeOwned,
        R: Serialize,
        F: Fn(Request, P) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, RpcError>> + Send + 'static,
    {
        self.handle(service, method, handler)
    }

    /// Has `handler` answer calls of all methods of the service that no other
    /// handler answers, as for [`Worker::serve`]; which one it is, is in
    /// [`Request::method`].
    pub fn serve_rest<P, R, F, A>(self, service: &str, handler: F) -> Worker
    where
        P: DeserializeOwned,
        R: Serialize,
        F: Fn(Request, P) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, RpcError>> + Send + 'static,
    {
        self.handle(service, REST, handler)
    }

    fn handle<P, R, F, A>(mut self, service: &str, method: &str, handler: F) -> Worker
    where
        P: DeserializeOwned,
        R: Serialize,
        F: Fn(Request, P) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, RpcError>> + Send + 'static,
    {
        let handler = move |request, params| -> Answered {
            let params = match read_params(params) {
                Ok(params) => params,
                Err(error) => {
                    let error = RpcError::new(RpcError::INVALID_PARAMS, format!("Invalid params: {error}"));
                    return Box::pin(std::future::ready(Err(error)));
                }
            };
            let answer = handler(request, params);
            Box::pin(async move {
                serde_json::to_value(answer.await?).map_err(|error| {
                    tracing::error!("the result can't be written as JSON: {error}");
                    RpcError::of_code(RpcError::INTERNAL_ERROR)
                })
            })
        };
        self.handlers.insert(format!("{service}.{method}"), Arc::new(handler));
        if !self.services.iter().any(|known| known == service) {
            self.services.push(service.into());
        }
        self
    }

    /// Puts it to work; comes back when the bus has let it in and granted it all
    /// its services.
    ///
    /// # Errors
    /// The bus can't be reached, or does not let us in; a service or a method has
    /// a name that can't be.
    pub async fn start(self) -> Result<Serving, ConnectError> {
        let is_good = |name: &str| match name.strip_suffix(REST) {
            Some(service) => service.strip_suffix('.').is_some_and(is_dotted),
            None => Method::parse(name).is_some(),
        };
        if let Some(bad) = self.handlers.keys().find(|name| !is_good(name)) {
            return Err(ConnectError::Method(bad.clone()));
        }
        let role = self.options.backend_role.clone();
        let filters = self.services.iter().map(|service| service_filter(&role, service)).collect();
        let (work, incoming) = mpsc::unbounded_channel();
        let serves = Serves { receive_maximum: self.concurrency, filters, work };
        let client = Client::open(self.options, Some(serves)).await?;
        let (stop, stopped) = oneshot::channel();
        let shift = Shift::new(client.clone(), self.handlers, self.concurrency, incoming);
        Ok(Serving { client, stop, task: tokio::spawn(shift.run(stopped)) })
    }

    /// Works until `stop` is done; then takes no more, finishes what it holds,
    /// and leaves.
    ///
    /// # Errors
    /// As for [`Worker::start`]; or the connection was taken over. One that is
    /// lost is made again.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ConnectError> {
        let serving = self.start().await?;
        tokio::select! {
            () = stop => {
                serving.stop().await;
                Ok(())
            }
            why = serving.ended() => Err(why),
        }
    }
}

/// Whoever answers calls of a method.
pub(super) fn handler_of<'h>(handlers: &'h HashMap<String, Handler>, method: &str) -> Option<&'h Handler> {
    handlers.get(method).or_else(|| {
        let (service, _) = method.rsplit_once('.')?;
        handlers.get(&format!("{service}.{REST}"))
    })
}

/// Callers have several ways to give no parameters, as have types to take none.
fn read_params<P: DeserializeOwned>(params: Value) -> serde_json::Result<P> {
    let none = [Value::Null, Value::Object(Default::default()), Value::Array(Vec::new())];
    if !none.contains(&params) {
        return serde_json::from_value(params);
    }
    let others = none.into_iter().filter(|other| *other != params);
    let mut others = others.filter_map(|other| serde_json::from_value(other).ok());
    serde_json::from_value(params.clone()).or_else(|error| others.next().ok_or(error))
}

/// A worker at work. Dropping it stops it as [`Serving::stop`] does, without
/// waiting.
pub struct Serving {
    client: Client,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Serving {
    /// A client on the worker's own connection: to notify, to listen, and to call
    /// other services in nobody's name.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Takes no more requests, finishes those that it holds, acknowledges them,
    /// and leaves. Comes back when that is done, however long handlers take.
    pub async fn stop(self) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }

    /// Waits for an end that nobody here asked for.
    pub async fn ended(&self) -> ConnectError {
        self.client.connection().ended().await
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Optional {
        x: u8,
    }

    #[test]
    fn no_parameters_are_taken_however_they_are_not_given() {
        for none in [json!(null), json!({}), json!([])] {
            assert_eq!(read_params::<()>(none.clone()).ok(), Some(()), "{none}");
            assert_eq!(read_params::<Optional>(none.clone()).ok(), Some(Optional { x: 0 }), "{none}");
            assert_eq!(read_params::<Vec<u8>>(none.clone()).ok(), Some(Vec::new()), "{none}");
            assert_eq!(read_params::<Option<u8>>(none.clone()).ok(), Some(None), "{none}");
            assert_eq!(read_params::<Value>(none.clone()).ok(), Some(none.clone()), "untouched");
            assert!(read_params::<String>(none.clone()).is_err(), "{none}");
            assert!(read_params::<(u8,)>(none).is_err());
        }
        assert_eq!(read_params::<Optional>(json!({ "x": 1 })).ok(), Some(Optional { x: 1 }));
        assert!(read_params::<()>(json!({ "x": 1 })).is_err());
    }
}
