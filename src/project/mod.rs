//! A persona's folder: where everything lies in it, and whether it is there, finished, current and
//! judged. A verb a step of the work: each reads what the ones before it left, and leaves what the
//! next ones need.
//!
//! - [`prepare`](mod@prepare), [`train_bi`](mod@train_bi), [`train_cross`](mod@train_cross),
//!   [`build_index`](mod@build_index), [`evaluate`](mod@evaluate), [`status`](mod@status),
//!   [`shrink`](mod@shrink); [`persona`] opens what answers.
//! - [`second_stage`]: what decides in a persona; [`verdict`]: whether that is its own cross-encoder. [`input`], [`test_set`]: what to prepare and to test
//!   on. [`lineup`], [`record`]: what is tested, and where the figures are kept.

pub mod build_index;
pub mod evaluate;
pub mod input;
mod layout;
pub mod lineup;
pub mod persona;
pub mod prepare;
pub mod record;
pub mod second_stage;
pub mod shrink;
pub mod status;
pub mod test_set;
pub mod train_bi;
pub mod train_cross;
pub mod verdict;

use std::path::Path;

use crate::error::{Remedy, Step};
use crate::train::run::is_unfinished;
use crate::watch::Watch;

pub use build_index::build_index;
pub use evaluate::evaluate;
pub use layout::Project;
pub use prepare::prepare;
pub use shrink::shrink;
pub use status::status;
pub use train_bi::train_bi;
pub use train_cross::train_cross;

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
