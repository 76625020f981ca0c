//! The features of a candidate.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Names of the features, in the order of [`features`]. Lengths, pronouns, question marks and the like were tried:
/// what they say of one kind of script is wrong of another, where it decides (the sieve, which does not, goes by some).
pub(crate) const FEATURES: [&str; 6] = [
    "cross",
    "retrieval",
    "echo",
    "repeats_query",
    "addressed",
    "names",
];

/// A candidate as both stages left it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The reply.
    pub reply: &'a str,
    /// The first stage's score, a cosine or a mean of cosines.
    pub retrieval: f32,
    /// The cross-encoder's logit.
    pub cross: f32,
}

/// The features of the candidates of `query`, a row a candidate, in the order of [`FEATURES`]. Logits are
/// taken in deviations from their mean over the candidates, so that cross-encoders of any scale are
/// weighed alike.
pub(crate) fn features(query: &str, candidates: &[Seen<'_>]) -> Vec<[f32; FEATURES.len()]> {
    let asked = Asked::of(query);
    let (mean, deviation) = spread(candidates);
    let row = |one: &Seen<'_>| {
        let said = Line::of(one.reply);
        let flag = |set: bool| f32::from(u8::from(set));
        [
            (one.cross - mean) / deviation,
            one.retrieval,
            said.shared_with(&asked.sense),
            flag(said.words == asked.line.words),
            flag(said.is_addressed(&asked.line)),
            said.names(&asked.line),
        ]
    };
    candidates.iter().map(row).collect()
}

/// What is asked, taken apart once for all candidates.
pub(super) struct Asked<'a> {
    line: Line<'a>,
    /// Its words with a sense.
    sense: HashSet<String>,
}

/// The features `addressed` and `names` of a reply.
pub(super) struct Named {
    pub addressed: f32,
    pub names: f32,
}

impl<'a> Asked<'a> {
    pub(super) fn of(query: &'a str) -> Self {
        let line = Line::of(query);
        let sense = line.sense().into_iter().map(str::to_owned).collect();
        Self { line, sense }
    }

    /// Whom `reply` calls, and whom it names.
    pub(super) fn named_in(&self, reply: &str) -> Named {
        let said = Line::of(reply);
        Named {
            addressed: f32::from(u8::from(said.is_addressed(&self.line))),
            names: said.names(&self.line),
        }
    }
}

/// Mean and deviation of the candidates' logits; 1 where they are all alike.
fn spread(candidates: &[Seen<'_>]) -> (f32, f32) {
    let count = candidates.len().max(1) as f32;
    let mean = candidates.iter().map(|one| one.cross).sum::<f32>() / count;
    let squares = candidates.iter().map(|one| (one.cross - mean).powi(2));
    match (squares.sum::<f32>() / count).sqrt() {
        deviation if deviation > 1e-6 => (mean, deviation),
        _ => (mean, 1.0),
    }
}

/// A line taken apart.
struct Line<'a> {
    /// Its words in lower case.
    words: Vec<String>,
    /// Its words as written, each with whether it begins a sentence and what stands around it.
    written: Vec<Written<'a>>,
}

/// A word as it stands in its line.
struct Written<'a> {
    text: &'a str,
    begins: bool,
    after_comma: bool,
    before_pause: bool,
}

/// Words that carry a sentence and not its sense.
static LITTLE: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let words = "a an the i you he she it we they me him her us them my your his its our their is am are was \
        were be been do does did have has had to of in on at for with and or but not no so that this what who how \
        why when where which if as by from up out about just can could will would should don't i'm it's you're \
        that's i'll i've";
    words.split_ascii_whitespace().collect()
});
/// Words that begin a line and are set off by a comma, but are nobody's name.
static OPENERS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let words = "hey hi hello oh well no yes okay ok yeah ah uh um hm now so look listen right sure sorry please \
        thanks wow see then and but";
    words.split_ascii_whitespace().collect()
});

impl<'a> Line<'a> {
    fn of(text: &'a str) -> Self {
        let mut written = Vec::new();
        let (mut begins, mut after_comma) = (true, false);
        for token in text.split_whitespace() {
            let word = token.trim_matches(|c: char| !c.is_alphanumeric());
            let ends = token.contains(['.', '!', '?', '…']);
            if !word.is_empty() {
                written.push(Written {
                    text: word,
                    begins,
                    after_comma,
                    before_pause: ends || token.ends_with([',', ';']),
                });
                begins = false;
            }
            after_comma = token.ends_with(',');
            if ends {
                begins = true;
            }
        }
        let words = written
            .iter()
            .map(|word| word.text.to_lowercase().replace('’', "'"));
        Self {
            words: words.collect(),
            written,
        }
    }

