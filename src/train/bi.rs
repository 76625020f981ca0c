//! `train-bi`, from the dataset to the finished run.

use super::bi_task::{BiTask, BiTaskSettings};
use super::card::{Kind, card};
use super::feedback;
use super::job::Training;
use super::losses::Ranking;
use super::run::Outcome;
use super::settings::{BiSettings, Data};
use super::trainer::train;
use crate::corpus::dataset::Dataset;
use crate::dialogue::{self, Opinion};
use crate::error::{Error, Remedy, Result, Setting};
use crate::folder::Folder;
use crate::model::bi_encoder::BiEncoder;
use crate::nn::device::Compute;
use crate::watch::Watch;

const NAME: &str = "bi-encoder";

/// Validation exchanges, at most: the reply of each is a candidate for the query of each.
const VALIDATION: usize = 4000;

/// Trains a bi-encoder from the encoder in the folder `encoder`; to go on with a run, from
/// [`Training::kept`] where there is one, and with the feedback that it was begun with.
///
/// # Errors
/// As [`train`]; a setting makes no sense, the data are too few or, on resuming, others.
pub fn train_bi(
    training: &Training<BiSettings>,
    encoder: impl Into<Folder>,
    dataset: Dataset,
    feedback: Vec<Opinion>,
    compute: &Compute,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    let settings = &training.settings;
    let common = &settings.common;
    if !(settings.temperature > 0.0 && settings.temperature.is_finite()) {
        return Err(Error::setting(
            format!("a temperature of {} compares nothing", settings.temperature),
            "give a number above 0",
        ));
    }
    if common.batch_size < 2 {
        return Err(Error::setting(
            "a batch of one has no in-batch negatives",
            Remedy::Change(Setting::BatchSize, "a larger"),
        ));
    }
    let feedback = feedback::of_run(training, feedback)?;
    let liked: usize = feedback.iter().map(|opinion| opinion.liked.len()).sum();
    let resolved = training.resolve(common, Data::of(&dataset)?, dataset.train.len() + liked)?;
    let mut model = BiEncoder::load(encoder, compute)?;
    model.max_length = common.max_length.min(model.encoder.config().max_positions);
    let options = BiTaskSettings {
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
    let mut task = BiTask::new(
        model,
        &tokenizer,
        dataset.train,
        &feedback,
        dialogue::sample(&dataset.valid, VALIDATION, common.seed),
        options,
    )?;
    let mut run = training.run(NAME, &resolved)?;
    if !training.resumes() {
        feedback::keep(&training.folder, &feedback)?;
    }
    let plan = resolved.plan(common);
    let outcome = train(&mut task, &plan, &mut run, watch)?;
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
