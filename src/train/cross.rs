//! `train-cross`, from exchanges and judged messages to the finished run.

use std::path::Path;

use super::card::{Kind, card};
use super::cross_material::divide;
use super::cross_task::{CrossTask, CrossTaskSettings, Material, examples};
use super::feedback;
use super::job::Training;
use super::run::{JUDGED, Outcome, Run};
use super::settings::{CrossSettings, Data, Resolved};
use super::trainer::train;
use crate::corpus::dataset::Dataset;
use crate::dialogue::{self, Grade, Judged, JudgedReply, Opinion, Query};
use crate::error::Result;
use crate::files::{self, Rights};
use crate::folder::Folder;
use crate::hf::folder::ModelFolder;
use crate::model::cross_encoder::CrossEncoder;
use crate::nn::device::Compute;
use crate::nn::head::{Head, head_specs, pooler_specs};
use crate::ranker::{Graded, LinearRanker, Seen, fit};
use crate::seed::{Stream, derive};
use crate::watch::Watch;

const NAME: &str = "cross-encoder";

/// Validation exchanges, at most: each is read with all its negatives at every validation.
const VALIDATION: usize = 400;

/// Trains a cross-encoder from the encoder in the folder `encoder`, on the exchanges, and on `judged`
/// messages and on what people thought of answers, where there are any; to go on with a run, from
/// [`Training::kept`] where there is one, and with the messages that it was begun with.
///
/// # Errors
/// As [`super::bi::train_bi`].
pub fn train_cross(
    training: &Training<CrossSettings>,
    encoder: impl Into<Folder>,
    dataset: Dataset,
    judged: Vec<Judged>,
    feedback: Vec<Opinion>,
    compute: &Compute,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    let settings = &training.settings;
    let common = &settings.common;
    let kept = training.folder.join(JUDGED);
    let judged = match training.resumes() {
        true if kept.is_file() => files::read_jsonl(&kept)?,
        true => Vec::new(),
        false => judged,
    };
    let (judged_train, judged_valid) = divide(judged.clone());
    let feedback = feedback::of_run(training, feedback)?;
    let replies: Vec<&str> = dataset.pool.iter().map(|one| one.text.as_str()).collect();
    let liked = feedback::judged(&feedback, &replies, common.seed);
    let examples = examples(dataset.train.len(), judged_train.len()) + liked.len();
    let resolved = training.resolve(common, Data::of(&dataset)?, examples)?;
    let (model, head) = start(&encoder.into(), common.max_length, common.seed, compute)?;
    let options = CrossTaskSettings {
        max_length: model.max_length,
        negatives: settings.negatives,
        chunk_size: common.chunk_size,
        seed: common.seed,
    };
    let tokenizer = model.tokenizer.clone();
    let train_material = Material {
        exchanges: dataset.train,
        judged: &judged_train,
        liked: &liked,
    };
    let valid_material = Material {
        exchanges: dialogue::sample(&dataset.valid, VALIDATION, common.seed),
        judged: &judged_valid,
        liked: &[],
    };
    let mut task = CrossTask::new(model, tokenizer, train_material, valid_material, options)?;
    let mut run = training.run(NAME, &resolved)?;
    if !training.resumes() {
        if !judged.is_empty() {
            files::write_jsonl(&kept, Rights::PRIVATE, &judged)?;
        }
        feedback::keep(&training.folder, &feedback)?;
        watch.note(head.describe());
    }
    let plan = resolved.plan(common);
    let outcome = train(&mut task, &plan, &mut run, watch)?;
    weigh(
        &Run::model_of(&training.folder),
        &judged_valid,
        common.seed,
        compute,
    )?;
    run.finish(&outcome, &describe(settings, &resolved, &outcome))?;
    Ok(outcome)
}

/// Messages that the weights beside the cross-encoder are fitted on, at least.
const FEWEST_WEIGHED: usize = 20;

