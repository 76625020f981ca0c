//! BM25 (Robertson and Zaragoza, 2009), with Lucene's idf, which is never negative.

use std::collections::HashMap;

use super::tfidf::tokens;

/// How soon a repeated word stops to count.
const K1: f32 = 1.5;
/// How much a long document is held against it.
const B: f32 = 0.75;

/// Documents, ready to be compared with a query.
#[derive(Debug, Clone)]
pub(crate) struct Bm25 {
    /// By term: document and weight.
    postings: HashMap<String, Vec<(usize, f32)>>,
    documents: usize,
}

impl Bm25 {
    /// Learns the weights of `documents`.
    pub(crate) fn fit<S: AsRef<str>>(documents: &[S]) -> Self {
        let mut postings: HashMap<String, Vec<(usize, f32)>> = HashMap::new();
        let mut lengths = vec![0.0f32; documents.len()];
        for (document, text) in documents.iter().enumerate() {
            for token in tokens(text.as_ref()) {
                lengths[document] += 1.0;
                let terms = postings.entry(token).or_default();
                match terms.last_mut() {
                    Some((last, count)) if *last == document => *count += 1.0,
                    _ => terms.push((document, 1.0)),
                }
            }
        }
        let n = documents.len() as f32;
        let average = lengths.iter().sum::<f32>() / n;
        for terms in postings.values_mut() {
            let df = terms.len() as f32;
            let idf = (1.0 + (n - df + 0.5) / (df + 0.5)).ln();
            for (document, count) in terms {
                let norm = K1 * (1.0 - B + B * lengths[*document] / average);
                *count = idf * *count * (K1 + 1.0) / (*count + norm);
            }
        }
        Self {
            postings,
            documents: documents.len(),
        }
    }

    /// The score of every document; a word that is twice in the query counts twice.
    pub(crate) fn score_all(&self, query: &str) -> Vec<f32> {
        let mut scores = vec![0.0; self.documents];
        for token in tokens(query) {
            for &(document, weight) in self.postings.get(&token).into_iter().flatten() {
                scores[document] += weight;
            }
        }
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the formula gives by hand (Python's `rank_bm25` is the same but for its idf).
    #[test]
    fn equals_the_formula() {
        let index = Bm25::fit(&["the cat the hat", "a cat", "a dog and a bone", ""]);
        let scores = index.score_all("The cat?");
        // Lengths 4, 2, 5, 0: 2.75 on average. "the" is in one document, "cat" in two of four.
        let idf = |df: f32| (1.0 + (4.0 - df + 0.5) / (df + 0.5)).ln();
        let weight =
            |count: f32, length: f32| count * 2.5 / (count + 1.5 * (0.25 + 0.75 * length / 2.75));
        let expected = [
            idf(1.0) * weight(2.0, 4.0) + idf(2.0) * weight(1.0, 4.0),
            idf(2.0) * weight(1.0, 2.0),
            0.0,
            0.0,
        ];
        for (score, expected) in scores.iter().zip(expected) {
            assert!((score - expected).abs() < 1e-6, "{scores:?} {expected:?}");
        }
        assert_eq!(index.score_all("zebra"), [0.0; 4]);
        assert!(Bm25::fit::<&str>(&[]).score_all("cat").is_empty());
    }
}
