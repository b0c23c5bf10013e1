//! The router's own calls, `_bkpr.router.bind`, `unbind` and `sessions`; and the answers to
//! requests on a backend that nobody will serve.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::bindings::{Binding, JournalError};
use crate::bus::{Batch, Bus, EventKind, Hook, Inbound, Message, Publication, Undeliverable};
use crate::mqtt::{QoS, Reason, UserProperties, response_topic, write_user_property};

use super::jsonrpc::{self, RpcError};
use super::names::{is_bindable_id, split_address, split_caller_addr};
use super::presence::Devices;
use super::{Core, console};

/// Takes from `req/{backend role}/_bkpr/router` on one backend.
pub struct Calls {
    core: Arc<Core>,
    backend: Box<str>,
    token: String,
}

/// Where the answer to a call goes.
struct Caller {
    backend: Bus,
    topic: String,
    addr: Option<String>,
    id: Box<RawValue>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    params: Value,
}

/// Longest parameter that names something, in bytes.
const MAX_NAME: usize = 1024;

/// A parameter that can't be.
struct BadParam(String);

impl Calls {
    pub fn new(core: &Arc<Core>, backend: &str, token: String) -> Calls {
        Calls { core: Arc::clone(core), backend: backend.into(), token }
    }

    fn call(&self, caller: Option<Caller>, method: &str, params: &Value, batch: &mut Batch) {
        let outcome = match method {
            "_bkpr.router.bind" => self.bind(params, caller),
            "_bkpr.router.sessions" => self.sessions(params, caller, batch),
            "_bkpr.router.unbind" => self.unbind(params, caller),
            _ => {
                answer(caller, Err(jsonrpc::METHOD_NOT_FOUND), batch);
                return;
            }
        };
        if let Err((caller, BadParam(what))) = outcome {
            answer(
                caller,
                Err(RpcError { code: -32602, message: &format!("Invalid params: {what}"), data: None }),
                batch,
            );
        }
    }

    fn bind(&self, params: &Value, caller: Option<Caller>) -> Result<(), (Option<Caller>, BadParam)> {
        let bad = |caller, what: String| Err((caller, BadParam(what)));
        let caller_id = match string(params, "caller_id") {
            Ok(Some(id)) if is_bindable_id(id) => id,
            Ok(Some(id)) => return bad(caller, format!("caller_id {id:?} is not 16 or more letters, digits or _")),
            Ok(None) => return bad(caller, "caller_id is missing".into()),
            Err(what) => return bad(caller, what),
        };
        let (topic, frontend) = match string(params, "caller_addr") {
            Ok(Some(addr)) => match split_caller_addr(addr) {
                Some(parts) => parts,
                None => return bad(caller, format!("caller_addr {addr:?} is not priv/{{client id}}@{{frontend id}}")),
            },
            Ok(None) => return bad(caller, "caller_addr is missing".into()),
            Err(what) => return bad(caller, what),
        };
        let address = match string(params, "address").map(|address| address.map(|text| (text, split_address(text)))) {
            Ok(None) => None,
            Ok(Some((text, Some((role, _))))) if self.core.frontends_of(role).next().is_some() => Some(text),
            Ok(Some((text, _))) => {
                return bad(caller, format!("address {text:?} is not {{frontend role}}.{{name}} of a frontend here"));
            }
            Err(what) => return bad(caller, what),
        };
        let auth: Cow<'_, str> = match &params["auth_data"] {
            Value::Null => "".into(),
            Value::String(text) => text.into(),
            // The framework's languages make no difference between 7 and "7".
            Value::Number(number) => number.to_string().into(),
            _ => return bad(caller, "auth_data is neither a string nor a number".into()),
        };
        if auth.len() > u16::MAX as usize {
            return bad(caller, format!("auth_data has {} bytes, at most 65535 are allowed", auth.len()));
        }
        if auth.contains('\0') {
            // No MQTT string may [MQTT-1.5.4-2]: it would end the connection of
            // whoever got it in a property.
            return bad(caller, "auth_data has a null character in it".into());
        }
        let binding = Binding { caller: caller_id, topic, frontend, address, auth: &auth };
        self.core.bindings.bind(binding, move |done| answer_done(caller, done));
        Ok(())
    }

    /// How many devices an address has now.
    fn sessions(
        &self,
        params: &Value,
        caller: Option<Caller>,
        batch: &mut Batch,
    ) -> Result<(), (Option<Caller>, BadParam)> {
        let bad = |caller, what: String| Err((caller, BadParam(what)));
        let address = match string(params, "address") {
            Ok(Some(address)) if split_address(address).is_some() => address,
            Ok(Some(address)) => return bad(caller, format!("address {address:?} is not {{frontend role}}.{{name}}")),
            Ok(None) => return bad(caller, "address is missing".into()),
            Err(what) => return bad(caller, what),
        };
        let Devices { online, bound } = self.core.devices(address);
        answer(caller, Ok(json!({ "address": address, "online": online, "bound": bound })), batch);
        Ok(())
    }

    fn unbind(&self, params: &Value, caller: Option<Caller>) -> Result<(), (Option<Caller>, BadParam)> {
        let bad = |caller, what: String| Err((caller, BadParam(what)));
        let caller_id = match string(params, "caller_id") {
            Ok(Some(id)) if !is_bindable_id(id) => {
                return bad(caller, format!("caller_id {id:?} is not 16 or more letters, digits or _"));
            }
            Ok(id) => id,
            Err(what) => return bad(caller, what),
        };
        let address = match string(params, "address") {
            Ok(Some(address)) if split_address(address).is_none() => {
                return bad(caller, format!("address {address:?} is not {{frontend role}}.{{name}}"));
            }
            Ok(address) => address,
            Err(what) => return bad(caller, what),
        };
        let bindings = &self.core.bindings;
        match (caller_id, address) {
            (None, None) => return bad(caller, "neither caller_id nor address is given".into()),
            (Some(id), None) => bindings.unbind_caller(id, move |done| answer_done(caller, done)),
            (None, Some(address)) => bindings.unbind_address(address, move |done| answer_done(caller, done)),
            (Some(id), Some(address)) => {
                let (bindings, address) = (bindings.clone(), address.to_owned());
                bindings.clone().unbind_caller(id, move |done| match done {
                    Ok(()) => bindings.unbind_address(&address, move |done| answer_done(caller, done)),
                    Err(error) => answer_done(caller, Err(error)),
                });
            }
        }
        Ok(())
    }
}

