//! A persona from what training and `build-index` left on disk.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::persona::{Fusion, Persona, Rerank, Retrieve};
use crate::builtin::Builtin;
use crate::error::{Error, Result};
use crate::files;
use crate::index::{Entry, Index, fingerprint};
use crate::model::bi_encoder::BiEncoder;
use crate::model::checkpoint::weights_file;
use crate::model::cross_encoder::CrossEncoder;
use crate::model::device::Compute;
use crate::model::tokenizer::Query;
use crate::project::Project;
use crate::train::checkpoint;

/// Name of the pool in the folder of the exchanges.
pub const POOL: &str = "pool.jsonl";

/// A bi-encoder and the index of its vectors.
struct Indexed {
    encoder: BiEncoder,
    index: Index,
}

impl Retrieve for Indexed {
    fn retrieve(&self, query: Query<'_>, count: usize) -> Result<Vec<(Entry, f32)>> {
        let embedded = self.encoder.embed_queries(&[query])?;
        let hits = self.index.search(embedded.row(0), count)?;
        hits.iter()
            .map(|hit| Ok((self.index.entry(hit.row)?, hit.score)))
            .collect()
    }
}

impl Rerank for CrossEncoder {
    fn rerank(&self, query: Query<'_>, replies: &[&str]) -> Result<Vec<f32>> {
        self.score(query, replies)
    }
}

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
    /// Where training writes them.
    pub fn path(project: &Project) -> PathBuf {
        project.cross_encoder().join("reranking.json")
    }

    /// Reads those of the project's cross-encoder; without any, nobody has judged.
    ///
    /// # Errors
    /// They are there and damaged.
    pub fn read(project: &Project) -> Result<Self> {
        let path = Self::path(project);
        if path.is_file() {
            files::read_json(&path)
        } else {
            Ok(Self::default())
        }
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

impl Persona {
    /// The project's own persona as soon as one was begun there, else the built-in one. A folder
    /// that does not exist has none: it is more likely a slip of the pen than an empty project.
    ///
    /// # Errors
    /// As [`Persona::load`].
    pub fn find(
        project: &Project,
        builtin: &Builtin,
        compute: &Compute,
        rerank: bool,
    ) -> Result<Self> {
        let own = project.has_persona() || !project.root().is_dir();
        match builtin.persona().filter(|_| !own) {
            Some(persona) => Ok(Self {
                built_in: true,
                ..Self::load(&persona, compute, rerank)?
            }),
            None => Self::load(project, compute, rerank),
        }
    }

    /// Opens what training and `build-index` made; without `rerank` the cross-encoder is left out.
    /// A persona without a cross-encoder answers by the bi-encoder alone.
    ///
    /// # Errors
    /// [`Error::NotMade`] names the command that makes what is missing; a damaged model or index;
    /// an index of another bi-encoder.
    pub fn load(project: &Project, compute: &Compute, rerank: bool) -> Result<Self> {
        let model = require_bi_encoder(&project.bi_encoder_model())?;
        let bi_encoder = fingerprint::of_file(&model.weights)?;
        // Each reads a tokenizer, which takes as long as embedding the question.
        let (encoder, reranker) = rayon::join(
            || BiEncoder::load(&model.folder, compute),
            || match rerank {
                true => load_reranker(project, &bi_encoder, compute),
                false => Ok(Reranker::default()),
            },
        );
        let (encoder, reranker) = (encoder?, reranker?);
        let index = Index::open(&project.index())?;
        let source = index.manifest().source.clone();
        if source.bi_encoder != bi_encoder {
            return Err(Error::Model {
                path: project.index(),
                what: format!(
                    "built with another bi-encoder than the one in {}\n  \
                     make the index anew with `homer build-index`",
                    model.folder.display()
                ),
            });
        }
        let pool = project.exchanges().join(POOL);
        let outdated = pool.is_file() && source.pool != fingerprint::of_file(&pool)?;
        Ok(Self {
            character: source.character,
            folder: std::path::absolute(project.root()).ok(),
            built_in: false,
            context_turns: source.context_turns,
            calibrated: source.calibration.map(|found| found.min_score),
            outdated,
            unjudged: reranker.unjudged,
            reranker: reranker
                .used
                .map(|(cross, fusion)| (Box::new(cross) as Box<dyn Rerank>, fusion)),
            retriever: Box::new(Indexed { encoder, index }),
        })
    }
}

/// A trained model's folder, and the file of its weights.
pub struct Trained {
    /// The folder.
    pub folder: PathBuf,
    /// The weights in it.
    pub weights: PathBuf,
}

/// The bi-encoder that `train-bi` keeps in the folder `model`.
///
/// # Errors
/// [`Error::NotMade`] where there is none, with the command that makes it or goes on making it.
pub fn require_bi_encoder(model: &Path) -> Result<Trained> {
    let begun = || {
        let run = model.parent();
        run.is_some_and(|run| checkpoint::exists(&run.join("checkpoint")))
    };
    match weights_file(model) {
        Some(weights) => Ok(Trained {
            folder: model.to_path_buf(),
            weights,
        }),
        None => Err(Error::NotMade {
            what: "bi-encoder",
            path: model.to_path_buf(),
            command: if begun() {
                "homer train-bi --resume"
            } else {
                "homer train-bi"
            },
        }),
    }
}

/// A cross-encoder and its weight, if it is of use; and whether there is one that nobody has judged.
#[derive(Default)]
struct Reranker {
    used: Option<(CrossEncoder, Fusion)>,
    unjudged: bool,
}

fn load_reranker(project: &Project, bi_encoder: &str, compute: &Compute) -> Result<Reranker> {
    let model = project.cross_encoder_model();
    if weights_file(&model).is_none() {
        return Ok(Reranker::default());
    }
    let settings = CrossVerdict::read(project)?;
    Ok(Reranker {
        unjudged: !settings.is_judged(bi_encoder),
        used: match settings.in_use(bi_encoder) {
            Some(fusion) => Some((CrossEncoder::load(&model, compute)?, fusion)),
            None => None,
        },
    })
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
            std::fs::write(CrossVerdict::path(&project), text).unwrap();
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

    #[test]
    fn an_empty_project_names_the_first_command() {
        let folder = tempfile::tempdir().unwrap();
        let Err(error) = Persona::load(&Project::new(folder.path()), &Compute::Fast, true) else {
            panic!("a persona out of nothing");
        };
        assert!(error.to_string().contains("homer train-bi"), "{error}");
    }
}
