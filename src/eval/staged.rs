//! Retrieve and rerank over the pool of the cases, as a persona does it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::cases::{Case, Cases};
use super::rankers::Ranker;
use crate::chat::Choice;
use crate::chat::second_stage::{Rerank, SecondStage};
use crate::error::Result;
use crate::ranker::{LinearRanker, Seen, Sieve};

/// Both stages over a pool, with what the second has scored so far: it is slow, and several systems
/// ask it about the same pairs.
pub(crate) struct Stages {
    retriever: Arc<dyn Ranker>,
    reranker: Option<Box<dyn Rerank>>,
    sieve: Sieve,
    cases: Arc<Cases>,
    /// Scores by case and place in the pool.
    reranked: Mutex<HashMap<(usize, usize), f32>>,
}

impl Stages {
    /// The first stage alone over the pool of `cases`, whose candidates `retriever` scores.
    pub(crate) fn first(cases: Arc<Cases>, retriever: Arc<dyn Ranker>) -> Arc<Self> {
        Self::new(cases, retriever, None, Sieve::default())
    }

    /// Both stages, and the weights by which the second decides.
    pub(crate) fn both(
        cases: Arc<Cases>,
        retriever: Arc<dyn Ranker>,
        second: SecondStage,
    ) -> (Arc<Self>, LinearRanker) {
        let stages = Self::new(cases, retriever, Some(second.cross), second.sieve);
        (stages, second.ranker)
    }

    fn new(
        cases: Arc<Cases>,
        retriever: Arc<dyn Ranker>,
        reranker: Option<Box<dyn Rerank>>,
        sieve: Sieve,
    ) -> Arc<Self> {
        Arc::new(Self {
            retriever,
            reranker,
            sieve,
            cases,
            reranked: Mutex::default(),
        })
    }

    /// The second stage's scores of the replies at `places`; pairs that were scored before are not
    /// scored again. `None` where there is no second stage.
    fn rerank(&self, case: &Case, places: &[usize]) -> Result<Option<Vec<f32>>> {
        let Some(reranker) = &self.reranker else {
            return Ok(None);
        };
        // Scores that stand there are whole, whoever failed since.
        let mut known = self.reranked.lock().unwrap_or_else(PoisonError::into_inner);
        let key = |place: usize| (case.number, place);
        let mut new = places.to_vec();
        new.retain(|&place| !known.contains_key(&key(place)));
        if !new.is_empty() {
            let replies: Vec<&str> = new
                .iter()
                .map(|&place| self.cases.pool[place].as_str())
                .collect();
            let scores = reranker.rerank(case.query(), &replies)?;
            known.extend(new.iter().map(|&place| key(place)).zip(scores));
        }
        let scores = places.iter().map(|&place| known.get(&key(place)).copied());
        Ok(scores.collect())
    }
}

/// What a persona makes of the candidates: those that it considered stand above the others, which
/// stay in the first stage's order.
pub(crate) struct Staged {
    stages: Arc<Stages>,
    ranker: Option<LinearRanker>,
    with_truth: bool,
}

impl Staged {
    /// Answers as `ask` does by default, with this use of the second stage; `None` leaves it out.
    pub(crate) fn new(stages: &Arc<Stages>, ranker: Option<LinearRanker>) -> Self {
        Self {
            stages: stages.clone(),
            ranker,
            with_truth: false,
        }
    }

    /// The same, with the true reply added to the candidates where the first stage or the sieve missed it: how
    /// good the second stage is by itself.
    pub(crate) fn with_truth(stages: &Arc<Stages>, ranker: Option<LinearRanker>) -> Self {
        Self {
            with_truth: true,
            ..Self::new(stages, ranker)
        }
    }

    /// The places that a persona considers, out of `candidates` with their `first` scores, and the
    /// scores that decide.
    fn considered(
        &self,
        case: &Case,
        candidates: &[usize],
        first: &[f32],
    ) -> Result<Vec<(usize, f32)>> {
        let mut found: Vec<(usize, f32)> = candidates
            .iter()
            .copied()
            .zip(first.iter().copied())
            .collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        // As in `Persona::retrieve`: nothing that was just said, unless nothing else is left.
        let fresh = |(place, _): &(usize, f32)| !case.said.contains(place);
        if found.iter().any(fresh) {
            found.retain(fresh);
        }
        let truth = found.iter().copied().find(|one| one.0 == case.truth);
        self.sift(case, &mut found);
        if self.with_truth {
            let missed = |truth: &(usize, f32)| !found.iter().any(|one| one.0 == truth.0);
            found.extend(truth.filter(missed));
        }
        if let Some(ranker) = &self.ranker {
            let places: Vec<usize> = found.iter().map(|one| one.0).collect();
            if let Some(logits) = self.stages.rerank(case, &places)? {
                let seen = |(&(place, retrieval), cross): (&(usize, f32), f32)| Seen {
                    reply: &self.stages.cases.pool[place],
                    retrieval,
                    cross,
                };
                let seen: Vec<Seen<'_>> = found.iter().zip(logits).map(seen).collect();
                let scores = ranker.scores(&case.text, &seen);
                for (one, score) in found.iter_mut().zip(scores) {
                    one.1 = score;
                }
            }
        }
        Ok(found)
    }

