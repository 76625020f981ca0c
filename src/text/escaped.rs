//! Texts of strangers, shown so that they can do nothing.

use std::fmt::Write;

/// On one line, with what moves a terminal's cursor or turns the direction of writing as `\u{…}`.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !shown.is_empty() {
            shown.push(' ');
        }
        for c in word.chars() {
            if c.is_control() || turns(c) {
                // Writing to a string never fails.
                let _ = write!(shown, "{}", c.escape_unicode());
            } else {
                shown.push(c);
            }
        }
    }
    shown
}

/// Whether it is one of Unicode's marks, embeddings, overrides and isolates of direction.
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_is_shown_and_not_done() {
        assert_eq!(escaped("Mm,\r\n pie\t!"), "Mm, pie !");
        assert_eq!(escaped("\u{1b}[2Jboo\u{7}"), "\\u{1b}[2Jboo\\u{7}");
        assert_eq!(escaped("a\u{202e}b\u{9b}1m"), "a\\u{202e}b\\u{9b}1m");
        assert_eq!(escaped("¿Qué? 短い"), "¿Qué? 短い");
    }
}
