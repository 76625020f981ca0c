//! `train-cross`, from the dataset and the trained bi-encoder to the finished run.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use super::card::{Kind, card};
use super::cross_task::{CrossTask, Loss, Material, Options};
use super::embed::embed_all;
use super::job::Job;
use super::mining::{Mining, mine};
use super::run::{Outcome, Run, Start, require_bi_encoder};
use super::settings::{CrossSettings, Resolved};
use super::trainer::{Observer, train};
use crate::corpus::dataset::Dataset;
use crate::dialogue::Exchange;
use crate::error::{Error, Result};
use crate::hf::folder::ModelFolder;
use crate::model::bi_encoder::BiEncoder;
use crate::model::cross_encoder::CrossEncoder;
use crate::model::query;
use crate::nn::device::Compute;
use crate::nn::head::{Head, head_specs, pooler_specs};
use crate::nn::packed::Tokens;
use crate::seed::{Stream, derive};

const NAME: &str = "cross-encoder";

/// Validation exchanges, at most: each is read with all its negatives at every validation.
const VALIDATION: usize = 100;

/// Trains a cross-encoder from the encoder in the folder `encoder`, with negatives mined by the
/// bi-encoder in the folder `bi_encoder`, in the run folder of `job`. To resume, `settings` are
/// those of the run.
///
/// # Errors
/// [`Error::NotMade`] where there is no bi-encoder; else as [`super::bi::train_bi`].
pub fn train_cross(
    settings: &CrossSettings,
    encoder: &Path,
    bi_encoder: &Path,
    dataset: &Dataset,
    job: &mut Job<'_>,
) -> Result<Outcome> {
    let common = &settings.common;
    if settings.mining.skip >= settings.mining.depth {
        return Err(Error::Setting(format!(
            "nothing is mined from rank {} to rank {}: give a smaller `--skip-ranks` or a larger `--max-rank`",
            settings.mining.skip + 1,
            settings.mining.depth
        )));
    }
    let resolved = job.resolve(settings, common, dataset)?;
    let mut train_material = Material::new(dataset.train.clone());
    let mut valid_material = Material::new(sample(&dataset.valid, common.seed));
    train_material.check(settings.negatives)?;

    let parts = ["negatives-train.jsonl", "negatives-valid.jsonl"].map(|n| job.folder.join(n));
    let recalled = job.start == Start::Resume && parts.iter().all(|path| path.exists());
    if recalled {
        train_material.recall(&parts[0])?;
        valid_material.recall(&parts[1])?;
    } else {
        require_bi_encoder(bi_encoder)?;
        let miner = BiEncoder::load(bi_encoder, job.compute)?;
        for material in [&mut train_material, &mut valid_material] {
            mine_into(
                material,
                &miner,
                settings.mining,
                job.observer,
                job.interrupt,
            )?;
        }
    }

    let (model, head) = start(encoder, common.max_length, common.seed, job.compute)?;
    let mut run = match job.start {
        Start::Resume => Run::resume(job.folder, NAME)?,
        start => Run::create(job.folder, start, NAME, &resolved)?,
    };
    if !recalled {
        train_material.keep(&parts[0])?;
        valid_material.keep(&parts[1])?;
    }
    if job.start != Start::Resume {
        job.observer.note(head.describe());
    }
    let options = Options {
        loss: settings.loss,
        max_length: model.max_length,
        negatives: settings.negatives,
        chunk_size: common.chunk_size,
        seed: common.seed,
    };
    let tokenizer = model.tokenizer.clone();
    let mut task = CrossTask::new(model, tokenizer, train_material, &valid_material, options)?;
    let plan = resolved.plan(common);
    let outcome = train(&mut task, &plan, &mut run, job.observer, job.interrupt)?;
    run.finish(&outcome, &describe(settings, &resolved, &outcome))?;
    Ok(outcome)
}

fn describe(
    settings: &CrossSettings,
    resolved: &Resolved<CrossSettings>,
    outcome: &Outcome,
) -> String {
    let loss = match settings.loss {
        Loss::Binary => "binary cross-entropy",
        Loss::Listwise => "listwise softmax",
    };
    let kind = Kind {
        name: NAME,
        encoder: settings
            .encoder
            .as_deref()
            .unwrap_or("the tuned bi-encoder's"),
        purpose: "Reads what was said together with a possible answer, and scores how well it answers.",
        loss: format!(
            "{loss}, {} negatives for each true reply: mined by the bi-encoder, bad replies, random ones",
            settings.negatives
        ),
        among: "among itself and seven negatives",
        python: "from sentence_transformers import CrossEncoder\n\n\
                 model = CrossEncoder(\"model\")\n\
                 scores = model.predict([(\"How are you?\", \"Never better.\")])",
    };
    card(&kind, resolved, &settings.common, outcome)
}

/// At most [`VALIDATION`] exchanges, drawn with the seed, in their order.
fn sample(exchanges: &[Exchange], seed: u64) -> Vec<Exchange> {
    let mut rng = ChaCha8Rng::seed_from_u64(derive(seed, Stream::Validation, 0));
    let amount = exchanges.len().min(VALIDATION);
    let mut chosen = index::sample(&mut rng, exchanges.len(), amount).into_vec();
    chosen.sort_unstable();
    chosen.iter().map(|&i| exchanges[i].clone()).collect()
}

/// Finds the hard negatives of every exchange among the true replies of all.
fn mine_into(
    material: &mut Material,
    bi_encoder: &BiEncoder,
    mining: Mining,
    observer: &mut dyn Observer,
    interrupt: &AtomicBool,
) -> Result<()> {
    let texts = &material.replies().as_strs()[..material.negatives().pool as usize];
    let (tokenizer, max) = (&bi_encoder.tokenizer, bi_encoder.max_length);
    let queries = tokenizer.queries(&material.queries(), max)?;
    let replies = tokenizer.texts(texts, max)?;
    let contexts = queries.iter().filter(|query| query.context.is_some());
    let total = queries.len() + contexts.count() + replies.len();
    let mut done = 0;
    let mut embed = |sequences: &[Tokens]| {
        embed_all(bi_encoder.encoder.as_ref(), sequences, interrupt, |more| {
            done += more;
            observer.preparing("mining", done, total);
        })
    };
    let (queries, replies) = (query::embed(&queries, &mut embed)?, embed(&replies)?);
    let truth = &material.negatives().truth;
    let mined = mine(&queries, &replies, texts, truth, mining, interrupt)?;
    material.set_mined(mined);
    Ok(())
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
    folder: &Path,
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
