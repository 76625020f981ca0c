//! When two texts say the same.

/// A text as one hears it: letters and digits in lower case, without punctuation and white space. A
/// text that has neither stands for itself.
///
/// Two replies that are heard alike are one reply: in training, in evaluation, and when a character
/// must not repeat itself.
pub fn heard(text: &str) -> String {
    let heard: String = text
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    if heard.is_empty() {
        text.to_owned()
    } else {
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_punctuation_and_spacing_are_not_heard() {
        assert_eq!(heard("Don’t… go!"), heard("don't  GO"));
        assert_ne!(heard("go"), heard("no"));
        assert_ne!(heard("?!"), heard("!?"));
    }
}
