//! The weighted sum, and its file.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::RANKER;
use super::features::{FEATURES, Seen, features};
use crate::error::{Error, Remedy, Result};
use crate::files;
use crate::folder::Folder;

/// A number for each of [`FEATURES`].
type Row = [f32; FEATURES.len()];

/// How much a feature counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Weight {
    /// The feature, one of [`FEATURES`].
    pub feature: String,
    /// What the score rises by when the feature rises by 1.
    pub weight: f32,
    /// The lower end of its 95% bootstrap interval.
    pub low: f32,
    /// The upper end.
    pub high: f32,
}

/// A linear ranker over [`FEATURES`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinearRanker {
    /// The weights; a feature that is not among them counts nothing.
    pub weights: Vec<Weight>,
    /// How many judged messages they were fitted on.
    pub messages: usize,
    /// Whether the lines came with what they were written to answer, and the cross-encoder is to be told that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
}

impl Default for LinearRanker {
    /// The cross-encoder alone.
    fn default() -> Self {
        Self::fused(0.0, 1.0)
    }
}

impl LinearRanker {
    /// `bi · retrieval + cross · cross-encoder`, and nothing else.
    pub fn fused(bi: f32, cross: f32) -> Self {
        let weight = |feature: &str, weight| Weight {
            feature: feature.into(),
            weight,
            low: weight,
            high: weight,
        };
        Self {
            weights: vec![weight("retrieval", bi), weight("cross", cross)],
            messages: 0,
            told: false,
        }
    }

    /// Reads the weights beside a cross-encoder's model.
    ///
    /// # Errors
    /// They cannot be read, name a feature that homer does not know, or are no numbers.
    pub fn read(model: &Folder) -> Result<Self> {
        Self::named(model, RANKER)
    }

    /// The same, of another name than that of the weights that are meant for all lines.
    ///
    /// # Errors
    /// As [`LinearRanker::read`].
    pub(crate) fn named(model: &Folder, name: &str) -> Result<Self> {
        let ranker: Self = model.json(name)?;
        ranker
            .check()
            .map_err(|what| Error::model(model.path(name), what, Remedy::None))?;
        Ok(ranker)
    }

    /// Writes the weights beside a cross-encoder's model.
    ///
    /// # Errors
    /// Any I/O error, with the path.
    pub fn write(&self, model: &Path) -> Result<()> {
        files::write_json(&model.join(RANKER), self)
    }

    fn check(&self) -> std::result::Result<(), String> {
        for one in &self.weights {
            if !FEATURES.contains(&one.feature.as_str()) {
                return Err(format!(
                    "weighs {:?}, which is no feature of this version",
                    one.feature
                ));
            }
            if !one.weight.is_finite() {
                return Err(format!("the weight of {:?} is no number", one.feature));
            }
        }
        Ok(())
    }

    /// Scores of the candidates of `query`, in their order; higher is better.
    pub fn scores(&self, query: &str, candidates: &[Seen<'_>]) -> Vec<f32> {
        let weights = self.dense();
        let rows = features(query, candidates);
        rows.iter().map(|row| weighed(row, &weights)).collect()
    }

    /// [`LinearRanker::scores`] with their reasons: what each feature adds to a score, beside the mean over all
    /// candidates, the weightiest first; those that add nothing are left out.
    pub fn explained(
        &self,
        query: &str,
        candidates: &[Seen<'_>],
    ) -> Vec<(f32, Vec<(&'static str, f32)>)> {
        let weights = self.dense();
        let rows = features(query, candidates);
        let mut means = [0.0; FEATURES.len()];
        for row in &rows {
            for (mean, value) in means.iter_mut().zip(row) {
                *mean += value / rows.len() as f32;
            }
        }
        let explained = |row: &Row| (weighed(row, &weights), reasons(row, &means, &weights));
        rows.iter().map(explained).collect()
    }

    fn dense(&self) -> Row {
        let mut dense = [0.0; FEATURES.len()];
        for one in &self.weights {
            if let Some(place) = FEATURES.iter().position(|name| *name == one.feature) {
                dense[place] = one.weight;
            }
        }
        dense
    }
}

fn weighed(row: &Row, weights: &Row) -> f32 {
    row.iter().zip(weights).map(|(x, w)| x * w).sum()
}

fn reasons(row: &Row, means: &Row, weights: &Row) -> Vec<(&'static str, f32)> {
    let parts = (0..FEATURES.len()).map(|i| (FEATURES[i], weights[i] * (row[i] - means[i])));
    let mut parts: Vec<_> = parts.filter(|(_, part)| part.abs() > 5e-3).collect();
    parts.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(feature: &str, weight: f32) -> Weight {
        Weight {
            feature: feature.into(),
            weight,
            low: weight,
            high: weight,
        }
    }

    fn seen(reply: &str, cross: f32) -> Seen<'_> {
        Seen {
            reply,
            retrieval: 0.5,
            cross,
        }
    }

    #[test]
    fn the_score_is_the_weighted_sum_and_its_reasons_add_up() {
        let ranker = LinearRanker {
            weights: vec![weight("cross", 2.0), weight("addressed", -3.0)],
            messages: 1,
            told: false,
        };
        let candidates = [seen("Hi, Ada.", 1.0), seen("Hello there.", 0.0)];
        assert_eq!(ranker.scores("Hello!", &candidates), [-1.0, -2.0]);
        let explained = ranker.explained("Hello!", &candidates);
        assert_eq!(
            explained,
            [
                (-1.0, vec![("cross", 2.0), ("addressed", -1.5)]),
                (-2.0, vec![("cross", -2.0), ("addressed", 1.5)]),
            ]
        );
    }

    #[test]
    fn a_file_of_unknown_features_or_no_numbers_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (model, path) = (Folder::from(folder.path()), folder.path().join(RANKER));
        let ranker = LinearRanker {
            weights: vec![weight("echo", -0.25)],
            messages: 40,
            told: true,
        };
        ranker.write(folder.path()).unwrap();
        assert_eq!(LinearRanker::read(&model).unwrap(), ranker);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("echo", "smell")).unwrap();
        let refused = LinearRanker::read(&model).unwrap_err().to_string();
        assert!(refused.contains("smell"), "{refused}");
        std::fs::write(&path, text.replace("-0.25", "1e99")).unwrap();
        assert!(LinearRanker::read(&model).is_err());
    }
}
