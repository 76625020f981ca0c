//! The systems that a project can be evaluated with: what needs no model, and what was trained.

use std::sync::Arc;

use serde::Deserialize;

use super::Project;
use super::verdict::CrossVerdict;
use crate::chat::Choice;
use crate::chat::persona::{Fusion, Rerank};
use crate::error::Result;
use crate::eval::cases::Cases;
use crate::eval::rankers::{BiRanker, Bm25Ranker, Chance, Input, Ranker, TfIdfRanker};
use crate::eval::report::{Lineup, RerankingOf, System};
use crate::eval::staged::{Staged, Stages};
use crate::fingerprint;
use crate::folder::Folder;
use crate::hf::checkpoint::weights_file;
use crate::hf::hub;
use crate::model::bi_encoder::BiEncoder;
use crate::model::cross_encoder::CrossEncoder;
use crate::nn::device::Compute;
use crate::train::run::{Run, require_bi_encoder};
use crate::watch::Watch;

/// Every system that `project` has, for `cases`.
///
/// # Errors
/// A model is there but damaged; [`crate::error::Error::Interrupted`].
pub fn lineup(
    project: &Project,
    compute: &Compute,
    cases: &Arc<Cases>,
    watch: &mut dyn Watch,
) -> Result<Lineup> {
    let mut lineup = Lineup::default();
    lineup.add("chance", "chance", Box::new(Chance));
    lineup.add("tfidf", "TF-IDF", Box::new(TfIdfRanker::new(cases)));
    lineup.add("bm25", "BM25", Box::new(Bm25Ranker::new(cases)));
    let Ok(trained) = require_bi_encoder(&project.bi_encoder_model()) else {
        lineup.notes.push(format!(
            "there is no bi-encoder in {}: what needs one is left out",
            project.bi_encoder().display()
        ));
        return Ok(lineup);
    };
    match untuned(project) {
        Ok(folder) => {
            watch.note("embedding with the untuned encoder");
            let encoder = BiEncoder::load(&folder, compute)?;
            for (key, name, input) in [
                ("untuned_query", "untuned, query alone", Input::Query),
                ("untuned", "untuned encoder", Input::Context),
            ] {
                let ranker = BiRanker::embed(&encoder, cases, input)?;
                lineup.add(key, name, Box::new(ranker));
            }
            lineup
                .comparisons
                .extend([("untuned_query", "bi"), ("untuned", "bi")]);
        }
        Err(note) => lineup.notes.push(note),
    }
    watch.go_on()?;
    watch.note("embedding with the bi-encoder");
    let encoder = BiEncoder::load(&trained.folder, compute)?;
    let bi = BiRanker::embed(&encoder, cases, Input::Context)?;
    let cross = if weights_file(&project.cross_encoder_model()).is_some() {
        let cross = CrossEncoder::load(&project.cross_encoder_model(), compute)?;
        Some(Box::new(cross) as Box<dyn Rerank>)
    } else {
        lineup.notes.push(format!(
            "there is no cross-encoder in {}: what needs one is left out",
            project.cross_encoder().display()
        ));
        None
    };
    let settings = CrossVerdict::read(project)?;
    let default = settings.in_use(&fingerprint::of_file(&trained.weights)?);
    lineup.stages(cases, Box::new(bi), cross, settings.fusion, default);
    Ok(lineup)
}

impl Lineup {
    fn add(&mut self, key: &'static str, name: impl Into<String>, ranker: Box<dyn Ranker>) {
        self.systems.push(System {
            key,
            name: name.into(),
            ranker,
        });
    }

    /// The bi-encoder, alone and with what there is of a cross-encoder, by the weights that were
    /// `fitted` on validation, and what `ask` makes of both by `default`.
    fn stages(
        &mut self,
        cases: &Arc<Cases>,
        bi: Box<dyn Ranker>,
        cross: Option<Box<dyn Rerank>>,
        fitted: Option<Fusion>,
        default: Option<Fusion>,
    ) {
        let reranks = cross.is_some();
        let stages = Stages::new(cases.clone(), bi, cross);
        self.add("bi", "bi-encoder", Box::new(Staged::new(&stages, None)));
        if reranks {
            let alone = Staged::new(&stages, Some(Fusion::default()));
            self.add("cross", "cross-encoder decides", Box::new(alone));
            let fitted = fitted.filter(|fusion| fusion.cross != 0.0);
            if let Some(fusion) = fitted {
                let both = Staged::new(&stages, Some(fusion));
                self.add("reranked", "bi-encoder + cross-encoder", Box::new(both));
            }
            let after = fitted.map_or("cross", |_| "reranked");
            let fusion = fitted.unwrap_or_default();
            self.comparisons.push(("bi", after));
            self.reranking = Some(RerankingOf {
                before: "bi",
                after,
                with_truth: Box::new(Staged::with_truth(&stages, Some(fusion))),
                candidates: Choice::default().top_k,
            });
        }
        let default = default.filter(|_| reranks);
        let name = match default {
            Some(_) => "ask (reranks)",
            None => "ask (does not rerank)",
        };
        self.add("ask", name, Box::new(Staged::new(&stages, default)));
        self.comparisons.push(("bm25", "ask"));
    }
}

/// What `train-bi` says about where it started from.
#[derive(Deserialize)]
struct Begun {
    settings: Named,
}

#[derive(Deserialize)]
struct Named {
    encoder: String,
}

/// The folder of the encoder that the bi-encoder was before training, or why there is none: it is
/// not downloaded only to be compared with.
fn untuned(project: &Project) -> std::result::Result<Folder, String> {
    let folder = project.bi_encoder();
    let begun: Begun = Run::settings(&folder).map_err(|_| {
        format!(
            "the run in {} does not name the encoder that it started from: its row is left out",
            folder.display()
        )
    })?;
    let name = begun.settings.encoder;
    hub::local(&name).ok_or_else(|| {
        format!("the encoder that training started from, {name}, is not here: its row is left out")
    })
}
