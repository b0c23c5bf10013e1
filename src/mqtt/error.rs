//! What is wrong with a packet.

use std::borrow::Cow;

use super::Reason;

/// A packet that breaks the specification.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{packet}: {detail}")]
pub struct DecodeError {
    /// To end the connection with.
    pub reason: Reason,
    /// Name of the packet, such as `PUBLISH`.
    pub packet: &'static str,
    /// The field, what was found and what was expected.
    pub detail: Cow<'static, str>,
}

impl DecodeError {
    pub(super) fn malformed(packet: &'static str, detail: impl Into<Cow<'static, str>>) -> DecodeError {
        DecodeError { reason: Reason::MalformedPacket, packet, detail: detail.into() }
    }

    pub(super) fn protocol(packet: &'static str, detail: impl Into<Cow<'static, str>>) -> DecodeError {
        DecodeError { reason: Reason::ProtocolError, packet, detail: detail.into() }
    }

    pub(super) fn new(reason: Reason, packet: &'static str, detail: impl Into<Cow<'static, str>>) -> DecodeError {
        DecodeError { reason, packet, detail: detail.into() }
    }
}
