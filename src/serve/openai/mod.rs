//! The shapes of OpenAI's API, as far as they mean something here.
//!
//! What is not named is ignored: a client may send more.

pub(crate) mod chat;
pub(crate) mod embeddings;
pub(crate) mod messages;
pub(crate) mod models;

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// What a request cost. Whole lines are picked, no tokens are made: words are counted.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Usage {
    /// Words of what was asked.
    pub prompt_tokens: usize,
    /// Words of the answers; embeddings have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_tokens: Option<usize>,
    /// Both.
    pub total_tokens: usize,
}

impl Usage {
    /// That of texts that were read.
    pub(crate) fn of<'a>(read: impl IntoIterator<Item = &'a str>) -> Self {
        let prompt_tokens = words(read);
        Self {
            prompt_tokens,
            completion_tokens: None,
            total_tokens: prompt_tokens,
        }
    }

    /// And of those that were said.
    pub(crate) fn and<'a>(self, said: impl IntoIterator<Item = &'a str>) -> Self {
        let said = words(said);
        Self {
            completion_tokens: Some(said),
            total_tokens: self.prompt_tokens + said,
            ..self
        }
    }
}

fn words<'a>(texts: impl IntoIterator<Item = &'a str>) -> usize {
    let words = |text: &str| text.split_whitespace().count();
    texts.into_iter().map(words).sum()
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
