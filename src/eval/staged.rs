//! Retrieve, rerank, choose, by the code that answers in `ask`: a [`Persona`] whose index is the
//! pool of the cases.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::cases::{Case, Cases};
use super::rankers::Ranker;
use crate::chat::persona::{Fusion, Persona, Rerank, Retrieve};
use crate::chat::{Answer, Choice};
use crate::dialogue::Query;
use crate::error::Result;
use crate::index::Entry;

/// Both stages over a pool, with what the second has scored so far: it is slow, and several systems
/// ask it about the same pairs.
pub struct Stages {
    retriever: Box<dyn Ranker>,
    reranker: Option<Box<dyn Rerank>>,
    cases: Rc<Cases>,
    places: HashMap<String, usize>,
    reranked: RefCell<HashMap<(usize, usize), f32>>,
}

impl Stages {
    /// Stages over the pool of `cases`; `retriever` scores the candidates of the first.
    pub fn new(
        cases: Rc<Cases>,
        retriever: Box<dyn Ranker>,
        reranker: Option<Box<dyn Rerank>>,
    ) -> Rc<Self> {
        let texts = cases.pool.iter().cloned();
        Rc::new(Self {
            retriever,
            reranker,
            places: texts
                .enumerate()
                .map(|(place, text)| (text, place))
                .collect(),
            reranked: RefCell::default(),
            cases,
        })
    }
}

/// What is asked at the moment.
#[derive(Default)]
struct Asked {
    case: usize,
    candidates: Vec<usize>,
}

/// A persona's first stage: the best of the candidates at hand.
struct First {
    stages: Rc<Stages>,
    asked: Rc<RefCell<Asked>>,
    with_truth: bool,
}

impl Retrieve for First {
    fn retrieve(&self, _: Query<'_>, count: usize) -> Result<Vec<(Entry, f32)>> {
        let asked = self.asked.borrow();
        let cases = &self.stages.cases;
        let case = &cases.cases[asked.case];
        let scores = self.stages.retriever.scores(case, &asked.candidates)?;
        let mut found: Vec<(usize, f32)> = asked.candidates.iter().copied().zip(scores).collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        if self.with_truth {
            let added = found.iter().copied().find(|one| one.0 == case.truth);
            found.truncate(Choice::default().top_k);
            found.extend(added.filter(|added| found.iter().all(|one| one.0 != added.0)));
        } else {
            found.truncate(count);
        }
        let entry = |place: usize| Entry {
            text: cases.pool[place].clone(),
            origin: None,
            exchanges: Vec::new(),
        };
        let entries = found
            .into_iter()
            .map(|(place, score)| (entry(place), score));
        Ok(entries.collect())
    }
}

/// A persona's second stage: scores pairs that nobody has scored yet.
struct Second {
    stages: Rc<Stages>,
    asked: Rc<RefCell<Asked>>,
}

impl Rerank for Second {
    fn rerank(&self, query: Query<'_>, replies: &[&str]) -> Result<Vec<f32>> {
        let case = self.asked.borrow().case;
        let mut known = self.stages.reranked.borrow_mut();
        let key = |reply: &str| (case, self.stages.places[reply]);
        let new: Vec<&str> = replies
            .iter()
            .copied()
            .filter(|reply| !known.contains_key(&key(reply)))
            .collect();
        if let Some(reranker) = &self.stages.reranker
            && !new.is_empty()
        {
            let scores = reranker.rerank(query, &new)?;
            known.extend(new.iter().map(|reply| key(reply)).zip(scores));
        }
        Ok(replies.iter().map(|reply| known[&key(reply)]).collect())
    }
}

/// What a persona makes of the candidates: those that it considered stand above the others, which
/// stay in the first stage's order.
pub struct Staged {
    stages: Rc<Stages>,
    asked: Rc<RefCell<Asked>>,
    persona: Persona,
    choice: Choice,
}

impl Staged {
    /// Answers as `ask` does by default, with this use of the second stage; `None` leaves it out.
    pub fn new(stages: &Rc<Stages>, fusion: Option<Fusion>) -> Self {
        Self::build(stages, fusion, false)
    }

