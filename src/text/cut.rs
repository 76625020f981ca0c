//! The beginning and the end of texts that are longer than anybody reads.

/// The longest text that is taken for one thing said, in characters: the models read some hundred words of it.
pub const LONGEST: usize = 20_000;

/// The first `characters` of a text.
pub fn at_most(text: &str, characters: usize) -> &str {
    match text.char_indices().nth(characters) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

/// The last `characters` of a text.
pub(crate) fn last(text: &str, characters: usize) -> &str {
    match text.char_indices().rev().take(characters).last() {
        Some((start, _)) => text.get(start..).unwrap_or(text),
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        for (given, first, newest) in [
            ("", "", ""),
            ("né", "né", "né"),
            ("née", "né", "ée"),
            ("日本語", "日本", "本語"),
        ] {
            assert_eq!((at_most(given, 2), last(given, 2)), (first, newest));
        }
        assert_eq!((at_most("a", 0), last("a", 0)), ("", ""));
    }
}
