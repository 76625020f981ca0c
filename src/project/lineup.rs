//! The systems that a project can be evaluated with: what needs no model, and what was trained.

use std::sync::Arc;

use serde::Deserialize;

use super::{Project, second_stage};
use crate::chat::Choice;
use crate::chat::second_stage::SecondStage;
use crate::error::Result;
use crate::eval::cases::Cases;
use crate::eval::rankers::{BiRanker, Bm25Ranker, Chance, Input, Ranker, TfIdfRanker};
use crate::eval::report::{Lineup, RerankingOf, System};
use crate::eval::staged::{Staged, Stages};
use crate::folder::Folder;
use crate::hf::checkpoint::weights_file;
use crate::hf::hub;
use crate::model::bi_encoder::BiEncoder;
use crate::nn::device::Compute;
use crate::ranker::LinearRanker;
use crate::train::run::Run;
use crate::watch::Watch;

/// Every system that `project` has, for `cases`.
///
/// # Errors
/// A model is there but damaged; [`crate::error::Error::Interrupted`].
pub(crate) fn lineup(
    project: &Project,
    compute: &Compute,
    cases: &Arc<Cases>,
    watch: &mut dyn Watch,
) -> Result<Lineup> {
    let mut lineup = Lineup::default();
    lineup.add("chance", "chance", Box::new(Chance));
    lineup.add("tfidf", "TF-IDF", Box::new(TfIdfRanker::new(cases)));
    lineup.add("bm25", "BM25", Box::new(Bm25Ranker::new(cases)));
    let retriever = project.retriever()?;
    match retriever.own.then(|| untuned(project)) {
        None => lineup.notes.push(format!(
            "there is no bi-encoder in {}: the encoder that comes with homer retrieves",
            project.bi_encoder().display()
        )),
        Some(Ok(folder)) => {
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
        Some(Err(note)) => lineup.notes.push(note),
    }
    watch.go_on()?;
    watch.note("embedding with the bi-encoder");
    let encoder = BiEncoder::load(&retriever.folder, compute)?;
    let bi = BiRanker::embed(&encoder, cases, Input::Context)?;
    let found = second_stage::find(project, &retriever.fingerprint, false, compute)?;
    let second = match weights_file(&project.cross_encoder_model()) {
        // The project's own is measured even where `ask` does not use it.
        Some(_) if !found.own => Some(second_stage::trained(project, compute)?),
        _ => None,
    };
    lineup.stages(cases, bi, found.stage, second);
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

    /// The bi-encoder alone, with the second stage `used` by `ask`, and with one that is `left_out`.
    fn stages(
        &mut self,
        cases: &Arc<Cases>,
        bi: BiRanker,
        used: Option<SecondStage>,
        left_out: Option<SecondStage>,
    ) {
        let bi: Arc<dyn Ranker> = Arc::new(bi);
        let alone = Stages::first(cases.clone(), bi.clone());
        self.add("bi", "bi-encoder", Box::new(Staged::new(&alone, None)));
        if let Some(second) = left_out {
            let (stages, ranker) = Stages::both(cases.clone(), bi.clone(), second);
            let staged = Staged::new(&stages, Some(ranker));
            self.add("own_cross", "own cross-encoder", Box::new(staged));
        }
        let (stages, ranker) = match used {
            Some(second) => {
                let (stages, ranker) = Stages::both(cases.clone(), bi, second);
                (stages, Some(ranker))
            }
            None => (alone, None),
        };
        if let Some(ranker) = &ranker {
            let cross = Staged::new(&stages, Some(LinearRanker::default()));
            self.add("cross", "cross-encoder decides", Box::new(cross));
            self.comparisons.push(("bi", "ask"));
            self.reranking = Some(RerankingOf {
                before: "bi",
                after: "ask",
                with_truth: Box::new(Staged::with_truth(&stages, Some(ranker.clone()))),
                candidates: Choice::default().top_k,
            });
        }
        let name = match ranker {
            Some(_) => "ask (reranks)",
            None => "ask (does not rerank)",
        };
        self.add("ask", name, Box::new(Staged::new(&stages, ranker)));
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