    /// The same, with the true reply added to the candidates where the first stage missed it: how
    /// good the second stage is by itself.
    pub fn with_truth(stages: &Rc<Stages>, fusion: Option<Fusion>) -> Self {
        Self::build(stages, fusion, true)
    }

    fn build(stages: &Rc<Stages>, fusion: Option<Fusion>, with_truth: bool) -> Self {
        let asked = Rc::<RefCell<Asked>>::default();
        let first = First {
            stages: stages.clone(),
            asked: asked.clone(),
            with_truth,
        };
        let second = Second {
            stages: stages.clone(),
            asked: asked.clone(),
        };
        let fusion = fusion.filter(|_| stages.reranker.is_some());
        let second = fusion.map(|fusion| (Box::new(second) as Box<dyn Rerank>, fusion));
        let mut choice = Choice::default();
        // Room for the true reply.
        choice.top_k += usize::from(with_truth);
        Self {
            stages: stages.clone(),
            asked,
            persona: Persona::new("", first, second, None),
            choice,
        }
    }

    /// Places of the candidates that were considered, with their final scores.
    fn considered(&self, answer: &Answer) -> Vec<(usize, f32)> {
        let candidates = answer.candidates.iter();
        candidates
            .map(|one| (self.stages.places[&one.reply], one.score))
            .collect()
    }
}

impl Ranker for Staged {
    fn scores(&self, case: &Case, candidates: &[usize]) -> Result<Vec<f32>> {
        *self.asked.borrow_mut() = Asked {
            case: case.number,
            candidates: candidates.to_vec(),
        };
        let answer = self
            .persona
            .answer(&case.context, &case.text, &[], &self.choice)?;
        let considered = self.considered(&answer);
        let first = self.stages.retriever.scores(case, candidates)?;
        Ok(stack(candidates, &first, &considered))
    }
}

