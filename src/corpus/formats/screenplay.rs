//! Screenplays, Fountain among them: a name alone in capitals, what is said in the lines below it.

use std::sync::LazyLock;

use regex::Regex;

use crate::corpus::lines::Line;
use crate::text::pattern;

/// What begins a scene, in scripts of every kind.
static SCENE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)^\s*(?:
        (?:\d+[A-Z]?\.?\s+)?(?:INT|EXT|EST|I/E|INT\./EXT|EXT\./INT)[.\s/]
        | (?i:(?:smash\ |match\ |jump\ |hard\ )?cut\ to\b|fade\ (?:in|out|to)\b|dissolve\ to\b|back\ to\b.{0,30}:$)
        | (?i:[(\[（]?\s*(?:scene|act|chapter|episode|teaser|cold\ open|opening|commercial|time\ lapse|credits)\b[^.!?]{0,60}[\])）.:]?\s*$)
        | (?i:[(\[]\s*(?:scene|cut|time\ lapse|commercial|opening|closing|later)\b)
        | (?:\*\s?){3,}$ | (?:-\s?){3,}$ | (?:=\s?){3,}$ | \#{1,6}\s
        )",
    )
});

/// Lines of capitals that are nobody.
static NOBODY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:^\(?(?:MORE|CONTINUED|THE END|END OF .*|TITLE .*|SUPER)\)?:?$|TO:$|:$|^FADE |[.!?…]$)",
    )
});

/// Notes and what is struck out, in Fountain.
static NOTE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?s)\[\[.*?\]\]|/\*.*?\*/"));

/// Emphasis, in Fountain.
static EMPHASIS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\*{1,3}([^*\n]+)\*{1,3}|\b_([^_\n]+)_\b"));

/// Letters of a name, at most.
const LONGEST: usize = 42;

/// Whether a line marks the beginning of a scene.
pub(super) fn is_scene(line: &str) -> bool {
    SCENE.is_match(line)
}

/// How many of the first lines are names with something below them, and how many lines there are (at
/// most `most`).
pub(super) fn cues(text: &str, most: usize) -> (usize, usize) {
    let rows: Vec<&str> = text.lines().take(most).collect();
    let cues = (0..rows.len())
        .filter(|&at| cue(&rows, at).is_some())
        .count();
    let there = rows.iter().filter(|row| !row.trim().is_empty()).count();
    (cues, there)
}

/// The lines: what is said below a name, without directions.
pub(super) fn read(text: &str) -> Vec<Line> {
    let text = NOTE.replace_all(text, "");
    let rows: Vec<&str> = text.lines().collect();
    let mut lines: Vec<Line> = Vec::new();
    let mut begins_scene = false;
    let mut at = 0;
    while let Some(row) = rows.get(at) {
        if let Some(name) = cue(&rows, at) {
            let below = rows.iter().skip(at + 1);
            let said = below.take_while(|row| !is_blank(row) && !is_scene(row));
            let said: Vec<&str> = said.map(|row| row.trim()).collect();
            at += said.len() + 1;
            let mut spoken = said.into_iter().filter(|row| !row.starts_with('~'));
            let first = spoken.next().unwrap_or_default();
            let mut line = Line::new(name, first, std::mem::take(&mut begins_scene));
            spoken.for_each(|row| line.go_on(row));
            line.text = EMPHASIS.replace_all(&line.text, "$1$2").into_owned();
            lines.push(line);
            continue;
        }
        let row = row.trim();
        // Fountain forces a heading with a point.
        let forced = row.starts_with('.') && !row.starts_with("..") && row.len() > 1;
        begins_scene |= is_scene(row) || forced;
        at += 1;
    }
    lines
}

/// Two spaces on a line keep a speech together, in Fountain.
fn is_blank(row: &str) -> bool {
    row.trim().is_empty() && row != "  "
}

/// The name in a row, where it is one: in capitals (or forced with `@`), nothing above, something below.
fn cue<'a>(rows: &[&'a str], at: usize) -> Option<&'a str> {
    let trimmed = |at: usize| rows.get(at).map_or("", |row| row.trim());
    let row = trimmed(at);
    let above = at.checked_sub(1).map_or("", trimmed);
    let below = trimmed(at + 1);
    if row.is_empty() || !above.is_empty() || below.is_empty() {
        return None;
    }
    let row = row.strip_suffix('^').map_or(row, str::trim_end);
    if let Some(name) = row.strip_prefix('@') {
        return Some(name.trim());
    }
    let bare = row.split(['(', '[']).next().unwrap_or_default().trim();
    let capitals = bare.contains(char::is_alphabetic) && !bare.contains(char::is_lowercase);
    let short = bare.chars().count() <= LONGEST && row.chars().count() <= 2 * LONGEST;
    // Scripts without capitals and small letters have no such cues.
    let cased = bare.contains(char::is_uppercase);
    let marked = row.starts_with(['!', '>', '#', '=', '.', '~', '(', '[']);
    let is_name = capitals && cased && short && !marked && !is_scene(row) && !NOBODY.is_match(bare);
    is_name.then_some(row)
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
    fn fountain_is_read() {
        let text = "\
Title: Tea
Author: Nobody

INT. KITCHEN - DAY

Ada is at the stove. [[Is she?]]

ADA (CONT'D)
(to herself)
Tea, *or*
soup?

@McBo
Soup.

.THE GARDEN

BO ^
Rain.
  
Again.

> FADE OUT.
";
        let expected = [
            line("ADA (CONT'D)", "(to herself) Tea, or soup?", true),
            line("McBo", "Soup.", false),
            line("BO", "Rain.  Again.", true),
        ];
        assert_eq!(said(text), expected);
    }

    #[test]
    fn indented_screenplays_are_read() {
        let text = "\
          12   EXT. STREET - NIGHT

     A car stops. BOOM!

                         ADA (V.O.)
               It was raining
               again.

     CRASH

                         BO
               It is not.
                                                  CUT TO:
";
        let expected = [
            line("ADA (V.O.)", "It was raining again.", true),
            line("BO", "It is not.", false),
        ];
        assert_eq!(said(text), expected);
    }

    #[test]
    fn scene_marks_are_seen() {
        for mark in [
            "INT. KITCHEN",
            "CUT TO:",
            "[Scene: a kitchen]",
            "Scene 2",
            "ACT II",
            "* * *",
            "---",
            "Fade in:",
        ] {
            assert!(is_scene(mark), "{mark}");
        }
        for line in [
            "Scene of the crime, they say. It was awful!",
            "Into the wild.",
            "Actually, no.",
            "Act like a man!",
        ] {
            assert!(!is_scene(line), "{line}");
        }
    }
}
