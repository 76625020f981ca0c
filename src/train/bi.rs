//! `train-bi`, from the dataset to the finished run.

use std::path::Path;

use super::bi_task::{BiTask, Options};
use super::card::{Kind, card};
use super::job::Job;
use super::losses::Ranking;
use super::run::{Outcome, Run, Start};
use super::settings::BiSettings;
use super::trainer::train;
use crate::corpus::dataset::Dataset;
use crate::error::{Error, Result};
use crate::model::bi_encoder::BiEncoder;

const NAME: &str = "bi-encoder";

/// Trains a bi-encoder from the encoder in the folder `encoder`, in the run folder of `job`. To
/// resume, `settings` are those of the run.
///
/// # Errors
/// As [`train`]; a setting makes no sense, the data are too few or, on resuming, others.
pub fn train_bi(
    settings: &BiSettings,
    encoder: &Path,
    dataset: &Dataset,
    job: &mut Job<'_>,
) -> Result<Outcome> {
    let common = &settings.common;
    if !(settings.temperature > 0.0 && settings.temperature.is_finite()) {
        return Err(Error::Setting(format!(
            "a temperature of {} compares nothing: give a number above 0",
            settings.temperature
        )));
    }
    if common.batch_size < 2 {
        return Err(Error::Setting(
            "a batch of one has no in-batch negatives: give a larger `--batch-size`".into(),
        ));
    }
    let resolved = job.resolve(settings, common, dataset)?;
    let mut model = BiEncoder::load(encoder, job.compute)?;
    model.max_length = common.max_length.min(model.encoder.config().max_positions);
    let options = Options {
        ranking: Ranking {
            temperature: settings.temperature,
            both_directions: settings.both_directions,
        },
        max_length: model.max_length,
        batch_size: common.batch_size,
        chunk_size: common.chunk_size,
        seed: common.seed,
    };
    let tokenizer = model.tokenizer.clone();
    let mut task = BiTask::new(model, &tokenizer, &dataset.train, &dataset.valid, options)?;
    let mut run = match job.start {
        Start::Resume => Run::resume(job.folder, NAME)?,
        start => Run::create(job.folder, start, NAME, &resolved)?,
    };
    let plan = resolved.plan(common);
    let outcome = train(&mut task, &plan, &mut run, job.observer, job.interrupt)?;
    let kind = Kind {
        name: NAME,
        encoder: &settings.encoder,
        purpose: "Embeds what is said and what may be answered, so that the cosine of both says \
                  how well they go together.",
        loss: format!(
            "multiple-negatives ranking, temperature {}{}",
            settings.temperature,
            if settings.both_directions {
                ", both directions"
            } else {
                ""
            }
        ),
        among: "among all validation replies",
        python: "from sentence_transformers import SentenceTransformer\n\n\
                 model = SentenceTransformer(\"model\")\n\
                 query, context, reply = model.encode(\n\
                 \u{20}   [\"How are you?\", \"Good morning. Sit down.\", \"Never better.\"],\n\
                 \u{20}   normalize_embeddings=True,\n\
                 )\n\
                 # The turn before the query counts half of what it says itself.\n\
                 score = model.similarity(query + 0.5 * context, reply)",
    };
    run.finish(&outcome, &card(&kind, &resolved, common, &outcome))?;
    Ok(outcome)
}
