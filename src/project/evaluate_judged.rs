//! Tests a project on judged messages: how good the replies are that it puts first.
#![allow(
    clippy::indexing_slicing,
    reason = "places are counted here, in what they are places of"
)]

use std::collections::HashMap;
use std::path::PathBuf;

use super::repertoire::Repertoire;
use super::{Project, second_stage};
use crate::chat::second_stage::SecondStage;
use crate::chat::{Answer, Candidate, Choice, Persona};
use crate::dialogue::{Grade, Judged, JudgedReply, Query, Turn, read_judged};
use crate::error::{Error, Result};
use crate::eval::judged::{Report, Set};
use crate::eval::judged_systems::{Scored, Scores, first_stage, ranked, replies, systems};
use crate::eval::order::Order;
use crate::files;
use crate::hf::checkpoint::weights_file;
use crate::index::Origin;
use crate::model::bi_encoder::BiEncoder;
use crate::nn::device::Compute;
use crate::text::normalize::normalized;
use crate::watch::{Unit, Watch};

/// Share of a set's candidates that a persona must know for the set to be its own.
const OWN: f64 = 0.5;
/// The systems that others are compared with, the first that every set has.
const BASELINES: [&str; 3] = ["retrieval", "bi", "bm25"];

/// What is to be tested on, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedSettings {
    /// Files of judged messages. A set is called as its file is, and weights are fitted on the other sets.
    pub files: Vec<PathBuf>,
    /// Decides the resamples.
    pub seed: u64,
    /// Whether to compute on a GPU.
    pub gpu: bool,
}

/// Puts judged messages to every system that the project has, or that comes with homer. Nothing is written.
///
/// # Errors
/// A file is no set of judged messages, two are called alike, a model is damaged;
/// [`crate::error::Error::Interrupted`].
pub fn evaluate_judged(
    project: &Project,
    settings: &JudgedSettings,
    watch: &mut dyn Watch,
) -> Result<Report> {
    let sets = read(&settings.files)?;
    let compute = Compute::choose(settings.gpu)?;
    let told = sets.iter().any(has_answered);
    let bench = Bench::open(project, told, &compute, watch)?;
    let mut scored = Vec::with_capacity(sets.len());
    for set in &sets {
        scored.push(bench.score(set, watch)?);
    }
    let systems = systems(&sets, &scored, settings.seed);
    let mut report = Report::new(&sets, &systems, &BASELINES, settings.seed);
    if sets.len() == 1 {
        report.notes.push(
            "the weights of plain features are fitted on other sets than they are measured on: give \
             several files to have their row"
                .into(),
        );
    }
    Ok(report)
}

impl Report {
    /// Writes the figures into the project's runs, and tells where.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, project: &Project) -> Result<PathBuf> {
        let path = project.figures("judged");
        files::stays(&path)?;
        files::write_json(&path, self)?;
        Ok(path)
    }
}

fn read(files: &[PathBuf]) -> Result<Vec<Set>> {
    let mut sets: Vec<Set> = Vec::new();
    for file in files {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let name = stem.strip_suffix(".judged").unwrap_or(&stem);
        if sets.iter().any(|set| set.name == name) {
            return Err(Error::setting(
                format!(
                    "two files are called {name}: a set is called as its file is, and weights are fitted on \
                     the other sets"
                ),
                "give each file once, or another name",
            ));
        }
        sets.push(Set::new(name, read_judged(file)?));
    }
    Ok(sets)
}

/// The models; `None` where there is none.
struct Bench {
    encoder: BiEncoder,
    second: SecondStage,
    /// What reads lines that come with what they answer, where there are such and the other has not learned to.
    told: Option<SecondStage>,
    persona: Option<(Persona, Repertoire)>,
}

impl Bench {
    /// The project's models, and what comes with homer for those that it has not; `told` is whether some lines come
    /// with what they answer.
    fn open(
        project: &Project,
        told: bool,
        compute: &Compute,
        watch: &mut dyn Watch,
    ) -> Result<Self> {
        let encoder = BiEncoder::load(project.retriever()?.folder, compute)?;
        let second = match weights_file(&project.cross_encoder_model()) {
            Some(_) => second_stage::trained(project, compute)?,
            None => second_stage::general(compute)?,
        };
        let told = match told && !second.ranker.told {
            true => Some(second_stage::for_written(compute)?),
            false => None,
        };
        let persona = match Persona::find(project, compute, true) {
            Ok(persona) => {
                let repertoire = Repertoire::of(&persona)?;
                Some((persona, repertoire))
            }
            Err(Error::NotMade { what, remedy, .. }) => {
                let what = format!("there is no {what}, and what `ask` does is left out");
                watch.advise(&what, &remedy);
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            encoder,
            second,
            told,
            persona,
        })
    }

