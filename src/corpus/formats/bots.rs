//! What older chatbots were made of, in YAML: ChatterBot's corpora and Rasa's training data.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

use crate::corpus::lines::{Line, of_scene};

/// Who asks.
const USER: &str = "user";
/// Who answers.
pub(super) const BOT: &str = "bot";

/// Why a YAML file could not be read.
pub(super) type Wrong = Box<serde_saphyr::Error>;

#[derive(Deserialize)]
struct Corpus {
    #[serde(default)]
    conversations: Vec<Vec<Value>>,
}

/// The lines of a ChatterBot corpus. As ChatterBot's trainer has it, every line of a conversation
/// answers the one before.
pub(super) fn chatterbot(text: &str) -> Result<Vec<Line>, Wrong> {
    let corpus: Corpus = serde_saphyr::from_str(text).map_err(Box::new)?;
    let scenes = corpus.conversations.into_iter().flat_map(|turns| {
        let speakers = [USER, BOT].into_iter().cycle();
        of_scene(speakers.zip(turns.into_iter().map(words)))
    });
    Ok(scenes.collect())
}

fn words(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Rasa's files, which say together what one alone does not: what people write (`nlu`), what the bot
/// says (`responses`), and which follows which (`stories`, `rules`).
#[derive(Debug, Default)]
pub(super) struct Rasa {
    examples: BTreeMap<String, Vec<String>>,
    responses: BTreeMap<String, Vec<String>>,
    stories: Vec<Vec<Step>>,
}

#[derive(Debug, Deserialize)]
struct RasaFile {
    #[serde(default)]
    nlu: Vec<Intent>,
    #[serde(default)]
    responses: BTreeMap<String, Vec<Response>>,
    #[serde(default)]
    stories: Vec<Story>,
    #[serde(default)]
    rules: Vec<Story>,
}

#[derive(Debug, Deserialize)]
struct Intent {
    #[serde(default)]
    intent: String,
    #[serde(default)]
    examples: Value,
}

#[derive(Debug, Deserialize)]
struct Response {
    #[serde(default)]
    text: String,
}

#[derive(Debug, Deserialize)]
struct Story {
    #[serde(default)]
    steps: Vec<Step>,
}

/// A step of a story; a checkpoint or a slot has none of these.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Step {
    user: Option<String>,
    intent: Option<String>,
    bot: Option<String>,
    action: Option<String>,
}

impl Rasa {
    /// Learns what a file says.
    pub(super) fn learn(&mut self, text: &str) -> Result<(), Wrong> {
        let file: RasaFile = serde_saphyr::from_str(text).map_err(Box::new)?;
        for intent in file.nlu {
            let examples: Vec<String> = match intent.examples {
                Value::String(list) => list.lines().map(example).collect(),
                Value::Array(list) => list
                    .into_iter()
                    .map(|item| match item {
                        Value::Object(mut item) => {
                            item.remove("text").map_or_else(String::new, words)
                        }
                        other => words(other),
                    })
                    .map(|item| example(&item))
                    .collect(),
                _ => Vec::new(),
            };
            let examples = examples.into_iter().filter(|one| !one.is_empty());
            self.examples
                .entry(intent.intent)
                .or_default()
                .extend(examples);
        }
        for (name, responses) in file.responses {
            let texts = responses.into_iter().map(|one| one.text);
            let texts = texts.filter(|text| !text.trim().is_empty());
            self.responses.entry(name).or_default().extend(texts);
        }
        let stories = file.stories.into_iter().chain(file.rules);
        self.stories.extend(stories.map(|story| story.steps));
        Ok(())
    }

    /// Every example with a response that follows it in some story, and the stories that are written
    /// out.
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut said = HashSet::new();
        for steps in &self.stories {
            let mut told = Vec::new();
            let mut intent: Option<&str> = None;
            for step in steps {
                let action = step
                    .action
                    .as_deref()
                    .and_then(|name| self.responses.get(name));
                if let Some(text) = &step.user {
                    told.push((USER, text.clone()));
                    intent = None;
                } else if step.intent.is_some() {
                    intent = step.intent.as_deref();
                } else if let Some(text) = &step.bot {
                    told.push((BOT, text.clone()));
                } else if let Some(responses) = action.filter(|texts| !texts.is_empty()) {
                    // Only the first action of a turn answers the user; many stories begin alike.
                    let asked = intent
                        .take()
                        .filter(|&intent| said.insert((intent, step.action.as_deref())));
                    let examples = asked.and_then(|intent| self.examples.get(intent));
                    for (example, response) in
                        examples.into_iter().flatten().zip(responses.iter().cycle())
                    {
                        lines.extend(of_scene([(USER, example.clone()), (BOT, response.clone())]));
                    }
                }
            }
            lines.extend(of_scene(told));
        }
        lines
    }
}

/// `- from [Berlin](city) please` as a person writes it.
fn example(item: &str) -> String {
    let item = item.trim().trim_start_matches('-').trim();
    let mut text = String::new();
    let mut rest = item;
    while let Some((before, marked)) = rest.split_once('[') {
        text.push_str(before);
        let Some((word, after)) = marked.split_once(']') else {
            text.push('[');
            rest = marked;
            break;
        };
        text.push_str(word);
        let closing = match after.chars().next() {
            Some('(') => Some(')'),
            Some('{') => Some('}'),
            _ => None,
        };
        rest = closing
            .and_then(|closing| after.split_once(closing))
            .map_or(after, |(_, rest)| rest);
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &[Line]) -> Vec<(&str, &str, bool)> {
        let lines = lines.iter();
        lines
            .map(|line| (line.speaker.as_str(), line.text.as_str(), line.begins_scene))
            .collect()
    }

    #[test]
    fn chatterbots_corpora_are_read() {
        let lines = chatterbot(
            "categories:\n- tea\nconversations:\n- - Tea?\n  - Yes.\n  - Now?\n- - How many?\n  - 2\n",
        )
        .unwrap();
        let expected = [
            ("user", "Tea?", true),
            ("bot", "Yes.", false),
            ("user", "Now?", false),
            ("user", "How many?", true),
            ("bot", "2", false),
        ];
        assert_eq!(said(&lines), expected);
    }

    #[test]
    fn rasas_files_are_read_together() {
        let mut rasa = Rasa::default();
        for file in [
            "version: '3.1'\nnlu:\n- intent: greet\n  examples: |\n    - hello\n    - hi [Bo](name)\n- lookup: x\n  examples: |\n    - y\n",
            "intents:\n- greet\nresponses:\n  utter_greet:\n  - text: Good day.\n  utter_more:\n  - text: More.\n  - image: a.png\n",
            "stories:\n- story: one\n  steps:\n  - intent: greet\n  - action: utter_greet\n  - action: utter_more\n- story: two\n  steps:\n  - user: |-\n      tea?\n    intent: x\n  - bot: Yes.\n",
        ] {
            rasa.learn(file).unwrap();
        }
        let expected = [
            ("user", "hello", true),
            ("bot", "Good day.", false),
            ("user", "hi Bo", true),
            ("bot", "Good day.", false),
            ("user", "tea?", true),
            ("bot", "Yes.", false),
        ];
        assert_eq!(said(&rasa.lines()), expected);
    }
}
