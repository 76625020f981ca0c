//! From ranked candidates to the answer.

use candle_core::{Device, Tensor};
use candle_transformers::generation::LogitsProcessor;

use super::candidate::Candidate;
use crate::error::Result;

/// Sampling looks at no more than this many of the best.
pub(crate) const SAMPLED: usize = 10;

/// Replies that are considered by default.
pub(crate) const TOP_K: usize = 50;

/// How an answer is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// How many replies are considered: the best that were retrieved or, where they are reranked, the likeliest of
    /// twelve times as many, but of no more than 600 where it is less itself.
    pub top_k: usize,
    /// 0 takes the best; the higher, the more evenly the ten best are drawn from.
    pub temperature: f32,
    /// Seed of the draw.
    pub seed: u64,
    /// Under which retrieval score a reply is no answer.
    pub min_score: MinScore,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            top_k: TOP_K,
            temperature: 0.0,
            seed: 0,
            min_score: MinScore::None,
        }
    }
}

/// The least retrieval score of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MinScore {
    /// Any answer is better than none.
    None,
    /// What `build-index` found on validation.
    Auto,
    /// This cosine.
    Cosine(f32),
}

/// Which of the candidates, best first, is the answer; `None` if none reaches `min_score`.
///
/// # Errors
/// A score is no number.
pub(crate) fn choose(
    candidates: &[Candidate],
    min_score: Option<f32>,
    temperature: f32,
    seed: u64,
) -> Result<Option<usize>> {
    let good = candidates
        .iter()
        .enumerate()
        .filter(|(_, one)| min_score.is_none_or(|least| one.retrieval >= least));
    let best: Vec<(usize, f32)> = good.take(SAMPLED).map(|(i, one)| (i, one.score)).collect();
    let Some(&(first, top)) = best.first() else {
        return Ok(None);
    };
    if temperature <= 0.0 || best.len() < 2 {
        return Ok(Some(first));
    }
    // Cosines and logits differ in scale, so gaps are measured in the mean gap to the best.
    let gaps = best.iter().map(|&(_, score)| top - score);
    let mean = gaps.clone().sum::<f32>() / (best.len() - 1) as f32;
    let logits: Vec<f32> = gaps.map(|gap| -gap / mean.max(1e-6)).collect();
    let logits = Tensor::new(logits, &Device::Cpu)?; // [best]
    let mut draw = LogitsProcessor::new(seed, Some(temperature.into()), None);
    let drawn = best.get(draw.sample(&logits)? as usize);
    Ok(drawn.map(|&(place, _)| place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(scores: &[f32]) -> Vec<Candidate> {
        let candidate = |(i, &score): (usize, &f32)| Candidate {
            reply: format!("line {i}"),
            origin: None,
            exchanges: vec![],
            retrieval: score / 10.0,
            rerank: Some(score),
            score,
            rank_before: i,
            reasons: vec![],
        };
        scores.iter().enumerate().map(candidate).collect()
    }

    #[test]
    fn temperature_zero_takes_the_best() {
        let all = candidates(&[5.0, 4.0, 3.0]);
        for seed in 0..20 {
            assert_eq!(choose(&all, None, 0.0, seed).unwrap(), Some(0));
        }
        assert_eq!(choose(&[], None, 0.0, 0).unwrap(), None);
        assert_eq!(choose(&[], None, 1.0, 0).unwrap(), None);
    }

    #[test]
    fn a_seed_decides_the_draw_and_better_candidates_are_drawn_more_often() {
        let all = candidates(&[5.0, 4.0, 3.0, 2.0]);
        let mut counts = [0; 4];
        for seed in 0..2000 {
            let drawn = choose(&all, None, 1.0, seed).unwrap().unwrap();
            assert_eq!(choose(&all, None, 1.0, seed).unwrap(), Some(drawn));
            counts[drawn] += 1;
        }
        assert!(counts.is_sorted_by(|a, b| a > b), "{counts:?}");
        assert!(counts[3] > 0, "{counts:?}");
    }

    #[test]
    fn a_low_temperature_is_nearly_greedy() {
        let all = candidates(&[5.0, 4.0, 3.0, 2.0]);
        for temperature in [0.05, f32::MIN_POSITIVE] {
            for seed in 0..500 {
                assert_eq!(choose(&all, None, temperature, seed).unwrap(), Some(0));
            }
        }
    }

    #[test]
    fn only_the_ten_best_are_drawn_and_equal_scores_do_no_harm() {
        let all = candidates(&[1.0; 30]);
        for seed in 0..200 {
            assert!(choose(&all, None, 100.0, seed).unwrap().unwrap() < SAMPLED);
        }
    }

    #[test]
    fn what_is_under_the_least_score_is_no_answer() {
        let all = candidates(&[5.0, 4.0, 3.0]);
        assert_eq!(choose(&all, Some(0.5), 0.0, 0).unwrap(), Some(0));
        assert_eq!(choose(&all, Some(0.51), 0.0, 0).unwrap(), None);
        for seed in 0..50 {
            assert!(choose(&all, Some(0.4), 2.0, seed).unwrap().unwrap() < 2);
        }
    }
}
