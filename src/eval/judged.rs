//! How good the replies are that systems put first, by a reader's grades of the candidates.
//!
//! What an order of a message's candidates is worth is [`super::order`]'s; it is told how often one came
//! first that nobody has graded.

use serde::Serialize;

use super::order::{Order, Outcome};
use crate::dialogue::Judged;
use crate::stats::bootstrap::{Estimate, estimate, paired};

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
    use crate::eval::order::tests::{close, message};

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
