//! Whether a persona should rerank, and how: judged on validation when a cross-encoder is trained,
//! and read by everything that answers.

use std::path::Path;

use super::cases::Cases;
use super::fusion::{Fit, candidates, fit};
use super::rankers::{BiRanker, Input};
use crate::chat::load::CrossSettings;
use crate::corpus::exchange::Exchange;
use crate::error::Result;
use crate::files;
use crate::model::bi_encoder::BiEncoder;
use crate::model::cross_encoder::CrossEncoder;
use crate::model::device::Compute;
use crate::project::Project;
use crate::train::settings::BiSettings;

/// Candidates that the bi-encoder hands on, as when answering.
const CANDIDATES: usize = 50;
/// Validation queries, at most: each is read with all its candidates.
const QUERIES: usize = 200;

/// Judges the project's cross-encoder on validation exchanges and writes the verdict beside it.
/// `progress` is told how many of how many queries are done.
///
/// # Errors
/// A model is missing or fails, or the verdict cannot be written.
pub fn judge(
    project: &Project,
    compute: &Compute,
    valid: &[Exchange],
    seed: u64,
    mut progress: impl FnMut(usize, usize),
) -> Result<Fit> {
    let cases = Cases::new(valid, QUERIES, seed);
    let bi_encoder = BiEncoder::load(&project.bi_encoder_model(), compute)?;
    let first = BiRanker::embed(&bi_encoder, &cases, Input::Context)?;
    let second = CrossEncoder::load(&project.cross_encoder_model(), compute)?;
    let total = cases.cases.len();
    let scored = candidates(&cases, &first, &second, CANDIDATES, |done| {
        progress(done, total);
    })?;
    let temperature = BiSettings::default().temperature as f32;
    let fit = fit(&scored, temperature, seed);
    write(&CrossSettings::path(project), &fit)?;
    Ok(fit)
}

fn write(path: &Path, fit: &Fit) -> Result<()> {
    files::write_json(
        path,
        &serde_json::json!({
            "rerank": fit.helps(),
            "fusion": fit.fusion,
            "validation_mrr": {
                "bi_encoder": fit.before.mean,
                "reranked": fit.after.mean,
                "gain": [fit.gain.low, fit.gain.mean, fit.gain.high],
            },
        }),
    )
}
