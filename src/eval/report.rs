//! What an evaluation finds, in figures.

use std::collections::HashMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::cases::{Case, Cases, FEW, MANY};
use super::metrics::{CaseResult, Figures};
use super::rankers::Ranker;
use crate::error::Result;
use crate::stats::rank::Standing;
use crate::watch::{Unit, Watch};

/// Whether a system says more than one thing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diversity {
    /// Different answers.
    pub distinct: usize,
    /// Their share of all answers.
    pub share: f64,
    /// The answer given most often; of equals the first in the pool.
    pub most_repeated: String,
    /// How often.
    pub times: usize,
}

impl Diversity {
    fn of(outcomes: &[CaseResult], cases: &Cases) -> Self {
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for outcome in outcomes {
            *counts.entry(outcome.answer).or_default() += 1;
        }
        let most = counts
            .iter()
            .max_by_key(|&(place, times)| (times, std::cmp::Reverse(place)));
        let (&place, &times) = most.unwrap_or((&0, &0));
        Self {
            distinct: counts.len(),
            share: counts.len() as f64 / outcomes.len().max(1) as f64,
            most_repeated: cases.pool.get(place).cloned().unwrap_or_default(),
            times,
        }
    }
}

/// A system with its name.
pub(crate) struct System {
    /// Its name in JSON.
    pub key: &'static str,
    /// Its name for people.
    pub name: String,
    /// The system.
    pub ranker: Box<dyn Ranker>,
}

/// What is to be evaluated.
#[derive(Default)]
pub(crate) struct Lineup {
    /// The systems, the simplest first.
    pub systems: Vec<System>,
    /// Keys of systems to be compared, the simpler first.
    pub comparisons: Vec<(&'static str, &'static str)>,
    /// How reranking does when the true reply is among the candidates.
    pub reranking: Option<RerankingOf>,
    /// Which systems are left out, and how to have them.
    pub notes: Vec<String>,
}

/// What a report on reranking is made of.
pub(crate) struct RerankingOf {
    /// Key of the system before.
    pub before: &'static str,
    /// Key of the system after.
    pub after: &'static str,
    /// The system after, with the true reply added to the candidates.
    pub with_truth: Box<dyn Ranker>,
    /// Number of candidates.
    pub candidates: usize,
}

/// A system's figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SystemRow {
    /// Its name in JSON.
    pub key: &'static str,
    /// Its name for people.
    pub name: String,
    /// How well it ranks.
    pub figures: Figures,
    /// How much it repeats itself.
    pub answers: Diversity,
}

/// How much better one system is than another on the same cases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Key of the simpler system.
    pub before: &'static str,
    /// Key of the other.
    pub after: &'static str,
    /// Of the differences, case by case.
    pub gain: Figures,
}

/// Reranking, honestly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reranking {
    /// Number of candidates that are reranked.
    pub candidates: usize,
    /// The first stage alone.
    pub before: Figures,
    /// Both stages.
    pub after: Figures,
    /// Both stages, where the true reply is always among the candidates.
    pub with_truth: Figures,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Who answers.
    pub character: String,
    /// What was tested on.
    pub tested: String,
    /// Decides distractors, draws and resamples.
    pub seed: u64,
    /// Queries asked.
    pub queries: usize,
    /// Queries that they were drawn from.
    pub available: usize,
    /// Distinct replies that they are ranked among.
    pub pool: usize,
    /// A row each system.
    pub systems: Vec<SystemRow>,
    /// Paired differences.
    pub comparisons: Vec<Comparison>,
    /// Reranking by itself, where there is a cross-encoder.
    pub reranking: Option<Reranking>,
    /// What is left out, and what to bear in mind.
    pub notes: Vec<String>,
}

impl Evaluation {
    /// The row of a system.
    pub(crate) fn row(&self, key: &str) -> Option<&SystemRow> {
        self.systems.iter().find(|row| row.key == key)
    }
}

/// A case with every system's answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answers {
    /// The exchange's id.
    pub exchange: usize,
    /// The turns before the query, oldest first.
    pub context: Vec<String>,
    /// The turn that is answered.
    pub query: String,
    /// What the character really said.
    pub reply: String,
    /// The distractors among which R@1 and MRR of 20 are measured, so that anything else can be
    /// measured among the same; none where the pool is too small.
    pub distractors: Vec<String>,
    /// What was just said and so is not said again, of the pool.
    pub said: Vec<String>,
    /// By key: the answer, and the true reply's rank among 20 and in the whole pool.
    pub systems: serde_json::Map<String, serde_json::Value>,
}

