//! What remains of a line when everything that is not spoken is taken away.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::pattern;
use super::printable::is_hidden;

/// The spoken words of `raw`: stage directions in `(…)` and `[…]` removed, white space collapsed,
/// invisible characters dropped. Brackets without a partner, and brackets around figures alone
/// (`(555) 010-1234`), stay as they are. Empty when nothing is said: pauses and dashes alone are no
/// speech.
pub fn clean(raw: &str) -> String {
    tidy(&without_directions(raw))
}

/// `raw` with white space collapsed and invisible characters dropped; what stands in brackets
/// belongs to it. Empty when nothing is said.
pub fn tidy(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let apart = |c: char| c.is_whitespace() || c.is_control();
    for word in raw.split(apart) {
        let start = text.len();
        if start > 0 {
            text.push(' ');
        }
        let written = text.len();
        if word.is_ascii() {
            text.push_str(word);
        } else {
            text.extend(word.chars().filter(|&c| !is_invisible(c)));
        }
        if text.len() == written {
            text.truncate(start);
        }
    }
    if text.chars().any(is_spoken) {
        text
    } else {
        String::new()
    }
}

/// Characters that say nothing. Joiners stay, which emoji and some scripts are made of.
fn is_invisible(c: char) -> bool {
    is_hidden(c) && !matches!(c, '\u{200c}' | '\u{200d}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether a character can be spoken: letters, figures, and symbols beyond ASCII (an emoji in a chat
/// log), but no punctuation.
fn is_spoken(c: char) -> bool {
    static SYMBOL: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"[\p{So}\p{Sc}\p{Emoji_Presentation}]"));
    c.is_alphanumeric() || (!c.is_ascii() && SYMBOL.is_match(c.encode_utf8(&mut [0; 4])))
}

fn without_directions(raw: &str) -> String {
    let mut kept = String::with_capacity(raw.len());
    let mut end = 0;
    for direction in directions(raw) {
        kept.push_str(&raw[end..direction.start]);
        end = direction.end;
        // "Well (sighs), yes" is "Well, yes".
        let points = [',', '.', ';', ':', '!', '?', '…', '。', '，', '！', '？'];
        if raw[end..].starts_with(points) {
            kept.truncate(kept.trim_end().len());
        } else {
            kept.push(' ');
        }
    }
    kept.push_str(&raw[end..]);
    kept
}

/// The outermost balanced brackets that are not around figures alone, in order, without overlap.
fn directions(raw: &str) -> Vec<Range<usize>> {
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, c) in raw.char_indices() {
        let partner = match c {
            '(' | '[' | '（' | '［' | '【' => {
                open.push((c, at));
                continue;
            }
            ')' => '(',
            ']' => '[',
            '）' => '（',
            '］' => '［',
            '】' => '【',
            _ => continue,
        };
        if let Some(place) = open.iter().rposition(|&(bracket, _)| bracket == partner) {
            let start = open[place].1;
            open.truncate(place);
            while found.last().is_some_and(|inner| inner.start > start) {
                found.pop();
            }
            found.push(start..at + c.len_utf8());
        }
    }
    let figures = |direction: &Range<usize>| {
        let inside = &raw[direction.clone()];
        inside.contains(char::is_numeric) && !inside.contains(char::is_alphabetic)
    };
    found.retain(|direction| !figures(direction));
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
            ("你好（笑）。", "你好。"),
            ("【音乐】再见", "再见"),
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
            "\u{200e}",
            "\u{ad}",
            "―",
            "？！",
            "（笑）",
            "*",
        ] {
            assert_eq!(clean(raw), "", "{raw:?}");
        }
        assert_eq!(clean("\u{feff}No\u{a0}way\u{200b}"), "No way");
        assert_eq!(clean("🙂"), "🙂");
    }

    #[test]
    fn figures_in_brackets_are_said() {
        assert_eq!(
            clean("Call (555) 010-1234. (rings)"),
            "Call (555) 010-1234."
        );
        assert_eq!(tidy("print(x) is  [1]\u{ad}"), "print(x) is [1]");
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
