//! Good and bad replies, by TF-IDF over the queries.

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::HashMap;

use super::split::Part;
use crate::dialogue::Exchange;
use crate::text::normalize::normalized;
use crate::text::tfidf::{TfIdf, top};

/// Queries whose cosine is below this are about something else. In a script where all are more alike
/// than that, those below the upper quartile are.
const DISSIMILAR: f32 = 0.1;

/// Fills `good_replies` and `bad_replies` of every exchange, (at most) `good` and `bad` of them.
///
/// Good: the replies to the most similar other queries. Bad: a seeded draw from the replies to
/// dissimilar ones. Both come from training exchanges only, so that nothing held out is seen, and
/// all of them say something else than the true reply and than each other.
pub fn pick(exchanges: &mut [Exchange], parts: &[Part], good: usize, bad: usize, seed: u64) {
    let candidates = Candidates::new(exchanges, parts);
    let picked: Vec<(Vec<usize>, Vec<usize>)> = exchanges
        .par_iter()
        .map_init(Vec::new, |scores, exchange| {
            candidates.queries.score_all(&exchange.query.text, scores);
            let mut chosen = Chosen {
                candidates: &candidates,
                // The true reply is taken already; where it is no training reply, nothing is.
                meanings: candidates
                    .meanings
                    .get(&normalized(&exchange.reply))
                    .copied()
                    .into_iter()
                    .collect(),
            };
            let good = candidates.good(scores, good, &mut chosen);
            let bad = candidates.bad(scores, bad, seed, exchange.id, &mut chosen);
            (good, bad)
        })
        .collect();
    let texts = |exchanges: &[Exchange], chosen: Vec<usize>| -> Vec<String> {
        let replies = chosen.into_iter().map(|at| candidates.exchanges[at]);
        replies.map(|at| exchanges[at].reply.clone()).collect()
    };
    for (at, (good, bad)) in picked.into_iter().enumerate() {
        exchanges[at].good_replies = texts(exchanges, good);
        exchanges[at].bad_replies = texts(exchanges, bad);
    }
}

/// The training exchanges.
struct Candidates {
    /// Their places among all exchanges.
    exchanges: Vec<usize>,
    queries: TfIdf,
    /// Which replies say the same: of each normalized text a number, of each candidate its reply's.
    meanings: HashMap<String, usize>,
    meaning: Vec<usize>,
}

impl Candidates {
    fn new(exchanges: &[Exchange], parts: &[Part]) -> Self {
        let training: Vec<usize> = (0..exchanges.len())
            .filter(|&at| parts[at] == Part::Train)
            .collect();
        let queries: Vec<&str> = training
            .iter()
            .map(|&at| exchanges[at].query.text.as_str())
            .collect();
        let mut meanings = HashMap::new();
        let meaning = training
            .iter()
            .map(|&at| {
                let next = meanings.len();
                *meanings
                    .entry(normalized(&exchanges[at].reply))
                    .or_insert(next)
            })
            .collect();
        Self {
            queries: TfIdf::fit(&queries),
            exchanges: training,
            meanings,
            meaning,
        }
    }

    fn good(&self, scores: &[f32], wanted: usize, chosen: &mut Chosen<'_>) -> Vec<usize> {
        // Many neighbours may share one reply: look further until there are enough.
        let mut reach = wanted.saturating_add(1).saturating_mul(4);
        loop {
            let mut trial = chosen.clone();
            let nearest = top(scores, reach).into_iter().map(|(at, _)| at);
            let good: Vec<usize> = nearest.filter(|&at| trial.add(at)).take(wanted).collect();
            if good.len() == wanted || reach >= scores.len() {
                *chosen = trial;
                return good;
            }
            reach = reach.saturating_mul(4);
        }
    }

    fn bad(
        &self,
        scores: &[f32],
        wanted: usize,
        seed: u64,
        stream: usize,
        chosen: &mut Chosen<'_>,
    ) -> Vec<usize> {
        // A stream of its own: the draw depends on no other exchange, nor on the order of the work.
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream as u64);
        let draws = scores.len().min(wanted.saturating_mul(16));
        let drawn = index::sample(&mut rng, scores.len(), draws).into_vec();
        let mut sorted: Vec<f32> = drawn.iter().map(|&at| scores[at]).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let quartile = sorted.get(draws * 3 / 4).copied().unwrap_or_default();
        let dissimilar = DISSIMILAR.max(quartile);
        drawn
            .into_iter()
            .filter(|&at| scores[at] < dissimilar && chosen.add(at))
            .take(wanted)
            .collect()
    }
}

/// What an exchange's replies say so far.
#[derive(Clone)]
struct Chosen<'a> {
    candidates: &'a Candidates,
    meanings: Vec<usize>,
}

impl Chosen<'_> {
    /// Adds a candidate's reply; `false` if one that says the same is there already.
    fn add(&mut self, candidate: usize) -> bool {
        let meaning = self.candidates.meaning[candidate];
        let new = !self.meanings.contains(&meaning);
        if new {
            self.meanings.push(meaning);
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::Turn;

    fn exchanges(pairs: &[(&str, &str)]) -> Vec<Exchange> {
        let exchange = |(id, (query, reply)): (usize, &(&str, &str))| Exchange {
            id,
            scene: id,
            context: Vec::new(),
            query: Turn {
                speaker: String::new(),
                text: (*query).into(),
            },
            reply: (*reply).into(),
            close_replies: Vec::new(),
            good_replies: Vec::new(),
            bad_replies: Vec::new(),
        };
        pairs.iter().enumerate().map(exchange).collect()
    }

    const PAIRS: [(&str, &str); 7] = [
        ("want some tea", "Two sugars."),
        ("want some tea now", "Yes please!"),
        ("want some cold tea", "yes, please"),
        ("who broke the window", "A bird did."),
        ("the window is broken", "Not by me."),
        ("rain again today", "Bring a coat."),
        ("want some tea please", "A held out reply."),
    ];

    fn picked(good: usize, bad: usize, seed: u64) -> Vec<Exchange> {
        let mut exchanges = exchanges(&PAIRS);
        let mut parts = [Part::Train; 7];
        parts[6] = Part::Test;
        pick(&mut exchanges, &parts, good, bad, seed);
        exchanges
    }

    #[test]
    fn good_replies_answer_similar_queries() {
        let exchanges = picked(2, 0, 0);
        // "Yes please!" and "yes, please" are one reply; the two windows share little with tea.
        assert_eq!(exchanges[0].good_replies, ["Yes please!"]);
        assert_eq!(exchanges[3].good_replies, ["Not by me."]);
        assert_eq!(exchanges[6].good_replies, ["Two sugars.", "Yes please!"]);
    }

    #[test]
    fn bad_replies_answer_dissimilar_queries() {
        let exchanges = picked(1, 2, 7);
        let tea = ["Two sugars.", "Yes please!", "yes, please"];
        for exchange in &exchanges {
            assert_eq!(exchange.bad_replies.len(), 2, "{exchange:?}");
            for reply in &exchange.bad_replies {
                assert_ne!(normalized(reply), normalized(&exchange.reply));
                assert!(!exchange.good_replies.contains(reply));
                assert_ne!(reply, "A held out reply.");
            }
        }
        for reply in &exchanges[0].bad_replies {
            assert!(!tea.contains(&reply.as_str()));
        }
        assert_eq!(exchanges, picked(1, 2, 7));
        assert_ne!(exchanges, picked(1, 2, 8));
    }
}
