//! Fitting the weights on graded answers.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::features::{FEATURES, Seen, features};
use super::linear::{LinearRanker, Weight};
use crate::dialogue::{Grade, shares};
use crate::seed::{Stream, derive};

/// A judged message with its candidates as the first stage ranked them.
pub(crate) struct Graded<'a> {
    /// The message.
    pub query: &'a str,
    /// The candidates.
    pub candidates: Vec<Seen<'a>>,
    /// Their grades.
    pub grades: Vec<Grade>,
}

const WIDTH: usize = FEATURES.len();
/// Weight of the squared weights (of standardised features) beside the mean loss.
const RIDGE: f64 = 0.03;
/// Steps of gradient descent; the loss is convex and flat long before.
const STEPS: usize = 300;
/// Step size, with standardised features.
const RATE: f64 = 0.5;
/// Bootstrap samples behind the intervals.
const SAMPLES: usize = 100;

/// One message: standardised features, a row a candidate, and what share of the answer each deserves.
struct Group {
    rows: Vec<[f64; WIDTH]>,
    shares: Vec<f64>,
}

/// The weights with the least listwise loss (Cao et al., 2007) and a ridge, each with a 95% bootstrap interval
/// over the messages. Messages whose candidates are all of one grade tell nothing; without any other,
/// the cross-encoder decides alone.
pub(crate) fn fit(graded: &[Graded<'_>], seed: u64) -> LinearRanker {
    let scale = scale(graded);
    let groups: Vec<Group> = graded.iter().filter_map(|one| group(one, &scale)).collect();
    if groups.is_empty() {
        return LinearRanker::default();
    }
    let all: Vec<&Group> = groups.iter().collect();
    let fitted = descend(&all);
    let mut rng = ChaCha8Rng::seed_from_u64(derive(seed, Stream::Validation, 1));
    let samples: Vec<[f64; WIDTH]> = (0..SAMPLES)
        .map(|_| {
            let draw = |_| &groups[rng.random_range(0..groups.len())];
            descend(&(0..groups.len()).map(draw).collect::<Vec<_>>())
        })
        .collect();
    let weights = FEATURES.iter().enumerate().map(|(column, name)| {
        let mut values: Vec<f64> = samples.iter().map(|sample| sample[column]).collect();
        values.sort_by(f64::total_cmp);
        let unscaled = |value: f64| (value / scale[column]) as f32;
        Weight {
            feature: (*name).into(),
            weight: unscaled(fitted[column]),
            low: unscaled(values[SAMPLES / 40]),
            high: unscaled(values[SAMPLES - 1 - SAMPLES / 40]),
        }
    });
    LinearRanker {
        weights: weights.collect(),
        messages: groups.len(),
        told: false,
    }
}

/// The deviation of each feature from its group's mean; 1 where it never differs.
fn scale(graded: &[Graded<'_>]) -> [f64; WIDTH] {
    let (mut squares, mut count) = ([0.0; WIDTH], 0usize);
    for one in graded {
        let rows = features(one.query, &one.candidates);
        for column in 0..WIDTH {
            let mean = rows.iter().map(|row| f64::from(row[column])).sum::<f64>()
                / rows.len().max(1) as f64;
            squares[column] += rows
                .iter()
                .map(|row| (f64::from(row[column]) - mean).powi(2))
                .sum::<f64>();
        }
        count += rows.len();
    }
    squares.map(|sum| match (sum / count.max(1) as f64).sqrt() {
        deviation if deviation > 1e-6 => deviation,
        _ => 1.0,
    })
}

fn group(one: &Graded<'_>, scale: &[f64; WIDTH]) -> Option<Group> {
    let shares = shares(&one.grades)?;
    let standard = |row: &[f32; WIDTH]| {
        let mut scaled = [0.0; WIDTH];
        for column in 0..WIDTH {
            scaled[column] = f64::from(row[column]) / scale[column];
        }
        scaled
    };
    Some(Group {
        rows: features(one.query, &one.candidates)
            .iter()
            .map(standard)
            .collect(),
        shares: shares.into_iter().map(f64::from).collect(),
    })
}

/// Gradient descent on the mean listwise loss.
fn descend(groups: &[&Group]) -> [f64; WIDTH] {
    let mut weights = [0.0; WIDTH];
    for _ in 0..STEPS {
        let mut gradient = weights.map(|weight| 2.0 * RIDGE * weight);
        for group in groups {
            let score = |row: &[f64; WIDTH]| row.iter().zip(&weights).map(|(x, w)| x * w).sum();
            let scores: Vec<f64> = group.rows.iter().map(score).collect();
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scores.iter().map(|score| (score - most).exp()).sum();
            for ((row, score), share) in group.rows.iter().zip(&scores).zip(&group.shares) {
                let error = ((score - most).exp() / sum - share) / groups.len() as f64;
                for (slope, x) in gradient.iter_mut().zip(row) {
                    *slope += error * x;
                }
            }
        }
        for (weight, slope) in weights.iter_mut().zip(gradient) {
            *weight -= RATE * slope;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Good answers have a high logit, or were ranked first; names spoil them.
    fn sample() -> Vec<Graded<'static>> {
        let seen = |reply, cross| Seen {
            reply,
            retrieval: 0.5,
            cross,
        };
        (0..30)
            .map(|i| {
                let noise = (i as f32 * 1.3).sin() / 2.0;
                Graded {
                    query: "Hello!",
                    candidates: vec![
                        seen("Well, hello there.", 1.0 + noise),
                        seen("Hello, Ada.", 1.5 - noise),
                        seen("The boat sank.", -1.0 + noise),
                    ],
                    grades: vec![Grade::Good, Grade::Bad, Grade::Bad],
                }
            })
            .collect()
    }

    #[test]
    fn what_tells_good_answers_is_found_and_decides() {
        let graded = sample();
        let ranker = fit(&graded, 7);
        assert_eq!(ranker, fit(&graded, 7));
        assert_eq!(ranker.messages, 30);
        let of = |name: &str| {
            ranker
                .weights
                .iter()
                .find(|one| one.feature == name)
                .unwrap()
        };
        assert!(
            of("cross").low > 0.0 && of("addressed").high < 0.0,
            "{ranker:?}"
        );
        assert!(
            ranker
                .weights
                .iter()
                .all(|one| one.low <= one.weight && one.weight <= one.high
                    || (one.low - one.high).abs() < 1.0)
        );
        for one in &graded {
            let scores = ranker.scores(one.query, &one.candidates);
            assert!(scores[0] > scores[1] && scores[0] > scores[2], "{scores:?}");
        }
    }

    #[test]
    fn where_nothing_differs_the_cross_encoder_decides() {
        let mut graded = sample();
        graded
            .iter_mut()
            .for_each(|one| one.grades = vec![Grade::Bad; 3]);
        assert_eq!(fit(&graded, 1), LinearRanker::default());
        assert_eq!(fit(&[], 1), LinearRanker::default());
    }
}
