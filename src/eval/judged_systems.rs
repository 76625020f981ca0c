//! The systems that can be put to judged messages, each from the scores that the models gave.

use std::collections::HashMap;

use super::judged::{Set, System};
use super::order::Order;
use crate::dialogue::{Grade, Judged};
use crate::ranker::{Graded, LinearRanker, Seen, fit};
use crate::text::bm25::Bm25;

/// Scores, a message each, in the order of its candidates.
pub(crate) type Scores = Vec<Vec<f32>>;

/// The scores of a set; `None` where there is no such model, or it can't be asked.
#[derive(Debug, Default)]
pub(crate) struct Scored {
    /// The bi-encoder's cosines of message and reply.
    pub bi: Option<Scores>,
    /// Cosines of the message and the nearest query that the reply answered.
    pub query: Option<Scores>,
    /// The cross-encoder's logits.
    pub cross: Option<Scores>,
    /// What a persona makes of the candidates.
    pub ask: Option<Scores>,
    /// What it answers out of all that it can say.
    pub answers: Option<Vec<Order>>,
    /// The weights that the cross-encoder comes with.
    pub ranker: Option<LinearRanker>,
}

/// Every system, the simplest first. Beside the weights that the cross-encoder comes with there are some
/// that are fitted here, on other sets than they are measured on.
pub(crate) fn systems(sets: &[Set], scored: &[Scored], seed: u64) -> Vec<System> {
    let each = |scores: &dyn Fn(&Set, &Scored) -> Option<Scores>| -> Vec<Option<Vec<Order>>> {
        let both = sets.iter().zip(scored);
        both.map(|(set, one)| Some(orders(set, &scores(set, one)?)))
            .collect()
    };
    let features = (0..sets.len()).map(|own| {
        let others = (0..sets.len()).filter(|&other| other != own);
        let others: Vec<(&Set, &Scored)> = others.map(|at| (&sets[at], &scored[at])).collect();
        (!others.is_empty()).then(|| featured(&sets[own], &scored[own], &others, seed))
    });
    let ranked = sets.iter().zip(scored).map(|(set, one)| {
        let ranker = one.ranker.as_ref()?;
        one.cross.as_ref().map(|_| weighed(set, one, ranker))
    });
    let answers = scored.iter().map(|one| one.answers.clone());
    let all = [
        ("chance", "chance", each(&|set, _| Some(chance(set)))),
        ("bm25", "BM25", each(&|set, _| Some(bm25(set)))),
        ("query", "nearest query", each(&|_, one| one.query.clone())),
        ("bi", "bi-encoder", each(&|_, one| one.bi.clone())),
        ("retrieval", "retrieval", each(&|set, _| retrieval(set))),
        ("cross", "cross-encoder", each(&|_, one| one.cross.clone())),
        ("ranked", "cross-encoder and features", ranked.collect()),
        ("features", "the same, fitted elsewhere", features.collect()),
        ("ask", "ask, of these", each(&|_, one| one.ask.clone())),
        ("answers", "ask, of all it can say", answers.collect()),
        ("best", "best possible", each(&|set, _| Some(best(set)))),
    ];
    let some = all
        .into_iter()
        .filter(|(.., orders)| orders.iter().any(Option::is_some));
    some.map(|(key, name, orders)| System {
        key,
        name: name.to_owned(),
        orders,
    })
    .collect()
}

/// Places by falling scores; equals keep their order.
pub(crate) fn ranked(scores: &[f32]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..scores.len()).collect();
    places.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    places
}

/// The replies of a message's candidates.
pub(crate) fn replies(judged: &Judged) -> Vec<&str> {
    let candidates = judged.candidates.iter();
    candidates.map(|one| one.reply.as_str()).collect()
}

/// The first stage's scores: the file's own, else the bi-encoder's, else all are alike.
pub(crate) fn first_stage(set: &Set, bi: Option<&Scores>) -> Scores {
    let own = retrieval(set).or_else(|| bi.cloned());
    own.unwrap_or_else(|| chance(set))
}

