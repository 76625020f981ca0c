//! A persona from what training and `build-index` left on disk.

use std::fs;

use super::replies::Replies;
use super::second_stage::Found;
use super::{Project, second_stage};
use crate::builtin;
use crate::chat::Persona;
use crate::error::{Error, Remedy, Result, Step};
use crate::fingerprint;
use crate::folder::Folder;
use crate::hf::checkpoint::weights_name;
use crate::index::manifest::Provenance;
use crate::model::bi_encoder::BiEncoder;
use crate::nn::device::Compute;

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
        if project.has_persona()? || !project.root().is_dir() {
            Self::load(project, compute, rerank)
        } else {
            Self::built_in(compute, rerank)
        }
    }

    /// The persona that comes with homer; without `rerank` the bi-encoder answers alone.
    ///
    /// # Errors
    /// The device refuses it.
    pub fn built_in(compute: &Compute, rerank: bool) -> Result<Self> {
        let (encoder, index) = (builtin::encoder(), builtin::persona_index());
        let index = || Replies::here(&index);
        let (persona, _) = open(&encoder, index, compute, |_, written| match rerank {
            true => Ok(Found {
                stage: Some(second_stage::of_homer(written, compute)?),
                ..Found::default()
            }),
            false => Ok(Found::default()),
        })?;
        Ok(Self {
            built_in: true,
            ..persona
        })
    }

    /// Opens what training and `build-index` made; without `rerank` the second stage is left out, and
    /// the bi-encoder answers alone.
    ///
    /// # Errors
    /// [`Error::NotMade`] says what makes what is missing; a damaged model or index;
    /// an index of another bi-encoder.
    pub fn load(project: &Project, compute: &Compute, rerank: bool) -> Result<Self> {
        note_link(project);
        let encoder = project.retriever()?.folder;
        let replies = project.replies()?;
        let find = || replies.open(&project.index());
        let (persona, source) = open(
            &encoder,
            find,
            compute,
            |bi_encoder, written| match rerank {
                true => second_stage::find(project, bi_encoder, written, compute),
                false => Ok(Found::default()),
            },
        )?;
        let pool = project.pool();
        Ok(Self {
            folder: std::path::absolute(project.root()).ok(),
            store: replies.store(),
            outdated: pool.is_file() && source.pool != fingerprint::of_file(&pool)?,
            ..persona
        })
    }
}

/// Says it where what answers does not lie in the project's own folder.
fn note_link(project: &Project) {
    let folders = [
        project.bi_encoder_model(),
        project.cross_encoder_model(),
        project.index(),
    ];
    let Ok(root) = fs::canonicalize(project.root()) else {
        return;
    };
    for folder in folders {
        if let Ok(real) = fs::canonicalize(&folder)
            && !real.starts_with(&root)
        {
            let (folder, real) = (folder.display(), real.display());
            tracing::warn!("{folder} is a link: what is read lies in {real}");
        }
    }
}

/// The persona of a bi-encoder and the replies that it has vectors of, and what those were made of; `second`
/// is told the bi-encoder's fingerprint, and whether the replies were written as answers.
fn open(
    encoder: &Folder,
    replies: impl FnOnce() -> Result<Replies>,
    compute: &Compute,
    second: impl FnOnce(&str, bool) -> Result<Found> + Send,
) -> Result<(Persona, Provenance)> {
    let weights = weights_name(encoder).unwrap_or_default();
    let bi_encoder = encoder.fingerprint(weights)?;
    let replies = replies();
    let written = replies
        .as_ref()
        .is_ok_and(|replies| replies.source().is_written());
    // Each reads a tokenizer, which takes as long as embedding the question.
    let (model, second) = rayon::join(
        || BiEncoder::load(encoder, compute),
        || second(&bi_encoder, written),
    );
    let (model, second, replies) = (model?, second?, replies?);
    let source = replies.source();
    if source.bi_encoder != bi_encoder {
        let what = format!("built with another bi-encoder than the one in {encoder}");
        return Err(replies.refused(what, Remedy::Remake(Step::BuildIndex)));
    }
    // A fingerprint is of samples: a byte may be damaged between them.
    if source.weights.is_some() && source.weights != Some(encoder.checksum(weights)?) {
        let what = "damaged: not the weights that the index was built with";
        let remedy = "put them back from where they came from, or train anew";
        return Err(Error::model(encoder.path(weights), what, remedy));
    }
    let persona = Persona {
        character: source.character.clone(),
        folder: None,
        store: None,
        built_in: false,
        calibrated: source.calibration.as_ref().map(|found| found.min_score),
        outdated: false,
        unjudged: second.unjudged,
        second: second.stage,
        retriever: replies.retriever(model),
    };
    Ok((persona, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_character_is_told_what_his_lines_answer() {
        let open = |rerank| Persona::built_in(&Compute::Fast, rerank).unwrap().second;
        assert!(open(true).is_some_and(|second| second.told));
        assert!(open(false).is_none());
    }

    #[test]
    fn an_empty_project_names_the_first_command() {
        let folder = tempfile::tempdir().unwrap();
        let Err(error) = Persona::load(&Project::new(folder.path()), &Compute::Fast, true) else {
            panic!("a persona out of nothing");
        };
        assert_eq!(error.remedy(), Remedy::Make(Step::BuildIndex));
    }
}