    /// Every model's scores of a set.
    fn score(&self, set: &Set, watch: &mut dyn Watch) -> Result<Scored> {
        let persona = self.persona.as_ref();
        let own = persona.filter(|(_, repertoire)| owns(repertoire, set));
        watch.stage(&set.name, set.messages.len() as u64, Unit::Parts);
        let told = self.told.as_ref().filter(|_| has_answered(set));
        let second = told.unwrap_or(&self.second);
        let mut scored = Scored {
            ranker: Some(second.ranker.clone()),
            ..Scored::default()
        };
        scored.bi = Some(cosines(&self.encoder, set)?);
        if let Some((_, repertoire)) = own {
            scored.query = Some(query_cosines(&self.encoder, set, repertoire)?);
        }
        let first = first_stage(set, scored.bi.as_ref());
        let mut cross = Vec::new();
        let mut ask = Vec::new();
        let mut answers = Vec::new();
        for (message, judged) in set.messages.iter().enumerate() {
            watch.go_on()?;
            let query = query(judged);
            let told: Vec<_> = judged
                .candidates
                .iter()
                .map(JudgedReply::with_answered)
                .collect();
            let told: Vec<&str> = told.iter().map(AsRef::as_ref).collect();
            cross.push(second.cross.rerank(query, &told)?);
            if let Some((persona, repertoire)) = persona {
                ask.push(decided(persona, repertoire, judged, &first[message])?);
            }
            if let Some((persona, _)) = own {
                let choice = Choice::default();
                let answer = persona.answer(query.context, query.text, &[], &choice)?;
                answers.push(order(judged, &answer));
            }
            watch.advance(message as u64 + 1);
        }
        scored.cross = Some(cross);
        scored.ask = persona.is_some().then_some(ask);
        scored.answers = own.is_some().then_some(answers);
        Ok(scored)
    }
}

/// Whether the lines of a set come with what they answer.
fn has_answered(set: &Set) -> bool {
    let mut candidates = set.messages.iter().flat_map(|one| &one.candidates);
    candidates.any(|one| one.answered.is_some())
}

/// Whether a set's candidates are the persona's own replies.
fn owns(repertoire: &Repertoire, set: &Set) -> bool {
    let all: Vec<&str> = set.messages.iter().flat_map(replies).collect();
    let known = all
        .iter()
        .filter(|reply| repertoire.exchanges(reply).is_some());
    known.count() as f64 > OWN * all.len() as f64
}

fn query(judged: &Judged) -> Query<'_> {
    Query {
        context: &judged.context,
        text: &judged.message,
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Cosines of message and reply.
fn cosines(encoder: &BiEncoder, set: &Set) -> Result<Scores> {
    let texts: Vec<&str> = set.messages.iter().flat_map(replies).collect();
    let embedded = encoder.embed_replies(&texts)?;
    let queries: Vec<Query<'_>> = set.messages.iter().map(query).collect();
    let queries = encoder.embed_queries(&queries)?;
    let mut row = 0;
    let scores = set.messages.iter().enumerate().map(|(message, judged)| {
        let rows = row..row + judged.candidates.len();
        row = rows.end;
        let query = queries.row(message);
        rows.map(|row| dot(query, embedded.row(row))).collect()
    });
    Ok(scores.collect())
}

/// Cosines of the message and the nearest query that the reply answered; one that answered nobody
/// stands behind all others.
fn query_cosines(encoder: &BiEncoder, set: &Set, repertoire: &Repertoire) -> Result<Scores> {
    let messages: Vec<&str> = set.messages.iter().map(|one| &*one.message).collect();
    let asked = encoder.embed_replies(&messages)?;
    let mut rows: HashMap<&str, usize> = HashMap::new();
    let mut texts: Vec<&str> = Vec::new();
    let candidates = set.messages.iter().flat_map(replies);
    for query in candidates.flat_map(|reply| repertoire.queries(reply)) {
        rows.entry(query).or_insert_with(|| {
            texts.push(query);
            texts.len() - 1
        });
    }
    let embedded = encoder.embed_replies(&texts)?;
    let nearest = |message: usize, reply: &str| {
        let queries = repertoire.queries(reply);
        queries
            .map(|query| dot(asked.row(message), embedded.row(rows[query])))
            .fold(f32::NEG_INFINITY, f32::max)
    };
    let scores = set.messages.iter().enumerate().map(|(message, judged)| {
        let replies = replies(judged).into_iter();
        replies.map(|reply| nearest(message, reply)).collect()
    });
    Ok(scores.collect())
}

/// Where a reply comes from that was written to answer this.
fn answered(text: String) -> Origin {
    Origin {
        exchange: 0,
        scene: 0,
        query: Turn {
            speaker: String::new(),
            text,
        },
        context: Vec::new(),
    }
}

/// The order that a persona puts the candidates in, as scores that fall by one a place.
fn decided(
    persona: &Persona,
    repertoire: &Repertoire,
    judged: &Judged,
    first: &[f32],
) -> Result<Vec<f32>> {
    let places = ranked(first);
    let origin = |one: &JudgedReply| {
        let known = || repertoire.queries(&one.reply).next().map(str::to_owned);
        one.answered.clone().or_else(known).map(answered)
    };
    let candidate = |(rank, &place): (usize, &usize)| Candidate {
        reply: judged.candidates[place].reply.clone(),
        score: first[place],
        retrieval: first[place],
        rerank: None,
        rank_before: rank,
        origin: origin(&judged.candidates[place]),
        exchanges: Vec::new(),
        reasons: Vec::new(),
    };
    let candidates = places.iter().enumerate().map(candidate).collect();
    let answer = persona.decide(query(judged), candidates, &Choice::default())?;
    let mut scores = vec![f32::NEG_INFINITY; first.len()];
    for (rank, candidate) in answer.candidates.iter().enumerate() {
        scores[places[candidate.rank_before]] = -(rank as f32);
    }
    Ok(scores)
}

/// The grades of what a persona answers out of all that it can say.
fn order(judged: &Judged, answer: &Answer) -> Order {
    let grades: HashMap<String, Grade> = judged
        .graded()
        .map(|(reply, grade)| (normalized(reply), grade))
        .collect();
    let candidates = answer.candidates.iter();
    Order::of(candidates.map(|one| grades.get(&normalized(&one.reply)).copied()))
}
