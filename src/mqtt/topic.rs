//! Topic names and topic filters (section 4.7).

/// A filter, or a shared subscription, that can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    #[error("not a topic filter: `#` is only for the last level, `+` and `#` only for whole levels")]
    Filter,
    #[error("not a shared subscription: `$share/{{group}}/{{filter}}`, no `+` or `#` in the group")]
    Share,
}

/// Longest topic or filter, in bytes [MQTT-4.7.3-3].
const MAX_LEN: usize = u16::MAX as usize;

/// Not empty, and without wildcards or U+0000 [MQTT-4.7.0-1] [MQTT-4.7.3-1]
/// [MQTT-4.7.3-2].
#[inline]
pub fn valid_topic(topic: &str) -> bool {
    !topic.is_empty() && topic.len() <= MAX_LEN && !topic.bytes().any(|byte| matches!(byte, b'+' | b'#' | 0))
}

/// Wildcards only as whole levels, `#` only as the last one.
pub fn valid_filter(filter: &str) -> bool {
    if filter.is_empty() || filter.len() > MAX_LEN || filter.contains('\0') {
        return false;
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let wildcard = level.contains(['+', '#']);
        if wildcard && (level.len() > 1 || (level == "#" && levels.peek().is_some())) {
            return false;
        }
    }
    true
}

/// Whether a valid filter matches a valid topic. Wildcards at the first level
/// do not match topics that begin with `$` [MQTT-4.7.2-1].
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            ("#", _) => return true,
            (_, None) => return false,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// Group and filter of a shared subscription; `None`: an ordinary filter.
///
/// # Errors
/// It begins with `$share/` and is none [MQTT-4.8.2-1] [MQTT-4.8.2-2].
pub fn parse_share(filter: &str) -> Option<Result<(&str, &str), TopicError>> {
    let shared = filter.strip_prefix("$share/")?;
    let Some((group, filter)) = shared.split_once('/') else { return Some(Err(TopicError::Share)) };
    if group.is_empty() || group.contains(['+', '#']) {
        return Some(Err(TopicError::Share));
    }
    Some(if valid_filter(filter) { Ok((group, filter)) } else { Err(TopicError::Filter) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_matches_its_parent_and_all_below() {
        for (filter, topic, expected) in [
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/#", "ab", false),
            ("#", "a/b", true),
            ("#", "$SYS/a", false),
            ("+/a", "$SYS/a", false),
            ("$SYS/#", "$SYS/a", true),
            ("+", "a", true),
            ("+", "a/b", false),
            ("+/+", "/a", true),
            ("/+", "/a", true),
            ("a/+", "a/", true),
            ("a/+", "a", false),
            ("a/b", "a/b", true),
            ("a/b", "a/b/", false),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} matches {topic}");
        }
    }

    #[test]
    fn wildcards_stand_for_whole_levels() {
        for good in ["#", "+", "a/#", "a/+/b", "/", "//", "+/#", "$share", "a b"] {
            assert!(valid_filter(good), "{good}");
        }
        for bad in ["", "a#", "#/a", "a/b#", "a+", "+a/b", "a/#/b", "a\0b"] {
            assert!(!valid_filter(bad), "{bad}");
        }
    }

    #[test]
    fn a_shared_subscription_has_a_group_and_a_filter() {
        assert_eq!(parse_share("$share/g/a/#"), Some(Ok(("g", "a/#"))));
        assert_eq!(parse_share("a/$share/g"), None);
        for bad in ["$share/", "$share/g", "$share//a", "$share/g+/a", "$share/g/", "$share/g/a#"] {
            assert!(matches!(parse_share(bad), Some(Err(_))), "{bad}");
        }
    }
}
