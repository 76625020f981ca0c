//! What is typed, piped or read from a file, a line at a time, however long the lines are.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;

use homer::{LONGEST, at_most};

/// Bytes that so many characters have, at most.
const BYTES: usize = 4 * LONGEST;

/// Lines of text, each with [`LONGEST`] characters at most.
pub(super) struct Lines {
    input: Box<dyn BufRead>,
    /// What errors call it.
    name: String,
    number: usize,
    was_cut: bool,
}

impl Lines {
    /// Those of a file; `-` is standard input.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let input: Box<dyn BufRead> = if path == Path::new("-") {
            Box::new(std::io::stdin().lock())
        } else {
            let file =
                File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            Box::new(BufReader::new(file))
        };
        Ok(Self::new(input, path.display().to_string()))
    }

    fn new(input: Box<dyn BufRead>, name: String) -> Self {
        Self {
            input,
            name,
            number: 0,
            was_cut: false,
        }
    }

    /// The next line, without its end; `None` where there is none. That a line is too long is said once.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<String>> {
        let Some((bytes, whole)) = self.bytes()? else {
            return Ok(None);
        };
        let text = match str::from_utf8(&bytes) {
            Ok(text) => text,
            // The cut went through a character.
            Err(error) if !whole && error.error_len().is_none() => {
                let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
                str::from_utf8(good)?
            }
            Err(_) => anyhow::bail!("{}, line {}: not UTF-8", self.name, self.number),
        };
        let text = match self.number {
            1 => text.trim_start_matches('\u{feff}'),
            _ => text,
        };
        let shown = at_most(text, LONGEST);
        if !self.was_cut && (!whole || shown.len() < text.len()) {
            self.was_cut = true;
            eprintln!(
                "homer: {}, line {} is longer than {LONGEST} characters: the rest of it, and of all such lines, \
                 is not read",
                self.name, self.number
            );
        }
        Ok(Some(shown.trim_end_matches('\r').to_owned()))
    }

    /// The beginning of the next line, and whether it is the whole line.
    fn bytes(&mut self) -> anyhow::Result<Option<(Vec<u8>, bool)>> {
        let mut line = Vec::new();
        let mut whole = true;
        let mut any = false;
        loop {
            let buffer = self
                .input
                .fill_buf()
                .with_context(|| format!("cannot read {}", self.name))?;
            if buffer.is_empty() {
                break;
            }
            any = true;
            let end = buffer.iter().position(|&byte| byte == b'\n');
            let part = buffer
                .get(..end.unwrap_or(buffer.len()))
                .unwrap_or_default();
            let kept = part.len().min((BYTES + 1).saturating_sub(line.len()));
            line.extend_from_slice(part.get(..kept).unwrap_or_default());
            whole &= kept == part.len();
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        self.number += usize::from(any);
        Ok(any.then_some((line, whole)))
    }
}

/// All lines of standard input as one text of [`LONGEST`] characters at most. That there are more is said.
pub(super) fn all_of_standard_input() -> anyhow::Result<String> {
    all_of(Lines::open(Path::new("-"))?)
}

fn all_of(mut lines: Lines) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut room = LONGEST;
    while let Some(line) = lines.next()? {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let shown = at_most(line, room);
        text.push_str(shown);
        text.push('\n');
        // The end of a line is a character too.
        room = room.saturating_sub(shown.chars().count() + 1);
        // Of a line that was cut this is said already.
        if shown.len() < line.len() && !lines.was_cut {
            lines.was_cut = true;
            eprintln!(
                "homer: {} is longer than {LONGEST} characters: the rest of it is not read",
                lines.name
            );
        }
        if lines.was_cut {
            break;
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Lines {
        Lines::new(Box::new(std::io::Cursor::new(bytes.to_vec())), "it".into())
    }

    fn all(bytes: &[u8]) -> Vec<String> {
        let mut lines = lines(bytes);
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    #[test]
    fn lines_are_as_they_were_written() {
        assert!(all(b"").is_empty());
        assert_eq!(
            all("\u{feff}Hé\r\n\n\u{feff}x".as_bytes()),
            ["Hé", "", "\u{feff}x"]
        );
        assert_eq!(all(b"a\n"), ["a"]);
    }

    #[test]
    fn a_long_line_is_cut_between_characters_and_the_next_one_is_whole() {
        for long in [
            "x".repeat(1 << 20),
            "日".repeat(1 << 20),
            "a\u{1F600}".repeat(1 << 18),
        ] {
            let found = all(format!("{long}\nshort\n").as_bytes());
            assert_eq!(found[0], at_most(&long, LONGEST));
            assert_eq!(found[1..], ["short"]);
        }
        let just = "é".repeat(LONGEST);
        assert_eq!(all(just.as_bytes()), [just]);
    }

    #[test]
    fn many_lines_make_one_text_that_is_cut_like_one() {
        let text = |bytes: &[u8]| all_of(lines(bytes)).unwrap();
        assert_eq!(text(b"\n Well,\n\n what is it?\n"), "Well,\nwhat is it?\n");
        let just = "é".repeat(LONGEST);
        for long in ["日".repeat(1 << 20), "日本\n".repeat(1 << 18)] {
            let found = text(long.as_bytes());
            let count = found.chars().count();
            assert!((LONGEST..=LONGEST + 2).contains(&count), "{count}");
            assert!(long.starts_with(found.trim_end()));
        }
        assert_eq!(text(just.as_bytes()).trim_end(), just);
    }

    #[test]
    fn what_is_no_text_is_said_with_its_line() {
        let mut bad = lines(b"Fine.\nBad: \xff\n");
        bad.next().unwrap();
        assert_eq!(bad.next().unwrap_err().to_string(), "it, line 2: not UTF-8");
        // Cut off or not, binary data is no line.
        let binary = [[0xc3, 0x28]; 1 << 19].concat();
        assert!(lines(&binary).next().is_err());
    }
}