    /// Leaves those that the second stage reads, as a persona's second stage leaves them.
    fn sift(&self, case: &Case, found: &mut Vec<(usize, f32)>) {
        let (count, pool) = (Choice::default().top_k, &self.stages.cases.pool);
        found.truncate(Sieve::reach(count));
        let lines = found
            .iter()
            .map(|&(place, score)| (pool[place].as_str(), score));
        let lines: Vec<(&str, f32)> = lines.collect();
        let mut kept = self
            .stages
            .sieve
            .kept(&case.text, &lines, count)
            .into_iter();
        found.retain(|_| kept.next().unwrap_or_default());
    }
}

impl Ranker for Staged {
    fn scores(&self, case: &Case, candidates: &[usize]) -> Result<Vec<f32>> {
        let first = self.stages.retriever.scores(case, candidates)?;
        let considered = self.considered(case, candidates, &first)?;
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::chat::decide::TOP_K;
    use crate::chat::persona::Persona;
    use crate::chat::retrieve::Retrieve;
    use crate::dialogue::Query;
    use crate::index::Entry;
    use crate::stats::rank::Standing;

    /// The first stage's score falls with the place in the pool.
    struct ByPlace;

    impl Ranker for ByPlace {
        fn scores(&self, _: &Case, candidates: &[usize]) -> Result<Vec<f32>> {
            Ok(candidates.iter().map(|&place| -(place as f32)).collect())
        }
    }

    /// The second stage knows one good reply, and counts the pairs that it was asked about.
    struct Knows(&'static str, Arc<AtomicUsize>);

    impl Rerank for Knows {
        fn rerank(&self, query: Query<'_>, replies: &[&str]) -> Result<Vec<f32>> {
            assert_eq!(query.context, ["before"]);
            self.1.fetch_add(replies.len(), Ordering::Relaxed);
            let score = |reply: &&str| f32::from(u8::from(*reply == self.0));
            Ok(replies.iter().map(score).collect())
        }
    }

    fn stages(knows: &'static str) -> (Arc<Cases>, Arc<Stages>, Arc<AtomicUsize>) {
        sifted(knows, Sieve::default())
    }

    /// Stages over four times as many replies as are read.
    fn sifted(knows: &'static str, sieve: Sieve) -> (Arc<Cases>, Arc<Stages>, Arc<AtomicUsize>) {
        let replies: Vec<String> = (0..4 * TOP_K).map(|i| format!("reply {i}")).collect();
        let cases = Arc::new(Cases::new(&exchanges(&replies), 1000, 1));
        let asked = Arc::new(AtomicUsize::new(0));
        let reranker = Box::new(Knows(knows, asked.clone()));
        let stages = Stages::new(cases.clone(), Arc::new(ByPlace), Some(reranker), sieve);
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
        for number in [0, 7, 29, 30, 119] {
            assert_eq!(
                standing(&ranker, &cases, number).rank(),
                1.0 + number as f64
            );
        }
    }

    #[test]
    fn the_second_stage_orders_what_the_first_found_and_nothing_else() {
        let (cases, stages, _) = stages("reply 20");
        let ranker = Staged::new(&stages, Some(LinearRanker::default()));
        assert_eq!(standing(&ranker, &cases, 20).rank(), 1.0);
        // The other candidates are tied behind it.
        assert_eq!(standing(&ranker, &cases, 3).tied, TOP_K - 2);
        assert_eq!(standing(&ranker, &cases, TOP_K).ahead, TOP_K);
    }

    #[test]
    fn a_reply_that_was_not_retrieved_is_found_when_it_is_added() {
        let (cases, stages, _) = stages("reply 180");
        let found = Staged::new(&stages, Some(LinearRanker::default()));
        assert_eq!(standing(&found, &cases, 180).rank(), 181.0);
        let added = Staged::with_truth(&stages, Some(LinearRanker::default()));
        assert_eq!(standing(&added, &cases, 180).rank(), 1.0);
        // One that was retrieved is not there twice, and pushes nobody in.
        assert_eq!(standing(&added, &cases, 3).ahead, 0);
        assert_eq!(standing(&added, &cases, 3).tied, TOP_K - 1);
    }

    /// The first stage of a persona over the same pool.
    struct Pool(Arc<Cases>);

    impl Retrieve for Pool {
        fn retrieve(&self, _: Query<'_>, count: usize) -> Result<Vec<(Entry, f32)>> {
            let entry = |(place, text): (usize, &String)| {
                let entry = Entry {
                    text: text.clone(),
                    ..Entry::default()
                };
                (entry, -(place as f32))
            };
            Ok(self
                .0
                .pool
                .iter()
                .take(count)
                .enumerate()
                .map(entry)
                .collect())
        }
    }

    /// A sieve by which the worst by retrieval are the likeliest.
    fn likes_the_worst() -> Sieve {
        serde_json::from_value(serde_json::json!({"weights": {"retrieval": -1.0}})).unwrap()
    }

    /// Asserts that the stages say what a persona with the same parts says, and returns the places that it
    /// considered, best first.
    fn said(sieve: Sieve) -> Vec<usize> {
        let (cases, stages, asked) = sifted("reply 20", sieve.clone());
        let ranker = LinearRanker::fused(1.0, 1.2);
        let staged = Staged::new(&stages, Some(ranker.clone()));
        let case = &cases.cases[5];
        let mut order: Vec<usize> = (0..cases.pool.len()).collect();
        let scores = staged.scores(case, &order).unwrap();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        order.truncate(TOP_K);
        let second = SecondStage {
            sieve,
            cross: Box::new(Knows("reply 20", asked)),
            ranker,
            told: false,
        };
        let persona = Persona {
            second: Some(second),
            ..Persona::new("", Pool(cases.clone()))
        };
        let answer = persona
            .answer(&case.context, &case.text, &[], &Choice::default())
            .unwrap();
        let replies = answer.candidates.iter().map(|one| one.reply.as_str());
        let expected = order.iter().map(|&place| cases.pool[place].as_str());
        assert_eq!(replies.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        order
    }

    #[test]
    fn it_says_what_the_persona_says() {
        let order = said(Sieve::default());
        assert_eq!((order[0], order[12], order[13]), (0, 20, 12));
    }

    #[test]
    fn it_reads_what_the_personas_sieve_leaves() {
        let order = said(likes_the_worst());
        let worst = 3 * TOP_K + 10..4 * TOP_K;
        assert_eq!(order, (0..10).chain(worst).collect::<Vec<_>>());
    }

    #[test]
    fn a_reply_that_the_sieve_took_is_found_when_it_is_added() {
        let (cases, stages, _) = sifted("reply 20", likes_the_worst());
        let added = Staged::with_truth(&stages, Some(LinearRanker::default()));
        assert_eq!(standing(&added, &cases, 20).rank(), 1.0);
        let found = Staged::new(&stages, Some(LinearRanker::default()));
        assert_eq!(standing(&found, &cases, 20).ahead, TOP_K + 10);
    }

    #[test]
    fn what_was_just_said_makes_room_for_the_next() {
        let mut replies: Vec<String> = (0..2 * TOP_K).map(|i| format!("reply {i}")).collect();
        replies[1] = "Before!".into();
        let cases = Arc::new(Cases::new(&exchanges(&replies), 1000, 1));
        let knows = Knows("reply 50", Arc::default());
        let stages = Stages::new(
            cases.clone(),
            Arc::new(ByPlace),
            Some(Box::new(knows)),
            Sieve::default(),
        );
        let ranker = Staged::new(&stages, Some(LinearRanker::default()));
        assert_eq!(standing(&ranker, &cases, TOP_K).rank(), 1.0);
    }

    #[test]
    fn a_pair_is_scored_once_whoever_asks() {
        let (cases, stages, asked) = stages("reply 20");
        let all: Vec<usize> = (0..cases.pool.len()).collect();
        let one = Staged::new(&stages, Some(LinearRanker::default()));
        let other = Staged::with_truth(&stages, Some(LinearRanker::fused(1.0, 1.0)));
        one.scores(&cases.cases[180], &all).unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), TOP_K);
        other.scores(&cases.cases[180], &all).unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), TOP_K + 1);
        one.scores(&cases.cases[181], &all).unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2 * TOP_K + 1);
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
