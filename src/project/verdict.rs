//! Whether a persona should rerank, and how: judged on validation when a cross-encoder is trained,
//! and read by everything that answers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Project, second_stage};
use crate::chat::second_stage::SecondStage;
use crate::dialogue::{Exchange, sample};
use crate::error::Result;
use crate::eval::cases::Cases;
use crate::eval::contest::{Contest, contest};
use crate::eval::rankers::{BiRanker, Input, Ranker};
use crate::eval::staged::{Staged, Stages};
use crate::files;
use crate::model::bi_encoder::BiEncoder;
use crate::nn::device::Compute;
use crate::watch::{Unit, Watch};

/// What validation said about the use of the cross-encoder, when it was trained.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct CrossVerdict {
    /// Whether reranking made the order better on validation; `None` where nobody has judged.
    pub rerank: Option<bool>,
    /// [`crate::fingerprint::of_file`] of the bi-encoder that it was judged beside, if that is known.
    pub bi_encoder: Option<String>,
    /// The figures behind the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_mrr: Option<serde_json::Value>,
}

impl CrossVerdict {
    /// Reads those of the project's cross-encoder; without any, nobody has judged.
    ///
    /// # Errors
    /// They are there and damaged.
    pub fn read(project: &Project) -> Result<Self> {
        let path = project.verdict();
        match files::is_there(&path)? {
            true => files::read_json(&path),
            false => Ok(Self::default()),
        }
    }

    /// Whether the project's cross-encoder was judged beside its bi-encoder.
    ///
    /// # Errors
    /// There is no bi-encoder, or a verdict is there and damaged.
    pub(super) fn is_up_to_date(project: &Project) -> Result<bool> {
        let retriever = project.retriever()?;
        Ok(Self::read(project)?.is_judged(&retriever.fingerprint))
    }

    /// Whether somebody has judged it beside the bi-encoder of this fingerprint.
    pub(crate) fn is_judged(&self, bi_encoder: &str) -> bool {
        let beside = self.bi_encoder.as_deref();
        self.rerank.is_some() && beside.is_none_or(|judged| judged == bi_encoder)
    }

    /// Whether a persona with the bi-encoder of this fingerprint uses the cross-encoder: one that was not
    /// found to help is left out.
    pub fn in_use(&self, bi_encoder: &str) -> bool {
        self.rerank == Some(true) && self.is_judged(bi_encoder)
    }
}

/// Validation queries, at most: each is read with all its candidates.
const QUERIES: usize = 200;
/// Validation exchanges, at most: the replies of each are candidates, and embedded.
pub(super) const EXCHANGES: usize = 4000;

/// Judges the project's cross-encoder on validation exchanges, beside the general reranker, which decides
/// without it. The verdict is written beside it.
///
/// # Errors
/// A model is missing or fails, the verdict cannot be written, or `watch` stops it.
pub(crate) fn judge(
    project: &Project,
    compute: &Compute,
    valid: &[Exchange],
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<Contest> {
    let cases = Arc::new(Cases::new(&sample(valid, EXCHANGES, seed), QUERIES, seed));
    let retriever = project.retriever()?;
    let bi_encoder = BiEncoder::load(&retriever.folder, compute)?;
    let first: Arc<dyn Ranker> = Arc::new(BiRanker::embed(&bi_encoder, &cases, Input::Context)?);
    let staged = |second: SecondStage| {
        let (stages, ranker) = Stages::both(cases.clone(), first.clone(), second);
        Staged::new(&stages, Some(ranker))
    };
    let before = staged(second_stage::general(compute)?);
    let after = staged(second_stage::trained(project, compute)?);
    watch.stage("reranking", cases.cases.len() as u64, Unit::Parts);
    let found = contest(&cases, &before, &after, seed, |done| {
        watch.advance(done as u64);
        watch.go_on()
    })?;
    let verdict = CrossVerdict {
        rerank: Some(found.helps()),
        bi_encoder: Some(retriever.fingerprint),
        validation_mrr: Some(serde_json::json!({
            "without": found.before.mean,
            "with": found.after.mean,
            "gain": [found.gain.low, found.gain.mean, found.gain.high],
        })),
    };
    files::stays(&project.verdict())?;
    files::write_json(&project.verdict(), &verdict)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cross_encoder_is_used_where_it_was_found_to_help() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::new(folder.path());
        std::fs::create_dir_all(project.cross_encoder()).unwrap();
        let read = |text: &str| {
            std::fs::write(project.verdict(), text).unwrap();
            CrossVerdict::read(&project).unwrap()
        };
        let absent = CrossVerdict::read(&project).unwrap();
        assert!(!absent.is_judged("bi") && !absent.in_use("bi"));
        let settings = read("{\"rerank\": false}");
        assert!(settings.is_judged("bi") && !settings.in_use("bi"));
        let mut used = read("{\"rerank\": true}");
        assert!(used.in_use("bi"));
        // Judged beside another bi-encoder, it may not help this one.
        used.bi_encoder = Some("another".into());
        assert!(!used.is_judged("bi") && !used.in_use("bi"));
        assert!(used.in_use("another"));
    }
}
