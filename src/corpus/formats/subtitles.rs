//! SubRip (`.srt`) and WebVTT subtitles that say who speaks.

use std::sync::LazyLock;

use regex::Regex;

use crate::corpus::lines::Line;
use crate::text::pattern;

/// Of a cue without a name: nobody knows who speaks, but something is said.
const SOMEBODY: [&str; 2] = ["somebody", "somebody else"];

/// Seconds without a word that end a scene.
const SILENCE: f64 = 10.0;

static TIMES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})\s*-->\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})",
    )
});

/// `<v Ada>`, `<v.loud Ada Byron>`.
static VOICE: LazyLock<Regex> = LazyLock::new(|| pattern(r"<v(?:\.[^\s>]*)?\s+([^>]+)>"));

/// Markup: `<i>`, `</v>`, `{\an8}`.
static MARKUP: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"</?[a-zA-Z][^<>]*>|<\d[^<>]*>|\{\\[^{}]*\}"));

/// `ADA: `, `- Ada Byron: `, `[ADA] `, the name not longer than names are.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:(?P<a>\p{L}[\p{L}\p{M}\d .'’#&-]{0,28}?)\s?(?:\([^()]*\)\s?)?[:：](?:\s|$)|\[(?P<b>\p{Lu}[\p{Lu}\d .'’-]{1,28})\]\s*(?P<c>\S))",
    )
});

/// Whether `text` has such times near its start.
pub(super) fn is_it(text: &str) -> bool {
    text.starts_with("WEBVTT") || text.lines().take(60).any(|line| TIMES.is_match(line))
}

/// The lines, and how many of them have a speaker who is named.
pub(super) fn read(text: &str) -> (Vec<Line>, usize) {
    let mut lines: Vec<Line> = Vec::new();
    let mut named = 0;
    let mut ended: Option<f64> = None;
    let mut speaking = false;
    let mut rows = text.lines();
    while let Some(row) = rows.next() {
        let Some((start, end)) = times(row) else {
            continue;
        };
        let pause = ended.is_some_and(|ended| start - ended > SILENCE);
        ended = Some(end);
        speaking &= !pause;
        let mut first = true;
        for row in rows.by_ref().take_while(|row| !row.trim().is_empty()) {
            for (speaker, text, dashed) in turns(row) {
                if text.is_empty() && speaker.is_none() {
                    continue;
                }
                let begins_scene = pause && first;
                // A second row of a cue, and a sentence that is not over, go on with the turn.
                let unfinished = lines.last().is_some_and(|last: &Line| !is_over(&last.text));
                if speaker.is_none() && !dashed && speaking && (!first || unfinished) {
                    if let Some(last) = lines.last_mut() {
                        last.go_on(&text);
                    }
                } else {
                    named += usize::from(speaker.is_some());
                    let [one, other] = SOMEBODY;
                    let nobody = match lines.last() {
                        Some(last) if last.speaker == one => other,
                        _ => one,
                    };
                    let speaker = speaker.as_deref().unwrap_or(nobody);
                    lines.push(Line::new(speaker, &text, begins_scene));
                }
                first = false;
                speaking = true;
            }
        }
    }
    (lines, named)
}

/// Start and end of a cue, in seconds.
fn times(row: &str) -> Option<(f64, f64)> {
    if !row.contains("-->") {
        return None;
    }
    let found = TIMES.captures(row)?;
    let number = |at| {
        found
            .get(at)
            .map_or(0.0, |digits| digits.as_str().parse().unwrap_or(0.0))
    };
    let time = |at| number(at) * 3600.0 + number(at + 1) * 60.0 + number(at + 2);
    Some((time(1), time(5)))
}

