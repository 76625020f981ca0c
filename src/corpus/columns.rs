//! Which column is what: by the user's word, else by the names that well-known files use.

use serde::{Deserialize, Serialize};

use super::read::{Source, data};
use crate::error::{Error, Remedy, Result, Setting};

/// Column names that the user gave; what is not given is recognised.
#[derive(Debug, Clone, Default)]
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
        /// The answer.
        reply: String,
        /// What was said before.
        context: Option<String>,
        /// 1 where the reply is the character's.
        label: Option<String>,
    },
}

// Of several that are there, the first in the list is taken: the specific before the general.
const SPEAKER: [&str; 8] = [
    "raw_character_text",
    "speaker",
    "character",
    "character_name",
    "speaker_name",
    "name",
    "person",
    "who",
];
const TEXT: [&str; 13] = [
    "spoken_words",
    "dialogue",
    "dialog",
    "line_text",
    "spoken_text",
    "utterance",
    "speech",
    "line",
    "lines",
    "text",
    "sentence",
    "quote",
    "words",
];
const SCENES: [&str; 9] = [
    "season",
    "episode",
    "episode_id",
    "episode_number",
    "scene",
    "scene_id",
    "scene_number",
    "conversation",
    "conversation_id",
];
const QUERY: [&str; 6] = ["query", "question", "prompt", "input", "instruction", "q"];
const REPLY: [&str; 7] = [
    "reply",
    "answer",
    "response",
    "output",
    "completion",
    "target",
    "a",
];
const CONTEXT: [&str; 2] = ["context", "history"];
const LABEL: [&str; 1] = ["label"];

impl Columns {
    /// Recognises the columns of `source`; names that the user gave come first.
    ///
    /// # Errors
    /// A named column that is not there; neither a script nor pairs.
    pub fn recognise(source: &Source, named: &Named) -> Result<Self> {
        let find = |given: &Option<String>, known: &[&str]| -> Result<Option<String>> {
            match given {
                Some(name) => exact(source, name).map(Some),
                None => Ok(known.iter().find_map(|name| same(source.header(), name))),
            }
        };
        let script_named =
            named.speaker.is_some() || named.text.is_some() || !named.scenes.is_empty();
        let pairs_named = [&named.query, &named.reply, &named.context, &named.label]
            .iter()
            .any(|name| name.is_some());

        let mut found = Vec::new();
        if !pairs_named {
            let speaker = find(&named.speaker, &SPEAKER)?;
            let text = find(&named.text, &TEXT)?;
            if let (Some(speaker), Some(text)) = (&speaker, &text) {
                if speaker == text {
                    return Err(Error::setting(
                        format!("column \"{text}\" cannot hold both the speaker and the text"),
                        Remedy::choose([Setting::SpeakerColumn, Setting::TextColumn]),
                    ));
                }
                return Ok(Self::Script {
                    speaker: speaker.clone(),
                    text: text.clone(),
                    scenes: scenes(source, &named.scenes)?,
                });
            }
            found.extend([("speaker", speaker), ("text", text)]);
        }
        if !script_named {
            let query = find(&named.query, &QUERY)?;
            let reply = find(&named.reply, &REPLY)?;
            if let (Some(query), Some(reply)) = (&query, &reply) {
                if query == reply {
                    return Err(Error::setting(
                        format!("column \"{reply}\" cannot hold both the query and the reply"),
                        Remedy::choose([Setting::QueryColumn, Setting::ReplyColumn]),
                    ));
                }
                return Ok(Self::Pairs {
                    query: query.clone(),
                    reply: reply.clone(),
                    context: find(&named.context, &CONTEXT)?,
                    label: find(&named.label, &LABEL)?,
                });
            }
            found.extend([("query", query), ("reply", reply)]);
        }
        Err(unrecognised(source, &found))
    }
}

/// The place of a recognised column in the header.
pub(super) fn place(source: &Source, name: &str) -> Result<usize> {
    let position = source.header().iter().position(|column| column == name);
    position.ok_or_else(|| no_such(source, name))
}

fn scenes(source: &Source, named: &[String]) -> Result<Vec<String>> {
    if named.is_empty() {
        let known = SCENES.iter().filter_map(|name| same(source.header(), name));
        return Ok(known.collect());
    }
    named.iter().map(|name| exact(source, name)).collect()
}

/// The column that the user means: as written, else in any case.
fn exact(source: &Source, name: &str) -> Result<String> {
    let header = source.header();
    if let Some(column) = header.iter().find(|column| *column == name) {
        return Ok(column.clone());
    }
    same(header, name).ok_or_else(|| no_such(source, name))
}

/// Case, and how words are joined, do not count: `Line Text` is `line_text`.
fn same(header: &[String], name: &str) -> Option<String> {
    let plain = |name: &str| name.trim().to_lowercase().replace([' ', '-', '.'], "_");
    let wanted = plain(name);
    header
        .iter()
        .find(|column| !column.is_empty() && plain(column) == wanted)
        .cloned()
}

