//! What people have: every kind of script and chat, each read by a file of its own into the same stream
//! of lines.

mod assistant;
mod bots;
mod detect;
mod discord;
mod json_table;
#[cfg(test)]
mod mutated;
mod screenplay;
mod script_text;
mod slack;
mod subtitles;
mod telegram;
mod time;
mod whatsapp;

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::document::{Document, data};
use super::lines::{Line, of_chat};
use super::read::Source;
use super::scenes::Manner;
use crate::error::{Error, Remedy, Result, Setting};
use crate::text::printable::excerpt;

/// A kind of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Delimited text: commas, tabs, semicolons, pipes.
    Table,
    /// Records in JSON, in an array or one a line.
    Json,
    /// `NAME: line`.
    Script,
    /// Names alone in capitals; Fountain.
    Screenplay,
    /// SubRip and WebVTT.
    Subtitles,
    /// A WhatsApp chat.
    WhatsApp,
    /// Telegram's `result.json`.
    Telegram,
    /// DiscordChatExporter's JSON or CSV.
    Discord,
    /// Slack's export folder.
    Slack,
    /// OpenAI's and ShareGPT's conversations.
    Assistant,
    /// A ChatterBot corpus.
    ChatterBot,
    /// Rasa's training data.
    Rasa,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Table,
        Self::Json,
        Self::Script,
        Self::Screenplay,
        Self::Subtitles,
        Self::WhatsApp,
        Self::Telegram,
        Self::Discord,
        Self::Slack,
        Self::Assistant,
        Self::ChatterBot,
        Self::Rasa,
    ];

    /// What a user calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Script => "script",
            Self::Screenplay => "screenplay",
            Self::Subtitles => "subtitles",
            Self::WhatsApp => "whatsapp",
            Self::Telegram => "telegram",
            Self::Discord => "discord",
            Self::Slack => "slack",
            Self::Assistant => "assistant",
            Self::ChatterBot => "chatterbot",
            Self::Rasa => "rasa",
        }
    }

    /// What it is, and what its lines are called.
    fn described(self) -> (&'static str, &'static str) {
        match self {
            Self::Table => ("a table", "lines"),
            Self::Json => ("a table in JSON", "lines"),
            Self::Script => ("a script as text", "lines"),
            Self::Screenplay => ("a screenplay", "lines"),
            Self::Subtitles => ("subtitles", "lines"),
            Self::WhatsApp => ("a WhatsApp chat", "messages"),
            Self::Telegram => ("a Telegram export", "messages"),
            Self::Discord => ("a Discord channel", "messages"),
            Self::Slack => ("a Slack export", "messages"),
            Self::Assistant => ("conversations with an assistant", "messages"),
            Self::ChatterBot => ("a ChatterBot corpus", "lines"),
            Self::Rasa => ("Rasa's training data", "lines"),
        }
    }

    /// What it is, in words.
    pub(crate) fn what(self) -> &'static str {
        self.described().0
    }

    /// What its lines are called.
    pub(crate) fn lines(self) -> &'static str {
        self.described().1
    }

    /// How its lines are written.
    pub(super) fn manner(self) -> Manner {
        match self {
            Self::Table | Self::Json | Self::Script | Self::Screenplay | Self::Subtitles => {
                Manner::Script
            }
            _ => Manner::Written,
        }
    }

    /// Who is meant where the user names nobody.
    pub(super) fn character(self) -> Option<&'static str> {
        match self {
            Self::Assistant => Some(assistant::ASSISTANT),
            Self::ChatterBot | Self::Rasa => Some(bots::BOT),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// What is in one file.
pub(super) enum Content {
    /// Rows whose columns are still to be recognised.
    Table(Source),
    /// Lines of speech.
    Lines(Vec<Line>),
    /// Something that others need to be read by.
    Nothing,
}

/// Reads one file after the other; what one says may be needed for the next.
#[derive(Default)]
pub(super) struct Reader {
    users: slack::Users,
    rasa: bots::Rasa,
}

impl Reader {
    /// Reads a document as `format`, else as what it looks like. Chats begin a scene after `gap`
    /// seconds of silence.
    ///
    /// # Errors
    /// It is not what it looks like, or says nothing that can be used.
    pub(super) fn read(
        &mut self,
        document: Document,
        format: Option<Format>,
        gap: u64,
    ) -> Result<(Format, Content)> {
        let Document { path, text, .. } = &document;
        let format = format.unwrap_or_else(|| detect::detect(path, text));
        let json = |error: serde_json::Error| not_json(path, format, &error);
        let yaml = |error: bots::Wrong| {
            let text = excerpt(&error.to_string(), 200);
            broken(path, format, &text, None)
        };
        let lines = match format {
            Format::Table => return Ok((format, Content::Table(Source::of(document)?))),
            Format::Json => {
                let (header, rows) = json_table::read(text).map_err(json)?;
                return Ok((
                    format,
                    Content::Table(Source::of_records(document, header, rows)?),
                ));
            }
            Format::Script => script_text::read(text),
            Format::Screenplay => screenplay::read(text),
            Format::Subtitles => {
                let (lines, named) = subtitles::read(text);
                if named == 0 {
                    return Err(data(
                        path,
                        None,
                        "these subtitles do not say who speaks",
                        "take a version with names (for the deaf and hard of hearing), written `NAME: …` or \
                         `<v Name>…`, or a transcript of the show",
                    ));
                }
                lines
            }
            Format::WhatsApp => of_chat(whatsapp::read(text), gap),
            Format::Telegram => telegram::read(text, gap).map_err(json)?,
            Format::Discord if text.trim_start().starts_with('{') => {
                of_chat(discord::read_json(text).map_err(json)?, gap)
            }
            Format::Discord => {
                let messages = discord::read_csv(text);
                let wrong = |error: csv::Error| broken(path, format, &error.to_string(), None);
                of_chat(messages.map_err(wrong)?, gap)
            }
            Format::Slack => {
                if is_list(path) {
                    self.users.learn(text).map_err(json)?;
                    return Ok((format, Content::Nothing));
                }
                of_chat(slack::read(text, &self.users).map_err(json)?, gap)
            }
            Format::Assistant => assistant::read(text).map_err(json)?,
            Format::ChatterBot => bots::chatterbot(text).map_err(yaml)?,
            Format::Rasa => {
                self.rasa.learn(text).map_err(yaml)?;
                return Ok((format, Content::Nothing));
            }
        };
        if lines.is_empty() && format != Format::Slack {
            return Err(data(
                path,
                None,
                format!(
                    "read as {}, there is no line of speech in it",
                    format.what()
                ),
                Remedy::choose([Setting::Format]),
            ));
        }
        Ok((format, Content::Lines(lines)))
    }

    /// What can only be said when all files are read.
    pub(super) fn finish(self) -> Vec<Line> {
        self.rasa.lines()
    }
}

/// Slack's lists of people and channels.
fn is_list(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [
        "users.json",
        "org_users.json",
        "channels.json",
        "groups.json",
        "dms.json",
        "mpims.json",
        "integration_logs.json",
        "canvases.json",
    ]
    .contains(&&*name)
}

fn not_json(path: &Path, format: Format, error: &serde_json::Error) -> Error {
    broken(path, format, &error.to_string(), Some(error.line() as u64))
}

fn broken(path: &Path, format: Format, why: &str, row: Option<u64>) -> Error {
    data(
        path,
        row,
        format!(
            "it looks like {}, but cannot be read as that: {}",
            format.what(),
            excerpt(why, 200)
        ),
        Remedy::from("export it again, whole").or(Remedy::choose([Setting::Format])),
    )
}
