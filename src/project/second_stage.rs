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
use crate::ranker::{LinearRanker, RANKER, Sieve, WRITTEN_WEIGHTS};

/// What the general reranker knows beside its weights where lines come with what they answer.
const WRITTEN: &str = "written.safetensors";

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

/// The second stage that answers in `project` beside the bi-encoder of this fingerprint. Where the lines were `written`
/// as answers, it is told what each answered, unless it is the project's own and has not learned to read that.
///
/// # Errors
/// A model is there and damaged.
pub(crate) fn find(
    project: &Project,
    bi_encoder: &str,
    written: bool,
    compute: &Compute,
) -> Result<Found> {
    let own = has_weights(&project.cross_encoder_model())?;
    let verdict = CrossVerdict::read(project)?;
    if own && verdict.in_use(bi_encoder) {
        let stage = trained(project, compute)?;
        return Ok(Found {
            stage: Some(SecondStage {
                told: written && stage.ranker.told,
                ..stage
            }),
            own: true,
            unjudged: false,
        });
    }
    Ok(Found {
        stage: Some(of_homer(written, compute)?),
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
        told: false,
    })
}

/// The general reranker as it reads lines that come with what they were written to answer, and its weights for these.
///
/// # Errors
/// The device refuses it.
pub(crate) fn for_written(compute: &Compute) -> Result<SecondStage> {
    let folder = builtin::reranker();
    Ok(SecondStage {
        sieve: Sieve::general()?,
        cross: Box::new(CrossEncoder::load_with(&folder, WRITTEN, compute)?),
        ranker: LinearRanker::named(&folder, WRITTEN_WEIGHTS)?,
        told: true,
    })
}

/// The one of these two that lines are read by which were `written` as answers, or were not.
///
/// # Errors
/// The device refuses it.
pub(crate) fn of_homer(written: bool, compute: &Compute) -> Result<SecondStage> {
    match written {
        true => for_written(compute),
        false => general(compute),
    }
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
        told: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::Query;

    #[test]
    fn for_written_lines_the_general_one_is_another_and_told_what_they_answer() {
        let stages = [false, true].map(|written| of_homer(written, &Compute::Fast).unwrap());
        assert_eq!(stages.each_ref().map(|stage| stage.told), [false, true]);
        assert_ne!(stages[0].ranker, stages[1].ranker);
        let query = Query {
            context: &[],
            text: "what are we having for dinner",
        };
        let lines = [
            "What's for dinner? | Soup, and you may not ask what is in it.",
            "Where is the station? | Left at the bakery, and then follow the smoke.",
        ];
        let logits = stages
            .each_ref()
            .map(|stage| stage.cross.rerank(query, &lines).unwrap());
        assert_ne!(logits[0], logits[1]);
        assert!(logits[1][0] > logits[1][1], "{logits:?}");
    }
}
