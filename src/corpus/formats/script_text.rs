//! Scripts as text, `NAME: line`: transcripts, plays, chats that were copied.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::screenplay::is_scene;
use crate::corpus::lines::Line;
use crate::text::name::{clean_name, name_key};
use crate::text::pattern;

/// A name of a few words before a colon, with what it says behind.
static CUE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s*(?P<name>\*{0,2}[\p{L}\d@][\p{L}\p{M}\p{N} .,'’&#/_-]{0,38}?\*{0,2}\s?(?:[(\[（][^()\[\]]{1,40}[)\]）]\s?)?)(?:[:]\*{0,2}(?:\s+|$)|：\s*)(?P<text>.*)$",
    )
});

/// Words of a name, at most.
const WORDS: usize = 5;

/// How many of the first lines begin with a name that comes again, and how many lines there are (at
/// most `most`).
pub(super) fn share(text: &str, most: usize) -> (usize, usize) {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let lines: Vec<&str> = lines.take(most).collect();
    let mut names: HashMap<String, usize> = HashMap::new();
    for (name, _) in lines.iter().filter_map(|line| cue(line)) {
        *names.entry(name_key(&clean_name(name))).or_default() += 1;
    }
    let again: usize = names.values().filter(|count| **count > 1).sum();
    (again, lines.len())
}

/// The lines. Wrapped ones are joined; what stands alone between empty lines is no speech.
pub(super) fn read(text: &str) -> Vec<Line> {
    let mut names: HashMap<String, usize> = HashMap::new();
    let (mut cues, mut blanks, mut others) = (0, 0, 0);
    let mut after_cue = false;
    for row in text.lines() {
        if let Some((name, _)) = cue(row) {
            *names.entry(name_key(&clean_name(name))).or_default() += 1;
            cues += 1;
            after_cue = true;
        } else if !row.trim().is_empty() {
            others += 1;
        } else {
            blanks += usize::from(after_cue);
            after_cue = false;
        }
    }
    // Where (nearly) every line has one behind it, an empty line means nothing.
    let blank_is_scene = blanks * 3 < cues;
    let wrapped = others * 3 > cues;
    let mut lines: Vec<Line> = Vec::new();
    let (mut begins_scene, mut open) = (false, false);
    for row in text.lines() {
        let row = row.trim();
        if row.is_empty() {
            open = false;
            begins_scene |= blank_is_scene;
        } else if is_scene(row) {
            open = false;
            begins_scene = true;
        } else if let Some((name, said)) = cue(row).filter(|(name, _)| {
            // "Remember: go." in the middle of a speech is no speech of Remember's.
            let shouted = !name.contains(char::is_lowercase);
            !open
                || !wrapped
                || shouted
                || names
                    .get(&name_key(&clean_name(name)))
                    .is_some_and(|n| *n > 1)
        }) {
            lines.push(Line::new(name.trim_matches(['*', ' ']), said, begins_scene));
            (begins_scene, open) = (false, true);
        } else if let Some(last) = lines.last_mut().filter(|_| open) {
            last.go_on(row);
        }
    }
    lines
}

/// The name and what follows it.
fn cue(row: &str) -> Option<(&str, &str)> {
    if !row.contains([':', '：']) {
        return None;
    }
    let found = CUE.captures(row)?;
    // What stands in brackets is how it is said.
    let name = found.name("name")?.as_str();
    let name = name
        .split(['(', '[', '（'])
        .next()
        .unwrap_or_default()
        .trim();
    let text = found.name("text")?.as_str();
    let is_name = name.split_whitespace().count() <= WORDS
        && name.contains(char::is_alphabetic)
        && !is_scene(name);
    is_name.then_some((name, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<(String, String, bool)> {
        let lines = read(text).into_iter();
        lines
            .map(|line| (line.speaker, line.text, line.begins_scene))
            .collect()
    }

    fn line(speaker: &str, text: &str, begins_scene: bool) -> (String, String, bool) {
        (speaker.into(), text.into(), begins_scene)
    }

    #[test]
    fn lines_are_joined_and_scenes_seen() {
        let text = "\
The Kitchen

[Scene: a kitchen. Ada is at the stove.]
Ada: Tea?
Bo (yawning): I would rather
have soup. Remember: the red one.
ada: Fine.
A door slams.

小明：你好！
BO: Oh.

CUT TO:
Ada: Now.
";
        let expected = [
            line("Ada", "Tea?", true),
            line(
                "Bo",
                "I would rather have soup. Remember: the red one.",
                false,
            ),
            line("ada", "Fine. A door slams.", false),
            line("小明", "你好！", true),
            line("BO", "Oh.", false),
            line("Ada", "Now.", true),
        ];
        assert_eq!(said(text), expected);
    }

    #[test]
    fn empty_lines_between_all_lines_mean_nothing() {
        let text = "**Ada:** Tea?\n\n**Bo:** Soup.\n\n(They eat.)\n\n**Ada:** Now.\n\n";
        let expected = [
            line("Ada", "Tea?", false),
            line("Bo", "Soup.", false),
            line("Ada", "Now.", false),
        ];
        assert_eq!(said(text), expected);
    }
}