fn orders(set: &Set, scores: &Scores) -> Vec<Order> {
    let both = set.messages.iter().zip(scores);
    both.map(|(judged, scores)| Order::by_scores(judged, scores))
        .collect()
}

fn chance(set: &Set) -> Scores {
    let messages = set.messages.iter();
    messages
        .map(|one| vec![0.0; one.candidates.len()])
        .collect()
}

/// The file's own scores, if every candidate has one.
fn retrieval(set: &Set) -> Option<Scores> {
    let scores = |judged: &Judged| judged.candidates.iter().map(|one| one.score).collect();
    set.messages.iter().map(scores).collect()
}

/// By the words of message and reply; all candidates of the set say how common a word is.
fn bm25(set: &Set) -> Scores {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut texts: Vec<&str> = Vec::new();
    for reply in set.messages.iter().flat_map(replies) {
        numbers.entry(reply).or_insert_with(|| {
            texts.push(reply);
            texts.len() - 1
        });
    }
    let index = Bm25::fit(&texts);
    let scores = |judged: &Judged| {
        let all = index.score_all(&judged.message);
        let known = replies(judged).into_iter().map(|reply| numbers[reply]);
        known.map(|number| all[number]).collect()
    };
    set.messages.iter().map(scores).collect()
}

/// The orders of a reader who knows the grades.
fn best(set: &Set) -> Scores {
    let worth = |grade: Option<Grade>| grade.map_or(-1.0, |grade| f32::from(u8::from(grade)));
    let scores = |judged: &Judged| {
        judged
            .candidates
            .iter()
            .map(|one| worth(one.grade))
            .collect()
    };
    set.messages.iter().map(scores).collect()
}

/// A message's candidates as the first stage ranked them, and the place of each in the file.
type Ranked<'a> = (Vec<usize>, Vec<Seen<'a>>);

fn seen<'a>(set: &'a Set, scored: &Scored) -> Vec<(&'a Judged, Ranked<'a>)> {
    let first = first_stage(set, scored.bi.as_ref());
    let none = chance(set);
    let cross = scored.cross.as_ref().unwrap_or(&none);
    let messages = set.messages.iter().enumerate();
    messages
        .map(|(message, judged)| {
            let places = ranked(&first[message]);
            let seen = places.iter().map(|&place| Seen {
                reply: &judged.candidates[place].reply,
                retrieval: first[message][place],
                cross: cross[message][place],
            });
            let seen = seen.collect();
            (judged, (places, seen))
        })
        .collect()
}

/// The orders by a ranker whose weights were fitted on the `others`.
fn featured(set: &Set, scored: &Scored, others: &[(&Set, &Scored)], seed: u64) -> Vec<Order> {
    let messages = others.iter().flat_map(|(set, scored)| seen(set, scored));
    let graded = messages.map(|(judged, (places, seen))| {
        let grades = places.iter().map(|&place| judged.candidates[place].grade);
        let known = seen.into_iter().zip(grades);
        let (candidates, grades) = known
            .filter_map(|(seen, grade)| Some((seen, grade?)))
            .unzip();
        Graded {
            query: &judged.message,
            candidates,
            grades,
        }
    });
    weighed(set, scored, &fit(&graded.collect::<Vec<_>>(), seed))
}

