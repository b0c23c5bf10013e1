//! Names on the wire, and the forms they must have.

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| is_word(byte) || byte == b'-')
}

/// `\w{16,23}`: what a caller's client id looks like.
pub fn is_caller_id(id: &str) -> bool {
    (16..=23).contains(&id.len()) && id.bytes().all(is_word)
}

/// `\w{16,}`: what may be bound.
pub fn is_bindable_id(id: &str) -> bool {
    id.len() >= 16 && id.bytes().all(is_word)
}

/// `^req(?:/(?!_)[\w-]+)+$`: where a client's request may go. A level that
/// begins with `_` is the framework's own.
pub fn is_request_topic(topic: &str) -> bool {
    match topic.strip_prefix("req/") {
        Some(levels) => levels.split('/').all(|level| is_name(level) && !level.starts_with('_')),
        None => false,
    }
}

/// `^priv/\w+@[\w-]+$`, in its two parts: the caller's topic and its frontend.
pub fn split_caller_addr(addr: &str) -> Option<(&str, &str)> {
    let (topic, frontend) = addr.split_once('@')?;
    let id = topic.strip_prefix("priv/")?;
    (!id.is_empty() && id.bytes().all(is_word) && is_name(frontend)).then_some((topic, frontend))
}

/// `^[\w-]+\.[\w-]+$`, in its two parts: the frontend's role and the rest.
pub fn split_address(address: &str) -> Option<(&str, &str)> {
    let (role, rest) = address.split_once('.')?;
    (is_name(role) && is_name(rest)).then_some((role, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reaches_no_service_of_the_framework() {
        for good in ["req/backend/a", "req/backend/my-app/x_1", "req/a"] {
            assert!(is_request_topic(good), "{good}");
        }
        for bad in [
            "req",
            "req/",
            "req//a",
            "req/backend/_bkpr/router",
            "req/_x",
            "msg/a",
            "req/a/#",
            "req/+",
            "req/a b",
            "req/backend/a/",
            "req/bäckend",
            "xreq/a",
            "req/a\n",
        ] {
            assert!(!is_request_topic(bad), "{bad}");
        }
    }

    #[test]
    fn ids_and_addresses_have_their_forms() {
        assert!(is_caller_id("7nXDsxMDwgLUSedX") && is_caller_id(&"x".repeat(23)));
        assert!(!is_caller_id("short") && !is_caller_id(&"x".repeat(24)) && !is_caller_id("7nXDsxMDwgLUSed/"));
        assert_eq!(split_caller_addr("priv/abc@frontend-1"), Some(("priv/abc", "frontend-1")));
        for bad in ["priv/abc", "priv/@f", "priv/a@", "priv/a/b@f", "priv/a@f@g", "x/abc@f"] {
            assert_eq!(split_caller_addr(bad), None, "{bad}");
        }
        assert_eq!(split_address("frontend.user-1"), Some(("frontend", "user-1")));
        for bad in ["frontend", "frontend.", ".x", "frontend.a.b", "frontend.a b"] {
            assert_eq!(split_address(bad), None, "{bad}");
        }
    }
}
