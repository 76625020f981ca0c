//! `POST /v1/feedback`: what people think of an answer, kept for training.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use super::extract::Body;
use super::fault::Fault;
use super::openai::messages::{check_length, is_blank};
use super::{App, chain};
use crate::dialogue::{Feedback, Verdict};
use crate::error::{Error, IoContext, Result};
use crate::files;

/// Turns of context.
const TURNS: usize = 64;
/// Bytes of the file: no stranger fills a disk.
const LARGEST: u64 = 64 << 20;

/// What somebody thinks of an answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    model: Option<String>,
    query: String,
    #[serde(default)]
    context: Vec<String>,
    reply: String,
    verdict: Verdict,
}

/// Keeps a verdict.
pub(crate) async fn keep(
    State(app): State<Arc<App>>,
    Body(request): Body<Request>,
) -> std::result::Result<StatusCode, Fault> {
    let host = app.host(request.model.as_deref())?;
    let name = host.name().to_owned();
    let path = host.feedback();
    if request.context.len() > TURNS {
        return Err(Fault::invalid(format!("context is at most {TURNS} turns")).of("context"));
    }
    for (text, param) in [(&request.query, "query"), (&request.reply, "reply")] {
        check_length(text).map_err(|fault| fault.of(param))?;
        if is_blank(text) {
            return Err(Fault::invalid(format!("{param} says nothing")).of(param));
        }
    }
    for turn in &request.context {
        check_length(turn).map_err(|fault| fault.of("context"))?;
    }
    let writing = Arc::clone(&app);
    let written = tokio::task::spawn_blocking(move || {
        let line = Feedback {
            query: request.query,
            context: request.context,
            reply: request.reply,
            verdict: request.verdict,
            persona: name,
        };
        let _alone = writing.writing.lock();
        append(&path, &line)
    });
    match written.await {
        Ok(Ok(())) => Ok(StatusCode::NO_CONTENT),
        Ok(Err(error)) => {
            tracing::error!("feedback is not kept: {}", chain(&error));
            Err(Fault::internal())
        }
        Err(_) => Err(Fault::internal()),
    }
}

/// Adds a line in one write, so that whoever reads meanwhile sees it whole. What people said is for
/// the eyes of the file's owner.
fn append(path: &Path, line: &Feedback) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).at("create", folder)?;
    }
    files::stays(path)?;
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).at("open", path)?;
    if file.metadata().at("read", path)?.len() > LARGEST {
        return Err(Error::Data {
            path: path.to_path_buf(),
            row: None,
            what: format!("more than {LARGEST} bytes"),
            remedy: "train with it, then move it aside".into(),
        });
    }
    let mut text = serde_json::to_vec(line)
        .map_err(std::io::Error::from)
        .at("write", path)?;
    text.push(b'\n');
    file.write_all(&text).at("write", path)
}
