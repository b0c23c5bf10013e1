//! JSON as Perl's JSON::XS reads it with `relaxed`: with `#` comments, a comma
//! after the last item, and tabs in strings.

use serde_json::Value;

/// # Errors
/// What is not JSON even so, with its line.
pub fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(&without_last_commas(&without_comments(text)))
}

/// Tells characters in strings from those outside.
#[derive(Default)]
struct Strings {
    inside: bool,
    escaped: bool,
}

impl Strings {
    /// Whether `c`, which comes next, belongs to a string, quotes included.
    fn has(&mut self, c: char) -> bool {
        if !self.inside {
            self.inside = c == '"';
            return self.inside;
        }
        match c {
            _ if self.escaped => self.escaped = false,
            '\\' => self.escaped = true,
            '"' => self.inside = false,
            _ => {}
        }
        true
    }
}

/// Lines stay what they are, so that an error names the right one.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut strings = Strings::default();
    let mut in_comment = false;
    for c in text.trim_start_matches('\u{feff}').chars() {
        if in_comment {
            in_comment = c != '\n';
            if !in_comment {
                out.push(c);
            }
        } else if strings.has(c) {
            match c {
                '\t' => out.push_str("\\t"),
                c => out.push(c),
            }
        } else if c == '#' {
            in_comment = true;
        } else {
            out.push(c);
        }
    }
    out
}

fn without_last_commas(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut strings = Strings::default();
    for (at, c) in text.char_indices() {
        let last = !strings.has(c)
            && c == ','
            && text[at + 1..].trim_start().starts_with([']', '}'])
            && !out.trim_end().ends_with(['[', '{', ',']);
        if !last {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn comments_and_last_commas_are_no_part_of_it() {
        let text = "# {\n[ { \"a\": \"#1, ]\\\"#\", # x\n \"b\": [1, 2,\n],\n }, # ]\n\n # y\n]";
        assert_eq!(parse(text).unwrap(), json!([{ "a": "#1, ]\"#", "b": [1, 2] }]));
        assert_eq!(parse("\u{feff}[\"a\tb\"]").unwrap(), json!(["a\tb"]));
        assert_eq!(parse("{\"a\":\"\\\\\",}#").unwrap(), json!({ "a": "\\" }));
    }

    #[test]
    fn what_is_wrong_is_in_the_line_it_is_said_to_be_in() {
        let error = parse("# one\n[\n# three\n 1,\n x\n]").unwrap_err();
        assert_eq!(error.line(), 5);
        for bad in ["", "[,]", "[1,,]", "#", "[\"", "{\"a\" 1}", "\"\\"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
