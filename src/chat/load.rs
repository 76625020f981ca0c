//! A persona from what training and `build-index` left on disk.

use std::path::PathBuf;

use serde::Deserialize;

use super::persona::{Fusion, Persona, Rerank, Retrieve};
use crate::builtin::Builtin;
use crate::error::{Error, Result};
use crate::files;
use crate::index::{Entry, Index, fingerprint};
use crate::model::bi_encoder::BiEncoder;
use crate::model::cross_encoder::CrossEncoder;
use crate::model::device::Compute;
use crate::model::tokenizer::Query;
use crate::project::Project;

/// Name of a model's weights in its folder.
pub const WEIGHTS: &str = "model.safetensors";
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
#[derive(Debug, Default, Deserialize)]
pub struct CrossSettings {
    /// `false` where reranking made the order worse on validation.
    pub rerank: Option<bool>,
    /// The weights that were best on validation.
    pub fusion: Option<Fusion>,
}

impl CrossSettings {
    /// Where training writes them.
    pub fn path(project: &Project) -> PathBuf {
        project.cross_encoder().join("reranking.json")
    }

    /// Reads those of the project's cross-encoder; without any, the defaults.
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

    /// How a persona uses the cross-encoder, if it does.
    pub fn in_use(&self) -> Option<Fusion> {
        (self.rerank != Some(false)).then(|| self.fusion.unwrap_or_default())
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
        // Each reads a tokenizer, which takes as long as embedding the question.
        let (encoder, reranker) = rayon::join(
            || load_bi_encoder(project, compute),
            || match rerank {
                true => load_reranker(project, compute),
                false => Ok(None),
            },
        );
        let encoder = encoder?;
        let index = Index::open(&project.index())?;
        let source = index.manifest().source.clone();
        let model = project.bi_encoder_model();
        if source.bi_encoder != fingerprint::of_file(&model.join(WEIGHTS))? {
            return Err(Error::Model {
                path: project.index(),
                what: format!(
                    "built with another bi-encoder than the one in {}\n  \
                     make the index anew with `homer build-index`",
                    model.display()
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
            reranker: reranker?.map(|(cross, fusion)| (Box::new(cross) as Box<dyn Rerank>, fusion)),
            retriever: Box::new(Indexed { encoder, index }),
        })
    }
}

/// The bi-encoder that `train-bi` made.
///
/// # Errors
/// [`Error::NotMade`] where there is none; what [`BiEncoder::load`] says.
pub fn load_bi_encoder(project: &Project, compute: &Compute) -> Result<BiEncoder> {
    let model = project.bi_encoder_model();
    if !model.join(WEIGHTS).is_file() {
        return Err(Error::NotMade {
            what: "bi-encoder",
            path: model,
            command: "homer train-bi",
        });
    }
    BiEncoder::load(&model, compute)
}

/// The cross-encoder, if it was trained and is of use.
fn load_reranker(project: &Project, compute: &Compute) -> Result<Option<(CrossEncoder, Fusion)>> {
    let model = project.cross_encoder_model();
    if !model.join(WEIGHTS).is_file() {
        return Ok(None);
    }
    let Some(fusion) = CrossSettings::read(project)?.in_use() else {
        return Ok(None);
    };
    let cross = CrossEncoder::load(&model, compute)?;
    Ok(Some((cross, fusion)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_cross_encoder_are_optional() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::new(folder.path());
        std::fs::create_dir_all(project.cross_encoder()).unwrap();
        let read = |text: &str| {
            std::fs::write(CrossSettings::path(&project), text).unwrap();
            CrossSettings::read(&project).unwrap()
        };
        let absent = CrossSettings::read(&project).unwrap();
        assert_eq!(absent.in_use(), Some(Fusion::default()));
        assert!(read("{\"epochs\": 3}").rerank.is_none());
        let settings = read("{\"rerank\": false, \"fusion\": {\"bi\": 2.0, \"cross\": 0.5}}");
        assert_eq!(settings.in_use(), None);
        let fusion = Fusion {
            bi: 2.0,
            cross: 0.5,
        };
        assert_eq!(settings.fusion, Some(fusion));
        let used = read("{\"rerank\": true, \"fusion\": {\"bi\": 2.0, \"cross\": 0.5}}");
        assert_eq!(used.in_use(), Some(fusion));
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