/// The orders by the weighted features.
fn weighed(set: &Set, scored: &Scored, ranker: &LinearRanker) -> Vec<Order> {
    let messages = seen(set, scored).into_iter();
    messages
        .map(|(judged, (places, seen))| {
            let mut scores = vec![0.0; places.len()];
            let weighed = ranker.scores(&judged.message, &seen);
            for (place, score) in places.into_iter().zip(weighed) {
                scores[place] = score;
            }
            Order::by_scores(judged, &scores)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::JudgedReply;
    use crate::eval::judged::Report;

    /// Ten messages; the good reply is the one that shares no word, names nobody and is retrieved second.
    fn set(name: &str, scored: bool) -> Set {
        let candidate = |reply: &str, score: f32, grade| JudgedReply {
            reply: reply.into(),
            answered: None,
            score: scored.then_some(score),
            grade: Some(grade),
            logit: None,
        };
        let message = |i: usize| Judged {
            message: format!("Where is number {i}?"),
            context: vec![],
            candidates: vec![
                candidate("On the shelf, as ever.", 0.5, Grade::Good),
                candidate(&format!("Number {i}?"), 0.9, Grade::Bad),
                candidate("Hi, Flanders.", 0.4, Grade::Passable),
            ],
        };
        Set::new(name, (0..10).map(message).collect())
    }

    fn scored(set: &Set, cross: [f32; 3]) -> Scored {
        let messages = set.messages.len();
        Scored {
            bi: Some(vec![vec![0.3, 0.2, 0.1]; messages]),
            cross: Some(vec![cross.to_vec(); messages]),
            ranker: Some(LinearRanker::fused(3.0, 1.0)),
            ..Scored::default()
        }
    }

    fn good(report: &Report, set: usize, key: &str) -> f64 {
        let rows = &report.sets[set].systems;
        let row = rows.iter().find(|row| row.key == key).unwrap();
        row.figures.good_at_1.mean
    }

    #[test]
    fn every_system_orders_by_its_own_scores() {
        let sets = [set("ada", true), set("bob", true)];
        let both = [
            scored(&sets[0], [1.9, 0.0, 2.0]),
            scored(&sets[1], [1.9, 0.0, 2.0]),
        ];
        let systems = systems(&sets, &both, 1);
        let keys: Vec<&str> = systems.iter().map(|system| system.key).collect();
        assert_eq!(
            keys,
            [
                "chance",
                "bm25",
                "bi",
                "retrieval",
                "cross",
                "ranked",
                "features",
                "best"
            ]
        );
        let report = Report::new(&sets, &systems, &["retrieval"], 1);
        for (key, expected) in [
            ("chance", 1.0 / 3.0),
            // "number" and its digit are in the echo alone.
            ("bm25", 0.0),
            ("bi", 1.0),
            ("retrieval", 0.0),
            ("cross", 0.0),
            // 3 · 0.5 + 0.65, 3 · 0.9 − 1.41, 3 · 0.4 + 0.76: logits in deviations from their mean.
            ("ranked", 1.0),
            ("features", 1.0),
            ("best", 1.0),
        ] {
            assert!(
                (good(&report, 2, key) - expected).abs() < 1e-9,
                "{key}: {report}"
            );
        }
    }

    #[test]
    fn without_scores_in_the_file_the_bi_encoder_is_the_first_stage() {
        let sets = [set("ada", false)];
        let one = [scored(&sets[0], [0.0, 1.0, 0.0])];
        let systems = systems(&sets, &one, 1);
        let keys: Vec<&str> = systems.iter().map(|system| system.key).collect();
        // One set alone has no others to fit weights on.
        assert_eq!(keys, ["chance", "bm25", "bi", "cross", "ranked", "best"]);
        assert_eq!(
            first_stage(&sets[0], one[0].bi.as_ref())[0],
            [0.3, 0.2, 0.1]
        );
        assert_eq!(first_stage(&sets[0], None)[0], [0.0; 3]);
    }

    #[test]
    fn weights_are_never_fitted_on_the_set_that_they_are_measured_on() {
        // What is good in one set is bad in the other: a ranker that had seen its own would be right.
        let mut sets = [set("ada", true), set("bob", true)];
        for judged in &mut sets[1].messages {
            judged.candidates[0].grade = Some(Grade::Bad);
            judged.candidates[1].grade = Some(Grade::Good);
        }
        let both = [scored(&sets[0], [0.0; 3]), scored(&sets[1], [0.0; 3])];
        let report = Report::new(&sets, &systems(&sets, &both, 1), &["retrieval"], 1);
        assert_eq!(good(&report, 0, "features"), 0.0);
        assert_eq!(good(&report, 1, "features"), 0.0);
    }
}
