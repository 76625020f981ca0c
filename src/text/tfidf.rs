//! TF-IDF with cosine similarity over an inverted index.
//!
//! Weights follow scikit-learn's `TfidfVectorizer` defaults: raw term counts, smoothed
//! `idf = ln((1 + n) / (1 + df)) + 1`, vectors of length 1. Only documents that share a term with a
//! query are ever touched, so scoring a short line against tens of thousands takes microseconds.

use std::collections::HashMap;

/// Documents, ready to be compared with a query.
#[derive(Debug, Clone)]
pub(crate) struct TfIdf {
    vocabulary: HashMap<String, usize>,
    idf: Vec<f32>,
    /// Of term `t`: the postings `starts[t]..starts[t + 1]`.
    starts: Vec<usize>,
    /// Document and weight, by term, then by document.
    postings: Vec<(u32, f32)>,
    documents: usize,
}

impl TfIdf {
    /// Learns the vocabulary and the weights of `documents`, and holds their vectors.
    pub(crate) fn fit<S: AsRef<str>>(documents: &[S]) -> Self {
        let mut vocabulary: HashMap<String, usize> = HashMap::new();
        let counted: Vec<Vec<(usize, f32)>> = documents
            .iter()
            .map(|document| {
                count(tokens(document.as_ref()).map(|token| {
                    let next = vocabulary.len();
                    *vocabulary.entry(token).or_insert(next)
                }))
            })
            .collect();

        let mut frequency = vec![0usize; vocabulary.len()];
        for &(term, _) in counted.iter().flatten() {
            frequency[term] += 1;
        }
        let n = documents.len() as f32;
        let idf: Vec<f32> = frequency
            .iter()
            .map(|&df| ((1.0 + n) / (1.0 + df as f32)).ln() + 1.0)
            .collect();

        let mut starts = vec![0];
        for df in &frequency {
            starts.push(starts[starts.len() - 1] + df);
        }
        let mut postings = vec![(0, 0.0); starts[starts.len() - 1]];
        let mut next = starts.clone();
        for (document, terms) in counted.into_iter().enumerate() {
            for (term, weight) in weigh(terms, &idf) {
                postings[next[term]] = (document as u32, weight);
                next[term] += 1;
            }
        }
        Self {
            vocabulary,
            idf,
            starts,
            postings,
            documents: documents.len(),
        }
    }

    /// The cosine of `query` with every document, in 0..=1, by document. `scores` is overwritten;
    /// hand it in again to save the allocation.
    pub(crate) fn score_all(&self, query: &str, scores: &mut Vec<f32>) {
        scores.clear();
        scores.resize(self.documents, 0.0);
        let known = tokens(query).filter_map(|token| self.vocabulary.get(&token).copied());
        for (term, weight) in weigh(count(known), &self.idf) {
            for &(document, other) in &self.postings[self.starts[term]..self.starts[term + 1]] {
                scores[document as usize] += weight * other;
            }
        }
    }
}

/// The words of `text`: lower-case runs of letters, digits and inner apostrophes.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’'))
        .map(|word| word.trim_matches(['\'', '’']))
        .filter(|word| !word.is_empty())
        .map(|word| {
            let lower = word.to_lowercase();
            if lower.is_ascii() {
                lower
            } else {
                lower.replace('’', "'")
            }
        })
}

/// Terms with their counts, in the order of the terms.
pub(crate) fn count(terms: impl Iterator<Item = usize>) -> Vec<(usize, f32)> {
    let mut terms: Vec<usize> = terms.collect();
    terms.sort_unstable();
    terms
        .chunk_by(|a, b| a == b)
        .map(|same| (same[0], same.len() as f32))
        .collect()
}

/// Counts times idf, to length 1.
pub(crate) fn weigh(mut terms: Vec<(usize, f32)>, idf: &[f32]) -> Vec<(usize, f32)> {
    for (term, weight) in &mut terms {
        *weight *= idf[*term];
    }
    let length = terms.iter().map(|(_, weight)| weight * weight).sum::<f32>();
    let length = length.sqrt();
    for (_, weight) in &mut terms {
        *weight /= length;
    }
    terms
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINES: [&str; 4] = [
        "The kettle is on the stove",
        "Who put the kettle there?",
        "It's raining again",
        "Is it?",
    ];

    /// The cosines that scikit-learn 1.x computes for LINES against the query, with
    /// `TfidfVectorizer(token_pattern=r"[\w']+")`.
    #[test]
    fn equals_scikit_learn() {
        let mut scores = Vec::new();
        TfIdf::fit(&LINES).score_all("is the kettle raining", &mut scores);
        for (score, expected) in scores
            .iter()
            .zip([0.6137053, 0.3565697, 0.3411096, 0.2883962])
        {
            assert!((score - expected).abs() < 1e-6, "{scores:?}");
        }
    }

    /// The places of the (at most) `k` highest scores above 0, best first; of equals, the first.
    pub(crate) fn top(scores: &[f32], k: usize) -> Vec<(usize, f32)> {
        let mut sorted: Vec<(usize, f32)> = scores.iter().copied().enumerate().collect();
        sorted.sort_by(|a, b| b.1.total_cmp(&a.1));
        sorted.retain(|(_, score)| *score > 0.0);
        sorted.truncate(k);
        sorted
    }

    fn nearest(index: &TfIdf, query: &str, k: usize) -> Vec<(usize, f32)> {
        let mut scores = Vec::new();
        index.score_all(query, &mut scores);
        top(&scores, k)
    }

    #[test]
    fn nearest_finds_the_same_words_first() {
        let index = TfIdf::fit(&LINES);
        let found = nearest(&index, "THE KETTLE, who put there", 2);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].0, 1);
        assert!((found[0].1 - 1.0).abs() < 1e-6);
        assert_eq!(found[1].0, 0);
        assert!(nearest(&index, "zebra", 3).is_empty());
        assert!(nearest(&index, "", 3).is_empty());
        assert!(nearest(&TfIdf::fit::<&str>(&[]), "kettle", 3).is_empty());
    }

    proptest! {
        #[test]
        fn a_document_is_nearest_to_itself(lines in prop::collection::vec("[a-e]{1,3}( [a-e]{1,3}){0,4}", 1..12)) {
            let index = TfIdf::fit(&lines);
            for line in &lines {
                let best = nearest(&index, line, 1)[0];
                prop_assert!((best.1 - 1.0).abs() < 1e-5);
                prop_assert!(best.1 <= 1.0 + 1e-5);
            }
        }
    }
}
