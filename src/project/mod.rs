//! A persona's folder: where everything lies in it, and whether it is there, finished, current and
//! judged. A verb a step of the work: each reads what the ones before it left, and leaves what the
//! next ones need.
//!
//! - [`prepare`](mod@prepare), [`train_bi`](mod@train_bi), [`train_cross`](mod@train_cross),
//!   [`build_index`](mod@build_index), [`evaluate`](mod@evaluate), [`status`](mod@status),
//!   [`shrink`](mod@shrink); [`persona`] opens what answers.
//! - [`second_stage`]: what decides in a persona; [`verdict`]: whether that is its own cross-encoder. [`input`], [`test_set`]: what to prepare and to test
//!   on. [`lineup`], [`record`]: what is tested, and where the figures are kept.
//! - [`judge`](mod@judge) makes what a reader grades, [`grading`] and [`sheet`] grade it,
//!   [`evaluate_judged`](mod@evaluate_judged) measures by the grades.

pub mod build_index;
pub mod evaluate;
pub mod evaluate_judged;
pub mod grading;
pub mod input;
pub mod judge;
mod layout;
mod legible;
pub mod lineup;
pub mod persona;
mod pooling;
pub mod prepare;
pub mod record;
mod repertoire;
pub mod second_stage;
pub mod sheet;
pub mod shrink;
pub mod status;
pub mod test_set;
pub mod train_bi;
pub mod train_cross;
pub mod verdict;

use std::path::Path;

use crate::builtin;
use crate::error::{Error, Remedy, Result, Step};
use crate::folder::Folder;
use crate::hf::checkpoint::{weights_file, weights_name};
use crate::train::run::{Run, is_unfinished};
use crate::watch::Watch;

pub use build_index::build_index;
pub use evaluate::evaluate;
pub use evaluate_judged::evaluate_judged;
pub use judge::judge;
pub use layout::Project;
pub use prepare::prepare;
pub use shrink::shrink;
pub use status::status;
pub use train_bi::train_bi;
pub use train_cross::train_cross;

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
        let own = weights_file(&model).is_some();
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
