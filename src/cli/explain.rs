//! The table of the best candidates.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use homer::{Answer, Candidate, one_line};

/// Candidates shown.
const SHOWN: usize = 10;
/// Columns where there is no terminal that says.
const COLUMNS: usize = 120;

/// A table of the best candidates: both scores, the place before reranking, the reply and what it
/// was said to, cut to the width of the terminal. A star marks the answer.
pub(super) fn explain(answer: &Answer) -> String {
    let columns = terminal_size::terminal_size().map_or(COLUMNS, |(width, _)| width.0 as usize);
    let mut text = table(answer, columns);
    if let Some(reasons) = reasons(answer) {
        text.push('\n');
        text.push_str(&reasons);
    }
    text
}

/// Reasons shown.
const REASONS: usize = 5;

/// What spoke for the answer and against it, beside the mean of the candidates.
fn reasons(answer: &Answer) -> Option<String> {
    let reasons = &answer.candidate()?.reasons;
    let parts: Vec<String> = reasons
        .iter()
        .take(REASONS)
        .map(|(name, part)| format!("{} {part:+.2}", name.replace('_', " ")))
        .collect();
    (!parts.is_empty()).then(|| format!("counted: {}", parts.join(", ")))
}

fn table(answer: &Answer, columns: usize) -> String {
    let reranked = answer.candidates.iter().any(|c| c.rerank.is_some());
    let mut head = "     cosine".to_owned();
    if reranked {
        head.push_str("  place    logit");
    }
    let left = columns.saturating_sub(head.len() + 4).max(24);
    let (reply, origin) = (left / 2, left - left / 2);
    let mut text = format!("{head}  {}  said to", fit("reply", reply));
    for (place, candidate) in answer.candidates.iter().take(SHOWN).enumerate() {
        let mark = if answer.chosen == Some(place) {
            '*'
        } else {
            ' '
        };
        let _ = write!(
            text,
            "\n{mark}{:>2}  {:6.3}",
            place + 1,
            candidate.retrieval
        );
        if let Some(rerank) = candidate.rerank {
            let _ = write!(text, "  {:>5}  {rerank:7.3}", candidate.rank_before + 1);
        }
        let said_to = fit(&said_to(candidate), origin);
        let _ = write!(
            text,
            "  {}  {}",
            fit(&candidate.reply, reply),
            said_to.trim_end()
        );
    }
    text
}

/// The query that the reply answered in the script, and in how many other exchanges it stands.
fn said_to(candidate: &Candidate) -> String {
    let Some(origin) = &candidate.origin else {
        return "(nobody)".into();
    };
    let more = match candidate.exchanges.len() {
        0 | 1 => String::new(),
        n => format!("(+{}) ", n - 1),
    };
    let speaker = match origin.query.speaker.as_str() {
        "" => String::new(),
        speaker => format!("{speaker}: "),
    };
    format!("#{} {more}{speaker}{}", origin.exchange, origin.query.text)
}

/// `text` in exactly `width` columns of the terminal: cut with an ellipsis, or filled up.
fn fit(text: &str, width: usize) -> String {
    let text = one_line(text);
    let mut fitted = String::new();
    let mut used = 0;
    if text.width() <= width {
        used = text.width();
        fitted = text;
    } else {
        for character in text.chars() {
            let columns = character.width().unwrap_or(0);
            if used + columns + 1 > width {
                break;
            }
            used += columns;
            fitted.push(character);
        }
        fitted.push('…');
        used += 1;
    }
    fitted.push_str(&" ".repeat(width - used));
    fitted
}

#[cfg(test)]
mod tests {
    use super::*;
    use homer::{Origin, Turn};

    fn answer(replies: &[&str]) -> Answer {
        let origin = |exchange| Origin {
            exchange,
            scene: 0,
            query: Turn {
                speaker: "Ada".into(),
                text: "Who ate the whole of the pie that I left on the sill?".into(),
            },
            context: vec![],
        };
        let candidate = |(i, reply): (usize, &&str)| Candidate {
            reply: (*reply).into(),
            score: 1.0,
            retrieval: 0.5 - i as f32,
            rerank: Some(-12.25),
            rank_before: 49,
            origin: (0..i).next().map(origin),
            exchanges: (0..i).collect(),
            reasons: vec![("cross", 1.5), ("rank", -0.25)],
        };
        Answer {
            candidates: replies.iter().enumerate().map(candidate).collect(),
            chosen: Some(1),
        }
    }

    #[test]
    fn what_decided_is_said_of_the_answer() {
        let reasons = reasons(&answer(&["Me.", "Not me."]));
        assert_eq!(reasons.unwrap(), "counted: cross +1.50, rank -0.25");
    }

    #[test]
    fn columns_are_aligned_whatever_the_script_and_no_row_is_too_wide() {
        let long = "I never saw a pie in all my life, and it was a dry one. ".repeat(3);
        let answer = answer(&[
            "短い答えと、とても長い答えがあります、本当に。",
            "Not\nme.",
            &long,
        ]);
        for columns in [60, 80, 100, 200] {
            let table = table(&answer, columns);
            let lines: Vec<&str> = table.lines().collect();
            assert_eq!(lines.len(), 4, "{table}");
            let column =
                |line: &str, what: &str| line.split_once(what).map(|(before, _)| before.width());
            let last = column(lines[0], "said to");
            assert_eq!(column(lines[1], "(nobody)"), last, "{table}");
            assert_eq!(column(lines[2], "#0"), last, "{table}");
            assert_eq!(column(lines[3], "#0 (+1)"), last, "{table}");
            assert!(lines.iter().all(|line| line.width() <= columns), "{table}");
            assert!(lines[2].starts_with("* 2"), "{table}");
        }
    }
}
