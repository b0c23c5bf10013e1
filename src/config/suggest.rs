//! "Did you mean": the known name closest to a mistyped one.

/// The candidate that takes the fewest edits, if they are few enough for a typo.
pub(super) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (written.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (edits(written, candidate), candidate))
        .filter(|(edits, _)| *edits <= most)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance, letters compared without case and `-` like `_`.
fn edits(a: &str, b: &str) -> usize {
    let fold = |text: &str| -> Vec<char> {
        text.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
    };
    let (a, b) = (fold(a), fold(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_the_name_that_was_meant() {
        let known = ["role", "anonymous", "listeners", "connections"];
        assert_eq!(nearest("conections", known), Some("connections"));
        assert_eq!(nearest("Listener", known), Some("listeners"));
        assert_eq!(nearest("rloe", known), None);
        assert_eq!(nearest("rol", known), Some("role"));
    }

    #[test]
    fn a_name_far_from_all_finds_none() {
        assert_eq!(nearest("bridge", ["role", "queues"]), None);
    }
}
