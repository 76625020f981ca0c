//! Trains the cross-encoder of a project, and judges whether it helps.

use super::verdict::{self, CrossVerdict};
use super::{Project, note_unfinished};
use crate::corpus::dataset::Dataset;
use crate::error::{Error, Result, Step};
use crate::eval::fusion::Fit;
use crate::hf::hub;
use crate::nn::device::Compute;
use crate::train::cross;
use crate::train::job::Training;
use crate::train::run::{Outcome, Run, Start, require_bi_encoder};
use crate::train::settings::{CrossSettings, Resolved};
use crate::watch::Watch;

/// A cross-encoder that was trained and judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// How the training ended.
    pub outcome: Outcome,
    /// What validation says about its use beside the bi-encoder.
    pub fit: Fit,
}

/// Trains the cross-encoder on the prepared dialogue, beside the project's bi-encoder, and writes
/// whether it is of use. Going on with a finished run that nobody has judged judges it.
///
/// # Errors
/// [`Error::NotMade`] where nothing was prepared or there is no bi-encoder; as
/// [`cross::train_cross`], [`hub::resolve`] and [`verdict::judge`].
pub fn train_cross(
    project: &Project,
    settings: &CrossSettings,
    start: Start,
    watch: &mut dyn Watch,
) -> Result<Judged> {
    let folder = project.cross_encoder();
    if start == Start::Resume
        && let Some(outcome) = Run::outcome(&folder)
        && !CrossVerdict::is_up_to_date(project)?
    {
        // The training ended, and then something else did before the verdict was written.
        let settings = Run::settings::<Resolved<CrossSettings>>(&folder)?.settings;
        let dataset = Dataset::load(&project.exchanges())?;
        return judge(project, &settings, &dataset, outcome, watch);
    }
    let training = Training::begin(&folder, start, settings)?;
    let settings = &training.settings;
    let compute = Compute::choose(settings.common.gpu)?;
    let dataset = Dataset::load(&project.exchanges())?;
    let bi_encoder = project.bi_encoder_model();
    let encoder = match (training.kept(), &settings.encoder) {
        (Some(model), _) => model.into(),
        (None, Some(name)) => hub::resolve(name, watch)?,
        (None, None) => {
            require_bi_encoder(&bi_encoder)?;
            note_unfinished(&project.bi_encoder(), Step::TrainBi, watch);
            bi_encoder.as_path().into()
        }
    };
    watch.note(&format!(
        "training a cross-encoder from {} on {} exchanges of {}, in {}",
        settings
            .encoder
            .as_deref()
            .unwrap_or("the tuned bi-encoder"),
        dataset.train.len(),
        dataset.settings.character,
        folder.display()
    ));
    let outcome = cross::train_cross(&training, &encoder, &bi_encoder, &dataset, &compute, watch)?;
    judge(project, settings, &dataset, outcome, watch)
}

/// Judges what was trained; where that is interrupted, going on with the run judges it.
fn judge(
    project: &Project,
    settings: &CrossSettings,
    dataset: &Dataset,
    outcome: Outcome,
    watch: &mut dyn Watch,
) -> Result<Judged> {
    let compute = Compute::choose(settings.common.gpu)?;
    let fit = verdict::judge(
        project,
        &compute,
        &dataset.valid,
        settings.common.seed,
        watch,
    );
    match fit {
        Ok(fit) => Ok(Judged { outcome, fit }),
        Err(Error::Interrupted { .. }) => Err(Error::Interrupted { saved: true }),
        Err(error) => Err(error),
    }
}
