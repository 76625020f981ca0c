//! A turn, and an exchange of turns.

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::fingerprint::Fnv;
use crate::seed::{Stream, derive};

/// Neighbouring lines of one speaker in one scene, joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Who speaks; empty where the source does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub speaker: String,
    /// What is said.
    pub text: String,
}

/// One answer of the character, with what it answers and what surrounds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Position among all exchanges, in the order of the source.
    pub id: usize,
    /// The scene that it comes from, counted from 0; for ready pairs, the row.
    pub scene: usize,
    /// The turns before the query, oldest first.
    pub context: Vec<Turn>,
    /// The turn that is answered.
    pub query: Turn,
    /// The character's answer.
    pub reply: String,
    /// Who speaks in the next turns, and what they say.
    pub close_replies: Vec<Turn>,
    /// The character's replies to the most similar other queries, by TF-IDF.
    pub good_replies: Vec<String>,
    /// A seeded draw from the character's replies to dissimilar queries.
    pub bad_replies: Vec<String>,
}

impl Exchange {
    /// The distinct speakers of the close replies, in order of appearance.
    pub fn companions(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for turn in &self.close_replies {
            if !names.contains(&turn.speaker.as_str()) {
                names.push(&turn.speaker);
            }
        }
        names
    }

    /// What training reads of it: the texts of the newest turn before the query, of the query and of the reply.
    pub(crate) fn lean(mut self) -> Self {
        let older = self.context.len().saturating_sub(1);
        self.context.drain(..older);
        self.context.shrink_to_fit();
        self.context
            .iter_mut()
            .chain([&mut self.query])
            .for_each(|turn| turn.speaker = String::new());
        self.without_others()
    }

    /// Without the close, good and bad replies, which whoever measures does not read.
    pub(crate) fn without_others(self) -> Self {
        Self {
            close_replies: Vec::new(),
            good_replies: Vec::new(),
            bad_replies: Vec::new(),
            ..self
        }
    }
}

/// At most `most` of the exchanges, in order, drawn with `seed`.
pub(crate) fn sample(exchanges: &[Exchange], most: usize, seed: u64) -> Vec<Exchange> {
    let mut rng = ChaCha8Rng::seed_from_u64(derive(seed, Stream::Validation, 0));
    let amount = exchanges.len().min(most);
    let mut chosen = index::sample(&mut rng, exchanges.len(), amount).into_vec();
    chosen.sort_unstable();
    chosen
        .iter()
        .filter_map(|&i| exchanges.get(i))
        .cloned()
        .collect()
}

/// A hash (FNV-1a) of all that training reads, by which `--resume` knows that it goes on with the
/// same exchanges.
pub(crate) fn fingerprint(parts: &[&[Exchange]]) -> String {
    let mut hash = Fnv::default();
    let mut add = |text: &str| {
        hash.add(text.as_bytes());
        hash.add(&[0xff]);
    };
    for part in parts {
        for exchange in *part {
            let before = exchange.context.last();
            before.into_iter().for_each(|turn| add(&turn.text));
            add(&exchange.query.text);
            add(&exchange.reply);
        }
        add("\u{1}");
    }
    hash.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_drawn_by_its_seed_and_keeps_the_order() {
        let exchange = |id| Exchange {
            id,
            scene: id,
            context: Vec::new(),
            query: Turn {
                speaker: String::new(),
                text: "question".into(),
            },
            reply: "answer".into(),
            close_replies: Vec::new(),
            good_replies: Vec::new(),
            bad_replies: Vec::new(),
        };
        let all: Vec<Exchange> = (0..200).map(exchange).collect();
        let ids = |most, seed| -> Vec<usize> {
            let sample = sample(&all, most, seed);
            sample.iter().map(|exchange| exchange.id).collect()
        };
        assert_eq!(ids(200, 1), (0..200).collect::<Vec<_>>());
        let some = ids(20, 1);
        assert!(some.len() == 20 && some.is_sorted_by(|a, b| a < b));
        assert_eq!(some, ids(20, 1));
        assert_ne!(some, ids(20, 2));
    }
}
