//! A persona from what training and `build-index` left on disk.

use super::{Project, second_stage};
use crate::builtin::Builtin;
use crate::chat::persona::Persona;
use crate::chat::stages::Indexed;
use crate::error::{Error, Remedy, Result, Step};
use crate::fingerprint;
use crate::index::Index;
use crate::model::bi_encoder::BiEncoder;
use crate::nn::device::Compute;
use crate::train::run::require_bi_encoder;

impl Project {
    /// The persona that answers here, on the CPU, see [`Persona::find`].
    ///
    /// # Errors
    /// As [`Persona::load`].
    pub fn persona(&self) -> Result<Persona> {
        Persona::find(self, &Builtin::find(), &Compute::Fast, true)
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
        match builtin.persona().filter(|_| !own).map(Project::new) {
            Some(persona) => Ok(Self {
                built_in: true,
                ..Self::load(&persona, builtin, compute, rerank)?
            }),
            None => Self::load(project, builtin, compute, rerank),
        }
    }

    /// Opens what training and `build-index` made; without `rerank` the second stage is left out, and
    /// the bi-encoder answers alone.
    ///
    /// # Errors
    /// [`Error::NotMade`] names the command that makes what is missing; a damaged model or index;
    /// an index of another bi-encoder.
    pub fn load(
        project: &Project,
        builtin: &Builtin,
        compute: &Compute,
        rerank: bool,
    ) -> Result<Self> {
        let model = require_bi_encoder(&project.bi_encoder_model())?;
        let bi_encoder = fingerprint::of_file(&model.weights)?;
        // Each reads a tokenizer, which takes as long as embedding the question.
        let (encoder, second) = rayon::join(
            || BiEncoder::load(&model.folder, compute),
            || match rerank {
                true => second_stage::find(project, builtin, &bi_encoder, compute),
                false => Ok(second_stage::Found::default()),
            },
        );
        let (encoder, second) = (encoder?, second?);
        let index = Index::open(&project.index())?;
        let source = index.manifest().source.clone();
        if source.bi_encoder != bi_encoder {
            let what = format!(
                "built with another bi-encoder than the one in {}",
                model.folder.display()
            );
            let remedy = Remedy::Remake(Step::BuildIndex);
            return Err(Error::model(project.index(), what, remedy));
        }
        let pool = project.pool();
        let outdated = pool.is_file() && source.pool != fingerprint::of_file(&pool)?;
        Ok(Self {
            character: source.character,
            folder: std::path::absolute(project.root()).ok(),
            built_in: false,
            calibrated: source.calibration.map(|found| found.min_score),
            outdated,
            unjudged: second.unjudged,
            second: second.stage,
            retriever: Box::new(Indexed { encoder, index }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_project_names_the_first_command() {
        let folder = tempfile::tempdir().unwrap();
        let Err(error) = Persona::load(
            &Project::new(folder.path()),
            &Builtin::at([]),
            &Compute::Fast,
            true,
        ) else {
            panic!("a persona out of nothing");
        };
        assert_eq!(error.remedy(), Remedy::Make(Step::TrainBi));
    }
}
