//! What people thought of answers, as a run learns from it.

use std::path::Path;

use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::job::Training;
use crate::dialogue::{Grade, Judged, JudgedReply, Opinion};
use crate::error::Result;
use crate::files::{self, Rights};
use crate::seed::{Stream, derive};

/// The feedback that a run learns from, beside it: the user's file may go on growing.
pub(super) const FEEDBACK: &str = "feedback.jsonl";
/// Replies that are no answers, beside those that somebody liked, at least.
const BESIDE: usize = 4;

/// What a run learns from: what it was begun with, else what is `given`.
pub(super) fn of_run<S: Clone + Serialize + DeserializeOwned>(
    training: &Training<S>,
    given: Vec<Opinion>,
) -> Result<Vec<Opinion>> {
    let kept = training.folder.join(FEEDBACK);
    match training.resumes() {
        true if kept.is_file() => files::read_jsonl(&kept),
        true => Ok(Vec::new()),
        false => Ok(given),
    }
}

/// Keeps beside a run what it learns from.
pub(super) fn keep(folder: &Path, feedback: &[Opinion]) -> Result<()> {
    match feedback {
        [] => Ok(()),
        feedback => files::write_jsonl(&folder.join(FEEDBACK), Rights::PRIVATE, feedback),
    }
}

/// Answers that were liked, as judged messages: the others are those that were not, and, where these
/// are few, some of the character's `replies`.
pub(super) fn judged(feedback: &[Opinion], replies: &[&str], seed: u64) -> Vec<Judged> {
    let liked = feedback.iter().zip(0..);
    let liked = liked.filter(|(opinion, _)| !opinion.liked.is_empty());
    let candidate = |text: &str, grade| JudgedReply {
        reply: text.to_owned(),
        answered: None,
        score: None,
        grade: Some(grade),
        logit: None,
    };
    liked
        .map(|(opinion, number)| {
            let seed = derive(seed, Stream::Step, number);
            let mut draw = ChaCha8Rng::seed_from_u64(seed);
            let spoken = |text: &str| {
                let mut all = opinion.liked.iter().chain(&opinion.disliked);
                all.any(|one| one == text)
            };
            let missing = BESIDE.saturating_sub(opinion.disliked.len());
            let others = replies
                .sample(&mut draw, missing + opinion.liked.len())
                .filter(|text| !spoken(text))
                .take(missing);
            let good = opinion
                .liked
                .iter()
                .map(|text| candidate(text, Grade::Good));
            let disliked = opinion.disliked.iter().map(String::as_str);
            let bad = disliked.chain(others.copied());
            Judged {
                message: opinion.query.clone(),
                context: opinion.context.clone(),
                candidates: good
                    .chain(bad.map(|text| candidate(text, Grade::Bad)))
                    .collect(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_liked_stands_above_what_was_not_and_above_others() {
        let opinion = |liked: &[&str], disliked: &[&str]| Opinion {
            query: "Hi.".into(),
            context: vec!["Knock, knock.".into()],
            liked: liked.iter().map(|&text| text.to_owned()).collect(),
            disliked: disliked.iter().map(|&text| text.to_owned()).collect(),
        };
        let replies = ["a", "b", "c", "d", "e", "f", "g"];
        let feedback = [
            opinion(&["a"], &["b"]),
            opinion(&[], &["c"]),
            opinion(&["d"], &["a", "b", "c", "e", "f"]),
        ];
        let judged = judged(&feedback, &replies, 1);
        assert_eq!(judged.len(), 2, "what nobody liked has no good answer");
        assert_eq!(judged[0].context, ["Knock, knock."]);
        let of = |grade: Grade, i: usize| -> Vec<&str> {
            let graded = judged[i].graded().filter(|(_, own)| *own == grade);
            graded.map(|(text, _)| text).collect()
        };
        assert_eq!(of(Grade::Good, 0), ["a"]);
        let bad = of(Grade::Bad, 0);
        assert_eq!((bad.len(), bad[0]), (BESIDE, "b"));
        assert!(!bad.contains(&"a"));
        assert_eq!(of(Grade::Good, 1), ["d"]);
        assert_eq!(of(Grade::Bad, 1), ["a", "b", "c", "e", "f"]);
    }
}
