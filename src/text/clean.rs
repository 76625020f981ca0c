//! What remains of a line when everything that is not spoken is taken away.

use std::ops::Range;

/// The spoken words of `raw`: stage directions in `(…)` and `[…]` removed, white space collapsed,
/// invisible characters dropped. Brackets without a partner stay as they are. Empty when nothing
/// is said: pauses and dashes alone are no speech.
pub fn clean(raw: &str) -> String {
    let spoken = without_directions(raw);
    let mut text = String::with_capacity(spoken.len());
    let apart = |c: char| c.is_whitespace() || c.is_control();
    for word in spoken.split(apart) {
        let word = word.trim_matches(['\u{feff}', '\u{200b}']);
        if word.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    if text.chars().any(is_spoken) {
        text
    } else {
        String::new()
    }
}

/// White space collapsed, stray colons at both ends dropped: `" Homer  Simpson: "` is `Homer Simpson`.
pub fn clean_name(raw: &str) -> String {
    let stray = |c: char| c.is_whitespace() || c == ':' || c == '\u{feff}';
    let words: Vec<&str> = raw.trim_matches(stray).split_whitespace().collect();
    words.join(" ")
}

/// Whether a character can be spoken; symbols beyond ASCII (an emoji in a chat log) count.
fn is_spoken(c: char) -> bool {
    c.is_alphanumeric() || !(c.is_ascii() || c.is_whitespace() || "…—–‘’“”«»".contains(c))
}

fn without_directions(raw: &str) -> String {
    let mut kept = String::with_capacity(raw.len());
    let mut end = 0;
    for direction in directions(raw) {
        kept.push_str(&raw[end..direction.start]);
        end = direction.end;
        // "Well (sighs), yes" is "Well, yes".
        if raw[end..].starts_with([',', '.', ';', ':', '!', '?', '…']) {
            kept.truncate(kept.trim_end().len());
        } else {
            kept.push(' ');
        }
    }
    kept.push_str(&raw[end..]);
    kept
}

/// The outermost balanced brackets, in order, without overlap.
fn directions(raw: &str) -> Vec<Range<usize>> {
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, c) in raw.char_indices() {
        let partner = match c {
            '(' | '[' => {
                open.push((c, at));
                continue;
            }
            ')' => '(',
            ']' => '[',
            _ => continue,
        };
        if let Some(place) = open.iter().rposition(|&(bracket, _)| bracket == partner) {
            let start = open[place].1;
            open.truncate(place);
            while found.last().is_some_and(|inner| inner.start > start) {
                found.pop();
            }
            found.push(start..at + 1);
        }
    }
    found
}

/// The text on one line.
pub fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stage_directions_go_and_lonely_brackets_stay() {
        for (raw, spoken) in [
            (
                "(sighs) I like  pie.\t(to [the] dog) You?",
                "I like pie. You?",
            ),
            ("Well (sighs), yes [beat].", "Well, yes."),
            ("a) soup b) bread", "a) soup b) bread"),
            ("wait (what", "wait (what"),
            ("smile :) (waves)", "smile :)"),
            ("(one) (two", "(two"),
            ("[a (b] c)", "c)"),
        ] {
            assert_eq!(clean(raw), spoken, "{raw:?}");
        }
    }

    #[test]
    fn what_is_not_speech_is_empty() {
        for raw in [
            "",
            "  ",
            "(sighs)",
            "...",
            "—",
            "\u{feff}",
            "[beat] …",
            "?!",
        ] {
            assert_eq!(clean(raw), "", "{raw:?}");
        }
        assert_eq!(clean("\u{feff}No\u{a0}way\u{200b}"), "No way");
        assert_eq!(clean("🙂"), "🙂");
    }

    #[test]
    fn names_lose_stray_colons_and_spaces() {
        for raw in ["Ada  Byron", " Ada Byron: ", ":Ada Byron :", "Ada\tByron::"] {
            assert_eq!(clean_name(raw), "Ada Byron");
        }
        assert_eq!(clean_name(" : "), "");
    }

    proptest! {
        #[test]
        fn cleaning_is_tidy_and_keeps_plain_words(raw in "[a-z ()\\[\\]\n,.…]{0,40}") {
            let text = clean(&raw);
            prop_assert!(!text.contains("  ") && !text.contains('\n') && text.trim() == text);
            if !raw.contains(['(', '[']) && raw.contains(|c: char| c.is_ascii_lowercase()) {
                prop_assert_eq!(text, raw.split_whitespace().collect::<Vec<_>>().join(" "));
            }
        }
    }
}
