//! Trains the bi-encoder of a project.

use std::path::Path;

use super::Project;
use super::legible::note_illegible;
use crate::corpus::dataset::Dataset;
use crate::error::Result;
use crate::hf::hub;
use crate::nn::device::Compute;
use crate::train::bi;
use crate::train::job::Training;
use crate::train::run::{Outcome, Start};
use crate::train::settings::BiSettings;
use crate::watch::Watch;

/// Trains the bi-encoder on the prepared dialogue, from the encoder that `settings` name; a run that
/// is gone on with keeps the settings that it was begun with, and the `feedback` (as `serve` writes it).
///
/// # Errors
/// [`crate::error::Error::NotMade`] where nothing was prepared; as [`bi::train_bi`], and as
/// [`hub::resolve`].
pub fn train_bi(
    project: &Project,
    settings: &BiSettings,
    feedback: Option<&Path>,
    start: Start,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    let training = Training::begin(&project.bi_encoder(), start, settings)?;
    let settings = &training.settings;
    let compute = Compute::choose(settings.common.gpu)?;
    let feedback = super::feedback(feedback, watch)?;
    let dataset = Dataset::load_lean(&project.exchanges())?;
    let encoder = match training.kept() {
        Some(model) => model.into(),
        None => hub::resolve(&settings.encoder, watch)?,
    };
    watch.note(&format!(
        "training a bi-encoder from {} on {} exchanges of {}, in {}",
        settings.encoder,
        dataset.train.len(),
        dataset.settings.character,
        training.folder.display()
    ));
    let replies: Vec<&str> = dataset
        .pool
        .iter()
        .map(|reply| reply.text.as_str())
        .collect();
    note_illegible(&encoder, &settings.encoder, &replies, watch)?;
    let outcome = bi::train_bi(&training, &encoder, dataset, feedback, &compute, watch);
    if outcome.is_err() {
        training.note_kept(watch);
    }
    outcome
}
