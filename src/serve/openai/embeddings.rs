//! `POST /v1/embeddings`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Usage;
use super::messages::check_length;
use crate::serve::App;
use crate::serve::extract::{Body, whole};
use crate::serve::fault::Fault;
use crate::serve::work::Texts;

/// Texts of a request.
const MOST: usize = 2048;

/// What is to be embedded.
#[derive(Deserialize)]
pub(crate) struct Request {
    model: Option<String>,
    input: Input,
    encoding_format: Option<Encoding>,
    #[serde(default, deserialize_with = "whole")]
    dimensions: Option<i64>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "input is a text or a list of texts: homer reads no token numbers"
)]
enum Input {
    One(String),
    Many(Vec<String>),
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Float,
    Base64,
}

/// The vectors.
#[derive(Serialize)]
pub(crate) struct Embeddings {
    object: &'static str,
    model: String,
    data: Vec<Embedding>,
    usage: Usage,
}

#[derive(Serialize)]
struct Embedding {
    object: &'static str,
    index: usize,
    embedding: Values,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Values {
    Float(Vec<f32>),
    Base64(String),
}

/// Embeds texts as the persona's replies are embedded.
pub(crate) async fn embed(
    State(app): State<Arc<App>>,
    Body(request): Body<Request>,
) -> Result<Json<Embeddings>, Fault> {
    let host = app.host(request.model.as_deref())?;
    let texts = match request.input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
    };
    if texts.is_empty() || texts.len() > MOST {
        return Err(Fault::invalid(format!("input is from 1 to {MOST} texts")).of("input"));
    }
    for text in &texts {
        check_length(text).map_err(|fault| fault.of("input"))?;
    }
    let usage = Usage::of(texts.iter().map(String::as_str));
    let persona = host.persona();
    let vectors = app.embed.ask(Texts { persona, texts }).await?;
    let width = vectors.first().map_or(0, Vec::len);
    if request
        .dimensions
        .is_some_and(|wanted| wanted != width as i64)
    {
        let what = format!("this model's vectors have {width} dimensions, and no other number");
        return Err(Fault::invalid(what).of("dimensions"));
    }
    let encoding = request.encoding_format.unwrap_or(Encoding::Float);
    let data = vectors
        .into_iter()
        .enumerate()
        .map(|(index, vector)| Embedding {
            object: "embedding",
            index,
            embedding: match encoding {
                Encoding::Float => Values::Float(vector),
                Encoding::Base64 => Values::Base64(base64(&vector)),
            },
        });
    Ok(Json(Embeddings {
        object: "list",
        model: host.name().to_owned(),
        data: data.collect(),
        usage,
    }))
}

/// The numbers' bytes, little-endian, as text.
fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}
