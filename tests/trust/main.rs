//! Who is let in: TLS and certificates, hashed passwords, tokens, and what may
//! fail how often. Against a real skep, with real clients.

#[path = "../support/certificates.rs"]
mod certificates;
mod logins;
#[path = "../support/mod.rs"]
#[allow(unused_imports, reason = "each test binary uses its own part of this")]
mod support;
mod tls;
mod tokens;
