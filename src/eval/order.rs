//! What an order of candidates is worth, by a reader's grades.
//!
//! Ties never help: candidates of one score share their places, and every measure is its expectation
//! over a random order of theirs (McSherry and Najork, 2008). A candidate that nobody has graded
//! counts as no answer.

use crate::dialogue::{Grade, Judged};

/// Places that nDCG looks at.
const PLACES: usize = 10;

/// The candidates' grades in the order that a system gives them, the best first; those that it
/// can't tell apart stand together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order(Vec<Vec<Option<Grade>>>);

impl Order {
    /// By falling scores; what is no number stands last. Scores and candidates are in one order.
    pub(crate) fn by_scores(judged: &Judged, scores: &[f32]) -> Self {
        let number = |score: f32| match score.is_nan() {
            true => f32::NEG_INFINITY,
            false => score,
        };
        let mut all: Vec<(f32, Option<Grade>)> = scores
            .iter()
            .zip(&judged.candidates)
            .map(|(&score, candidate)| (number(score), candidate.grade))
            .collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let ties = all.chunk_by(|a, b| a.0 == b.0);
        Self(
            ties.map(|tie| tie.iter().map(|one| one.1).collect())
                .collect(),
        )
    }

    /// In this order.
    pub(crate) fn of(grades: impl IntoIterator<Item = Option<Grade>>) -> Self {
        Self(grades.into_iter().map(|grade| vec![grade]).collect())
    }
}

/// What a message's order is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outcome {
    pub(super) good: f64,
    pub(super) passable: f64,
    pub(super) ndcg: f64,
    pub(super) ungraded: f64,
}

impl Outcome {
    pub(super) fn of(order: &Order, judged: &Judged) -> Self {
        let first = order.0.first().map_or(&[][..], Vec::as_slice);
        let share = |counts: &dyn Fn(&Option<Grade>) -> bool| match first.len() {
            0 => 0.0,
            all => first.iter().filter(|grade| counts(grade)).count() as f64 / all as f64,
        };
        let mut grades: Vec<Grade> = judged.graded().map(|(_, grade)| grade).collect();
        grades.sort_by(|a, b| b.cmp(a));
        let ideal = gain(&Order::of(grades.into_iter().map(Some)));
        Self {
            good: share(&|grade| *grade == Some(Grade::Good)),
            passable: share(&|grade| *grade >= Some(Grade::Passable)),
            ndcg: match ideal > 0.0 {
                true => gain(order) / ideal,
                false => 0.0,
            },
            ungraded: share(&|grade| grade.is_none()),
        }
    }
}

/// The discounted gain of the first ten places (Järvelin and Kekäläinen, 2002); a tie's candidates
/// have their mean gain each.
fn gain(order: &Order) -> f64 {
    let worth = |grade: &Option<Grade>| match grade {
        Some(Grade::Good) => 3.0,
        Some(Grade::Passable) => 1.0,
        Some(Grade::Bad) | None => 0.0,
    };
    let ties = order.0.iter().flat_map(|tie| {
        let mean = tie.iter().map(worth).sum::<f64>() / tie.len() as f64;
        std::iter::repeat_n(mean, tie.len())
    });
    let discounted = ties
        .zip(2..2 + PLACES as u32)
        .map(|(gain, place)| gain / f64::from(place).log2());
    discounted.sum()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::dialogue::JudgedReply;

    /// A message with candidates of these grades; 9 is none.
    pub(in crate::eval) fn message(grades: &[u8]) -> Judged {
        let candidate = |(place, grade): (usize, &u8)| JudgedReply {
            reply: format!("reply {place}"),
            answered: None,
            score: None,
            grade: Grade::try_from(*grade).ok(),
            logit: None,
        };
        Judged {
            message: "Well?".into(),
            context: vec![],
            candidates: grades.iter().enumerate().map(candidate).collect(),
        }
    }

    fn outcome(grades: &[u8], scores: &[f32]) -> Outcome {
        let judged = message(grades);
        Outcome::of(&Order::by_scores(&judged, scores), &judged)
    }

    pub(in crate::eval) fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn an_order_is_worth_what_one_reckons_by_hand() {
        // In order 1, 2, 0: (1 + 3 / log₂ 3) / (3 + 1 / log₂ 3).
        let found = outcome(&[2, 0, 1], &[0.5, 0.1, 0.9]);
        let log3 = 3f64.log2();
        assert_eq!(
            (found.good, found.passable, found.ungraded),
            (0.0, 1.0, 0.0)
        );
        assert!(
            close(found.ndcg, (1.0 + 3.0 / log3) / (3.0 + 1.0 / log3)),
            "{found:?}"
        );
        let best = outcome(&[2, 0, 1], &[0.9, 0.1, 0.5]);
        assert_eq!((best.good, best.passable), (1.0, 1.0));
        assert!(close(best.ndcg, 1.0));
    }

    #[test]
    fn only_the_first_ten_places_count_for_ndcg() {
        let mut grades = [0; 12];
        grades[11] = 2;
        let falling: Vec<f32> = (0..12).map(|i| -(i as f32)).collect();
        assert_eq!(outcome(&grades, &falling).ndcg, 0.0);
        grades.swap(9, 11);
        assert!(close(outcome(&grades, &falling).ndcg, 1.0 / 11f64.log2()));
    }

    #[test]
    fn a_tie_is_worth_its_mean_over_all_its_orders() {
        // Orders 2 0 | 0 2, before a 1 in the third place.
        let found = outcome(&[2, 0, 1], &[0.5, 0.5, 0.1]);
        assert_eq!((found.good, found.passable), (0.5, 0.5));
        let log3 = 3f64.log2();
        let mean = (3.0 + 3.0 / log3) / 2.0 + 0.5;
        assert!(close(found.ndcg, mean / (3.0 + 1.0 / log3)), "{found:?}");
        // Not a number is no score: it stands behind everything.
        assert_eq!(outcome(&[2, 0], &[f32::NAN, -1e30]).good, 0.0);
    }

    #[test]
    fn what_nobody_graded_is_no_answer_and_told() {
        let found = outcome(&[9, 2], &[0.9, 0.1]);
        assert_eq!(
            (found.good, found.passable, found.ungraded),
            (0.0, 0.0, 1.0)
        );
        assert!(close(found.ndcg, 1.0 / 3f64.log2()));
        let nothing = outcome(&[0, 0], &[0.9, 0.1]);
        assert_eq!((nothing.passable, nothing.ndcg), (0.0, 0.0));
        let none = Outcome::of(&Order::of([]), &message(&[2]));
        assert_eq!((none.good, none.ndcg), (0.0, 0.0));
    }
}