/// The turns of a row: who speaks, what, and whether a dash says that it is somebody else.
fn turns(row: &str) -> Vec<(Option<String>, String, bool)> {
    let voices: Vec<_> = VOICE.captures_iter(row).collect();
    if voices.is_empty() {
        let text = MARKUP.replace_all(row, "");
        let text = text.trim();
        let said = text.trim_start_matches(['-', '–', '—', '‐']).trim_start();
        let dashed = said.len() < text.len() && !text.starts_with("--");
        let (speaker, said) = speaker(said);
        return vec![(speaker, said.to_owned(), dashed)];
    }
    let mut turns = Vec::new();
    for (at, voice) in voices.iter().enumerate() {
        let (Some(whole), Some(name)) = (voice.get(0), voice.get(1)) else {
            continue;
        };
        let next = voices.get(at + 1).and_then(|next| next.get(0));
        let end = next.map_or(row.len(), |next| next.start());
        let said = MARKUP
            .replace_all(row.get(whole.end()..end).unwrap_or_default(), "")
            .trim()
            .to_owned();
        turns.push((Some(name.as_str().trim().to_owned()), said, true));
    }
    turns
}

fn speaker(text: &str) -> (Option<String>, &str) {
    let Some(found) = NAMED.captures(text) else {
        return (None, text);
    };
    let name = found.name("a").or(found.name("b"));
    // Behind a name in brackets the first letter of what is said was looked at, too.
    let end = match found.name("c") {
        Some(said) => said.start(),
        None => found.get(0).map_or(0, |whole| whole.end()),
    };
    let name = name.map(|name| name.as_str().trim());
    // "Listen: go!" begins no turn of Listen's, unless subtitles write names like that.
    let is_name = |name: &&str| {
        let upper = name.chars().filter(|c| c.is_uppercase()).count();
        upper > 0 && name.split(' ').count() <= 4
    };
    match name.filter(is_name) {
        Some(name) => (
            Some(name.to_owned()),
            text.get(end..).unwrap_or_default().trim(),
        ),
        None => (None, text),
    }
}

fn is_over(text: &str) -> bool {
    text.trim_end_matches(['"', '”', '’', '\'', ')', ']', '♪', ' '])
        .ends_with(['.', '!', '?', '…', '。', '！', '？'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<(String, String, bool)> {
        let (lines, _) = read(text);
        let lines = lines.into_iter();
        lines
            .map(|line| (line.speaker, line.text, line.begins_scene))
            .collect()
    }

    fn line(speaker: &str, text: &str, begins_scene: bool) -> (String, String, bool) {
        (speaker.into(), text.into(), begins_scene)
    }

    #[test]
    fn subrip_is_read() {
        let text = "1\r\n00:00:01,000 --> 00:00:03,000\r\nADA: Tea,\r\n<i>or soup?</i>\r\n\r\n\
                    2\r\n00:00:03,500 --> 00:00:04,000\r\n- BO: Soup.\r\n- Now!\r\n\r\n\
                    3\r\n00:00:30,000 --> 00:00:31,000\r\n{\\an8}[MRS. DO] Late\r\n\r\n\
                    4\r\n00:00:31,500 --> 00:00:32,000\r\nagain.\r\n";
        let expected = [
            line("ADA", "Tea, or soup?", false),
            line("BO", "Soup.", false),
            line("somebody", "Now!", false),
            line("MRS. DO", "Late again.", true),
        ];
        assert_eq!(said(text), expected);
    }

    #[test]
    fn webvtt_is_read() {
        let text = "WEBVTT\n\nNOTE made by hand\n\nid-1\n00:01.000 --> 00:02.000 align:start\n\
                    <v.loud Ada Byron>Tea?</v>\n\n00:02.000 --> 00:03.000\n<v Bo>Soup.</v> <v Ada Byron>Hm.</v>\n";
        let expected = [
            line("Ada Byron", "Tea?", false),
            line("Bo", "Soup.", false),
            line("Ada Byron", "Hm.", false),
        ];
        assert_eq!(said(text), expected);
    }

    #[test]
    fn without_names_nobody_is_named() {
        let (lines, named) = read("1\n00:00:01,000 --> 00:00:02,000\n- Tea?\n- Soup.\n");
        assert_eq!((lines.len(), named), (2, 0));
        assert!(is_it("\n1\n00:00:01,000 --> 00:00:02,000\nTea?\n"));
    }
}
