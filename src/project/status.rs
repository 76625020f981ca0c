//! What is there, of what, how old, finished or not, judged or not, and what comes next.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use super::Project;
use super::verdict::CrossVerdict;
use crate::corpus::dataset::{Dataset, SETTINGS};
use crate::error::{Error, Remedy, Result, Step};
use crate::files;
use crate::fingerprint;
use crate::hf::checkpoint::weights_file;
use crate::index::manifest::Manifest;
use crate::train::run::{Run, is_unfinished, trained_on};
use crate::train::settings::Data;

/// The state of a project.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Its folder.
    pub folder: PathBuf,
    /// What was prepared.
    pub dialogue: Option<DialogueStatus>,
    /// The bi-encoder, as soon as its training was begun.
    pub bi_encoder: Option<ModelStatus>,
    /// The cross-encoder, as soon as its training was begun.
    pub cross_encoder: Option<ModelStatus>,
    /// Whether the cross-encoder was found to help the bi-encoder that is there; `None` where nobody
    /// has judged.
    pub reranks: Option<bool>,
    /// The index.
    pub index: Option<IndexStatus>,
    /// The store that the replies were put into, if they were: its URL, without a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// When the figures of the last ordinary test were written.
    pub tested: Option<Age>,
    /// What comes next.
    #[serde(skip)]
    pub next: Remedy,
}

/// How old something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Age {
    /// Seconds since it was written.
    pub seconds: u64,
}

/// The prepared dialogue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DialogueStatus {
    /// How long ago it was prepared, in seconds.
    pub age: Age,
    /// The script.
    pub source: String,
    /// Who answers.
    pub character: String,
    /// Exchanges to train on, to choose by and to test on.
    pub exchanges: [usize; 3],
    /// Distinct replies.
    pub replies: usize,
}

/// A run, and the model that it keeps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelStatus {
    /// How long ago the model was kept, in seconds; none where no model was kept yet.
    pub age: Option<Age>,
    /// The script that it learned from.
    pub source: Option<String>,
    /// Whether the training ran to its end.
    pub finished: bool,
    /// Whether a training was begun that is to take its place.
    pub retraining: bool,
    /// Whether it learned from the dialogue that is prepared now.
    pub current: bool,
    /// Mean reciprocal rank on validation, before training and of the model that is kept.
    pub mrr: Option<[f64; 2]>,
}

/// The index.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IndexStatus {
    /// How long ago it was built, in seconds.
    pub age: Age,
    /// Who answers.
    pub character: String,
    /// Replies in it.
    pub replies: usize,
    /// Whether it was built with the bi-encoder and of the replies that are there now.
    pub current: bool,
}

/// Looks at everything in a project's folder. What is damaged counts as not there.
///
/// # Errors
/// A file that is there cannot be read.
pub fn status(project: &Project) -> Result<Status> {
    project.has_persona()?;
    files::is_there(&project.exchanges().join(SETTINGS))?;
    files::is_there(&Run::model_of(&project.cross_encoder()))?;
    let dataset = Dataset::load_lean(&project.exchanges()).ok();
    let prepared = dataset.as_ref().map(Data::fingerprint);
    let bi_encoder = project.retriever().ok().map(|found| found.fingerprint);
    let verdict = CrossVerdict::read(project).unwrap_or_default();
    let mut status = Status {
        folder: project.root().to_path_buf(),
        dialogue: dataset.and_then(|dataset| dialogue(project, &dataset)),
        bi_encoder: model(&project.bi_encoder(), prepared.as_deref()),
        cross_encoder: model(&project.cross_encoder(), prepared.as_deref()),
        reranks: bi_encoder
            .as_deref()
            .filter(|bi_encoder| verdict.is_judged(bi_encoder))
            .and(verdict.rerank),
        index: index(project, bi_encoder.as_deref())?,
        store: project.replies()?.store(),
        tested: age(&project.figures("eval")),
        next: Remedy::None,
    };
    status.next = status.next();
    Ok(status)
}

fn dialogue(project: &Project, dataset: &Dataset) -> Option<DialogueStatus> {
    Some(DialogueStatus {
        age: age(&project.exchanges().join(SETTINGS))?,
        source: dataset.settings.source.clone(),
        character: dataset.settings.character.clone(),
        exchanges: [&dataset.train, &dataset.valid, &dataset.test].map(Vec::len),
        replies: dataset.pool.len(),
    })
}

