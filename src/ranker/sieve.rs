//! The sieve between the stages: which of the replies that were retrieved the cross-encoder reads.
//!
//! A good answer often stands below the hundredth place: the bi-encoder puts first what sounds like the message.
//! The cross-encoder finds it there, but reads slowly. What one sees of a line at once (is it short, does
//! it ask, does it call somebody by name) says much of what the cross-encoder will make of it, and costs little. It
//! decides nothing but what is read, so that what holds for most scripts is good enough.

use serde::Deserialize;

use super::features::Asked;
use crate::builtin;
use crate::error::Result;

/// The weights' file beside the general reranker.
const SIEVE: &str = "sieve.json";
/// Replies that are retrieved for each that is kept, and all of them at the most.
const TIMES: usize = 12;
const MOST: usize = 600;
/// The nearest are always kept: who asks what somebody asked in the script is to hear what was answered there.
const NEAREST: usize = 10;

/// How much each thing counts that one sees of a line at once; without any, the nearest are kept.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct Sieve {
    weights: Weights,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Weights {
    /// The score by which it was retrieved.
    retrieval: f32,
    retrieval_squared: f32,
    /// The ranker's features of these names.
    addressed: f32,
    names: f32,
    /// The logarithm of its words.
    length: f32,
    length_squared: f32,
    /// Whether it is a question.
    asks: f32,
}

impl Sieve {
    /// The one that was fitted on what the general reranker likes; what one that was trained from it likes is not far
    /// from that.
    ///
    /// # Errors
    /// Its file is damaged.
    pub(crate) fn general() -> Result<Self> {
        builtin::reranker().json(SIEVE)
    }

    /// How many replies are retrieved where `count` are to be kept.
    pub(crate) fn reach(count: usize) -> usize {
        count.max(count.saturating_mul(TIMES).min(MOST))
    }

    /// Which `count` of `lines` (replies with their retrieval scores, best first) are the likeliest to be liked as
    /// answers to `query`.
    pub(crate) fn kept(&self, query: &str, lines: &[(&str, f32)], count: usize) -> Vec<bool> {
        if count >= lines.len() {
            return vec![true; lines.len()];
        }
        let nearest = NEAREST.min(count);
        let asked = Asked::of(query);
        let others = lines.iter().enumerate().skip(nearest);
        let mut scored: Vec<(usize, f32)> = others
            .map(|(place, &(reply, retrieval))| (place, self.score(&asked, reply, retrieval)))
            .collect();
        scored.sort_by(|a, b| b.1.total_cmp(&a.1));
        let likeliest = scored.into_iter().map(|(place, _)| place);
        let mut kept = vec![false; lines.len()];
        for place in (0..nearest).chain(likeliest.take(count - nearest)) {
            kept[place] = true;
        }
        kept
    }

    fn score(&self, asked: &Asked<'_>, reply: &str, retrieval: f32) -> f32 {
        let weights = &self.weights;
        let named = asked.named_in(reply);
        let length = (1.0 + reply.split_whitespace().count() as f32).ln();
        let asks = f32::from(u8::from(reply.trim_end().ends_with('?')));
        weights.retrieval * retrieval
            + weights.retrieval_squared * retrieval * retrieval
            + weights.addressed * named.addressed
            + weights.names * named.names
            + weights.length * length
            + weights.length_squared * length * length
            + weights.asks * asks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sieve(weights: serde_json::Value) -> Sieve {
        serde_json::from_value(serde_json::json!({"weights": weights})).unwrap()
    }

    /// Ten nearest, and these after them.
    fn after_the_nearest<'a>(lines: &[&'a str]) -> Vec<(&'a str, f32)> {
        let nearest = std::iter::repeat_n(("Wilma, is it you?", 0.9), NEAREST);
        let others = lines.iter().enumerate();
        let others = others.map(|(i, &line)| (line, 0.8 - i as f32 / 10.0));
        nearest.chain(others).collect()
    }

    /// The places of `lines` that are kept.
    fn kept(sieve: &Sieve, lines: &[(&str, f32)], count: usize) -> Vec<usize> {
        let kept = sieve.kept("Are you coming?", lines, count);
        (0..lines.len()).filter(|&place| kept[place]).collect()
    }

    #[test]
    fn it_keeps_the_nearest_and_the_likeliest_of_the_others() {
        let lines = after_the_nearest(&[
            "Where have you been all this long time?",
            "Yes.",
            "Wilma, come here.",
            "I saw Fred and Barney fishing.",
            "Never again.",
        ]);
        // The places, counted from the first that is not one of the nearest.
        let others = |weights: serde_json::Value, count: usize| -> Vec<usize> {
            let kept = kept(&sieve(weights), &lines, NEAREST + count);
            assert!(kept.iter().copied().take(NEAREST).eq(0..NEAREST));
            kept[NEAREST..]
                .iter()
                .map(|place| place - NEAREST)
                .collect()
        };
        use serde_json::json;
        assert_eq!(others(json!({"retrieval": 1}), 2), [0, 1]);
        assert_eq!(others(json!({"retrieval_squared": -1}), 2), [3, 4]);
        assert_eq!(others(json!({"asks": -9, "addressed": -1}), 3), [1, 3, 4]);
        assert_eq!(others(json!({"names": 1}), 1), [3]);
        assert_eq!(others(json!({"length": -1}), 2), [1, 4]);
        assert_eq!(others(json!({"length_squared": 1}), 1), [0]);
        assert_eq!(others(json!({"asks": 1}), 9), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_weighs_nothing_leaves_the_order_of_retrieval() {
        let lines = [("Well.", 0.5); 40];
        for count in [0, 7, 17] {
            let kept = kept(&Sieve::default(), &lines, count);
            assert_eq!(kept, (0..count).collect::<Vec<_>>());
        }
        assert!(Sieve::default().kept("Hm.", &[], 3).is_empty());
    }

    #[test]
    fn more_is_retrieved_than_is_kept_but_not_without_end() {
        assert_eq!(Sieve::reach(1), 12);
        assert_eq!(Sieve::reach(50), 600);
        assert_eq!(Sieve::reach(5000), 5000);
        assert_eq!(Sieve::reach(usize::MAX), usize::MAX);
    }

    #[test]
    fn the_general_one_likes_no_name_called() {
        let lines = after_the_nearest(&["Wilma, come here.", "I should like that."]);
        let general = Sieve::general().unwrap();
        assert!(!kept(&general, &lines, NEAREST + 1).contains(&NEAREST));
    }
}
