//! The sieve between the stages: which of the replies that were retrieved the cross-encoder reads.
//!
//! A good answer often stands below the hundredth place: the bi-encoder puts first what sounds like the message.
//! The cross-encoder finds it there, but reads slowly. What one sees of a line at once (is it short, does
//! it ask, does it call somebody by name) says much of what the cross-encoder will make of it, and costs nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::features::{FEATURES, Seen, features};
use crate::builtin;
use crate::error::{Error, Remedy, Result};

/// The weights' file beside the general reranker.
const SIEVE: &str = "sieve.json";
/// Replies that are retrieved for each that is kept, and all of them at the most.
const TIMES: usize = 12;
const MOST: usize = 1200;

/// What the sieve weighs, in the order of its rows: of [`FEATURES`] those that need no cross-encoder, and what it
/// sees besides.
const SIFTED: [&str; 8] = [
    "retrieval",
    "retrieval_squared",
    "echo",
    "addressed",
    "names",
    "length",
    "length_squared",
    "asks",
];

/// How much each thing counts that one sees of a line at once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sieve {
    /// The weights by what they weigh; what is not among them counts nothing.
    weights: BTreeMap<String, f32>,
    /// Messages that they were fitted on, each with the general reranker's scores of a thousand replies.
    messages: usize,
}

impl Sieve {
    /// The one that was fitted on what the general reranker likes.
    ///
    /// # Errors
    /// Its weights are no weights.
    pub(crate) fn general() -> Result<Self> {
        let folder = builtin::reranker();
        let sieve: Self = folder.json(SIEVE)?;
        let weighs =
            |(name, weight): (&String, &f32)| SIFTED.contains(&name.as_str()) && weight.is_finite();
        match sieve.weights.iter().all(weighs) {
            true => Ok(sieve),
            false => Err(Error::model(
                folder.path(SIEVE),
                "weighs what homer does not see, or by no number",
                Remedy::None,
            )),
        }
    }

    /// How many replies are retrieved where `count` are to be kept.
    pub(crate) fn reach(count: usize) -> usize {
        count.max(count.saturating_mul(TIMES).min(MOST))
    }

    /// Which of `lines` (replies with their retrieval scores) are the `count` likeliest to be liked as answers to
    /// `query`.
    pub(crate) fn kept(&self, query: &str, lines: &[(&str, f32)], count: usize) -> Vec<bool> {
        let scores = self.scores(query, lines);
        let mut places: Vec<usize> = (0..scores.len()).collect();
        places.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let mut kept = vec![false; scores.len()];
        for &place in places.iter().take(count) {
            kept[place] = true;
        }
        kept
    }

    fn scores(&self, query: &str, lines: &[(&str, f32)]) -> Vec<f32> {
        let weight = |name: &str| self.weights.get(name).copied().unwrap_or_default();
        let weights = SIFTED.map(weight);
        let lines = lines.iter().map(|&(reply, retrieval)| Seen {
            reply,
            retrieval,
            cross: 0.0,
        });
        let seen: Vec<Seen<'_>> = lines.collect();
        let rows = features(query, &seen);
        let sifted = seen.iter().zip(&rows).map(|(one, row)| sifted(one, row));
        sifted
            .map(|row| row.iter().zip(weights).map(|(x, w)| x * w).sum())
            .collect()
    }
}

/// What is weighed of a line, in the order of [`SIFTED`].
fn sifted(line: &Seen<'_>, row: &[f32; FEATURES.len()]) -> [f32; SIFTED.len()] {
    let [_, retrieval, echo, _, addressed, names] = *row;
    let length = (1.0 + line.reply.split_whitespace().count() as f32).ln();
    let asks = line.reply.trim_end().ends_with('?');
    [
        retrieval,
        retrieval * retrieval,
        echo,
        addressed,
        names,
        length,
        length * length,
        f32::from(u8::from(asks)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sieve(weights: &[(&str, f32)]) -> Sieve {
        let weights = weights.iter().map(|&(name, weight)| (name.into(), weight));
        Sieve {
            weights: weights.collect(),
            messages: 1,
        }
    }

    /// The places of `lines` that are kept.
    fn kept(sieve: &Sieve, lines: &[(&str, f32)], count: usize) -> Vec<usize> {
        let kept = sieve.kept("Are you coming?", lines, count);
        (0..lines.len()).filter(|&place| kept[place]).collect()
    }

    #[test]
    fn it_keeps_the_likeliest_in_their_order() {
        let lines = [
            ("Where have you been all this long time?", 0.9),
            ("Yes.", 0.5),
            ("Wilma, come here.", 0.4),
            ("Never again.", 0.3),
        ];
        let of = |weights: &[(&str, f32)], count| kept(&sieve(weights), &lines, count);
        assert_eq!(of(&[("retrieval", 1.0)], 2), [0, 1]);
        assert_eq!(of(&[("asks", -1.0), ("addressed", -1.0)], 2), [1, 3]);
        assert_eq!(of(&[("length", -1.0)], 1), [1]);
        assert_eq!(of(&[("retrieval_squared", -1.0)], 2), [2, 3]);
        assert_eq!(of(&[("asks", 1.0)], 9), [0, 1, 2, 3]);
    }

    #[test]
    fn what_weighs_nothing_leaves_the_order_of_retrieval() {
        let lines = [("Well.", 0.5); 40];
        let kept = kept(&Sieve::default(), &lines, 7);
        assert_eq!(kept, (0..7).collect::<Vec<_>>());
    }

    #[test]
    fn more_is_retrieved_than_is_kept_but_not_without_end() {
        assert_eq!(Sieve::reach(1), 12);
        assert_eq!(Sieve::reach(100), 1200);
        assert_eq!(Sieve::reach(5000), 5000);
        assert_eq!(Sieve::reach(usize::MAX), usize::MAX);
    }

    #[test]
    fn the_general_one_can_be_read_and_likes_no_name_called() {
        let lines = [("Wilma, come here.", 0.4), ("I should like that.", 0.4)];
        assert_eq!(kept(&Sieve::general().unwrap(), &lines, 1), [1]);
    }
}
