//! What options and arguments take: names, times, numbers.

use std::time::Duration;

/// A dotted name of at least two levels, which become levels of a topic.
pub fn method(text: &str) -> Result<String, String> {
    match text.contains('.') && text.split('.').all(is_level) {
        true => Ok(text.to_owned()),
        false => Err("expected a service and a method, such as myapp.str.uc".to_owned()),
    }
}

/// A dotted name of at least one level.
pub fn service(text: &str) -> Result<String, String> {
    match text.split('.').all(is_level) {
        true => Ok(text.to_owned()),
        false => Err("expected the name of a service, such as myapp.str".to_owned()),
    }
}

/// `*`, `{service}.*` or `{service}.{method}`.
pub fn pattern(text: &str) -> Result<String, String> {
    let good = match text.strip_suffix('*') {
        Some("") => true,
        Some(service) => service.strip_suffix('.').is_some_and(|service| service.split('.').all(is_level)),
        None => method(text).is_ok(),
    };
    match good {
        true => Ok(text.to_owned()),
        false => Err("expected a method such as myapp.chat.message, a service such as myapp.chat.*, or *".to_owned()),
    }
}

/// `{frontend role}.{name}`
pub fn address(text: &str) -> Result<String, String> {
    match text.split_once('.') {
        Some((role, name)) if is_level(role) && is_level(name) => Ok(text.to_owned()),
        _ => Err("expected a frontend's role and a name, such as frontend.user-123".to_owned()),
    }
}

/// A level of a topic, too.
pub fn role(text: &str) -> Result<String, String> {
    match is_level(text) {
        true => Ok(text.to_owned()),
        false => Err("expected letters, digits, \"_\" and \"-\"".to_owned()),
    }
}

fn is_level(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    !text.is_empty() && text.bytes().all(plain)
}

/// At most a day, so that it can be added to any point in time.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= DAY => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a number of seconds above 0 and up to 86400".to_owned()),
    }
}

/// As [`seconds`], or none at all.
pub fn seconds_or_none(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=DAY).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a number of seconds, from 0 to 86400".to_owned()),
    }
}

const DAY: f64 = 86_400.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_topics_can_be_made_of() {
        for (parse, good, bad) in [
            (method as fn(&str) -> Result<String, String>, &["a.b", "a-1.b_2.c"][..], &["a", "", "a.", "a.#"][..]),
            (service, &["a", "a.b"], &["", ".a", "a..b", "a/b", "a.*"]),
            (pattern, &["*", "a.*", "a.b.*", "a.b"], &["", "a", ".*", "a*", "a.*.b", "#", "**"]),
            (address, &["frontend.user-1"], &["frontend", "frontend.", ".u", "f.a.b", "f.a@b"]),
            (role, &["backend"], &["", "a.b", "a/b"]),
        ] {
            assert!(good.iter().all(|text| parse(text).as_deref() == Ok(text)), "{good:?}");
            assert!(bad.iter().all(|text| parse(text).is_err()), "{bad:?}");
        }
    }

    #[test]
    fn times_can_be_added_to_any_point_in_time() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds_or_none("0"), Ok(Duration::ZERO));
        for bad in ["0", "-1", "NaN", "inf", "86401", "x", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
            assert!(bad == "0" || seconds_or_none(bad).is_err(), "{bad}");
        }
    }
}