    fn sense(&self) -> HashSet<&str> {
        let words = self.words.iter().map(String::as_str);
        words.filter(|word| !LITTLE.contains(word)).collect()
    }

    /// Share of its words with a sense that are among `others` too, in 0..=1.
    fn shared_with(&self, others: &HashSet<String>) -> f32 {
        let own = self.sense();
        let shared = own.iter().filter(|&&word| others.contains(word));
        shared.count() as f32 / own.len().max(1) as f32
    }

    /// Whether it calls somebody by a name that `asked` does not hold: "Hi, Ada.", "Ada, come here."
    fn is_addressed(&self, asked: &Line<'_>) -> bool {
        self.written.iter().zip(&self.words).any(|(word, lower)| {
            let named = word.text.starts_with(char::is_uppercase)
                && word.text.chars().any(char::is_lowercase)
                && !OPENERS.contains(lower.as_str())
                && !LITTLE.contains(lower.as_str())
                && !asked.words.contains(lower);
            named && word.before_pause && (word.after_comma || word.begins)
        })
    }

    /// ln(1 + words written with a capital inside a sentence that `asked` does not hold).
    fn names(&self, asked: &Line<'_>) -> f32 {
        let words = self.written.iter().zip(&self.words);
        let named = words.filter(|(word, lower)| {
            !word.begins
                && word.text.starts_with(char::is_uppercase)
                && !LITTLE.contains(lower.as_str())
                && !lower.starts_with("i'")
                && !asked.words.contains(lower)
        });
        (1.0 + named.count() as f32).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(query: &str, reply: &str, name: &str) -> f32 {
        let seen = Seen {
            reply,
            retrieval: 0.5,
            cross: 1.0,
        };
        let place = FEATURES.iter().position(|known| *known == name).unwrap();
        features(query, &[seen])[0][place]
    }

    #[test]
    fn an_echo_shares_its_words_of_sense() {
        assert_eq!(
            feature("Are you drunk?", "Yes, you are drunk.", "echo"),
            0.5
        );
        assert_eq!(feature("Are you drunk?", "Not since noon.", "echo"), 0.0);
        assert_eq!(feature("Really?", "Really!", "repeats_query"), 1.0);
    }

    #[test]
    fn a_line_spoken_to_somebody_is_told_by_the_name() {
        for line in [
            "Hi, Wilma.",
            "Wilma, come here.",
            "Stop it, Wilma!",
            "Wilma?",
        ] {
            assert_eq!(feature("Hello!", line, "addressed"), 1.0, "{line}");
        }
        for line in [
            "Hi there.",
            "Well, come in.",
            "I like Wilma a lot.",
            "Stop it!",
        ] {
            assert_eq!(feature("Hello!", line, "addressed"), 0.0, "{line}");
        }
        // Who names her may be answered so.
        assert_eq!(feature("I am Wilma.", "Hi, Wilma.", "addressed"), 0.0);
        assert!(feature("Hello!", "I like Wilma a lot.", "names") > 0.0);
    }

    #[test]
    fn a_cross_encoder_of_another_scale_counts_the_same() {
        let seen = |cross| Seen {
            reply: "Hm.",
            retrieval: 0.5,
            cross,
        };
        let small = features("Well?", &[seen(1.0), seen(-1.0), seen(0.0)]);
        let large = features("Well?", &[seen(107.0), seen(93.0), seen(100.0)]);
        for (a, b) in small.iter().zip(&large) {
            assert!((a[0] - b[0]).abs() < 1e-4, "{a:?} {b:?}");
        }
        assert!(small[0][0] > 1.0 && small[1][0] < -1.0);
    }

    #[test]
    fn nothing_said_gives_numbers() {
        for text in ["", "…", "?!", "\u{200e}"] {
            let seen = Seen {
                reply: text,
                retrieval: 0.0,
                cross: 0.0,
            };
            let rows = features(text, &[seen, seen]);
            assert!(rows.iter().flatten().all(|value| value.is_finite()));
        }
    }
}
