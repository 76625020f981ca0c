//! Good and bad replies, by TF-IDF over the queries.
#![allow(
    clippy::indexing_slicing,
    reason = "queries, replies and parts are those of the same exchanges, and places are theirs"
)]

use std::collections::HashMap;

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::nearest::{Nearest, Scratch};
use super::split::Part;
use crate::error::Result;
use crate::text::normalize::normalized;
use crate::watch::Watch;

/// Queries whose cosine is below this are about something else. In a script where all are more alike
/// than that, those below the upper quartile of the drawn are.
const DISSIMILAR: f32 = 0.1;

/// Exchanges between two looks at whether to go on.
const BLOCK: usize = 1 << 15;

/// In place of a reply that was not found.
const NONE: u32 = u32::MAX;

/// Of every exchange, the exchanges whose replies were picked for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Picks {
    good: usize,
    bad: usize,
    /// Of each exchange `good`, then `bad` places; what was not found is [`NONE`].
    places: Vec<u32>,
}

impl Picks {
    /// Picks (at most) `good` and `bad` replies for each of the exchanges, whose queries, replies and
    /// parts are given.
    ///
    /// Good: the replies to the most similar other queries. Bad: a seeded draw from the replies to
    /// dissimilar ones. Both come from training exchanges only, so that nothing held out is seen, and
    /// all of them say something else than the true reply and than each other.
    ///
    /// # Errors
    /// [`crate::error::Error::Interrupted`] where `watch` stops it.
    pub(crate) fn new(
        queries: &[&str],
        replies: &[&str],
        parts: &[Option<Part>],
        good: usize,
        bad: usize,
        seed: u64,
        watch: &dyn Watch,
    ) -> Result<Self> {
        let mut places = vec![NONE; queries.len() * (good + bad)];
        if good + bad > 0 {
            let candidates = Candidates::new(queries, replies, parts, good);
            let pick = |scratch: &mut Scratch, (at, places): (usize, &mut [u32])| {
                let (of_good, of_bad) = places.split_at_mut(good);
                match candidates.places[at] {
                    NONE => candidates.nearest.look(queries[at], scratch),
                    place => candidates.nearest.look_at(place as usize, scratch),
                }
                // The true reply is taken already; where it is no training reply, nothing is.
                let own = candidates.own[at];
                let found = candidates.nearest.best(good, own, scratch);
                let mut meanings: Vec<u32> = own.into_iter().collect();
                for (place, &query) in of_good.iter_mut().zip(&found) {
                    *place = candidates.exchanges[query as usize];
                    meanings.push(candidates.nearest.meaning(query as usize));
                }
                // A stream of its own: the draw depends on no other exchange, nor on the order of
                // the work.
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(at as u64);
                candidates.draw(of_bad, &mut rng, scratch, meanings);
            };
            for (block, places) in places.chunks_mut(BLOCK * (good + bad)).enumerate() {
                watch.go_on()?;
                let each = places.par_chunks_mut(good + bad).enumerate();
                let each = each.map(|(at, places)| (block * BLOCK + at, places));
                each.for_each_init(Scratch::default, pick);
            }
        }
        Ok(Self { good, bad, places })
    }

    /// The exchanges whose replies are good for the one at `at`, and those whose are bad.
    pub(crate) fn of(&self, at: usize) -> [impl Iterator<Item = usize>; 2] {
        let wanted = self.good + self.bad;
        let (good, bad) = self.places[at * wanted..(at + 1) * wanted].split_at(self.good);
        [good, bad].map(|places| {
            let found = places.iter().filter(|&&place| place != NONE);
            found.map(|&place| place as usize)
        })
    }
}

/// The training exchanges.
struct Candidates {
    /// Their places among all exchanges.
    exchanges: Vec<u32>,
    /// Of every exchange its place among these, or [`NONE`].
    places: Vec<u32>,
    nearest: Nearest,
    /// Of every exchange what its reply means, where a training reply means the same.
    own: Vec<Option<u32>>,
}

impl Candidates {
    fn new(queries: &[&str], replies: &[&str], parts: &[Option<Part>], good: usize) -> Self {
        let all = 0..queries.len();
        let training: Vec<usize> = all.filter(|&at| parts[at] == Some(Part::Train)).collect();
        // Which replies say the same: of each normalized text a number.
        let mut meanings: HashMap<String, u32> = HashMap::new();
        let mut meaning = Vec::with_capacity(training.len());
        let mut places = vec![NONE; queries.len()];
        for (place, &at) in training.iter().enumerate() {
            let next = meanings.len() as u32;
            meaning.push(*meanings.entry(normalized(replies[at])).or_insert(next));
            places[at] = place as u32;
        }
        let own = places.iter().zip(replies);
        let own = own.map(|(&place, reply)| match place {
            NONE => meanings.get(&normalized(reply)).copied(),
            place => Some(meaning[place as usize]),
        });
        let own = own.collect();
        drop(meanings);
        let asked: Vec<&str> = training.iter().map(|&at| queries[at]).collect();
        Self {
            places,
            nearest: Nearest::new(&asked, meaning, good + 1),
            exchanges: training.into_iter().map(|at| at as u32).collect(),
            own,
        }
    }

