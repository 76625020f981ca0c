//! The queries most like a query, among many: TF-IDF cosines from an inverted index, with bounded
//! work for a query, however many there are.
//!
//! Weights are [`crate::text::tfidf`]'s. Queries of the same words are one document. Where a query's words
//! have up to [`ALL`] postings, all are read. Where they are more frequent than that, only the
//! postings of the greatest weight are ([`SOME`], rarest words first), and the best documents that
//! these show are scored exactly.
#![allow(
    clippy::indexing_slicing,
    reason = "queries, documents and terms are numbered here, and places are these numbers"
)]

use std::collections::HashMap;

use rayon::prelude::*;

use crate::text::tfidf::{count, tokens, weigh};

/// Postings that a query may have for all of them to be read.
const ALL: usize = 16_384;

/// Postings that are read of a query that has more.
const SOME: usize = 4_096;

/// Of such a query, the documents that are scored exactly, at most.
const FINALISTS: usize = 128;

/// Queries, each with its reply's meaning, ready to be compared with another.
pub(super) struct Nearest {
    vocabulary: HashMap<String, usize>,
    idf: Vec<f32>,
    /// Of each query, its document.
    document: Vec<u32>,
    /// Of each document, its terms and their weights, by term.
    vectors: Lists,
    /// Of each term, the documents that have it and its weights there, the greatest first.
    postings: Lists,
    /// Of each document, its first queries whose replies mean different things.
    queries: Vec<Vec<u32>>,
    meaning: Vec<u32>,
}

/// Many lists, end to end.
struct Lists {
    starts: Vec<usize>,
    values: Vec<(u32, f32)>,
}

impl Lists {
    fn get(&self, at: usize) -> &[(u32, f32)] {
        &self.values[self.starts[at]..self.starts[at + 1]]
    }
}

/// What a thread needs again for every query.
#[derive(Default)]
pub(super) struct Scratch {
    /// Of each document; 0 between queries.
    scores: Vec<f32>,
    touched: Vec<u32>,
    /// Of each term; 0 between queries.
    weights: Vec<f32>,
    terms: Vec<(usize, f32)>,
}

impl Nearest {
    /// Queries whose replies mean `meaning`, of which (at most) the `distinct` best with different
    /// meanings will be asked for.
    pub(super) fn new(queries: &[&str], meaning: Vec<u32>, distinct: usize) -> Self {
        let mut vocabulary: HashMap<String, usize> = HashMap::new();
        let mut documents: HashMap<Vec<(usize, u32)>, u32> = HashMap::new();
        let mut document = Vec::with_capacity(queries.len());
        let mut first: Vec<Vec<u32>> = Vec::new();
        for (at, query) in queries.iter().enumerate() {
            let terms = count(tokens(query).map(|token| {
                let next = vocabulary.len();
                *vocabulary.entry(token).or_insert(next)
            }));
            let terms = terms.into_iter().map(|(term, n)| (term, n as u32));
            let next = first.len() as u32;
            let own = *documents.entry(terms.collect()).or_insert(next);
            if own == next {
                first.push(Vec::new());
            }
            document.push(own);
            let own = &mut first[own as usize];
            let new = |own: &[u32]| {
                own.iter()
                    .all(|&other| meaning[other as usize] != meaning[at])
            };
            if own.len() < distinct && new(own) {
                own.push(at as u32);
            }
        }

        let mut times = vec![0usize; first.len()];
        for &own in &document {
            times[own as usize] += 1;
        }
        let mut terms = vec![Vec::new(); first.len()];
        for (own, place) in documents {
            terms[place as usize] = own;
        }
        let mut frequency = vec![0usize; vocabulary.len()];
        for (own, times) in terms.iter().zip(&times) {
            for &(term, _) in own {
                frequency[term] += times;
            }
        }
        let n = queries.len() as f32;
        let idf: Vec<f32> = frequency
            .iter()
            .map(|&df| ((1.0 + n) / (1.0 + df as f32)).ln() + 1.0)
            .collect();
        let vectors = vectors(terms, &idf);
        let postings = postings(&vectors, vocabulary.len());
        Self {
            vocabulary,
            idf,
            document,
            vectors,
            postings,
            queries: first,
            meaning,
        }
    }

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
        for &(term, _) in &scratch.terms {
            scratch.weights[term] = 0.0;
        }
        scratch.weights.resize(self.idf.len(), 0.0);
        scratch.scores.resize(self.queries.len(), 0.0);
        let known = tokens(query).filter_map(|token| self.vocabulary.get(&token).copied());
        scratch.terms = weigh(count(known), &self.idf);
        for &(term, weight) in &scratch.terms {
            scratch.weights[term] = weight;
        }
    }

    /// The cosine of the query that is looked at with another.
    pub(super) fn cosine(&self, query: usize, scratch: &Scratch) -> f32 {
        self.score(self.document[query], scratch)
    }

    /// The (at most) `wanted` queries nearest to the one that is looked at, best first, of equals the
    /// first, whose replies mean different things and none of them `not`.
    pub(super) fn best(&self, wanted: usize, not: Option<u32>, scratch: &mut Scratch) -> Vec<u32> {
        let mut best = Best {
            wanted,
            found: Vec::with_capacity(wanted),
        };
        if wanted == 0 {
            return Vec::new();
        }
        let exact = self.gather(scratch);
        if !exact && scratch.touched.len() > FINALISTS {
            let Scratch {
                touched, scores, ..
            } = &mut *scratch;
            let order = |a: &u32, b: &u32| {
                let (left, right) = (scores[*a as usize], scores[*b as usize]);
                right.total_cmp(&left).then(a.cmp(b))
            };
            touched.select_nth_unstable_by(FINALISTS, order);
            for &lost in &touched[FINALISTS..] {
                scores[lost as usize] = 0.0;
            }
            touched.truncate(FINALISTS);
        }
        for &document in &scratch.touched {
            let score = if exact {
                scratch.scores[document as usize]
            } else {
                self.score(document, scratch)
            };
            if score < best.least() {
                continue;
            }
            for &query in &self.queries[document as usize] {
                let meaning = self.meaning(query as usize);
                if Some(meaning) != not {
                    best.offer(score, query, meaning);
                }
            }
        }
        for document in scratch.touched.drain(..) {
            scratch.scores[document as usize] = 0.0;
        }
        best.found.iter().map(|&(_, query, _)| query).collect()
    }

    /// Adds up the scores of the documents that share a term with the query; whether all were read.
    fn gather(&self, scratch: &mut Scratch) -> bool {
        let length = |term: usize| self.postings.get(term).len();
        let all: usize = scratch.terms.iter().map(|&(term, _)| length(term)).sum();
        let exact = all <= ALL;
        // The order of the terms decides how the sums are rounded: by term, as in `cosine`.
        let mut terms: Vec<(usize, f32)> = scratch.terms.clone();
        if !exact {
            terms.sort_unstable_by_key(|&(term, _)| (length(term), term));
        }
        let mut left = SOME;
        for (at, &(term, weight)) in terms.iter().enumerate() {
            let own = self.postings.get(term);
            let most = if exact {
                own.len()
            } else {
                left / (terms.len() - at)
            };
            let read = &own[..own.len().min(most)];
            left = left.saturating_sub(read.len());
            for &(document, other) in read {
                let score = &mut scratch.scores[document as usize];
                if *score == 0.0 {
                    scratch.touched.push(document);
                }
                *score += weight * other;
            }
        }
        exact
    }

    fn score(&self, document: u32, scratch: &Scratch) -> f32 {
        let terms = self.vectors.get(document as usize).iter();
        terms
            .map(|&(term, other)| scratch.weights[term as usize] * other)
            .fold(0.0, |sum, product| sum + product)
    }
}