fn no_such(source: &Source, name: &str) -> Error {
    data(
        source.path(),
        None,
        format!("there is no column \"{name}\""),
        format!("its columns are: {}", list(source)),
    )
}

fn unrecognised(source: &Source, found: &[(&str, Option<String>)]) -> Error {
    let missing: Vec<&str> = found
        .iter()
        .filter(|(_, column)| column.is_none())
        .map(|(role, _)| *role)
        .collect();
    let [script, pairs] = [
        [Setting::SpeakerColumn, Setting::TextColumn],
        [Setting::QueryColumn, Setting::ReplyColumn],
    ];
    let remedy = match missing.as_slice() {
        // Half of a shape is there: say which column would make it whole.
        ["speaker"] => Remedy::choose([Setting::SpeakerColumn]),
        ["text"] => Remedy::choose([Setting::TextColumn]),
        ["query"] => Remedy::choose([Setting::QueryColumn]),
        ["reply"] => Remedy::choose([Setting::ReplyColumn]),
        ["speaker", "text"] => Remedy::choose(script),
        ["query", "reply"] => Remedy::choose(pairs),
        _ => Remedy::choose(script).or(Remedy::choose(pairs)),
    };
    data(
        source.path(),
        None,
        format!("cannot tell which column is what among: {}", list(source)),
        remedy,
    )
}

fn list(source: &Source) -> String {
    let names = source.header().iter().map(|name| match name.as_str() {
        "" => "(unnamed)",
        name => name,
    });
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognise(header: &str, named: &Named) -> Result<Columns> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.csv");
        std::fs::write(&path, header).unwrap();
        Columns::recognise(&Source::read(&path, None).unwrap(), named)
    }

    fn script(speaker: &str, text: &str, scenes: &[&str]) -> Columns {
        Columns::Script {
            speaker: speaker.into(),
            text: text.into(),
            scenes: scenes.iter().map(|&name| name.into()).collect(),
        }
    }

    #[test]
    fn well_known_files_are_recognised() {
        let none = Named::default();
        for (header, speaker, text, scenes) in [
            (
                ",raw_character_text,spoken_words",
                "raw_character_text",
                "spoken_words",
                &[][..],
            ),
            (
                "raw_character_text,dialogue",
                "raw_character_text",
                "dialogue",
                &[],
            ),
            ("Character,Line", "Character", "Line", &[]),
            ("NAME;Line Text", "NAME", "Line Text", &[]),
            (
                "id,season,episode,scene,line_text,speaker,deleted",
                "speaker",
                "line_text",
                &["season", "episode", "scene"],
            ),
            ("name,text,question,answer", "name", "text", &[]),
        ] {
            assert_eq!(
                recognise(header, &none).unwrap(),
                script(speaker, text, scenes),
                "{header}"
            );
        }
        let pairs =
            |query: &str, reply: &str, context: Option<&str>, label: Option<&str>| Columns::Pairs {
                query: query.into(),
                reply: reply.into(),
                context: context.map(Into::into),
                label: label.map(Into::into),
            };
        assert_eq!(
            recognise(",A,Q,Context,len_Context,label", &none).unwrap(),
            pairs("Q", "A", Some("Context"), Some("label"))
        );
        assert_eq!(
            recognise("Question\tResponse", &none).unwrap(),
            pairs("Question", "Response", None, None)
        );
    }

    #[test]
    fn the_users_names_come_first() {
        let named = Named {
            speaker: Some("wer".into()),
            scenes: vec!["AKT".into()],
            ..Named::default()
        };
        assert_eq!(
            recognise("wer,speaker,text,akt,scene", &named).unwrap(),
            script("wer", "text", &["akt"])
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let refused = |header: &str, named: &Named| {
            let error = recognise(header, named).unwrap_err();
            (error.to_string(), error.remedy())
        };
        let none = Named::default();
        let (text, remedy) = refused("foo,,bar", &none);
        assert!(text.contains("foo, (unnamed), bar"), "{text}");
        let script = Remedy::choose([Setting::SpeakerColumn, Setting::TextColumn]);
        let pairs = Remedy::choose([Setting::QueryColumn, Setting::ReplyColumn]);
        assert_eq!(remedy, script.or(pairs));
        let named = Named {
            text: Some("nope".into()),
            ..Named::default()
        };
        let (text, remedy) = refused("speaker,line", &named);
        assert!(text.contains("no column \"nope\""), "{text}");
        assert!(remedy.to_string().contains("speaker, line"), "{remedy}");
        let named = Named {
            text: Some("said".into()),
            ..Named::default()
        };
        let (_, remedy) = refused("x,said", &named);
        assert_eq!(remedy, Remedy::choose([Setting::SpeakerColumn]));
        let named = Named {
            reply: Some("x".into()),
            ..Named::default()
        };
        let (_, remedy) = refused("x,said", &named);
        assert_eq!(remedy, Remedy::choose([Setting::QueryColumn]));
    }
}
