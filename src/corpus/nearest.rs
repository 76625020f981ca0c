//! The queries most like a query, among many: TF-IDF cosines from an inverted index, with bounded
//! work for a query, however many there are.
//!
//! Weights are [`crate::text::tfidf`]'s. Queries of the same words are one document. Where a query's words
//! have up to [`ALL`] postings, all are read. Where they are more frequent than that, only the
//! postings of the greatest weight are ([`SOME`], rarest words first), and the best documents that
//! these show are scored exactly. Those are short ones, of many words the same: documents are
//! numbered by their lengths, so that what is read of a million lies together in the caches.
#![allow(
    clippy::indexing_slicing,
    reason = "queries, documents and terms are numbered here, and places are these numbers"
)]

mod build;
mod choose;

use std::collections::HashMap;
use std::mem;

use self::build::Lists;
use self::choose::{Best, keep_finalists};
use crate::text::tfidf::{count, tokens, weigh};

/// Postings that a query may have for all of them to be read.
const ALL: usize = 16_384;

/// Postings that are read of a query that has more.
const SOME: usize = 4_096;

/// Queries, each with its reply's meaning, ready to be compared with another.
pub(super) struct Nearest {
    vocabulary: HashMap<String, usize>,
    idf: Vec<f32>,
    /// Of each query, its document.
    document: Vec<u32>,
    /// Of each document, its terms and their weights, by term.
    vectors: Lists<(u32, f32)>,
    /// Of each term, the documents that have it and its weights there, the greatest first.
    postings: Lists<(u32, f32)>,
    /// Of each document, its first queries whose replies mean different things.
    queries: Lists<u32>,
    meaning: Vec<u32>,
}

/// What a thread needs again for every query.
#[derive(Default)]
pub(super) struct Scratch {
    terms: Vec<(u32, f32)>,
    /// Of each term; 0 where the query has it not.
    weights: Vec<f32>,
    /// Of each document; 0 between queries.
    scores: Vec<f32>,
    /// The documents whose score is not 0, and room for one more.
    touched: Vec<u32>,
    /// Documents and their scores.
    found: Vec<(u32, f32)>,
}

impl Nearest {
    /// How many queries there are.
    pub(super) fn len(&self) -> usize {
        self.document.len()
    }

    /// What the reply to a query means.
    pub(super) fn meaning(&self, query: usize) -> u32 {
        self.meaning[query]
    }

    /// Goes over to `query`: what is asked of `scratch` from now on is about it.
    pub(super) fn look(&self, query: &str, scratch: &mut Scratch) {
        let known = tokens(query).filter_map(|token| self.vocabulary.get(&token).copied());
        let terms = weigh(count(known), &self.idf).into_iter();
        self.turn_to(terms.map(|(term, weight)| (term as u32, weight)), scratch);
    }

    /// Goes over to one of the queries that there are.
    pub(super) fn look_at(&self, query: usize, scratch: &mut Scratch) {
        let terms = self.vectors.get(self.document[query] as usize);
        self.turn_to(terms.iter().copied(), scratch);
    }

    fn turn_to(&self, terms: impl Iterator<Item = (u32, f32)>, scratch: &mut Scratch) {
        for &(term, _) in &scratch.terms {
            scratch.weights[term as usize] = 0.0;
        }
        scratch.terms.clear();
        scratch.terms.extend(terms);
        scratch.weights.resize(self.idf.len(), 0.0);
        for &(term, weight) in &scratch.terms {
            scratch.weights[term as usize] = weight;
        }
    }

    /// The cosine of the query that is looked at with another.
    pub(super) fn cosine(&self, query: usize, scratch: &Scratch) -> f32 {
        self.score(self.document[query], &scratch.weights)
    }

    /// The (at most) `wanted` queries nearest to the one that is looked at, best first, of equals the
    /// first, whose replies mean different things and none of them `not`.
    pub(super) fn best(&self, wanted: usize, not: Option<u32>, scratch: &mut Scratch) -> Vec<u32> {
        if wanted == 0 {
            return Vec::new();
        }
        let mut best = Best::new(wanted);
        let exact = self.gather(scratch);
        let Scratch { weights, found, .. } = scratch;
        if !exact {
            keep_finalists(found);
            for (document, score) in found.iter_mut() {
                *score = self.score(*document, weights);
            }
        }
        for &(document, score) in found.iter() {
            if score < best.least() {
                continue;
            }
            for &query in self.queries.get(document as usize) {
                let meaning = self.meaning(query as usize);
                if Some(meaning) != not {
                    best.offer(score, query, meaning);
                }
            }
        }
        best.queries()
    }

