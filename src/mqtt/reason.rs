//! Reason codes (section 2.4 of the MQTT 5 specification).

use std::fmt;

macro_rules! reasons {
    ($($name:ident = $code:literal $text:literal,)*) => {
        /// Why: the outcome that an acknowledgement or a DISCONNECT carries.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($name = $code,)* }

        impl TryFrom<u8> for Reason {
            type Error = u8;

            fn try_from(code: u8) -> Result<Reason, u8> {
                match code {
                    $($code => Ok(Reason::$name),)*
                    unknown => Err(unknown),
                }
            }
        }

        impl fmt::Display for Reason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Reason::$name => $text,)* })
            }
        }
    };
}

reasons! {
    Success = 0x00 "success",
    GrantedQos1 = 0x01 "granted QoS 1",
    GrantedQos2 = 0x02 "granted QoS 2",
    DisconnectWithWill = 0x04 "disconnect with will message",
    NoMatchingSubscribers = 0x10 "no matching subscribers",
    NoSubscriptionExisted = 0x11 "no subscription existed",
    ContinueAuthentication = 0x18 "continue authentication",
    ReAuthenticate = 0x19 "re-authenticate",
    UnspecifiedError = 0x80 "unspecified error",
    MalformedPacket = 0x81 "malformed packet",
    ProtocolError = 0x82 "protocol error",
    ImplementationSpecificError = 0x83 "implementation specific error",
    UnsupportedProtocolVersion = 0x84 "unsupported protocol version",
    ClientIdentifierNotValid = 0x85 "client identifier not valid",
    BadUserNameOrPassword = 0x86 "bad user name or password",
    NotAuthorized = 0x87 "not authorized",
    ServerUnavailable = 0x88 "server unavailable",
    ServerBusy = 0x89 "server busy",
    Banned = 0x8A "banned",
    ServerShuttingDown = 0x8B "server shutting down",
    BadAuthenticationMethod = 0x8C "bad authentication method",
    KeepAliveTimeout = 0x8D "keep alive timeout",
    SessionTakenOver = 0x8E "session taken over",
    TopicFilterInvalid = 0x8F "topic filter invalid",
    TopicNameInvalid = 0x90 "topic name invalid",
    PacketIdentifierInUse = 0x91 "packet identifier in use",
    PacketIdentifierNotFound = 0x92 "packet identifier not found",
    ReceiveMaximumExceeded = 0x93 "receive maximum exceeded",
    TopicAliasInvalid = 0x94 "topic alias invalid",
    PacketTooLarge = 0x95 "packet too large",
    MessageRateTooHigh = 0x96 "message rate too high",
    QuotaExceeded = 0x97 "quota exceeded",
    AdministrativeAction = 0x98 "administrative action",
    PayloadFormatInvalid = 0x99 "payload format invalid",
    RetainNotSupported = 0x9A "retain not supported",
    QosNotSupported = 0x9B "QoS not supported",
    UseAnotherServer = 0x9C "use another server",
    ServerMoved = 0x9D "server moved",
    SharedSubscriptionsNotSupported = 0x9E "shared subscriptions not supported",
    ConnectionRateExceeded = 0x9F "connection rate exceeded",
    MaximumConnectTime = 0xA0 "maximum connect time",
    SubscriptionIdentifiersNotSupported = 0xA1 "subscription identifiers not supported",
    WildcardSubscriptionsNotSupported = 0xA2 "wildcard subscriptions not supported",
}

impl Reason {
    pub fn code(self) -> u8 {
        self as u8
    }

    pub fn is_error(self) -> bool {
        self.code() >= 0x80
    }

    /// The CONNACK return code of MQTT 3.1.1 that says the same, as well as
    /// its six codes can.
    pub fn connect_return_code(self) -> u8 {
        match self {
            Reason::Success => 0,
            Reason::UnsupportedProtocolVersion => 1,
            Reason::ClientIdentifierNotValid => 2,
            Reason::BadUserNameOrPassword => 4,
            Reason::NotAuthorized | Reason::Banned | Reason::BadAuthenticationMethod => 5,
            _ => 3,
        }
    }
}
