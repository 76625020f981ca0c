//! How good the replies are that systems put first, by a reader's grades of the candidates.
//!
//! Ties never help: candidates of one score share their places, and every measure is its expectation
//! over a random order of theirs (McSherry and Najork, 2008). A candidate that nobody has graded
//! counts as no answer, and it is told how often one came first.

use serde::Serialize;

use crate::dialogue::{Grade, Judged};
use crate::stats::bootstrap::{Estimate, estimate, paired};

/// Places that nDCG looks at.
const PLACES: usize = 10;

/// The messages of one file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Set {
    /// Its name, the character's.
    pub name: String,
    /// The messages, each with a graded candidate at least.
    pub messages: Vec<Judged>,
    /// Messages of the file that have none.
    pub ungraded: usize,
}

impl Set {
    /// The messages that have a graded candidate.
    pub(crate) fn new(name: impl Into<String>, messages: Vec<Judged>) -> Self {
        let all = messages.len();
        let mut messages = messages;
        messages.retain(|judged| judged.graded().next().is_some());
        Self {
            name: name.into(),
            ungraded: all - messages.len(),
            messages,
        }
    }
}

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
struct Outcome {
    good: f64,
    passable: f64,
    ndcg: f64,
    ungraded: f64,
}

impl Outcome {
    fn of(order: &Order, judged: &Judged) -> Self {
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

/// A system and the orders that it gave, a message each, by set; `None` where it can't be asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct System {
    /// Its name in JSON.
    pub key: &'static str,
    /// Its name for people.
    pub name: String,
    /// By set.
    pub orders: Vec<Option<Vec<Order>>>,
}

/// What is measured, of the first reply but for the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Share of messages whose first reply is good.
    pub good_at_1: Estimate,
    /// Share of messages whose first reply is passable at least.
    pub passable_at_1: Estimate,
    /// nDCG of the first ten, with a gain of 1 for a passable and 3 for a good one; 0 where no
    /// candidate is either.
    pub ndcg_at_10: Estimate,
}

impl Figures {
    fn of(estimate: impl Fn(fn(&Outcome) -> f64) -> Estimate) -> Self {
        Self {
            good_at_1: estimate(|one| one.good),
            passable_at_1: estimate(|one| one.passable),
            ndcg_at_10: estimate(|one| one.ndcg),
        }
    }

    /// In the order of the fields.
    pub(crate) fn all(&self) -> [Estimate; 3] {
        [self.good_at_1, self.passable_at_1, self.ndcg_at_10]
    }
}

/// A system's figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its name in JSON.
    pub key: &'static str,
    /// Its name for people.
    pub name: String,
    /// How good it is.
    pub figures: Figures,
    /// How much better than the baseline, message by message; none for the baseline itself.
    pub gain: Option<Figures>,
    /// How many of its first replies nobody has graded, which counts as no answer.
    pub ungraded: f64,
}

/// What was found on one set, or on all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// The set.
    pub name: String,
    /// Its messages.
    pub messages: usize,
    /// Their candidates.
    pub candidates: usize,
    /// A row a system that it can be put to.
    pub systems: Vec<Row>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Decides the resamples.
    pub seed: u64,
    /// Key of the system that the others are compared with.
    pub baseline: Option<&'static str>,
    /// The sets, and if there are several, all of them as one.
    pub sets: Vec<Table>,
    /// What is left out, and what to bear in mind.
    pub notes: Vec<String>,
}

