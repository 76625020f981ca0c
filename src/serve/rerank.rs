//! `POST /v1/rerank`, in the shape that Jina and Cohere share.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::App;
use super::extract::{Body, whole};
use super::fault::Fault;
use super::host::Host;
use super::openai::Usage;
use super::openai::messages::check_length;
use super::work::{Pairs, Texts};

/// Documents of a request.
const MOST: usize = 1000;
/// The largest `top_n` that is meant.
const LARGEST: i64 = 1_000_000;

/// What is to be put in order.
#[derive(Deserialize)]
pub(crate) struct Request {
    model: Option<String>,
    query: Text,
    documents: Vec<Text>,
    #[serde(default, deserialize_with = "whole")]
    top_n: Option<i64>,
    return_documents: Option<bool>,
}

/// Both have had documents as texts and as objects with a text.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a text, or an object with a `text`")]
enum Text {
    Bare(String),
    Object { text: String },
}

impl Text {
    fn into_inner(self) -> String {
        match self {
            Self::Bare(text) | Self::Object { text } => text,
        }
    }
}

/// The order.
#[derive(Serialize)]
pub(crate) struct Ranking {
    id: String,
    model: String,
    results: Vec<Ranked>,
    usage: Usage,
}

#[derive(Serialize)]
struct Ranked {
    index: usize,
    relevance_score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Document>,
}

#[derive(Serialize)]
struct Document {
    text: String,
}

/// Puts documents in the order of their relevance to a query.
pub(crate) async fn rerank(
    State(app): State<Arc<App>>,
    Body(request): Body<Request>,
) -> Result<Json<Ranking>, Fault> {
    let host = app.host(request.model.as_deref())?;
    let query = request.query.into_inner();
    let mut documents: Vec<String> = request
        .documents
        .into_iter()
        .map(Text::into_inner)
        .collect();
    if documents.is_empty() || documents.len() > MOST {
        let what = format!("documents are from 1 to {MOST} texts");
        return Err(Fault::invalid(what).of("documents"));
    }
    check_length(&query).map_err(|fault| fault.of("query"))?;
    for document in &documents {
        check_length(document).map_err(|fault| fault.of("documents"))?;
    }
    let count = match request.top_n {
        Some(most) if (1..=LARGEST).contains(&most) => documents.len().min(most as usize),
        Some(_) => {
            return Err(Fault::invalid(format!("top_n is from 1 to {LARGEST}")).of("top_n"));
        }
        None => documents.len(),
    };
    let texts = documents.iter().chain([&query]).map(String::as_str);
    let usage = Usage::of(texts);
    let scores = relevance(&app, host, &query, &documents).await?;
    let mut order: Vec<(usize, f32)> = scores.into_iter().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    // Jina's clients expect the documents back unless they say otherwise, Cohere's don't mind.
    let with_documents = request.return_documents != Some(false);
    let results = order
        .into_iter()
        .take(count)
        .map(|(index, relevance_score)| Ranked {
            index,
            relevance_score,
            document: documents
                .get_mut(index)
                .filter(|_| with_documents)
                .map(|text| Document {
                    text: std::mem::take(text),
                }),
        });
    Ok(Json(Ranking {
        id: format!("rerank-{:016x}", rand::random::<u64>()),
        model: host.name().to_owned(),
        results: results.collect(),
        usage,
    }))
}

/// How relevant each document is: the persona's second stage says so as a probability, and where it
/// has none, the bi-encoder as a cosine. (Another scorer takes its place here.)
async fn relevance(
    app: &App,
    host: &Host,
    query: &str,
    documents: &[String],
) -> Result<Vec<f32>, Fault> {
    let persona = host.persona();
    if persona.second.is_some() {
        let pairs = Pairs {
            persona,
            query: query.to_owned(),
            documents: documents.to_vec(),
        };
        let logits = app.score.ask(pairs).await?;
        return Ok(logits
            .into_iter()
            .map(|x| 1.0 / (1.0 + (-x).exp()))
            .collect());
    }
    let texts = [query.to_owned()]
        .into_iter()
        .chain(documents.iter().cloned())
        .collect();
    let vectors = app.embed.ask(Texts { persona, texts }).await?;
    let Some((query, documents)) = vectors.split_first() else {
        return Err(Fault::internal());
    };
    let cosine = |document: &Vec<f32>| query.iter().zip(document).map(|(a, b)| a * b).sum();
    Ok(documents.iter().map(cosine).collect())
}