/// Fits the weights of what else a reader minds, on judged messages that the cross-encoder in the folder `model`
/// was not trained on, and keeps them beside it; with too few, the general reranker's are right.
fn weigh(model: &Path, judged: &[Judged], seed: u64, compute: &Compute) -> Result<()> {
    if judged.len() < FEWEST_WEIGHED {
        return Ok(());
    }
    let cross = CrossEncoder::load(model, compute)?;
    let graded = judged.iter().map(|one| graded(&cross, one));
    let graded = graded.collect::<Result<Vec<_>>>()?;
    let told = judged.iter().flat_map(|one| &one.candidates);
    let told = told.into_iter().any(|one| one.answered.is_some());
    LinearRanker {
        told,
        ..fit(&graded, seed)
    }
    .write(model)
}

/// A judged message as the first stage ranked its candidates, with the logits of `cross`.
fn graded<'a>(cross: &CrossEncoder, judged: &'a Judged) -> Result<Graded<'a>> {
    let mut candidates: Vec<(&JudgedReply, Grade)> = judged
        .candidates
        .iter()
        .filter_map(|one| Some((one, one.grade?)))
        .collect();
    let score = |one: &JudgedReply| one.score.unwrap_or_default();
    candidates.sort_by(|(a, _), (b, _)| score(b).total_cmp(&score(a)));
    let query = Query {
        context: &judged.context,
        text: &judged.message,
    };
    let replies: Vec<_> = candidates
        .iter()
        .map(|(one, _)| one.with_answered())
        .collect();
    let replies: Vec<&str> = replies.iter().map(AsRef::as_ref).collect();
    let logits = cross.score(query, &replies)?;
    let seen = |((one, _), cross): (&(&'a JudgedReply, Grade), f32)| Seen {
        reply: &one.reply,
        retrieval: score(one),
        cross,
    };
    Ok(Graded {
        query: &judged.message,
        candidates: candidates.iter().zip(logits).map(seen).collect(),
        grades: candidates.iter().map(|(_, grade)| *grade).collect(),
    })
}

fn describe(
    settings: &CrossSettings,
    resolved: &Resolved<CrossSettings>,
    outcome: &Outcome,
) -> String {
    let kind = Kind {
        name: NAME,
        encoder: settings
            .encoder
            .as_deref()
            .unwrap_or("homer's general reranker"),
        purpose: "Reads what was said together with a possible answer, and scores how well it answers.",
        loss: format!(
            "listwise softmax, {} negatives for each true reply: of the same scene, and random ones",
            settings.negatives
        ),
        among: "of the best answer among its candidates",
        python: "from sentence_transformers import CrossEncoder\n\n\
                 model = CrossEncoder(\"model\")\n\
                 scores = model.predict([(\"How are you?\", \"Never better.\")])",
    };
    card(&kind, resolved, &settings.common, outcome)
}

/// Where a head comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Whole,
    Pooler,
    New,
}

impl Origin {
    fn describe(self) -> &'static str {
        match self {
            Self::Whole => "the encoder brings a whole head: training goes on from it",
            Self::Pooler => "the head is the encoder's pooler and a new scoring layer",
            Self::New => "the encoder brings no pooler: the head is new",
        }
    }
}

/// A cross-encoder to train: the folder's encoder, and what it has of a head; the rest is made on
/// purpose, from the seed.
fn start(
    folder: &Folder,
    max_length: usize,
    seed: u64,
    compute: &Compute,
) -> Result<(CrossEncoder, Origin)> {
    let opened = ModelFolder::open(folder)?;
    let config = &opened.config;
    // A head for something else, or half a one, is none for this.
    let whole = opened.checkpoint.named(&head_specs(config)).ok().flatten();
    let pooler = opened.checkpoint.named(&pooler_specs(config))?;
    let origin = match (&whole, &pooler) {
        (Some(_), _) => Origin::Whole,
        (None, Some(_)) => Origin::Pooler,
        (None, None) => Origin::New,
    };
    let values = whole
        .unwrap_or_else(|| Head::fresh(config, pooler.as_deref(), derive(seed, Stream::Head, 0)));
    let model = CrossEncoder {
        head: Head::new(config, &values, &compute.device())?,
        encoder: opened.encoder(compute)?,
        max_length: opened.longest(max_length),
        tokenizer: opened.tokenizer,
    };
    Ok((model, origin))
}
