//! Makes the index of a project: every reply of the character, with its vector.

use super::{POOL, Project};
use crate::corpus::dataset::Dataset;
use crate::error::{Error, Result};
use crate::fingerprint;
use crate::index::manifest::{Manifest, Source};
use crate::index::{build, calibrate};
use crate::model::bi_encoder::BiEncoder;
use crate::nn::device::Compute;
use crate::train::run::require_bi_encoder;

/// Embeds every distinct reply of the pool by the project's bi-encoder and puts the index in its
/// place, see [`build::build`].
///
/// # Errors
/// What `progress` returns; [`Error::NotMade`] where there is no bi-encoder; there is no reply, the
/// bi-encoder fails, or the folder cannot be written.
pub fn build_index(
    project: &Project,
    compute: &Compute,
    dataset: &Dataset,
    query_weight: f32,
    progress: impl FnMut(usize) -> Result<()>,
) -> Result<Manifest> {
    if !(query_weight.is_finite() && query_weight >= 0.0) {
        return Err(Error::Setting(format!(
            "--query-weight {query_weight}: give a number that is not negative"
        )));
    }
    let trained = require_bi_encoder(&project.bi_encoder_model())?;
    let encoder = BiEncoder::load(&trained.folder, compute)?;
    let source = Source {
        character: dataset.settings.character.clone(),
        context_turns: dataset.settings.context_turns,
        query_weight,
        bi_encoder: fingerprint::of_file(&trained.weights)?,
        pool: fingerprint::of_file(&project.exchanges().join(POOL))?,
        calibration: calibrate::calibrate(&encoder, &dataset.valid)?,
    };
    let embed = |texts: &[&str]| encoder.embed_replies(texts);
    build::build(&project.index(), dataset, source, embed, progress)
}
