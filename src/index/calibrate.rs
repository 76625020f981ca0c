//! The score under which an answer is no better than a random one.

use serde::{Deserialize, Serialize};

use crate::dialogue::{self, Exchange};
use crate::error::Result;
use crate::model::bi_encoder::{BiEncoder, Embeddings, dot};

/// Validation exchanges that are looked at.
const MOST: usize = 1000;
/// Fewer say nothing.
const LEAST: usize = 20;
/// Random replies each query is compared with.
const RANDOM: usize = 8;

/// How the bi-encoder's scores of true pairs differ from those of random ones, on validation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The score that best tells true pairs from random ones.
    pub min_score: f32,
    /// Mean of the share of true pairs at or over it and the share of random ones under it;
    /// 0.5 is chance.
    pub balanced_accuracy: f32,
    /// Mean score of the true pairs.
    pub true_mean: f32,
    /// Mean score of the random pairs.
    pub random_mean: f32,
    /// Number of true pairs.
    pub pairs: usize,
}

/// Compares every query with its own reply and with the replies to others. Row `i` of `queries`
/// and of `vectors` belongs to `replies[i]`; `None` where all replies are the same.
fn compare(replies: &[&str], queries: &Embeddings, vectors: &Embeddings) -> Option<Calibration> {
    let n = replies.len();
    let score = |query: usize, reply: usize| dot(queries.row(query), vectors.row(reply));
    let own: Vec<f32> = (0..n).map(|i| score(i, i)).collect();
    // Strides that are spread over all exchanges: neighbours come from one scene.
    let random: Vec<f32> = (0..n)
        .flat_map(|i| (1..=RANDOM).map(move |k| (i, (i + k * n / (RANDOM + 1)) % n)))
        .filter(|&(i, j)| replies.get(i) != replies.get(j))
        .map(|(i, j)| score(i, j))
        .collect();
    threshold(own, random)
}

/// The threshold with the best balanced accuracy (Youden's J), the lowest of equals.
fn threshold(mut own: Vec<f32>, mut random: Vec<f32>) -> Option<Calibration> {
    if own.is_empty() || random.is_empty() {
        return None;
    }
    own.sort_by(f32::total_cmp);
    random.sort_by(f32::total_cmp);
    let share_under = |scores: &[f32], limit: f32| {
        scores.partition_point(|&score| score < limit) as f32 / scores.len() as f32
    };
    let mean = |scores: &[f32]| scores.iter().sum::<f32>() / scores.len() as f32;
    let mut best: Option<Calibration> = None;
    for &limit in &own {
        let accuracy = (1.0 - share_under(&own, limit) + share_under(&random, limit)) / 2.0;
        if best.is_none_or(|best| accuracy > best.balanced_accuracy) {
            best = Some(Calibration {
                min_score: limit,
                balanced_accuracy: accuracy,
                true_mean: mean(&own),
                random_mean: mean(&random),
                pairs: own.len(),
            });
        }
    }
    best
}

/// Embeds at most a thousand exchanges, evenly spread, and compares the scores of true and random
/// pairs; `None` where there are fewer than twenty exchanges.
///
/// # Errors
/// The embedding fails.
pub(crate) fn calibrate(
    encoder: &BiEncoder,
    exchanges: &[Exchange],
) -> Result<Option<Calibration>> {
    if exchanges.len() < LEAST {
        return Ok(None);
    }
    let step = exchanges.len().div_ceil(MOST);
    let sample: Vec<Exchange> = exchanges.iter().step_by(step).cloned().collect();
    let contexts: Vec<Vec<String>> = sample.iter().map(dialogue::context).collect();
    let queries = dialogue::queries(&sample, &contexts);
    let replies: Vec<&str> = sample.iter().map(|e| e.reply.as_str()).collect();
    let queries = encoder.embed_queries(&queries)?;
    Ok(compare(
        &replies,
        &queries,
        &encoder.embed_replies(&replies)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_stands_between_scores_that_can_be_told_apart() {
        let found = threshold(vec![0.9, 0.6, 0.8], vec![0.1, 0.5, 0.2, 0.3]).unwrap();
        assert_eq!(found.min_score, 0.6);
        assert_eq!(found.balanced_accuracy, 1.0);
        assert_eq!(found.pairs, 3);
        assert!((found.random_mean - 0.275).abs() < 1e-6);
    }

    #[test]
    fn every_query_is_compared_with_its_own_reply_and_never_with_an_equal_one() {
        // Vectors along an axis each; exchange 3 has the reply, and so the vector, of exchange 0.
        let replies = ["a", "b", "c", "a"];
        let unit = |axis: usize| (0..3).map(move |i| if i == axis { 1.0 } else { 0.0 });
        let vectors = Embeddings {
            width: 3,
            values: [0, 1, 2, 0].into_iter().flat_map(unit).collect(),
        };
        let found = compare(&replies, &vectors, &vectors).unwrap();
        assert_eq!((found.true_mean, found.random_mean), (1.0, 0.0));
        assert_eq!((found.min_score, found.balanced_accuracy), (1.0, 1.0));
        assert_eq!(compare(&["a"; 4], &vectors, &vectors), None);
    }

    #[test]
    fn scores_that_cannot_be_told_apart_are_at_chance() {
        let found = threshold(vec![0.5; 10], vec![0.5; 10]).unwrap();
        assert_eq!(found.balanced_accuracy, 0.5);
    }

    #[test]
    fn a_noisy_overlap_is_cut_where_fewest_are_wrong() {
        let found = threshold(vec![0.2, 0.6, 0.7, 0.8], vec![0.1, 0.3, 0.4, 0.65]).unwrap();
        assert_eq!(found.min_score, 0.6);
        assert!((found.balanced_accuracy - 0.75).abs() < 1e-6);
    }
}
