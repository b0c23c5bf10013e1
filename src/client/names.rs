//! Names of services, methods and addresses, and the topics they become.

/// Longest name of a method or an address, in bytes: far from what a topic can
/// hold, with all that is put around it.
const MAX_NAME: usize = 1024;

/// `{service}.{method}`, where the service may have several levels.
#[derive(Clone, Copy)]
pub(super) struct Method<'a> {
    pub service: &'a str,
    pub name: &'a str,
}

impl<'a> Method<'a> {
    pub fn parse(text: &'a str) -> Option<Method<'a>> {
        let (service, name) = text.rsplit_once('.')?;
        is_dotted(text).then_some(Method { service, name })
    }

    /// Where its requests go on a backend.
    pub fn request_topic(&self, role: &str) -> String {
        format!("req/{role}/{}", levels(self.service))
    }

    /// Where notifications of this name go on a bus.
    pub fn notification_topic(&self, role: &str) -> String {
        format!("msg/{role}/{}/{}", levels(self.service), self.name)
    }
}

/// The filter under which the workers of a service share its requests.
pub(super) fn service_filter(role: &str, service: &str) -> String {
    format!("$share/BKPR/req/{role}/{}", levels(service))
}

/// `{frontend role}.{name}`, in its two parts.
pub(super) fn split_address(address: &str) -> Option<(&str, &str)> {
    let (role, name) = address.split_once('.')?;
    (address.len() <= MAX_NAME && is_level(role) && is_level(name)).then_some((role, name))
}

/// Which notifications somebody listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// `*`
    All,
    /// `{service}.*`, kept with its dot: all of the service and of those below it.
    Service(String),
    /// `{service}.{method}`
    Method(String),
}

impl Pattern {
    pub fn parse(text: &str) -> Option<Pattern> {
        if text == "*" {
            return Some(Pattern::All);
        }
        match text.strip_suffix(".*") {
            Some(service) => is_dotted(service).then(|| Pattern::Service(format!("{service}."))),
            None => Method::parse(text).map(|_| Pattern::Method(text.into())),
        }
    }

    pub fn filter(&self, role: &str) -> String {
        match self {
            Pattern::All => format!("msg/{role}/#"),
            Pattern::Service(service) => format!("msg/{role}/{}#", levels(service)),
            Pattern::Method(method) => format!("msg/{role}/{}", levels(method)),
        }
    }

    pub fn matches(&self, method: &str) -> bool {
        match self {
            Pattern::All => true,
            Pattern::Service(service) => method.starts_with(service),
            Pattern::Method(wanted) => method == wanted,
        }
    }
}

fn levels(dotted: &str) -> String {
    dotted.replace('.', "/")
}

pub(super) fn is_dotted(text: &str) -> bool {
    text.len() <= MAX_NAME && text.split('.').all(is_level)
}

/// Letters, digits, `_` and `-`: nothing that means something in a topic.
pub(super) fn is_level(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| is_word(byte) || byte == b'-')
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_becomes_topics() {
        let method = Method::parse("myapp.str-2.uc").unwrap();
        assert_eq!(method.request_topic("backend"), "req/backend/myapp/str-2");
        assert_eq!(method.notification_topic("frontend"), "msg/frontend/myapp/str-2/uc");
        assert_eq!(service_filter("backend", "myapp.str"), "$share/BKPR/req/backend/myapp/str");
        for bad in
            ["", "uc", ".uc", "a.", "a..b", "a/b.c", "a.#", "a.+", "a b.c", "ä.b", &format!("a.{}", "b".repeat(1100))]
        {
            assert!(Method::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_covers_what_its_filter_covers() {
        for (text, filter, inside, outside) in [
            ("*", "msg/f/#", &["a.b", "a.b.c"][..], &[][..]),
            ("a.b.*", "msg/f/a/b/#", &["a.b.c", "a.b.c.d"], &["a.b", "a.bb.c", "b.a.b.c"]),
            ("a.b", "msg/f/a/b", &["a.b"], &["a.bc", "a.b.c"]),
        ] {
            let pattern = Pattern::parse(text).unwrap();
            assert_eq!(pattern.filter("f"), filter);
            assert!(inside.iter().all(|method| pattern.matches(method)), "{text}");
            assert!(!outside.iter().any(|method| pattern.matches(method)), "{text}");
        }
        for bad in ["", "a", ".*", "a.*.b", "a*", "#", "a.#"] {
            assert_eq!(Pattern::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_is_a_role_and_a_name() {
        assert_eq!(split_address("frontend.user-1"), Some(("frontend", "user-1")));
        for bad in ["frontend", "frontend.", ".x", "frontend.a.b", "frontend.a@b", "f.a/b"] {
            assert_eq!(split_address(bad), None, "{bad}");
        }
    }
}
