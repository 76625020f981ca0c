//! The candidates that a reader grades: the best of several systems, in one pool (Spärck Jones and van
//! Rijsbergen, 1975), so that none of them is favoured.
#![allow(
    clippy::indexing_slicing,
    reason = "numbers are given here, to what they are numbers of"
)]

use std::collections::HashMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::repertoire::Repertoire;
use crate::chat::{Candidate, Choice, Persona};
use crate::dialogue::{Judged, JudgedReply, Query, Said};
use crate::error::Result;
use crate::seed::{Stream, derive};
use crate::text::bm25::Bm25;
use crate::text::normalize::normalized;
use crate::watch::Watch;

/// Puts `messages` to several systems: what the persona makes of what it retrieves, its retrieval, and the words
/// shared with queries and with replies. In turn each gives its best reply that is not among the candidates
/// yet, until there are `count`; then they are shuffled, so that nobody sees whose they are.
///
/// # Errors
/// A model or the index fails, or `watch` stops it.
pub(super) fn pool(
    persona: &Persona,
    messages: &[String],
    count: usize,
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<Vec<Judged>> {
    let words = Words::of(&Repertoire::of(persona)?);
    let mut all = Vec::with_capacity(messages.len());
    for (number, message) in messages.iter().enumerate() {
        watch.go_on()?;
        let mut candidates = mixed(persona, &words, message, count)?;
        let seed = derive(seed, Stream::Order, number as u64);
        candidates.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        all.push(Judged {
            message: message.clone(),
            context: Vec::new(),
            candidates,
        });
        watch.advance(number as u64 + 1);
    }
    Ok(all)
}

fn mixed(
    persona: &Persona,
    words: &Words,
    message: &str,
    count: usize,
) -> Result<Vec<JudgedReply>> {
    let query = Query {
        context: &[],
        text: message,
    };
    let said: Said = [message].into_iter().collect();
    let choice = Choice::default();
    let retrieved = persona.retrieve(query, &said, usize::MAX)?;
    let mut found: HashMap<String, &Candidate> = HashMap::new();
    for candidate in &retrieved {
        let first = found.entry(normalized(&candidate.reply));
        first.or_insert(candidate);
    }
    let best = retrieved.iter().take(persona.reach(choice.top_k)).cloned();
    let best = persona.sifted(query, best.collect(), choice.top_k);
    let decided = persona.decide(query, best, &choice)?.candidates;
    let (by_reply, by_query) = words.rank(message);
    let mut systems: [Box<dyn Iterator<Item = &str>>; 4] = [
        Box::new(decided.iter().map(|one| one.reply.as_str())),
        Box::new(retrieved.iter().map(|one| one.reply.as_str())),
        Box::new(by_query.into_iter()),
        Box::new(by_reply.into_iter()),
    ];
    let mut taken = Said::default();
    let mut candidates = Vec::new();
    loop {
        let before = candidates.len();
        for system in &mut systems {
            let new = |reply: &&str| {
                // What was said stands among the retrieved where there is nothing else.
                found.contains_key(&normalized(reply)) && !taken.contains(reply)
            };
            if candidates.len() < count
                && let Some(reply) = system.find(new)
            {
                taken.insert(reply);
                let found = found.get(&normalized(reply));
                candidates.push(JudgedReply {
                    reply: reply.to_owned(),
                    answered: found
                        .and_then(|one| persona.answered(one))
                        .map(str::to_owned),
                    score: found.map(|one| one.retrieval),
                    grade: None,
                    logit: None,
                });
            }
        }
        if candidates.len() == before {
            return Ok(candidates);
        }
    }
}

/// The replies to be found by their words, and by those of the queries that they answered.
struct Words {
    texts: Vec<String>,
    replies: Bm25,
    queries: Bm25,
    /// Number of the reply that each of the queries was answered with.
    answers: Vec<usize>,
}

impl Words {
    fn of(repertoire: &Repertoire) -> Self {
        let texts = repertoire.replies.texts.clone();
        let (mut queries, mut answers) = (Vec::new(), Vec::new());
        for (number, text) in texts.iter().enumerate() {
            for query in repertoire.queries(text) {
                queries.push(query);
                answers.push(number);
            }
        }
        Self {
            replies: Bm25::fit(&texts),
            queries: Bm25::fit(&queries),
            answers,
            texts,
        }
    }

    /// The replies that share words with a message, and those to queries that do, best first.
    fn rank(&self, message: &str) -> (Vec<&str>, Vec<&str>) {
        let by_reply = best(&self.replies.score_all(message));
        let by_query = best(&self.queries.score_all(message));
        let text = |number: usize| self.texts[number].as_str();
        (
            by_reply.into_iter().map(text).collect(),
            by_query
                .into_iter()
                .map(|query| text(self.answers[query]))
                .collect(),
        )
    }
}

/// The places of the scores above 0, the best first; equals keep their order.
fn best(scores: &[f32]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..scores.len())
        .filter(|&place| scores[place] > 0.0)
        .collect();
    places.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::retrieve::Retrieve;
    use crate::chat::second_stage::{Rerank, SecondStage};
    use crate::dialogue::Turn;
    use crate::index::{Entry, Origin};
    use crate::ranker::{LinearRanker, Sieve};

    const LINES: [(&str, &str); 7] = [
        ("I never saw it.", "Have you seen my boat?"),
        ("Nobody asked.", "Hm?"),
        ("Good night.", "Good night!"),
        ("What boat?", "It went down."),
        ("Boats sink.", "Why is the harbour empty?"),
        ("BOATS SINK!", "Again?"),
        ("Ask the moose.", "Who knows?"),
    ];

    /// Gives the lines in order, scores falling by a tenth.
    struct Lines;

    impl Retrieve for Lines {
        fn retrieve(&self, _: Query<'_>, count: usize) -> Result<Vec<(Entry, f32)>> {
            let entry = |(id, (reply, query)): (usize, &(&str, &str))| {
                let entry = Entry {
                    text: (*reply).into(),
                    origin: Some(Origin {
                        exchange: id,
                        scene: 0,
                        query: Turn {
                            speaker: String::new(),
                            text: (*query).into(),
                        },
                        context: vec![],
                    }),
                    exchanges: vec![id],
                };
                (entry, 0.9 - id as f32 / 10.0)
            };
            Ok(LINES.iter().take(count).enumerate().map(entry).collect())
        }
    }

    /// Likes the moose.
    struct Moose;

    impl Rerank for Moose {
        fn rerank(&self, _: Query<'_>, replies: &[&str]) -> Result<Vec<f32>> {
            let score = |reply: &&str| f32::from(u8::from(reply.contains("moose")));
            Ok(replies.iter().map(score).collect())
        }
    }

    fn judged(message: &str, candidates: usize, seed: u64) -> Judged {
        let second = SecondStage {
            sieve: Sieve::default(),
            cross: Box::new(Moose),
            ranker: LinearRanker::default(),
            told: false,
        };
        let persona = Persona {
            second: Some(second),
            ..Persona::new("Rufus", Lines)
        };
        let messages = [message.to_owned()];
        let all = pool(&persona, &messages, candidates, seed, &mut ());
        all.unwrap().remove(0)
    }

    fn sorted(judged: &Judged) -> Vec<&str> {
        let mut replies: Vec<&str> = judged.candidates.iter().map(|one| &*one.reply).collect();
        replies.sort_unstable();
        replies
    }

    #[test]
    fn every_system_gives_its_best_and_no_reply_comes_twice() {
        // The second stage likes the moose, retrieval the first line; "harbour" is in a query that was answered
        // with "Boats sink.", and "boat" in another line. The second and third line are nobody's best.
        let four = judged("Where is the boat, and the harbour?", 4, 1);
        assert_eq!(
            sorted(&four),
            [
                "Ask the moose.",
                "Boats sink.",
                "I never saw it.",
                "What boat?"
            ]
        );
        let all = judged("Where is the boat?", 25, 1);
        assert_eq!(all.candidates.len(), 6, "{all:?}");
        for one in &all.candidates {
            let rank = LINES.iter().position(|line| line.0 == one.reply).unwrap();
            assert_eq!(one.score, Some(0.9 - rank as f32 / 10.0));
            assert_eq!(one.grade, None);
        }
        let echo = judged("What boat", 25, 1);
        assert!(!sorted(&echo).contains(&"What boat?"), "{echo:?}");
    }

    #[test]
    fn a_seed_decides_an_order_that_tells_nothing() {
        let order = |seed| judged("Where is the boat?", 4, seed).candidates;
        assert_eq!(order(1), order(1));
        let orders: Vec<_> = (0..8).map(order).collect();
        assert!(orders.iter().any(|other| *other != orders[0]));
    }
}