/// Puts `cases` to a system.
///
/// # Errors
/// A model fails; [`crate::error::Error::Interrupted`].
pub(crate) fn measure(
    cases: &Cases,
    ranker: &dyn Ranker,
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<Vec<CaseResult>> {
    let everything: Vec<usize> = (0..cases.pool.len()).collect();
    let mut outcomes = Vec::with_capacity(cases.cases.len());
    for case in &cases.cases {
        let among = |size| match case.among(size) {
            Some(candidates) => standing(ranker, case, &candidates).map(|found| Some(found.0)),
            None => Ok(None),
        };
        let (few, many) = (among(FEW)?, among(MANY)?);
        let (all, scores) = standing(ranker, case, &everything)?;
        outcomes.push(CaseResult {
            few,
            many,
            all,
            answer: best(&scores, seed, case.number),
        });
        watch.advance(outcomes.len() as u64);
        watch.go_on()?;
    }
    Ok(outcomes)
}

/// Where the true reply stands among candidates, of which it is one. No system says again what
/// was just said.
fn standing(
    ranker: &dyn Ranker,
    case: &Case,
    candidates: &[usize],
) -> Result<(Standing, Vec<f32>)> {
    let mut scores = ranker.scores(case, candidates)?;
    for (score, place) in scores.iter_mut().zip(candidates) {
        if case.said.contains(place) {
            *score = f32::NEG_INFINITY;
        }
    }
    let standing = Standing::of(&scores, |place| candidates[place] == case.truth);
    let last = Standing {
        ahead: candidates.len(),
        tied: 0,
        copies: 1,
    };
    Ok((standing.unwrap_or(last), scores))
}

/// One of the highest scores, drawn at random.
fn best(scores: &[f32], seed: u64, case: usize) -> usize {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let best: Vec<usize> = (0..scores.len())
        .filter(|&place| scores[place] >= highest)
        .collect();
    if best.is_empty() {
        return 0;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(case as u64);
    best[rng.random_range(0..best.len())]
}

/// Puts `cases` to every system.
///
/// # Errors
/// A model fails; [`crate::error::Error::Interrupted`].
pub(crate) fn evaluate(
    cases: &Cases,
    lineup: &Lineup,
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<(Evaluation, Vec<Answers>)> {
    let mut found: Vec<(&'static str, Vec<CaseResult>)> = Vec::new();
    let mut systems = Vec::new();
    for system in &lineup.systems {
        watch.stage("queries", cases.cases.len() as u64, Unit::Parts);
        watch.figures(format_args!("{}", system.name));
        let outcomes = measure(cases, system.ranker.as_ref(), seed, watch)?;
        systems.push(SystemRow {
            key: system.key,
            name: system.name.clone(),
            figures: Figures::of(&outcomes, seed),
            answers: Diversity::of(&outcomes, cases),
        });
        found.push((system.key, outcomes));
    }
    let outcomes = |key: &str| {
        let system = found.iter().find(|(own, _)| *own == key);
        system.map_or(&[][..], |(_, outcomes)| outcomes)
    };
    let comparisons = lineup
        .comparisons
        .iter()
        .map(|&(before, after)| Comparison {
            before,
            after,
            gain: Figures::gain(outcomes(before), outcomes(after), seed),
        });
    let reranking = match &lineup.reranking {
        Some(of) => {
            watch.stage("queries", cases.cases.len() as u64, Unit::Parts);
            watch.figures(format_args!("with the true reply added"));
            let with_truth = measure(cases, of.with_truth.as_ref(), seed, watch)?;
            Some(Reranking {
                candidates: of.candidates,
                before: Figures::of(outcomes(of.before), seed),
                after: Figures::of(outcomes(of.after), seed),
                with_truth: Figures::of(&with_truth, seed),
            })
        }
        None => None,
    };
    let report = Evaluation {
        character: String::new(),
        tested: String::new(),
        seed,
        queries: cases.cases.len(),
        available: cases.available,
        pool: cases.pool.len(),
        systems,
        comparisons: comparisons.collect(),
        reranking,
        notes: lineup.notes.clone(),
    };
    Ok((report, answers(cases, &found)))
}

fn answers(cases: &Cases, found: &[(&'static str, Vec<CaseResult>)]) -> Vec<Answers> {
    let text = |place: &usize| cases.pool[*place].clone();
    let of = |case: &Case| Answers {
        exchange: case.exchange,
        context: case.context.clone(),
        query: case.text.clone(),
        reply: text(&case.truth),
        distractors: case
            .among(FEW)
            .unwrap_or_default()
            .iter()
            .filter(|place| **place != case.truth)
            .map(text)
            .collect(),
        said: case.said.iter().map(text).collect(),
        systems: found
            .iter()
            .map(|(key, outcomes)| {
                let outcome = &outcomes[case.number];
                let answer = serde_json::json!({
                    "answer": cases.pool[outcome.answer],
                    "rank": outcome.all.rank(),
                    "rank_of_20": outcome.few.map(|few| few.rank()),
                });
                ((*key).to_owned(), answer)
            })
            .collect(),
    };
    cases.cases.iter().map(of).collect()
}
