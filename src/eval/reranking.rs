//! Whether a persona should rerank, and how: judged on validation when a cross-encoder is trained,
//! and read by everything that answers.

use std::sync::atomic::AtomicBool;

use super::cases::Cases;
use super::fusion::{Fit, candidates, fit};
use super::rankers::{BiRanker, Input};
use crate::chat::Choice;
use crate::chat::load::{CrossVerdict, require_bi_encoder};
use crate::corpus::exchange::Exchange;
use crate::error::Result;
use crate::files;
use crate::index::fingerprint;
use crate::model::bi_encoder::BiEncoder;
use crate::model::cross_encoder::CrossEncoder;
use crate::model::device::Compute;
use crate::project::Project;
use crate::train::settings::BiSettings;
use crate::train::task::go_on;

/// Validation queries, at most: each is read with all its candidates.
const QUERIES: usize = 200;

/// Judges the project's cross-encoder on validation exchanges and writes the verdict beside it.
/// `progress` is told how many of how many queries are done.
///
/// # Errors
/// A model is missing or fails, the verdict cannot be written, or `interrupt` is set.
pub fn judge(
    project: &Project,
    compute: &Compute,
    valid: &[Exchange],
    seed: u64,
    interrupt: &AtomicBool,
    mut progress: impl FnMut(usize, usize),
) -> Result<Fit> {
    let cases = Cases::new(valid, QUERIES, seed);
    let trained = require_bi_encoder(&project.bi_encoder_model())?;
    let bi_encoder = BiEncoder::load(&trained.folder, compute)?;
    let first = BiRanker::embed(&bi_encoder, &cases, Input::Context)?;
    let second = CrossEncoder::load(&project.cross_encoder_model(), compute)?;
    let total = cases.cases.len();
    let count = Choice::default().top_k;
    let scored = candidates(&cases, &first, &second, count, |done| {
        progress(done, total);
        go_on(interrupt)
    })?;
    let temperature = BiSettings::default().temperature as f32;
    let fit = fit(&scored, temperature, seed);
    let settings = CrossVerdict {
        rerank: Some(fit.helps()),
        fusion: Some(fit.fusion),
        bi_encoder: Some(fingerprint::of_file(&trained.weights)?),
        validation_mrr: Some(serde_json::json!({
            "bi_encoder": fit.before.mean,
            "reranked": fit.after.mean,
            "gain": [fit.gain.low, fit.gain.mean, fit.gain.high],
        })),
    };
    files::write_json(&CrossVerdict::path(project), &settings)?;
    Ok(fit)
}
