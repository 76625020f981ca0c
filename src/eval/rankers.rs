//! Systems that score query and reply in one stage.

use super::cases::{Case, Cases};
use crate::dialogue::Query;
use crate::error::Result;
use crate::model::bi_encoder::{BiEncoder, Embeddings, dot};
use crate::text::bm25::Bm25;
use crate::text::tfidf::TfIdf;

/// A system to be evaluated.
pub(crate) trait Ranker: Send + Sync {
    /// A score for each of `candidates` (places in the pool); higher is better.
    ///
    /// # Errors
    /// A model fails.
    fn scores(&self, case: &Case, candidates: &[usize]) -> Result<Vec<f32>>;
}

/// Which part of a case a system reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// The query alone.
    Query,
    /// The query with the turns before it.
    Context,
}

impl Input {
    fn of(self, case: &Case) -> Query<'_> {
        match self {
            Self::Query => Query {
                context: &[],
                text: &case.text,
            },
            Self::Context => case.query(),
        }
    }
}

/// Every candidate is as good as any other.
pub(crate) struct Chance;

impl Ranker for Chance {
    fn scores(&self, _: &Case, candidates: &[usize]) -> Result<Vec<f32>> {
        Ok(vec![0.0; candidates.len()])
    }
}

/// The query's words against the replies', by TF-IDF cosine.
pub(crate) struct TfIdfRanker(TfIdf);

impl TfIdfRanker {
    /// With weights learnt from the pool.
    pub(crate) fn new(cases: &Cases) -> Self {
        Self(TfIdf::fit(&cases.pool))
    }
}

impl Ranker for TfIdfRanker {
    fn scores(&self, case: &Case, candidates: &[usize]) -> Result<Vec<f32>> {
        let mut all = Vec::new();
        self.0.score_all(&case.text, &mut all);
        Ok(pick(&all, candidates))
    }
}

/// The query's words against the replies', by BM25.
pub(crate) struct Bm25Ranker(Bm25);

impl Bm25Ranker {
    /// With weights learnt from the pool.
    pub(crate) fn new(cases: &Cases) -> Self {
        Self(Bm25::fit(&cases.pool))
    }
}

impl Ranker for Bm25Ranker {
    fn scores(&self, case: &Case, candidates: &[usize]) -> Result<Vec<f32>> {
        Ok(pick(&self.0.score_all(&case.text), candidates))
    }
}

/// A bi-encoder's cosines.
pub(crate) struct BiRanker {
    /// Unit vectors, one row a case.
    queries: Embeddings,
    /// One row a reply of the pool.
    replies: Embeddings,
}

impl BiRanker {
    /// Embeds cases and pool.
    ///
    /// # Errors
    /// The encoder fails.
    pub(crate) fn embed(encoder: &BiEncoder, cases: &Cases, input: Input) -> Result<Self> {
        let queries: Vec<Query<'_>> = cases.cases.iter().map(|case| input.of(case)).collect();
        Ok(Self {
            queries: encoder.embed_queries(&queries)?,
            replies: encoder.embed_replies(&cases.replies())?,
        })
    }
}

impl Ranker for BiRanker {
    fn scores(&self, case: &Case, candidates: &[usize]) -> Result<Vec<f32>> {
        let query = self.queries.row(case.number);
        let cosine = |&place: &usize| dot(query, self.replies.row(place));
        Ok(candidates.iter().map(cosine).collect())
    }
}

fn pick(all: &[f32], candidates: &[usize]) -> Vec<f32> {
    candidates.iter().map(|&place| all[place]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::cases::tests::exchanges;
    use super::*;

    #[test]
    fn scores_are_those_of_the_candidates_asked_for() {
        let cases = Cases::new(&exchanges(&["a pie", "query 1 it is", "no query"]), 10, 1);
        let case = &cases.cases[1];
        let all = [0, 1, 2];
        for ranker in [
            &TfIdfRanker::new(&cases) as &dyn Ranker,
            &Bm25Ranker::new(&cases),
        ] {
            let scores = ranker.scores(case, &all).unwrap();
            assert!(scores[1] > scores[2] && scores[2] > scores[0] && scores[0] == 0.0);
            assert_eq!(
                ranker.scores(case, &[2, 0]).unwrap(),
                [scores[2], scores[0]]
            );
        }
        assert_eq!(Chance.scores(case, &all).unwrap(), [0.0; 3]);
    }

    #[test]
    fn a_bi_encoder_scores_by_the_rows_of_case_and_reply() {
        let cases = Cases::new(&exchanges(&["a", "b", "c"]), 10, 1);
        let unit = |axes: [usize; 3]| Embeddings {
            width: 3,
            values: axes
                .iter()
                .flat_map(|&axis| (0..3).map(move |i| f32::from(u8::from(i == axis))))
                .collect(),
        };
        let ranker = BiRanker {
            queries: unit([2, 0, 1]),
            replies: unit([0, 1, 2]),
        };
        let of = |case: usize| ranker.scores(&cases.cases[case], &[0, 1, 2]).unwrap();
        assert_eq!(of(0), [0.0, 0.0, 1.0]);
        assert_eq!(of(1), [1.0, 0.0, 0.0]);
        assert_eq!(ranker.scores(&cases.cases[2], &[1]).unwrap(), [1.0]);
    }
}