fn model(run: &Path, prepared: Option<&str>) -> Option<ModelStatus> {
    let weights = weights_file(&Run::model_of(run));
    if weights.is_none() && !Run::can_resume(run) {
        return None;
    }
    let data = trained_on(run);
    Some(ModelStatus {
        age: weights.as_deref().and_then(age),
        // A model that was put there from elsewhere has no run: it is as finished as it will be.
        finished: weights.is_some() && !is_unfinished(run),
        retraining: Run::is_retrained(run),
        current: data
            .as_ref()
            .zip(prepared)
            .is_none_or(|(data, prepared)| data.fingerprint == prepared),
        source: data.map(|data| data.source),
        mrr: Run::outcome(run).map(|outcome| [outcome.baseline.score, outcome.best.score]),
    })
}

/// `None` where there is none, or a damaged one; one that cannot be read is an error.
fn index(project: &Project, bi_encoder: Option<&str>) -> Result<Option<IndexStatus>> {
    let manifest = match Manifest::read(project.index()) {
        Err(error @ Error::Io { .. }) => return Err(error),
        Err(_) => return Ok(None),
        Ok(manifest) => manifest,
    };
    let pool = fingerprint::of_file(&project.pool()).ok();
    let status = |age: Age| IndexStatus {
        age,
        current: bi_encoder == Some(manifest.source.bi_encoder.as_str())
            && pool.is_none_or(|pool| pool == manifest.source.pool),
        character: manifest.source.character,
        replies: manifest.replies,
    };
    Ok(age(&project.index()).map(status))
}

fn age(path: &Path) -> Option<Age> {
    let written = fs::metadata(path).and_then(|file| file.modified()).ok()?;
    // A clock that was put back makes things new.
    let age = SystemTime::now()
        .duration_since(written)
        .unwrap_or_default();
    Some(Age {
        seconds: age.as_secs(),
    })
}

impl Status {
    /// The first thing on the way from a script to a persona that is missing or out of date. A persona needs
    /// no training; one that was begun is to be finished.
    fn next(&self) -> Remedy {
        let trained = |model: &Option<ModelStatus>, step: Step| match model {
            Some(model) if model.retraining => Some(Remedy::Resume(step)),
            Some(model) if !model.current => Some(Remedy::Remake(step)),
            Some(model) if !model.finished => Some(Remedy::Resume(step)),
            _ => None,
        };
        if self.dialogue.is_none() && self.bi_encoder.is_none() {
            return Remedy::Make(Step::Prepare);
        }
        if self.dialogue.is_some() {
            let bi_encoder = trained(&self.bi_encoder, Step::TrainBi);
            let cross_encoder = trained(&self.cross_encoder, Step::TrainCross);
            if let Some(next) = bi_encoder.or(cross_encoder) {
                return next;
            }
            if self.cross_encoder.is_some() && self.reranks.is_none() {
                return Remedy::Resume(Step::TrainCross);
            }
        }
        match &self.index {
            None => Remedy::Make(Step::BuildIndex),
            Some(index) if !index.current => Remedy::Remake(Step::BuildIndex),
            Some(_) => Remedy::Make(Step::Ask),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained(finished: bool, current: bool) -> Option<ModelStatus> {
        Some(ModelStatus {
            age: None,
            source: None,
            finished,
            retraining: false,
            current,
            mrr: None,
        })
    }

    fn indexed(current: bool) -> Option<IndexStatus> {
        Some(IndexStatus {
            age: Age { seconds: 1 },
            character: "Rufus".into(),
            replies: 3,
            current,
        })
    }

    #[test]
    fn what_comes_next_is_the_first_thing_that_is_missing_or_old() {
        let mut status = status(&Project::new("/nowhere")).unwrap();
        assert_eq!(status.next, Remedy::Make(Step::Prepare));
        status.dialogue = Some(DialogueStatus {
            age: Age { seconds: 0 },
            source: "play.csv".into(),
            character: "Rufus".into(),
            exchanges: [8, 1, 1],
            replies: 9,
        });
        assert_eq!(status.next(), Remedy::Make(Step::BuildIndex));
        status.bi_encoder = trained(false, true);
        assert_eq!(status.next(), Remedy::Resume(Step::TrainBi));
        status.bi_encoder = trained(true, false);
        assert_eq!(status.next(), Remedy::Remake(Step::TrainBi));
        if let Some(model) = &mut status.bi_encoder {
            model.retraining = true;
        }
        assert_eq!(status.next(), Remedy::Resume(Step::TrainBi));
        status.bi_encoder = trained(true, true);
        assert_eq!(status.next(), Remedy::Make(Step::BuildIndex));
        status.cross_encoder = trained(true, true);
        assert_eq!(status.next(), Remedy::Resume(Step::TrainCross));
        status.reranks = Some(false);
        assert_eq!(status.next(), Remedy::Make(Step::BuildIndex));
        status.index = indexed(false);
        assert_eq!(status.next(), Remedy::Remake(Step::BuildIndex));
        status.index = indexed(true);
        assert_eq!(status.next(), Remedy::Make(Step::Ask));
    }
}
