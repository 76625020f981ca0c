//! A persona from what training and `build-index` left on disk.

use super::Project;
use super::verdict::CrossVerdict;
use crate::builtin;
use crate::chat::persona::{Fusion, Persona, Rerank};
use crate::chat::stages::Indexed;
use crate::error::{Error, Remedy, Result, Step};
use crate::fingerprint;
use crate::folder::Folder;
use crate::hf::checkpoint::{weights_file, weights_name};
use crate::index::Index;
use crate::index::manifest::Source;
use crate::model::bi_encoder::BiEncoder;
use crate::model::cross_encoder::CrossEncoder;
use crate::nn::device::Compute;
use crate::train::run::require_bi_encoder;

impl Project {
    /// The persona that answers here, on the CPU, see [`Persona::find`].
    ///
    /// # Errors
    /// As [`Persona::load`].
    pub fn persona(&self) -> Result<Persona> {
        Persona::find(self, &Compute::Fast, true)
    }
}

impl Persona {
    /// The project's own persona as soon as one was begun there, else the built-in one. A folder
    /// that does not exist has none: it is more likely a slip of the pen than an empty project.
    ///
    /// # Errors
    /// As [`Persona::load`].
    pub fn find(project: &Project, compute: &Compute, rerank: bool) -> Result<Self> {
        if project.has_persona() || !project.root().is_dir() {
            Self::load(project, compute, rerank)
        } else {
            Self::built_in(compute)
        }
    }

    /// The persona that comes with homer.
    ///
    /// # Errors
    /// The device refuses it.
    pub fn built_in(compute: &Compute) -> Result<Self> {
        let (encoder, index) = (builtin::persona_encoder(), builtin::persona_index());
        let (persona, _) = open(&encoder, &index, compute, |_| Ok(Reranker::default()))?;
        Ok(Self {
            built_in: true,
            ..persona
        })
    }

    /// Opens what training and `build-index` made; without `rerank` the cross-encoder is left out.
    /// A persona without a cross-encoder answers by the bi-encoder alone.
    ///
    /// # Errors
    /// [`Error::NotMade`] names the command that makes what is missing; a damaged model or index;
    /// an index of another bi-encoder.
    pub fn load(project: &Project, compute: &Compute, rerank: bool) -> Result<Self> {
        let model = require_bi_encoder(&project.bi_encoder_model())?.folder;
        let (encoder, index) = (Folder::from(model), Folder::from(project.index()));
        let (persona, source) = open(&encoder, &index, compute, |bi_encoder| match rerank {
            true => load_reranker(project, bi_encoder, compute),
            false => Ok(Reranker::default()),
        })?;
        let pool = project.pool();
        Ok(Self {
            folder: std::path::absolute(project.root()).ok(),
            outdated: pool.is_file() && source.pool != fingerprint::of_file(&pool)?,
            ..persona
        })
    }
}

/// The persona of a bi-encoder and the index of its vectors, and what that was made of; `reranker`
/// is told the bi-encoder's fingerprint.
fn open(
    encoder: &Folder,
    index: &Folder,
    compute: &Compute,
    reranker: impl FnOnce(&str) -> Result<Reranker> + Send,
) -> Result<(Persona, Source)> {
    let bi_encoder = encoder.fingerprint(weights_name(encoder).unwrap_or_default())?;
    // Each reads a tokenizer, which takes as long as embedding the question.
    let (model, reranker) = rayon::join(
        || BiEncoder::load(encoder, compute),
        || reranker(&bi_encoder),
    );
    let (model, reranker) = (model?, reranker?);
    let opened = Index::open(index)?;
    let source = opened.manifest().source.clone();
    if source.bi_encoder != bi_encoder {
        let what = format!("built with another bi-encoder than the one in {encoder}");
        let remedy = Remedy::Remake(Step::BuildIndex);
        return Err(Error::model(index.to_path_buf(), what, remedy));
    }
    let persona = Persona {
        character: source.character.clone(),
        folder: None,
        built_in: false,
        calibrated: source.calibration.as_ref().map(|found| found.min_score),
        outdated: false,
        unjudged: reranker.unjudged,
        reranker: reranker
            .used
            .map(|(cross, fusion)| (Box::new(cross) as Box<dyn Rerank>, fusion)),
        retriever: Box::new(Indexed {
            encoder: model,
            index: opened,
        }),
    };
    Ok((persona, source))
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
    fn an_empty_project_names_the_first_command() {
        let folder = tempfile::tempdir().unwrap();
        let Err(error) = Persona::load(&Project::new(folder.path()), &Compute::Fast, true) else {
            panic!("a persona out of nothing");
        };
        assert_eq!(error.remedy(), Remedy::Make(Step::TrainBi));
    }
}