/// A string parameter; null counts as missing.
fn string<'p>(params: &'p Value, name: &str) -> Result<Option<&'p str>, String> {
    match &params[name] {
        Value::Null => Ok(None),
        // It has to fit into a property or a topic.
        Value::String(text) if text.len() > MAX_NAME => {
            Err(format!("{name} has {} bytes, at most {MAX_NAME} are allowed", text.len()))
        }
        Value::String(text) => Ok(Some(text)),
        other => Err(format!("{name} {other} is not a string")),
    }
}

/// The journal has done, or failed to do, what was asked.
fn answer_done(caller: Option<Caller>, done: Result<(), JournalError>) {
    let text = done.as_ref().err().map(ToString::to_string);
    let error = RpcError { code: -32603, message: "Internal error", data: text.as_deref() };
    let mut batch = Batch::new();
    answer(caller, done.map(|()| Value::from(1)).map_err(|_| error), &mut batch);
    batch.put_off();
}

fn answer(caller: Option<Caller>, outcome: Result<Value, RpcError<'_>>, batch: &mut Batch) {
    let Some(Caller { backend, topic, addr, id }) = caller else { return };
    let payload = match outcome {
        Ok(result) => jsonrpc::result_response(&id, result),
        Err(error) => jsonrpc::response(Some(&id), None, Some(error)),
    };
    let mut properties = Vec::new();
    if let Some(addr) = &addr {
        write_user_property(&mut properties, "addr", addr);
    }
    let mut response = Publication::new(&topic, &properties, &payload);
    response.qos = QoS::AtLeastOnce;
    backend.publish(&response, batch);
}

impl Hook for Calls {
    fn publish(&self, publish: &Inbound<'_>, batch: &mut Batch) -> Reason {
        let Some(backend) = self.core.backend(&self.backend) else { return Reason::ImplementationSpecificError };
        let user = publish.properties.user();
        let addr = user.get("addr");
        let Ok(call) = serde_json::from_slice::<Call<'_>>(publish.payload) else {
            if let Some(topic) = publish.properties.response_topic {
                let error = match serde_json::from_slice::<serde::de::IgnoredAny>(publish.payload) {
                    Ok(_) => jsonrpc::INVALID_REQUEST,
                    Err(_) => jsonrpc::PARSE_ERROR,
                };
                self.core.answer_error(backend, topic, addr, publish.payload, error, batch);
            }
            return Reason::PayloadFormatInvalid;
        };
        let caller = match (publish.properties.response_topic, call.id) {
            (Some(topic), Some(id)) => Some(Caller {
                backend: backend.clone(),
                topic: topic.into(),
                addr: addr.map(Into::into),
                id: id.to_owned(),
            }),
            _ => None,
        };
        let token = user.get("auth").unwrap_or_default();
        if !bool::from(self.token.as_bytes().ct_eq(token.as_bytes())) {
            self.core.stats.unauthorized_calls.add(1);
            let what = call.method.as_deref().unwrap_or_default();
            self.core.events.add(EventKind::Denied, &self.backend, publish.client, what, "without the router token");
            tracing::debug!(bus = &*self.backend, client = publish.client, "router call without the router token");
            answer(caller, Err(jsonrpc::NOT_AUTHORIZED), batch);
            return Reason::NotAuthorized;
        }
        match call.method {
            Some(method) => self.call(caller, &method, &call.params, batch),
            None => answer(caller, Err(jsonrpc::INVALID_REQUEST), batch),
        }
        Reason::Success
    }

    /// Somebody's request will not be served: the caller hears of it at once
    /// instead of waiting for its timeout.
    fn undeliverable(&self, message: &Arc<Message>, why: Undeliverable, batch: &mut Batch) {
        let error = match why {
            Undeliverable::Unserved => jsonrpc::NOT_AVAILABLE,
            Undeliverable::SetAside => jsonrpc::KILLED_WORKERS,
            Undeliverable::Expired => jsonrpc::REQUEST_TIMEOUT,
            Undeliverable::NoRoom => jsonrpc::OVERLOADED,
            Undeliverable::TooLarge => jsonrpc::TOO_LARGE,
        };
        let Some(topic) = response_topic(message.properties()) else { return };
        let addr = UserProperties::new(message.properties()).get("addr");
        // A request that came from a frontend is answered there.
        let from_frontend = addr.and_then(split_caller_addr).filter(|_| topic.starts_with("res/"));
        let client = from_frontend.map_or(topic, |(mailbox, _)| mailbox);
        let client = match client {
            console::TOPIC => "console",
            other => other.strip_prefix("priv/").unwrap_or(other),
        };
        self.core.note_error(&self.backend, client, message.topic(), &error);
        if let Some((mailbox, frontend)) = from_frontend {
            if let Some(bus) = self.core.frontend(frontend) {
                self.core.answer_error(bus, mailbox, None, message.payload(), error, batch);
            }
        } else if let Some(bus) = self.core.backend(&self.backend) {
            self.core.answer_error(bus, topic, addr, message.payload(), error, batch);
        }
    }
}
