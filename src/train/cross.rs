//! `train-cross`, from the dataset and the trained bi-encoder to the finished run.

use std::path::Path;

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use super::card::{Kind, card};
use super::cross_task::{CrossTask, CrossTaskSettings, Loss, Material};
use super::embed::embed_all;
use super::job::Training;
use super::mining::{Mining, mine};
use super::run::{Outcome, require_bi_encoder};
use super::settings::{CrossSettings, Data, Resolved};
use super::trainer::train;
use crate::corpus::dataset::Dataset;
use crate::dialogue::Exchange;
use crate::error::{Error, Remedy, Result, Setting};
use crate::folder::Folder;
use crate::hf::folder::ModelFolder;
use crate::model::bi_encoder::BiEncoder;
use crate::model::cross_encoder::CrossEncoder;
use crate::model::query;
use crate::nn::device::Compute;
use crate::nn::head::{Head, head_specs, pooler_specs};
use crate::nn::packed::Tokens;
use crate::seed::{Stream, derive};
use crate::watch::{Unit, Watch};

const NAME: &str = "cross-encoder";

/// Validation exchanges, at most: each is read with all its negatives at every validation.
const VALIDATION: usize = 100;

/// Trains a cross-encoder from the encoder in the folder `encoder`, with negatives mined by the
/// bi-encoder in the folder `bi_encoder`; to go on with a run, from [`Training::kept`] where there is
/// one.
///
/// # Errors
/// [`Error::NotMade`] where there is no bi-encoder; else as [`super::bi::train_bi`].
pub fn train_cross(
    training: &Training<CrossSettings>,
    encoder: impl Into<Folder>,
    bi_encoder: &Path,
    dataset: &Dataset,
    compute: &Compute,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    let settings = &training.settings;
    let common = &settings.common;
    if settings.mining.skip >= settings.mining.depth {
        return Err(Error::setting(
            format!(
                "nothing is mined from rank {} to rank {}",
                settings.mining.skip + 1,
                settings.mining.depth
            ),
            Remedy::Change(Setting::SkipRanks, "a smaller")
                .or(Remedy::Change(Setting::MaxRank, "a larger")),
        ));
    }
    let resolved = training.resolve(common, Data::of(dataset)?)?;
    let mut train_material = Material::new(dataset.train.clone());
    let mut valid_material = Material::new(sample(&dataset.valid, common.seed));
    train_material.check(settings.negatives)?;

    let parts =
        ["negatives-train.jsonl", "negatives-valid.jsonl"].map(|name| training.folder.join(name));
    let recalled = training.resumes() && parts.iter().all(|path| path.exists());
    if recalled {
        train_material.recall(&parts[0])?;
        valid_material.recall(&parts[1])?;
    } else {
        require_bi_encoder(bi_encoder)?;
        let miner = BiEncoder::load(bi_encoder, compute)?;
        for material in [&mut train_material, &mut valid_material] {
            mine_into(material, &miner, settings.mining, watch)?;
        }
    }

    let (model, head) = start(&encoder.into(), common.max_length, common.seed, compute)?;
    let mut run = training.run(NAME, &resolved)?;
    if !recalled {
        train_material.keep(&parts[0])?;
        valid_material.keep(&parts[1])?;
    }
    if !training.resumes() {
        watch.note(head.describe());
    }
    let options = CrossTaskSettings {
        loss: settings.loss,
        max_length: model.max_length,
        negatives: settings.negatives,
        chunk_size: common.chunk_size,
        seed: common.seed,
    };
    let tokenizer = model.tokenizer.clone();
    let mut task = CrossTask::new(model, tokenizer, train_material, &valid_material, options)?;
    let plan = resolved.plan(common);
    let outcome = train(&mut task, &plan, &mut run, watch)?;
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
    watch: &mut dyn Watch,
) -> Result<()> {
    let texts = &material.replies().as_strs()[..material.negatives().pool as usize];
    let (tokenizer, max) = (&bi_encoder.tokenizer, bi_encoder.max_length);
    let queries = tokenizer.queries(&material.queries(), max)?;
    let replies = tokenizer.texts(texts, max)?;
    let contexts = queries.iter().filter(|query| query.context.is_some());
    let total = queries.len() + contexts.count() + replies.len();
    watch.stage("mining", total as u64, Unit::Parts);
    let mut before = 0;
    let mut embed = |sequences: &[Tokens]| {
        let embedded = embed_all(bi_encoder.encoder.as_ref(), sequences, |done| {
            watch.advance((before + done) as u64);
            watch.go_on()
        });
        before += sequences.len();
        embedded
    };
    let (queries, replies) = (query::embed(&queries, &mut embed)?, embed(&replies)?);
    let truth = &material.negatives().truth;
    let mined = mine(&queries, &replies, texts, truth, mining, watch)?;
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