    /// Finds the documents that share a term with the query, and adds up their scores; whether all
    /// were read.
    fn gather(&self, scratch: &mut Scratch) -> bool {
        let length = |term: u32| self.postings.get(term as usize).len();
        let all: usize = scratch.terms.iter().map(|&(term, _)| length(term)).sum();
        let exact = all <= ALL;
        // The order of the terms decides how the sums are rounded: by term, as in `cosine`.
        let mut terms = scratch.terms.clone();
        if !exact {
            terms.sort_unstable_by_key(|&(term, _)| (length(term), term));
        }
        scratch.scores.resize(self.vectors.len(), 0.0);
        scratch.touched.resize(ALL + 1, 0);
        let Scratch {
            scores,
            touched,
            found,
            ..
        } = scratch;
        let mut left = if exact { ALL } else { SOME };
        let mut n = 0;
        for (at, &(term, weight)) in terms.iter().enumerate() {
            let own = self.postings.get(term as usize);
            let most = if exact {
                left
            } else {
                left / (terms.len() - at)
            };
            let read = &own[..own.len().min(most)];
            left -= read.len();
            for &(document, other) in read {
                let score = &mut scores[document as usize];
                // No branch: nobody could foretell it.
                touched[n] = document;
                n += usize::from(*score == 0.0);
                *score += weight * other;
            }
        }
        found.clear();
        found.extend(touched[..n].iter().map(|&document| {
            let score = mem::take(&mut scores[document as usize]);
            (document, score)
        }));
        exact
    }

    /// # Shapes
    /// `weights` of each term.
    fn score(&self, document: u32, weights: &[f32]) -> f32 {
        let terms = self.vectors.get(document as usize).iter();
        terms
            .map(|&(term, other)| weights[term as usize] * other)
            .fold(0.0, |sum, product| sum + product)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::tfidf::TfIdf;
    use crate::text::tfidf::tests::top;

    proptest! {
        #[test]
        fn the_best_are_those_of_an_exhaustive_search(
            lines in prop::collection::vec(("[a-d]{1,2}( [a-d]{1,2}){0,4}", 0u32..6), 1..40),
            asked in "[a-d]{1,2}( [a-d]{1,2}){0,4}",
            wanted in 0usize..5,
        ) {
            let queries: Vec<&str> = lines.iter().map(|(query, _)| query.as_str()).collect();
            let meaning: Vec<u32> = lines.iter().map(|(_, meaning)| *meaning).collect();
            let mut scores = Vec::new();
            TfIdf::fit(&queries).score_all(&asked, &mut scores);
            let mut meanings = vec![3];
            let mut expected = Vec::new();
            for (at, _) in top(&scores, lines.len()) {
                if expected.len() < wanted && !meanings.contains(&meaning[at]) {
                    meanings.push(meaning[at]);
                    expected.push(at as u32);
                }
            }
            let nearest = Nearest::new(&queries, meaning, wanted + 1);
            let mut scratch = Scratch::default();
            nearest.look("a b c d", &mut scratch);
            nearest.best(wanted, None, &mut scratch);
            nearest.look(&asked, &mut scratch);
            prop_assert_eq!(nearest.best(wanted, Some(3), &mut scratch), expected);
            for (at, score) in scores.iter().enumerate() {
                prop_assert_eq!(nearest.cosine(at, &scratch), *score);
            }
            nearest.look(queries[0], &mut scratch);
            let told = nearest.best(wanted, None, &mut scratch);
            nearest.look("d", &mut scratch);
            nearest.look_at(0, &mut scratch);
            prop_assert_eq!(nearest.best(wanted, None, &mut scratch), told);
        }
    }

    #[test]
    fn frequent_words_do_not_hide_the_nearest() {
        let mut lines: Vec<String> = (0..ALL)
            .map(|n| format!("what is the matter with it number{n}"))
            .collect();
        lines[9_000] = "what is it".into();
        lines[9_001] = "is the matter".into();
        let queries: Vec<&str> = lines.iter().map(String::as_str).collect();
        let meaning = (0..lines.len() as u32).collect();
        let nearest = Nearest::new(&queries, meaning, 4);
        let mut scratch = Scratch::default();
        nearest.look("what is it", &mut scratch);
        let best = nearest.best(3, None, &mut scratch);
        assert_eq!(best[..2], [9_000, 9_001]);
        assert_eq!(best.len(), 3);
    }
}
