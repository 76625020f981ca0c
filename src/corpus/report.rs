//! What was found in a script, in figures.

use std::fmt;

use serde::Serialize;

use super::scenes::Speaker;
use crate::dialogue::Turn;
use crate::text::printable::{excerpt, printable};

/// How many speakers the report names.
pub(crate) const MOST_FREQUENT: usize = 15;

/// The figures of one prepared dataset. Its `Display` is the short report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The file that was read, as given.
    pub source: String,
    /// What it is, in one line.
    pub kind: String,
    /// Which column was taken for what, and the like.
    pub said: Vec<String>,
    /// The character.
    pub character: String,
    /// Rows that are not empty, the header excepted.
    pub rows: usize,
    /// Rows that were passed over, with the reason, where there are such.
    pub skipped: Vec<Count>,
    /// Characters that had been mis-decoded once and were put right.
    pub repaired: usize,
    /// What only a script has.
    pub script: Option<ScriptFigures>,
    /// Exchanges.
    pub exchanges: usize,
    /// Of these, for training.
    pub train: usize,
    /// For choosing.
    pub valid: usize,
    /// For reporting.
    pub test: usize,
    /// Left out between the parts of a scene that was divided.
    #[serde(skip_serializing_if = "is_zero")]
    pub between: usize,
    /// Distinct replies.
    pub pool: usize,
    /// Of these, lines that answer nobody.
    pub openers: usize,
    /// Words in a query.
    pub query_words: Lengths,
    /// Words in a reply.
    pub reply_words: Lengths,
    /// Some exchanges as they were understood: the query, and the reply with who gives it.
    pub examples: Vec<[Turn; 2]>,
    /// Some replies, from all over the source.
    #[serde(skip)]
    pub sample: Vec<String>,
    /// What the user should know.
    pub notes: Vec<String>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A number of things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// What is counted.
    pub what: String,
    /// How many there are.
    pub count: usize,
}

/// Figures that ready pairs do not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScriptFigures {
    /// Scenes with words in them.
    pub scenes: usize,
    /// Rows with something said.
    pub lines: usize,
    /// Neighbouring lines of one speaker joined.
    pub turns: usize,
    /// Distinct speakers.
    pub speakers: usize,
    /// Those with the most lines; the character is among them, or comes last.
    pub most_frequent: Vec<Speaker>,
}

/// How long texts are, in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lengths {
    /// The mean.
    pub mean: f64,
    /// Half of the texts are at most this long.
    pub median: usize,
    /// 95 % of the texts are at most this long.
    pub p95: usize,
    /// The longest.
    pub max: usize,
    /// How many texts have 0, 1, 2, … words.
    pub histogram: Vec<usize>,
}

impl Lengths {
    /// Counts the words of `texts`.
    pub(crate) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut histogram: Vec<usize> = Vec::new();
        for text in texts {
            let words = text.split_whitespace().count();
            if histogram.len() <= words {
                histogram.resize(words + 1, 0);
            }
            if let Some(count) = histogram.get_mut(words) {
                *count += 1;
            }
        }
        let texts: usize = histogram.iter().sum();
        let words: usize = histogram
            .iter()
            .enumerate()
            .map(|(n, count)| n * count)
            .sum();
        // The shortest length that `share` of the texts do not exceed.
        let quantile = |share: f64| {
            let mut seen = 0;
            let reached = histogram.iter().position(|count| {
                seen += count;
                seen as f64 >= share * texts as f64
            });
            reached.unwrap_or_default()
        };
        Self {
            mean: words as f64 / texts.max(1) as f64,
            median: quantile(0.5),
            p95: quantile(0.95),
            max: histogram.len().saturating_sub(1),
            histogram,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = format!("{} in {}", self.character, self.source);
        writeln!(out, "{}", printable(&title))?;
        writeln!(out, "{}", self.kind)?;
        for said in &self.said {
            writeln!(out, "{}", printable(said))?;
        }
        writeln!(out)?;
        writeln!(out, "{:>12}  {}", "rows", thousands(self.rows))?;
        for skipped in &self.skipped {
            writeln!(
                out,
                "{:>12}  {} {}",
                "",
                thousands(skipped.count),
                skipped.what
            )?;
        }
        if self.repaired > 0 {
            let repaired = thousands(self.repaired);
            writeln!(out, "{:>12}  {repaired} garbled characters", "repaired")?;
        }
        if let Some(script) = &self.script {
            for (what, count) in [
                ("scenes", script.scenes),
                ("lines", script.lines),
                ("turns", script.turns),
                ("speakers", script.speakers),
            ] {
                writeln!(out, "{what:>12}  {}", thousands(count))?;
            }
        }
        writeln!(
            out,
            "{:>12}  {}: {} train, {} valid, {} test{}",
            "exchanges",
            thousands(self.exchanges),
            thousands(self.train),
            thousands(self.valid),
            thousands(self.test),
            match self.between {
                0 => String::new(),
                n => format!(", {} between the parts of long scenes", thousands(n)),
            }
        )?;
        write!(
            out,
            "{:>12}  {} distinct replies",
            "pool",
            thousands(self.pool)
        )?;
        if self.openers > 0 {
            write!(out, ", {} of them answer nobody", thousands(self.openers))?;
        }
        writeln!(out)?;
        for (what, words) in [("query", &self.query_words), ("reply", &self.reply_words)] {
            writeln!(
                out,
                "{:>12}  {:.1} on average, median {}, 95 % up to {}, longest {}",
                format!("{what} words"),
                words.mean,
                words.median,
                words.p95,
                words.max
            )?;
        }
        if let Some(script) = &self.script {
            writeln!(out, "\nMost lines")?;
            write!(
                out,
                "{}",
                speakers_table(&script.most_frequent.iter().collect::<Vec<_>>())
            )?;
        }
        if !self.examples.is_empty() {
            writeln!(out, "\nUnderstood as")?;
        }
        for (at, turns) in self.examples.iter().enumerate() {
            if at > 0 {
                writeln!(out)?;
            }
            for turn in turns {
                let speaker = match excerpt(&turn.speaker, 24) {
                    nobody if nobody.is_empty() => "?".to_owned(),
                    speaker => speaker,
                };
                writeln!(out, "{speaker:>12}: {}", excerpt(&turn.text, 120))?;
            }
        }
        for note in &self.notes {
            writeln!(out, "\nNote: {}", printable(note))?;
        }
        Ok(())
    }
}

/// Speakers with their counts, a row each under a heading.
pub fn speakers_table(speakers: &[&Speaker]) -> String {
    use fmt::Write;

    let mut table = format!("{:>8} {:>8} {:>8}  speaker\n", "lines", "turns", "answers");
    for speaker in speakers {
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "{:>8} {:>8} {:>8}  {}",
            thousands(speaker.lines),
            thousands(speaker.turns),
            thousands(speaker.answers),
            printable(&speaker.name)
        );
    }
    table
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_counted_in_words() {
        let lengths = Lengths::of(["one", "one two", "one two", "one two three four five six"]);
        assert_eq!(lengths.histogram, [0, 1, 2, 0, 0, 0, 1]);
        assert_eq!((lengths.median, lengths.p95, lengths.max), (2, 6, 6));
        assert!((lengths.mean - 2.75).abs() < 1e-9);
        assert_eq!(Lengths::of([]).max, 0);
    }

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1234567, "1,234,567"),
        ] {
            assert_eq!(thousands(number), text);
        }
    }
}
