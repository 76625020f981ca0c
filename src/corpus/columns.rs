//! The columns that are read of a table, and how the user names them.

use serde::{Deserialize, Serialize};

use super::document::data;
use super::headers::same;
use super::read::Source;
use crate::error::{Error, Result};

/// Column names that the user gave; what is not given is recognised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Named {
    /// Script: who speaks.
    pub speaker: Option<String>,
    /// Script: what is said.
    pub text: Option<String>,
    /// Script: a change in any of these begins a scene.
    pub scenes: Vec<String>,
    /// Pairs: what is answered.
    pub query: Option<String>,
    /// Pairs: the answer.
    pub reply: Option<String>,
    /// Pairs: what was said before.
    pub context: Option<String>,
    /// Pairs: 1 where the reply is the character's.
    pub label: Option<String>,
}

/// The columns that are read, by name, as written in the header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "lowercase")]
pub enum Columns {
    /// A line of speech a row.
    Script {
        /// Who speaks.
        speaker: String,
        /// What is said.
        text: String,
        /// A change in any of these begins a scene, as an empty row does.
        scenes: Vec<String>,
    },
    /// A query and its reply a row.
    Pairs {
        /// What is answered.
        query: String,
        /// What goes on with the query, where it has two parts: `instruction` and `input`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        more: Option<String>,
        /// The answer.
        reply: String,
        /// What was said before.
        context: Option<String>,
        /// 1 where the reply is the character's.
        label: Option<String>,
    },
}

impl Columns {
    /// Which column is taken for what, in words.
    pub(crate) fn described(&self) -> Vec<(&'static str, String)> {
        let list = |columns: &[(&'static str, Option<&String>)]| {
            let there = columns.iter();
            there
                .filter_map(|(role, column)| Some((*role, (*column)?.clone())))
                .collect()
        };
        match self {
            Self::Script {
                speaker,
                text,
                scenes,
            } => {
                let scenes = (!scenes.is_empty()).then(|| scenes.join(", "));
                list(&[
                    ("speaker", Some(speaker)),
                    ("text", Some(text)),
                    ("scenes", scenes.as_ref()),
                ])
            }
            Self::Pairs {
                query,
                more,
                reply,
                context,
                label,
            } => list(&[
                ("query", Some(query)),
                ("and", more.as_ref()),
                ("reply", Some(reply)),
                ("context", context.as_ref()),
                ("label", label.as_ref()),
            ]),
        }
    }
}

/// `1`, `1.0`, `true`, `yes` and their opposites, in any case.
pub(super) fn is_own(label: &str) -> Option<bool> {
    match label.trim().to_lowercase().as_str() {
        "true" | "yes" => Some(true),
        "false" | "no" => Some(false),
        number => match number.parse::<f64>() {
            Ok(1.0) => Some(true),
            Ok(0.0) => Some(false),
            _ => None,
        },
    }
}

/// The place of a recognised column in the header.
pub(super) fn place(source: &Source, name: &str) -> Result<usize> {
    let position = source.header().iter().position(|column| column == name);
    position.ok_or_else(|| no_such(source, name))
}

/// The column that the user means: as written, else in any case, else by its number.
pub(super) fn exact(source: &Source, name: &str) -> Result<usize> {
    let header = source.header();
    let written = header.iter().position(|column| column == name);
    let number = || {
        let number: usize = name.trim().parse().ok()?;
        number
            .checked_sub(1)
            .filter(|&at| at < header.len() && source.is_headless())
    };
    let found = written.or_else(|| same(header, name)).or_else(number);
    found.ok_or_else(|| no_such(source, name))
}

fn no_such(source: &Source, name: &str) -> Error {
    data(
        source.path(),
        None,
        format!("there is no column \"{name}\""),
        format!("its columns are: {}", list(source)),
    )
}

/// The columns' names, for messages.
pub(super) fn list(source: &Source) -> String {
    let names = source.header().iter().map(|name| match name.as_str() {
        "" => "(unnamed)",
        name => name,
    });
    names.collect::<Vec<_>>().join(", ")
}
