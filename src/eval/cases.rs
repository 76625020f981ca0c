//! What every system is asked: the queries, the pool of replies, and the random distractors.

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use crate::dialogue::{Exchange, Query, Replies};

/// Candidates of the larger of the two draws, the true reply among them.
pub(crate) const MANY: usize = 100;
/// Candidates of the smaller one: the true reply and the first of the same distractors.
pub(crate) const FEW: usize = 20;

/// A query whose true reply is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    /// Place among the cases.
    pub number: usize,
    /// The exchange's id.
    pub exchange: usize,
    /// The turns before the query, oldest first.
    pub context: Vec<String>,
    /// The turn that is answered.
    pub text: String,
    /// Place of the true reply in the pool.
    pub truth: usize,
    /// Places of the replies that repeat the query or a turn of the context: nobody who answers
    /// says again what was just said.
    pub said: Vec<usize>,
    /// Places of replies of other text, drawn at random: 99, or 19, or none where the pool is too
    /// small for either.
    distractors: Vec<usize>,
}

impl Case {
    /// The query as the models read it.
    pub(crate) fn query(&self) -> Query<'_> {
        Query {
            context: &self.context,
            text: &self.text,
        }
    }

    /// The true reply among `size` candidates in the order of the pool, so that their order tells
    /// nothing; `None` where the pool is too small.
    pub(crate) fn among(&self, size: usize) -> Option<Vec<usize>> {
        let drawn = self.distractors.get(..size - 1)?;
        let mut candidates: Vec<usize> = drawn.iter().copied().chain([self.truth]).collect();
        candidates.sort_unstable();
        Some(candidates)
    }
}

/// The queries with the replies that they are ranked among.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cases {
    /// The queries.
    pub cases: Vec<Case>,
    /// The distinct replies of all exchanges, compared as [`crate::text::normalize`] says, in their order.
    pub pool: Vec<String>,
    /// Exchanges that the cases were drawn from.
    pub available: usize,
}

impl Cases {
    /// At most `most` of `exchanges`, drawn at random, against the distinct replies of all of them.
    /// The seed decides this draw and that of the distractors.
    pub(crate) fn new(exchanges: &[Exchange], most: usize, seed: u64) -> Self {
        let mut pool = Replies::default();
        let truths: Vec<u32> = exchanges.iter().map(|e| pool.number(&e.reply)).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut chosen: Vec<usize> = if exchanges.len() <= most {
            (0..exchanges.len()).collect()
        } else {
            index::sample(&mut rng, exchanges.len(), most).into_vec()
        };
        chosen.sort_unstable();
        let distractors = [MANY, FEW].into_iter().find(|&size| size <= pool.len());
        let cases = chosen.into_iter().enumerate().map(|(number, place)| {
            let exchange = &exchanges[place];
            let truth = truths[place] as usize;
            let others = distractors.map_or(0, |size| size - 1);
            let drawn = index::sample(&mut rng, pool.len() - 1, others);
            Case {
                number,
                exchange: exchange.id,
                context: exchange.context.iter().map(|t| t.text.clone()).collect(),
                text: exchange.query.text.clone(),
                truth,
                said: pool.said(exchange).map(|said| said as usize).collect(),
                distractors: drawn
                    .into_iter()
                    .map(|other| other + usize::from(other >= truth))
                    .collect(),
            }
        });
        Self {
            cases: cases.collect(),
            pool: pool.texts,
            available: exchanges.len(),
        }
    }

    /// The pool as the models read it.
    pub(crate) fn replies(&self) -> Vec<&str> {
        self.pool.iter().map(String::as_str).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::dialogue::Turn;

    /// Exchanges with these replies; query `i` is "query i".
    pub(crate) fn exchanges<S: AsRef<str>>(replies: &[S]) -> Vec<Exchange> {
        let turn = |text: String| Turn {
            speaker: "Ada".into(),
            text,
        };
        replies
            .iter()
            .enumerate()
            .map(|(id, reply)| Exchange {
                id,
                scene: id,
                context: vec![turn("before".into())],
                query: turn(format!("query {id}")),
                reply: reply.as_ref().into(),
                close_replies: vec![],
                good_replies: vec![],
                bad_replies: vec![],
            })
            .collect()
    }

    /// `n` replies, of which every tenth is "No."
    fn replies(n: usize) -> Vec<String> {
        let reply = |i| {
            if i % 10 == 0 {
                "No.".into()
            } else {
                format!("reply {i}")
            }
        };
        (0..n).map(reply).collect()
    }

    #[test]
    fn distractors_are_distinct_and_never_of_the_true_text() {
        let cases = Cases::new(&exchanges(&replies(200)), 1000, 1);
        assert_eq!(cases.pool.len(), 181);
        assert_eq!(cases.cases.len(), 200);
        for case in &cases.cases {
            let many: BTreeSet<usize> = case.among(MANY).unwrap().into_iter().collect();
            let few = case.among(FEW).unwrap();
            assert_eq!((many.len(), few.len()), (MANY, FEW));
            assert!(few.is_sorted() && few.iter().all(|place| many.contains(place)));
            assert!(few.contains(&case.truth));
        }
        assert_eq!(cases.pool[cases.cases[20].truth], "No.");
        assert_eq!(cases.cases[20].truth, cases.cases[0].truth);
    }

    #[test]
    fn what_was_just_said_is_known_however_it_is_written() {
        let cases = Cases::new(&exchanges(&["Before!", "query 1", "Tea."]), 10, 1);
        let said: Vec<&[usize]> = cases.cases.iter().map(|case| &case.said[..]).collect();
        assert_eq!(said, [&[0][..], &[0, 1], &[0]]);
    }

    #[test]
    fn every_other_reply_is_drawn_as_often() {
        let cases = Cases::new(&exchanges(&replies(2000)), 5000, 7);
        let mut drawn = vec![0; cases.pool.len()];
        for case in &cases.cases {
            for place in case.among(MANY).unwrap() {
                drawn[place] += usize::from(place != case.truth);
            }
        }
        // 110 on average, deviation about 10.
        assert!(drawn.iter().all(|times| (55..165).contains(times)));
    }

    #[test]
    fn the_seed_decides_and_a_sample_keeps_the_whole_pool() {
        let all = exchanges(&replies(300));
        let cases = Cases::new(&all, 50, 1);
        assert_eq!((cases.cases.len(), cases.available), (50, 300));
        assert_eq!(cases.pool.len(), 271);
        assert_eq!(cases, Cases::new(&all, 50, 1));
        assert_ne!(cases, Cases::new(&all, 50, 2));
        assert!(cases.cases.is_sorted_by_key(|case| case.exchange));
    }

    #[test]
    fn a_small_pool_has_no_draw_that_it_cannot_fill() {
        let case = |n: usize| Cases::new(&exchanges(&replies(n)), 1000, 1).cases.remove(0);
        assert_eq!(case(19).among(FEW), None);
        assert_eq!(case(50).among(FEW).unwrap().len(), FEW);
        assert_eq!(case(50).among(MANY), None);
        assert_eq!(case(1).among(FEW), None);
        assert!(Cases::new(&[], 10, 1).cases.is_empty());
    }
}
