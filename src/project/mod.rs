//! A persona's folder: where everything lies in it, and whether it is there, finished, current and
//! judged. A verb a step of the work: each reads what the ones before it left, and leaves what the
//! next ones need.
//!
//! - [`prepare`](mod@prepare), [`train_bi`](mod@train_bi), [`train_cross`](mod@train_cross),
//!   [`build_index`](mod@build_index), [`evaluate`](mod@evaluate), [`status`](mod@status),
//!   [`shrink`](mod@shrink); [`persona`] opens what answers.
//! - `replies`: whether a persona's replies are here or in a store;
//!   [`second_stage`]: what decides in it; [`verdict`]: whether that is its own cross-encoder. [`input`], [`test_set`]: what to prepare and to test
//!   on. [`lineup`], [`record`]: what is tested, and where the figures are kept.
//! - [`judge`](mod@judge) makes what a reader grades, [`grading`] and [`sheet`] grade it,
//!   [`evaluate_judged`](mod@evaluate_judged) measures by the grades.
#![warn(clippy::indexing_slicing, clippy::string_slice)]

pub(crate) mod build_index;
#[cfg(test)]
mod crash;
pub(crate) mod evaluate;
pub(crate) mod evaluate_judged;
pub(crate) mod grading;
pub(crate) mod input;
pub(crate) mod judge;
mod layout;
mod legible;
pub(crate) mod lineup;
pub(crate) mod persona;
mod pooling;
pub(crate) mod prepare;
pub(crate) mod record;
mod repertoire;
mod replies;
pub(crate) mod second_stage;
pub mod sheet;
pub(crate) mod shrink;
pub(crate) mod status;
pub(crate) mod test_set;
pub(crate) mod train_bi;
pub(crate) mod train_cross;
pub(crate) mod verdict;

use std::path::Path;

use crate::builtin;
use crate::dialogue::{Opinion, read_feedback};
use crate::error::{Error, Remedy, Result, Step};
use crate::files;
use crate::folder::Folder;
use crate::hf::checkpoint::{SAFETENSORS, weights_file, weights_name};
use crate::train::run::{Run, is_unfinished};
use crate::watch::Watch;

pub use crate::eval::judged::Report as JudgedReport;
pub use crate::eval::report::{Answers, Comparison, Diversity, Evaluation, Reranking, SystemRow};
pub use build_index::{IndexSettings, build_index};
pub use evaluate::{TestSettings, Tested, evaluate};
pub use evaluate_judged::{JudgedSettings, evaluate_judged};
pub use grading::{Current, Grading};
pub use input::default_input;
pub use judge::{JudgeSettings, Judging, judge, save_judged};
pub use layout::Project;
pub use prepare::prepare;
pub use shrink::shrink;
pub use status::{Age, DialogueStatus, IndexStatus, ModelStatus, Status, status};
pub use test_set::TestSource;
pub use train_bi::train_bi;
pub use train_cross::{JudgedTraining, train_cross};

/// The bi-encoder that a project retrieves by.
pub(crate) struct Retriever {
    /// Its model folder.
    pub folder: Folder,
    /// Its weights' [`fingerprint`](crate::fingerprint).
    pub fingerprint: String,
    /// Whether it was trained here.
    pub own: bool,
}

impl Project {
    /// The bi-encoder that was trained here, else the encoder that comes with homer: it retrieves well
    /// as it is.
    ///
    /// # Errors
    /// [`Error::NotMade`] where a training was begun and has kept no model yet; a file cannot be read.
    pub(crate) fn retriever(&self) -> Result<Retriever> {
        let model = self.bi_encoder_model();
        let own = has_weights(&model)?;
        if !own && Run::can_resume(&self.bi_encoder()) {
            return Err(Error::NotMade {
                what: "bi-encoder",
                path: model,
                remedy: Remedy::Resume(Step::TrainBi),
            });
        }
        let folder = match own {
            true => Folder::from(model),
            false => builtin::encoder(),
        };
        let weights = weights_name(&folder).unwrap_or_default();
        Ok(Retriever {
            fingerprint: folder.fingerprint(weights)?,
            folder,
            own,
        })
    }
}

/// Whether the folder of a model that would have been trained here holds one.
///
/// # Errors
/// There is something that cannot be looked at.
fn has_weights(model: &Path) -> Result<bool> {
    files::is_there(&model.join(SAFETENSORS))?;
    Ok(weights_file(model).is_some())
}

/// Says if the model in the folder of a run is only the best so far.
fn note_unfinished(run: &Path, step: Step, watch: &mut dyn Watch) {
    if is_unfinished(run) {
        let what = format!(
            "the training in {} is not finished: this goes by its best model so far",
            run.display()
        );
        watch.advise(&what, &Remedy::Resume(step));
    }
}

/// What people thought of answers, from the file that `serve` writes, if one is given.
fn feedback(path: Option<&Path>, watch: &mut dyn Watch) -> Result<Vec<Opinion>> {
    let Some(path) = path else {
        return Ok(Vec::new());
    };
    if !path.exists() {
        return Err(Error::Data {
            path: path.to_path_buf(),
            row: None,
            what: "nobody has said yet what an answer was worth".into(),
            remedy: "talk in the served page, and give answers thumbs up or down".into(),
        });
    }
    let opinions = read_feedback(path)?;
    let count = |of: fn(&Opinion) -> usize| opinions.iter().map(of).sum::<usize>();
    let unanswered = opinions.iter().filter(|one| one.liked.is_empty()).count();
    watch.note(&format!(
        "{}: {} answers that were liked and {} that were not, to {} messages; {unanswered} of these have no \
         answer that was liked and teach nothing yet",
        path.display(),
        count(|one| one.liked.len()),
        count(|one| one.disliked.len()),
        opinions.len(),
    ));
    Ok(opinions)
}
