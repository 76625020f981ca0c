//! Trains the cross-encoder of a project, and judges whether it helps.

use std::path::{Path, PathBuf};

use super::Project;
use super::verdict::{self, CrossVerdict};
use crate::builtin;
use crate::corpus::dataset::Dataset;
use crate::dialogue::{Exchange, read_judged, sample};
use crate::error::{Error, Result};
use crate::eval::contest::Contest;
use crate::hf::hub;
use crate::nn::device::Compute;
use crate::train::cross;
use crate::train::job::Training;
use crate::train::run::{Outcome, Run, Start};
use crate::train::settings::{CrossSettings, Resolved};
use crate::watch::Watch;

/// A cross-encoder that was trained and judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgedTraining {
    /// How the training ended.
    pub outcome: Outcome,
    /// What validation says of answering without it, and with it.
    pub contest: Contest,
}

/// Trains the cross-encoder on the prepared dialogue, beside the project's bi-encoder, and writes
/// whether it is of use. It learns from the files of `judged` messages too, and from `feedback` (as
/// `serve` writes it). Going on with a finished run that nobody has judged judges it.
///
/// # Errors
/// [`Error::NotMade`] where nothing was prepared; as
/// [`cross::train_cross`], [`hub::resolve`] and [`verdict::judge`].
pub fn train_cross(
    project: &Project,
    settings: &CrossSettings,
    judged: &[PathBuf],
    feedback: Option<&Path>,
    start: Start,
    watch: &mut dyn Watch,
) -> Result<JudgedTraining> {
    let folder = project.cross_encoder();
    Run::settle(&folder)?;
    if start == Start::Resume
        && !Run::is_retrained(&folder)
        && let Some(outcome) = Run::outcome(&folder)
        && !CrossVerdict::is_up_to_date(project)?
    {
        // The training ended, and then something else did before the verdict was written.
        let settings = Run::settings::<Resolved<CrossSettings>>(&folder)?.settings;
        let dataset = Dataset::load_lean(&project.exchanges())?;
        return judge(project, &settings, &dataset.valid, outcome, watch);
    }
    let training = Training::begin(&folder, start, settings)?;
    let settings = &training.settings;
    let compute = Compute::choose(settings.common.gpu)?;
    let dataset = Dataset::load_lean(&project.exchanges())?;
    let mut messages = Vec::new();
    for path in judged {
        messages.extend(read_judged(path)?);
    }
    let feedback = super::feedback(feedback, watch)?;
    let encoder = match (training.kept(), &settings.encoder) {
        (Some(model), _) => model.into(),
        (None, Some(name)) => hub::resolve(name, watch)?,
        (None, None) => builtin::reranker(),
    };
    watch.note(&format!(
        "training a cross-encoder from {} on {} exchanges of {}, in {}",
        settings
            .encoder
            .as_deref()
            .unwrap_or("the general reranker"),
        dataset.train.len(),
        dataset.settings.character,
        training.folder.display()
    ));
    let valid = sample(&dataset.valid, verdict::EXCHANGES, settings.common.seed);
    let outcome = cross::train_cross(
        &training, &encoder, dataset, messages, feedback, &compute, watch,
    );
    if outcome.is_err() {
        training.note_kept(watch);
    }
    let outcome = outcome?;
    judge(project, settings, &valid, outcome, watch)
}

/// Judges what was trained; where that is interrupted, going on with the run judges it.
fn judge(
    project: &Project,
    settings: &CrossSettings,
    valid: &[Exchange],
    outcome: Outcome,
    watch: &mut dyn Watch,
) -> Result<JudgedTraining> {
    let compute = Compute::choose(settings.common.gpu)?;
    let contest = verdict::judge(project, &compute, valid, settings.common.seed, watch);
    match contest {
        Ok(contest) => Ok(JudgedTraining { outcome, contest }),
        Err(Error::Interrupted { .. }) => Err(Error::Interrupted { saved: true }),
        Err(error) => Err(error),
    }
}