    /// Fills `places` with exchanges whose queries are about something else, and whose replies mean
    /// none of `meanings`.
    fn draw(
        &self,
        places: &mut [u32],
        rng: &mut ChaCha8Rng,
        scratch: &Scratch,
        mut meanings: Vec<u32>,
    ) {
        let n = self.nearest.len();
        let draws = n.min(places.len().saturating_mul(16));
        let mut filled = 0;
        let mut fill = |at: usize| {
            let meaning = self.nearest.meaning(at);
            if filled < places.len() && !meanings.contains(&meaning) {
                meanings.push(meaning);
                places[filled] = self.exchanges[at];
                filled += 1;
            }
            filled == places.len()
        };
        let mut alike = Vec::new();
        for at in index::sample(rng, n, draws) {
            let score = self.nearest.cosine(at, scratch);
            if score >= DISSIMILAR {
                alike.push((at, score));
            } else if fill(at) {
                return;
            }
        }
        let mut sorted: Vec<f32> = alike.iter().map(|(_, score)| *score).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        // The others come before these.
        let quartile = (draws * 3 / 4).checked_sub(draws - alike.len());
        if let Some(&quartile) = quartile.and_then(|at| sorted.get(at)) {
            for (at, _) in alike.into_iter().filter(|&(_, score)| score < quartile) {
                fill(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    const PAIRS: [(&str, &str); 7] = [
        ("want some tea", "Two sugars."),
        ("want some tea now", "Yes please!"),
        ("want some cold tea", "yes, please"),
        ("who broke the window", "A bird did."),
        ("the window is broken", "Not by me."),
        ("rain again today", "Bring a coat."),
        ("want some tea please", "A held out reply."),
    ];

    /// Of each pair, the good and the bad replies.
    fn picked(good: usize, bad: usize, seed: u64) -> Vec<[Vec<&'static str>; 2]> {
        let (queries, replies): (Vec<&str>, Vec<&str>) = PAIRS.iter().copied().unzip();
        let mut parts = [Some(Part::Train); 7];
        parts[6] = Some(Part::Test);
        let picks = Picks::new(&queries, &replies, &parts, good, bad, seed, &()).unwrap();
        (0..7)
            .map(|at| {
                picks
                    .of(at)
                    .map(|found| found.map(|place| PAIRS[place].1).collect())
            })
            .collect()
    }

    #[test]
    fn good_replies_answer_similar_queries() {
        let found = picked(2, 0, 0);
        // "Yes please!" and "yes, please" are one reply; the two windows share little with tea.
        assert_eq!(found[0], [vec!["Yes please!"], vec![]]);
        assert_eq!(found[3], [vec!["Not by me."], vec![]]);
        assert_eq!(found[6], [vec!["Two sugars.", "Yes please!"], vec![]]);
    }

    #[test]
    fn bad_replies_answer_dissimilar_queries() {
        let found = picked(1, 2, 7);
        let tea = ["Two sugars.", "Yes please!", "yes, please"];
        for ([good, bad], (_, own)) in found.iter().zip(PAIRS) {
            assert_eq!(bad.len(), 2, "{own}: {bad:?}");
            for reply in bad {
                assert_ne!(normalized(reply), normalized(own));
                assert!(!good.contains(reply));
                assert_ne!(*reply, "A held out reply.");
            }
        }
        for reply in &found[0][1] {
            assert!(!tea.contains(reply));
        }
        assert_eq!(found, picked(1, 2, 7));
        assert_ne!(found, picked(1, 2, 8));
    }

    #[test]
    fn where_all_are_alike_the_least_similar_are_drawn() {
        let tails = [
            "",
            " now",
            " now cold",
            " now cold again",
            " now cold again today here",
        ];
        let queries = tails.map(|tail| format!("want some tea{tail}"));
        let queries = queries.each_ref().map(String::as_str);
        let replies = ["One.", "Two.", "Three.", "Four.", "Five."];
        let parts = [Some(Part::Train); 5];
        let picks = Picks::new(&queries, &replies, &parts, 0, 1, 0, &()).unwrap();
        // All five are drawn; the upper quartile is the second nearest, after the query itself.
        let [_, bad] = picks.of(0);
        let bad: Vec<usize> = bad.collect();
        assert!(matches!(bad[..], [2..=4]), "{bad:?}");
        let [_, bad] = picks.of(4);
        let bad: Vec<usize> = bad.collect();
        assert!(matches!(bad[..], [0..=2]), "{bad:?}");
    }

    #[test]
    fn picking_stops_when_it_is_told_to() {
        struct Stop;
        impl Watch for Stop {
            fn stop(&self) -> bool {
                true
            }
        }
        let parts = [Some(Part::Train); 2];
        let stopped = Picks::new(&["tea", "rain"], &["Yes.", "No."], &parts, 1, 1, 0, &Stop);
        assert!(matches!(stopped, Err(Error::Interrupted { saved: false })));
    }

    #[test]
    fn nothing_is_picked_where_nothing_is_wanted() {
        assert!(picked(0, 0, 1).iter().flatten().all(Vec::is_empty));
    }
}
