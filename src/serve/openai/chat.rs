//! `POST /v1/chat/completions`.
#![allow(
    clippy::indexing_slicing,
    reason = "keys of values that are made here: JSON makes room for them"
)]

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::messages::{Message, understand};
use super::{Usage, now};
use crate::chat::decide::SAMPLED;
use crate::chat::{Candidate, Choice};
use crate::serve::App;
use crate::serve::extract::{Body, whole};
use crate::serve::fault::Fault;
use crate::serve::work::{Question, Told};

/// Answers to one question.
const MOST_ANSWERS: i64 = 32;
/// Candidates in an explanation.
const EXPLAINED: usize = 10;

/// What is asked.
#[derive(Deserialize)]
pub(crate) struct Request {
    model: Option<String>,
    messages: Vec<Message>,
    temperature: Option<f64>,
    #[serde(default, deserialize_with = "whole")]
    seed: Option<i64>,
    #[serde(default, deserialize_with = "whole")]
    n: Option<i64>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    /// homer's own: whether each answer comes with what else was considered.
    explain: Option<bool>,
}

#[derive(Default, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

/// A reply that was considered, with its scores and what it was said to in the script.
#[derive(Serialize)]
struct Considered<'a> {
    reply: &'a str,
    score: f32,
    /// The bi-encoder's.
    retrieval: f32,
    /// The cross-encoder's, if it was asked.
    rerank: Option<f32>,
    /// Place before reranking, from 1.
    place: usize,
    said_to: Option<SaidTo<'a>>,
    /// Exchanges of the script that it comes from.
    exchanges: usize,
    chosen: bool,
}

#[derive(Serialize)]
struct SaidTo<'a> {
    speaker: &'a str,
    text: &'a str,
}

/// Answers, as one object or as a stream of them.
pub(crate) async fn complete(
    State(app): State<Arc<App>>,
    Body(request): Body<Request>,
) -> Result<Response, Fault> {
    let host = app.host(request.model.as_deref())?;
    let answers = match request.n.unwrap_or(1) {
        n @ 1..=MOST_ANSWERS => n as usize,
        _ => {
            return Err(Fault::invalid(format!("n is from 1 to {MOST_ANSWERS}")).of("n"));
        }
    };
    let persona = host.persona();
    let mut choice = choice(&app, &request)?;
    if persona.second.is_none() && request.explain != Some(true) {
        // Nobody looks at the others.
        choice.top_k = choice.top_k.min(SAMPLED);
    }
    choice.top_k = choice.top_k.max(answers);
    let talk = understand(request.messages)?;
    let read = talk.context.iter().chain([&talk.question]);
    let usage = Usage::of(read.map(String::as_str));
    tracing::trace!(target: "homer::talk", persona = host.name(), asked = ?talk.question);
    let question = Question {
        persona,
        context: talk.context,
        text: talk.question,
        said: talk.said,
        choice,
        answers,
    };
    let told = app.talk.ask(question).await?;
    let completion = Completion::new(host.name(), usage, &told, request.explain == Some(true));
    tracing::trace!(target: "homer::talk", persona = host.name(), told = ?completion.replies);
    if request.stream != Some(true) {
        return Ok(Json(completion.whole()).into_response());
    }
    let options = request.stream_options.unwrap_or_default();
    let events = completion.events(options.include_usage == Some(true));
    let events = events.into_iter().map(Ok::<_, Infallible>);
    Ok(Sse::new(stream::iter(events)).into_response())
}

/// What the request says of how the answer is chosen; where it says nothing, the server's way.
fn choice(app: &App, request: &Request) -> Result<Choice, Fault> {
    let default = f64::from(app.choice.temperature);
    let temperature = request.temperature.unwrap_or(default);
    if request.temperature.is_some() && !(0.0..=2.0).contains(&temperature) {
        return Err(Fault::invalid("temperature is from 0 to 2").of("temperature"));
    }
    Ok(Choice {
        temperature: temperature as f32,
        // Any whole number is a seed.
        seed: request.seed.map_or_else(|| app.seed(), |seed| seed as u64),
        ..app.choice.clone()
    })
}

