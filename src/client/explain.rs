//! What is wrong with a connection, in words for whoever gave the URL.

use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use rumqttc::v5::{ConnectionError, StateError};

use super::error::ConnectError;
use super::options::Options;

/// What rustls says of a bus that does not know what to do with TLS: it answers
/// something else, or hangs up.
const NO_TLS: [&str; 2] = ["InvalidContentType", "handshake eof"];

/// `connecting`: nothing has been answered yet, so the URL may be of another port.
pub fn explain(error: ConnectionError, options: &Options, connecting: bool) -> ConnectError {
    match error {
        ConnectionError::ConnectionRefused(code) => ConnectError::Refused(match code {
            ConnectReturnCode::BadUserNamePassword => "unknown user or wrong password".into(),
            ConnectReturnCode::NotAuthorized => "not authorized".into(),
            other => words(&format!("{other:?}")),
        }),
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
            match (reason_code, reason_string) {
                (DisconnectReasonCode::SessionTakenOver, _) => ConnectError::TakenOver,
                (_, Some(reason)) => ConnectError::Failed(format!("the bus disconnects: {reason}")),
                (code, None) => ConnectError::Failed(format!("the bus disconnects: {}", words(&format!("{code:?}")))),
            }
        }
        ConnectionError::Timeout(_) => ConnectError::Timeout(options.connect_timeout),
        ConnectionError::Io(error) => ConnectError::Failed(error.to_string()),
        ConnectionError::MqttState(StateError::Deserialization(_) | StateError::ConnectionAborted) if connecting => {
            let said = "no MQTT is answered; mqtt:// is for MQTT over TCP, mqtts:// for a port with TLS, ws:// and wss:// for \
                        WebSocket";
            ConnectError::Failed(said.into())
        }
        other => {
            let text = other.to_string();
            ConnectError::Failed(match (other, options.is_tls()) {
                (ConnectionError::Websocket(_), false) if text.contains("httparse") => {
                    "what comes is no HTTP; ws:// is for a WebSocket port without TLS, wss:// for one with it".into()
                }
                (_, true) if NO_TLS.iter().any(|said| text.contains(said)) => {
                    "TLS is not answered; mqtts:// and wss:// are for ports with TLS, mqtt:// and ws:// for those without"
                        .into()
                }
                _ => text,
            })
        }
    }
}

/// What `CamelCase` says, as text.
pub fn words(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(letter.to_lowercase());
    }
    text
}
