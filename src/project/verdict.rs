//! Whether a persona should rerank, and how: judged on validation when a cross-encoder is trained,
//! and read by everything that answers.

use serde::{Deserialize, Serialize};

use super::Project;
use crate::chat::Choice;
use crate::chat::persona::Fusion;
use crate::dialogue::Exchange;
use crate::error::Result;
use crate::eval::cases::Cases;
use crate::eval::fusion::{Fit, candidates, fit};
use crate::eval::rankers::{BiRanker, Input};
use crate::model::bi_encoder::BiEncoder;
use crate::model::cross_encoder::CrossEncoder;
use crate::nn::device::Compute;
use crate::train::run::require_bi_encoder;
use crate::train::settings::BiSettings;
use crate::watch::{Unit, Watch};
use crate::{files, fingerprint};

/// What validation said about the use of the cross-encoder, when it was trained.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct CrossVerdict {
    /// Whether reranking made the order better on validation; `None` where nobody has judged.
    pub rerank: Option<bool>,
    /// The weights that were best on validation.
    pub fusion: Option<Fusion>,
    /// [`fingerprint::of_file`] of the bi-encoder that it was judged beside, if that is known.
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
        if path.is_file() {
            files::read_json(&path)
        } else {
            Ok(Self::default())
        }
    }

    /// Whether the project's cross-encoder was judged beside its bi-encoder.
    ///
    /// # Errors
    /// There is no bi-encoder, or a verdict is there and damaged.
    pub(super) fn is_up_to_date(project: &Project) -> Result<bool> {
        let trained = require_bi_encoder(&project.bi_encoder_model())?;
        let bi_encoder = fingerprint::of_file(&trained.weights)?;
        Ok(Self::read(project)?.is_judged(&bi_encoder))
    }

    /// Whether somebody has judged it beside the bi-encoder of this fingerprint.
    pub fn is_judged(&self, bi_encoder: &str) -> bool {
        let beside = self.bi_encoder.as_deref();
        self.rerank.is_some() && beside.is_none_or(|judged| judged == bi_encoder)
    }

    /// How a persona with the bi-encoder of this fingerprint uses the cross-encoder, if it does: one
    /// that was not found to help is left out.
    pub fn in_use(&self, bi_encoder: &str) -> Option<Fusion> {
        let helps = self.rerank == Some(true) && self.is_judged(bi_encoder);
        helps.then(|| self.fusion.unwrap_or_default())
    }
}

/// Validation queries, at most: each is read with all its candidates.
const QUERIES: usize = 200;

/// Judges the project's cross-encoder on validation exchanges and writes the verdict beside it.
///
/// # Errors
/// A model is missing or fails, the verdict cannot be written, or `watch` stops it.
pub fn judge(
    project: &Project,
    compute: &Compute,
    valid: &[Exchange],
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<Fit> {
    let cases = Cases::new(valid, QUERIES, seed);
    let trained = require_bi_encoder(&project.bi_encoder_model())?;
    let bi_encoder = BiEncoder::load(&trained.folder, compute)?;
    let first = BiRanker::embed(&bi_encoder, &cases, Input::Context)?;
    let second = CrossEncoder::load(&project.cross_encoder_model(), compute)?;
    watch.stage("reranking", cases.cases.len() as u64, Unit::Parts);
    let count = Choice::default().top_k;
    let scored = candidates(&cases, &first, &second, count, |done| {
        watch.advance(done as u64);
        watch.go_on()
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
    files::write_json(&project.verdict(), &settings)?;
    Ok(fit)
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
        assert!(!absent.is_judged("bi") && absent.in_use("bi").is_none());
        let settings = read("{\"rerank\": false, \"fusion\": {\"bi\": 2.0, \"cross\": 0.5}}");
        assert!(settings.is_judged("bi") && settings.in_use("bi").is_none());
        let fusion = Fusion {
            bi: 2.0,
            cross: 0.5,
        };
        assert_eq!(settings.fusion, Some(fusion));
        let mut used = read("{\"rerank\": true, \"fusion\": {\"bi\": 2.0, \"cross\": 0.5}}");
        assert_eq!(used.in_use("bi"), Some(fusion));
        assert_eq!(
            read("{\"rerank\": true}").in_use("bi"),
            Some(Fusion::default())
        );
        // Judged beside another bi-encoder, it may not help this one.
        used.bi_encoder = Some("another".into());
        assert!(!used.is_judged("bi") && used.in_use("bi").is_none());
        assert_eq!(used.in_use("another"), Some(fusion));
    }
}
