//! Topic patterns of access rules: topic filters in which `%c` and `%u` may
//! stand for a whole level.

/// Checks the form of a pattern; the error says what is wrong with it.
pub(crate) fn check_pattern(pattern: &str) -> Result<(), &'static str> {
    // A rule that takes back what others allow.
    let pattern = pattern.strip_prefix('!').unwrap_or(pattern);
    if pattern.is_empty() {
        return Err("a topic pattern can't be empty");
    }
    // [MQTT-4.7.3-3]: a UTF-8 string of at most 65,535 bytes.
    if pattern.len() > usize::from(u16::MAX) {
        return Err("a topic pattern can't be longer than 65535 bytes");
    }
    if pattern.contains('\0') {
        return Err("a topic pattern can't hold the character U+0000");
    }
    if pattern.starts_with("$share/") {
        return Err("a rule covers shared subscriptions too: leave out \"$share/GROUP/\"");
    }
    let mut levels = pattern.split('/').peekable();
    while let Some(level) = levels.next() {
        // [MQTT-4.7.1-1], [MQTT-4.7.1-2]
        if level.contains('#') && (level != "#" || levels.peek().is_some()) {
            return Err("\"#\" has to be the whole last level");
        }
        if level.contains('+') && level != "+" {
            return Err("\"+\" has to be a whole level");
        }
        let folded = level.to_ascii_lowercase();
        let names = folded.contains("%c") || folded.contains("%u");
        if names && level != "%c" && level != "%u" {
            return Err("\"%c\" (the client id) and \"%u\" (the user) each have to be a whole level");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_filters_and_placeholders_are_patterns() {
        for good in ["#", "req/#", "priv/%c", "priv/%c/#", "+/%u/a", "/", "50%", "$SYS/#", "!a/#"] {
            assert_eq!(check_pattern(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_can_never_match_is_refused() {
        let bad = ["", "a/#/b", "a#", "a/b+", "priv/%client", "x%c", "%C", "$share/BKPR/req/#", "a\0"];
        for bad in bad {
            assert!(check_pattern(bad).is_err(), "{bad}");
        }
    }
}