/// The best of different meanings so far.
struct Best {
    wanted: usize,
    /// Score, query, meaning; best first.
    found: Vec<(f32, u32, u32)>,
}

impl Best {
    /// What is below this is not wanted any more.
    fn least(&self) -> f32 {
        let full = self.found.len() == self.wanted;
        let last = self.found.last().filter(|_| full);
        last.map_or(0.0, |last| last.0)
    }

    fn offer(&mut self, score: f32, query: u32, meaning: u32) {
        let better =
            |other: &(f32, u32, u32)| score > other.0 || (score == other.0 && query < other.1);
        if self.found.len() == self.wanted && !self.found.last().is_some_and(better) {
            return;
        }
        if let Some(same) = self.found.iter().position(|other| other.2 == meaning) {
            if !better(&self.found[same]) {
                return;
            }
            self.found.remove(same);
        }
        let place = self.found.iter().position(better);
        let place = place.unwrap_or(self.found.len());
        self.found.insert(place, (score, query, meaning));
        self.found.truncate(self.wanted);
    }
}

/// Counts times idf, to length 1.
fn vectors(terms: Vec<Vec<(usize, u32)>>, idf: &[f32]) -> Lists {
    let mut lists = Lists {
        starts: vec![0],
        values: Vec::new(),
    };
    for own in terms {
        let counts = own.into_iter().map(|(term, n)| (term, n as f32));
        let weighed = weigh(counts.collect(), idf).into_iter();
        let weighed = weighed.map(|(term, weight)| (term as u32, weight));
        lists.values.extend(weighed);
        lists.starts.push(lists.values.len());
    }
    lists
}

/// The vectors turned round.
fn postings(vectors: &Lists, terms: usize) -> Lists {
    let mut starts = vec![0usize; terms + 1];
    for &(term, _) in &vectors.values {
        starts[term as usize + 1] += 1;
    }
    for at in 0..terms {
        starts[at + 1] += starts[at];
    }
    let mut values = vec![(0, 0.0); vectors.values.len()];
    let mut next = starts.clone();
    for document in 0..vectors.starts.len() - 1 {
        for &(term, weight) in vectors.get(document) {
            values[next[term as usize]] = (document as u32, weight);
            next[term as usize] += 1;
        }
    }
    let mut rest = values.as_mut_slice();
    let mut lists = Vec::with_capacity(terms);
    for at in 0..terms {
        let (own, after) = rest.split_at_mut(starts[at + 1] - starts[at]);
        lists.push(own);
        rest = after;
    }
    lists.into_par_iter().for_each(|own| {
        own.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    });
    Lists { starts, values }
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