/// An answer on its way out.
struct Completion<'a> {
    id: String,
    created: u64,
    model: &'a str,
    usage: Usage,
    told: &'a Told,
    replies: Vec<&'a str>,
    explain: bool,
}

impl<'a> Completion<'a> {
    fn new(model: &'a str, read: Usage, told: &'a Told, explain: bool) -> Self {
        let chosen = told.chosen.iter().filter_map(|&i| told.candidates.get(i));
        let mut replies: Vec<&str> = chosen.map(|candidate| candidate.reply.as_str()).collect();
        // Where no line is good enough, the character says nothing.
        if replies.is_empty() {
            replies.push("");
        }
        Self {
            id: format!("chatcmpl-{:016x}", rand::random::<u64>()),
            created: now(),
            model,
            usage: read.and(replies.iter().copied()),
            told,
            replies,
            explain,
        }
    }

    fn whole(&self) -> Value {
        let choice = |(index, reply): (usize, &&str)| {
            let mut choice = json!({
                "index": index,
                "message": {"role": "assistant", "content": reply, "refusal": null},
                "logprobs": null,
                "finish_reason": "stop",
            });
            if self.explain {
                choice["explanation"] = self.explanation(index);
            }
            choice
        };
        let choices: Vec<Value> = self.replies.iter().enumerate().map(choice).collect();
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
            "usage": self.usage,
        })
    }

    /// The best candidates, and the answer if it is not among them.
    fn explanation(&self, answer: usize) -> Value {
        let chosen = self.told.chosen.get(answer).copied();
        let shown = self.told.candidates.iter().enumerate();
        let shown = shown.filter(|(i, _)| *i < EXPLAINED || Some(*i) == chosen);
        shown
            .map(|(i, candidate)| json!(Considered::new(candidate, Some(i) == chosen)))
            .collect()
    }

    /// One event says who speaks, one a word what is said, one that it is all, for each answer.
    fn events(&self, usage: bool) -> Vec<Event> {
        let mut chunks = Vec::new();
        for (index, reply) in self.replies.iter().enumerate() {
            chunks.push(self.chunk(index, json!({"role": "assistant", "content": ""}), None));
            for word in reply.split_inclusive(' ') {
                chunks.push(self.chunk(index, json!({"content": word}), None));
            }
            let mut last = self.chunk(index, json!({}), Some("stop"));
            if self.explain {
                last["choices"][0]["explanation"] = self.explanation(index);
            }
            chunks.push(last);
        }
        if usage {
            let mut chunk = self.head();
            chunk["choices"] = json!([]);
            chunk["usage"] = json!(self.usage);
            chunks.push(chunk);
        }
        let events = chunks
            .iter()
            .map(|chunk| Event::default().data(chunk.to_string()));
        events.chain([Event::default().data("[DONE]")]).collect()
    }

    fn chunk(&self, index: usize, delta: Value, finish_reason: Option<&str>) -> Value {
        let mut chunk = self.head();
        chunk["choices"] = json!([{
            "index": index,
            "delta": delta,
            "logprobs": null,
            "finish_reason": finish_reason,
        }]);
        chunk
    }

    fn head(&self) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
        })
    }
}

impl<'a> Considered<'a> {
    fn new(candidate: &'a Candidate, chosen: bool) -> Self {
        Self {
            reply: &candidate.reply,
            score: candidate.score,
            retrieval: candidate.retrieval,
            rerank: candidate.rerank,
            place: candidate.rank_before + 1,
            said_to: candidate.origin.as_ref().map(|origin| SaidTo {
                speaker: &origin.query.speaker,
                text: &origin.query.text,
            }),
            exchanges: candidate.exchanges.len(),
            chosen,
        }
    }
}