impl Report {
    /// Measures every system on every set that it can be put to, and on all sets together.
    /// Systems that are to serve as the baseline stand in `baselines`, the best first.
    pub(crate) fn new(
        sets: &[Set],
        systems: &[System],
        baselines: &[&'static str],
        seed: u64,
    ) -> Self {
        let everywhere = |key: &&str| {
            let found = systems.iter().find(|system| system.key == *key);
            found.is_some_and(|system| system.orders.iter().all(Option::is_some))
        };
        let baseline = baselines.iter().copied().find(|key| everywhere(key));
        let places: Vec<usize> = (0..sets.len()).collect();
        let mut tables: Vec<Table> = sets
            .iter()
            .zip(places.chunks(1))
            .map(|(set, place)| table(&set.name, sets, place, systems, baseline, seed))
            .collect();
        if sets.len() > 1 {
            tables.push(table("all", sets, &places, systems, baseline, seed));
        }
        let left_out = sets.iter().filter(|set| set.ungraded > 0).map(|set| {
            format!(
                "{} messages of {} have no graded candidate and are left out",
                set.ungraded, set.name
            )
        });
        Self {
            seed,
            baseline,
            sets: tables,
            notes: left_out.collect(),
        }
    }
}

/// The systems that can be put to all the sets at `places`, measured on their messages.
fn table(
    name: &str,
    sets: &[Set],
    places: &[usize],
    systems: &[System],
    baseline: Option<&str>,
    seed: u64,
) -> Table {
    let messages: Vec<&Judged> = places.iter().flat_map(|&set| &sets[set].messages).collect();
    let outcomes = |system: &System| -> Option<Vec<Outcome>> {
        let mut orders = Vec::new();
        for &set in places {
            orders.extend(system.orders.get(set)?.as_ref()?);
        }
        let both = orders.into_iter().zip(&messages);
        Some(
            both.map(|(order, judged)| Outcome::of(order, judged))
                .collect(),
        )
    };
    let measured: Vec<(&System, Vec<Outcome>)> = systems
        .iter()
        .filter_map(|system| Some((system, outcomes(system)?)))
        .collect();
    let before = measured
        .iter()
        .find(|(system, _)| Some(system.key) == baseline);
    let values = |outcomes: &[Outcome], value: fn(&Outcome) -> f64| -> Vec<f64> {
        outcomes.iter().map(value).collect()
    };
    let row = |(system, after): &(&System, Vec<Outcome>)| Row {
        key: system.key,
        name: system.name.clone(),
        figures: Figures::of(|value| estimate(&values(after, value), seed)),
        gain: before
            .filter(|(before, _)| before.key != system.key)
            .map(|(_, before)| {
                Figures::of(|value| paired(&values(before, value), &values(after, value), seed))
            }),
        ungraded: after.iter().map(|one| one.ungraded).sum(),
    };
    Table {
        name: name.to_owned(),
        messages: messages.len(),
        candidates: messages.iter().map(|one| one.candidates.len()).sum(),
        systems: measured.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::JudgedReply;

    /// A message with candidates of these grades; 9 is none.
    fn message(grades: &[u8]) -> Judged {
        let candidate = |(place, grade): (usize, &u8)| JudgedReply {
            reply: format!("reply {place}"),
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

    fn close(a: f64, b: f64) -> bool {
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

    /// Two sets; `flat` can't be put to the second.
    fn report() -> Report {
        let sets = [
            Set::new(
                "ada",
                vec![message(&[2, 0]), message(&[0, 2]), message(&[9, 9])],
            ),
            Set::new("bob", vec![message(&[1, 0])]),
        ];
        let orders = |scores: &[f32]| -> Vec<Option<Vec<Order>>> {
            let of = |set: &Set| {
                let messages = set.messages.iter();
                Some(messages.map(|one| Order::by_scores(one, scores)).collect())
            };
            sets.iter().map(of).collect()
        };
        let system = |key, orders| System {
            key,
            name: key.to_owned(),
            orders,
        };
        let mut flat = orders(&[0.0, 0.0]);
        flat[1] = None;
        let systems = [
            system("first", orders(&[1.0, 0.0])),
            system("last", orders(&[0.0, 1.0])),
            system("flat", flat),
        ];
        Report::new(&sets, &systems, &["flat", "first"], 1)
    }

    #[test]
    fn means_and_gains_are_those_of_the_messages() {
        let report = report();
        // A baseline is one everywhere.
        assert_eq!(report.baseline, Some("first"));
        let names: Vec<&str> = report.sets.iter().map(|set| set.name.as_str()).collect();
        assert_eq!(names, ["ada", "bob", "all"]);
        let keys = |set: usize| -> Vec<&str> {
            let rows = report.sets[set].systems.iter();
            rows.map(|row| row.key).collect()
        };
        assert_eq!(keys(0), ["first", "last", "flat"]);
        assert_eq!(keys(2), ["first", "last"]);
        let all = &report.sets[2];
        assert_eq!((all.messages, all.candidates), (3, 6));
        let [first, last] = &all.systems[..] else {
            panic!("{all:?}")
        };
        assert!(first.gain.is_none());
        assert!(close(first.figures.good_at_1.mean, 1.0 / 3.0));
        assert!(close(first.figures.passable_at_1.mean, 2.0 / 3.0));
        let gain = last.gain.unwrap();
        assert!(close(gain.good_at_1.mean, 0.0));
        assert!(close(gain.passable_at_1.mean, -1.0 / 3.0));
        assert!(gain.passable_at_1.low <= -1.0 / 3.0 && gain.passable_at_1.high >= -1.0 / 3.0);
        assert!(
            report.notes[0].starts_with("1 messages of ada"),
            "{report:?}"
        );
    }

    #[test]
    fn the_table_has_a_line_a_system_and_says_what_is_compared() {
        let table = report().to_string();
        let lines: Vec<&str> = table.lines().collect();
        let flat = lines.iter().find(|line| line.starts_with("flat")).unwrap();
        assert!(flat.contains(".500 ±.000"), "{table}");
        assert_eq!(
            lines.iter().filter(|line| line.starts_with("last")).count(),
            3
        );
        assert!(table.contains("difference to first"), "{table}");
        assert!(table.contains("bob: 1 message, "), "{table}");
    }
}
