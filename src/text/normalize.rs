//! When two texts say the same.

/// A text as it counts: letters and digits in lower case, without punctuation and white space. A
/// text that has neither stands for itself.
///
/// Two replies that are the same so are one reply: in training, in evaluation, and when a character
/// must not repeat itself.
pub fn normalized(text: &str) -> String {
    let normalized: String = text
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    if normalized.is_empty() {
        text.to_owned()
    } else {
        normalized
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_punctuation_and_spacing_do_not_count() {
        assert_eq!(normalized("Don’t… go!"), normalized("don't  GO"));
        assert_ne!(normalized("go"), normalized("no"));
        assert_ne!(normalized("?!"), normalized("!?"));
    }
}
