//! Which second stage a project's persona has: its own cross-encoder where that was found to help, else the
//! general one that comes with homer.

use super::verdict::CrossVerdict;
use super::{Project, has_weights};
use crate::builtin;
use crate::chat::second_stage::SecondStage;
use crate::error::Result;
use crate::folder::Folder;
use crate::model::cross_encoder::CrossEncoder;
use crate::nn::device::Compute;
use crate::ranker::{LinearRanker, RANKER, Sieve};

/// A second stage, and where it comes from.
#[derive(Default)]
pub(crate) struct Found {
    /// The stage, if there is any.
    pub stage: Option<SecondStage>,
    /// Whether it is the project's own.
    pub own: bool,
    /// Whether the project has a cross-encoder that nobody has judged beside this bi-encoder.
    pub unjudged: bool,
}

/// The second stage that answers in `project` beside the bi-encoder of this fingerprint.
///
/// # Errors
/// A model is there and damaged.
pub(crate) fn find(project: &Project, bi_encoder: &str, compute: &Compute) -> Result<Found> {
    let own = has_weights(&project.cross_encoder_model())?;
    let verdict = CrossVerdict::read(project)?;
    if own && verdict.in_use(bi_encoder) {
        return Ok(Found {
            stage: Some(trained(project, compute)?),
            own: true,
            unjudged: false,
        });
    }
    Ok(Found {
        stage: Some(general(compute)?),
        own: false,
        unjudged: own && !verdict.is_judged(bi_encoder),
    })
}

/// The general reranker.
///
/// # Errors
/// The device refuses it.
pub(crate) fn general(compute: &Compute) -> Result<SecondStage> {
    let folder = builtin::reranker();
    Ok(SecondStage {
        sieve: Sieve::general()?,
        cross: Box::new(CrossEncoder::load(&folder, compute)?),
        ranker: LinearRanker::read(&folder)?,
    })
}

/// The project's own cross-encoder, whether it is of use or not, with its own weights where it learned from
/// judged messages, else with the general reranker's: logits are compared within their candidates.
///
/// # Errors
/// It is not there, or damaged.
pub(crate) fn trained(project: &Project, compute: &Compute) -> Result<SecondStage> {
    let model = project.cross_encoder_model();
    let own = Folder::from(&model);
    let weighed = match own.has(RANKER) {
        true => own.clone(),
        false => builtin::reranker(),
    };
    Ok(SecondStage {
        sieve: Sieve::general()?,
        cross: Box::new(CrossEncoder::load(&own, compute)?),
        ranker: LinearRanker::read(&weighed)?,
    })
}