/// One score for each of `candidates`: levels that grow with `first`, and above them levels that
/// grow with the score of those `considered`. Equal scores share a level.
fn stack(candidates: &[usize], first: &[f32], considered: &[(usize, f32)]) -> Vec<f32> {
    let second: HashMap<usize, f32> = considered.iter().copied().collect();
    let keys: Vec<(bool, f32)> = candidates
        .iter()
        .zip(first)
        .map(|(place, &score)| match second.get(place) {
            Some(&score) => (true, score),
            None => (false, score),
        })
        .collect();
    let mut order: Vec<usize> = (0..keys.len()).collect();
    let compare = |a: usize, b: usize| {
        keys[a]
            .0
            .cmp(&keys[b].0)
            .then(keys[a].1.total_cmp(&keys[b].1))
    };
    order.sort_by(|&a, &b| compare(a, b));
    let mut levels = vec![0.0; keys.len()];
    let mut level = 0.0;
    for pair in order.windows(2) {
        if compare(pair[0], pair[1]).is_lt() {
            level += 1.0;
        }
        levels[pair[1]] = level;
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::super::cases::tests::exchanges;
    use super::*;
    use crate::chat::choose::MinScore;
    use crate::stats::rank::Standing;

    /// The first stage's score falls with the place in the pool.
    struct ByPlace;

    impl Ranker for ByPlace {
        fn scores(&self, _: &Case, candidates: &[usize]) -> Result<Vec<f32>> {
            Ok(candidates.iter().map(|&place| -(place as f32)).collect())
        }
    }

    /// The second stage knows one good reply, and counts the pairs that it was asked about.
    struct Knows(&'static str, Rc<RefCell<usize>>);

    impl Rerank for Knows {
        fn rerank(&self, query: Query<'_>, replies: &[&str]) -> Result<Vec<f32>> {
            assert_eq!(query.context, ["before"]);
            *self.1.borrow_mut() += replies.len();
            let score = |reply: &&str| f32::from(u8::from(*reply == self.0));
            Ok(replies.iter().map(score).collect())
        }
    }

    fn stages(knows: &'static str) -> (Rc<Cases>, Rc<Stages>, Rc<RefCell<usize>>) {
        let replies: Vec<String> = (0..120).map(|i| format!("reply {i}")).collect();
        let cases = Rc::new(Cases::new(&exchanges(&replies), 1000, 1));
        let asked = Rc::new(RefCell::new(0));
        let reranker = Box::new(Knows(knows, asked.clone()));
        let stages = Stages::new(cases.clone(), Box::new(ByPlace), Some(reranker));
        (cases, stages, asked)
    }

    /// The standing of the truth of case `number` among the whole pool.
    fn standing(ranker: &Staged, cases: &Cases, number: usize) -> Standing {
        let all: Vec<usize> = (0..cases.pool.len()).collect();
        let case = &cases.cases[number];
        let scores = ranker.scores(case, &all).unwrap();
        Standing::of(&scores, |place| place == case.truth).unwrap()
    }

    #[test]
    fn without_a_second_stage_the_order_is_the_firsts() {
        let (cases, stages, _) = stages("");
        let ranker = Staged::new(&stages, None);
        for number in [0, 7, 49, 50, 119] {
            assert_eq!(
                standing(&ranker, &cases, number).rank(),
                1.0 + number as f64
            );
        }
    }

    #[test]
    fn the_second_stage_orders_what_the_first_found_and_nothing_else() {
        let (cases, stages, _) = stages("reply 30");
        let ranker = Staged::new(&stages, Some(Fusion::default()));
        assert_eq!(standing(&ranker, &cases, 30).rank(), 1.0);
        // The other 49 candidates are tied behind it.
        assert_eq!(standing(&ranker, &cases, 3).rank(), 26.0);
        assert_eq!(standing(&ranker, &cases, 80).rank(), 81.0);
    }

    #[test]
    fn a_reply_that_was_not_retrieved_is_found_when_it_is_added() {
        let (cases, stages, _) = stages("reply 80");
        let found = Staged::new(&stages, Some(Fusion::default()));
        assert_eq!(standing(&found, &cases, 80).rank(), 81.0);
        let added = Staged::with_truth(&stages, Some(Fusion::default()));
        assert_eq!(standing(&added, &cases, 80).rank(), 1.0);
        // One that was retrieved is not there twice, and pushes nobody in.
        assert_eq!(standing(&added, &cases, 3).ahead, 0);
        assert_eq!(standing(&added, &cases, 3).tied, 49);
    }

    #[test]
    fn it_says_what_the_persona_says() {
        let (cases, stages, _) = stages("reply 30");
        let fusion = Fusion {
            bi: 1.0,
            cross: 12.5,
        };
        let ranker = Staged::new(&stages, Some(fusion));
        let all: Vec<usize> = (0..cases.pool.len()).collect();
        let scores = ranker.scores(&cases.cases[5], &all).unwrap();
        let mut order = all.clone();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        assert_eq!(ranker.choice.min_score, MinScore::None);
        let case = &cases.cases[5];
        let answer = ranker
            .persona
            .answer(&case.context, &case.text, &[], &ranker.choice);
        let answer = answer.unwrap();
        assert_eq!(answer.text(), Some("reply 0"));
        for (candidate, place) in answer.candidates.iter().zip(&order) {
            assert_eq!(candidate.reply, cases.pool[*place]);
        }
        assert_eq!(order[18], 30);
    }

    #[test]
    fn a_pair_is_scored_once_whoever_asks() {
        let (cases, stages, asked) = stages("reply 30");
        let all: Vec<usize> = (0..cases.pool.len()).collect();
        let one = Staged::new(&stages, Some(Fusion::default()));
        let other = Staged::with_truth(
            &stages,
            Some(Fusion {
                bi: 1.0,
                cross: 1.0,
            }),
        );
        one.scores(&cases.cases[80], &all).unwrap();
        assert_eq!(*asked.borrow(), 50);
        other.scores(&cases.cases[80], &all).unwrap();
        assert_eq!(*asked.borrow(), 51);
        one.scores(&cases.cases[81], &all).unwrap();
        assert_eq!(*asked.borrow(), 101);
    }

    #[test]
    fn levels_keep_order_and_ties() {
        let levels = stack(
            &[4, 7, 9, 2],
            &[0.5, 0.9, 0.5, 0.1],
            &[(2, -3.0), (9, -3.0)],
        );
        assert_eq!(levels, [0.0, 1.0, 2.0, 2.0]);
        assert!(stack(&[], &[], &[]).is_empty());
    }
}
