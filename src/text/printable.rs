//! Texts of strangers, made fit for a terminal.

use std::borrow::Cow;

/// `text` with everything written out that a terminal would obey or hide: control characters,
/// changes of the reading direction, characters without width. (Joiners after a letter that is not
/// ASCII stay: Persian words and emoji are made of them.)
pub fn printable(text: &str) -> Cow<'_, str> {
    let mut before = ' ';
    let hidden = |c: char| {
        let joins = matches!(c, '\u{200c}' | '\u{200d}') && !before.is_ascii();
        before = c;
        is_hidden(c) && !joins
    };
    if !text.chars().any(hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    for c in text.chars() {
        let joins = matches!(c, '\u{200c}' | '\u{200d}') && !before.is_ascii();
        if is_hidden(c) && !joins {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        before = c;
    }
    Cow::Owned(out)
}

/// `text`, printable, its lines and tabs as they are.
pub fn printable_lines(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let (line, end) = match line.strip_suffix('\r') {
            Some(line) => (line, "\r"),
            None => (line, ""),
        };
        let cells: Vec<_> = line.split('\t').map(printable).collect();
        cells.join("\t") + end
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `text`, printable and on one line.
pub fn printable_line(text: &str) -> String {
    excerpt(text, usize::MAX)
}

/// The start of `text`, printable and on one line, of at most `most` characters.
pub(crate) fn excerpt(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut start: String = line.chars().take(most).collect();
    if start.len() < line.len() {
        start.push('…');
    }
    printable(&start).into_owned()
}

/// Whether a character is not seen where it stands.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(printable("Bob\x1b]0;x\x07"), "Bob\\u{1b}]0;x\\u{7}");
        assert_eq!(
            printable("a\u{202e}b\u{9b}c\u{200b}"),
            "a\\u{202e}b\\u{9b}c\\u{200b}"
        );
        assert!(matches!(
            printable("Zoë 👩\u{200d}🚀 می\u{200c}روم"),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn lines_stay_lines() {
        let text = "one\r\n\ttwo\x1b[2J\n";
        assert_eq!(printable_lines(text), "one\r\n\ttwo\\u{1b}[2J\n");
        assert_eq!(printable_lines("a\rb"), "a\\u{d}b");
    }

    #[test]
    fn excerpts_are_short() {
        assert_eq!(excerpt(" one\n two ", 80), "one two");
        assert_eq!(excerpt("abcdef", 3), "abc…");
    }
}
