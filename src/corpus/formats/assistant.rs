//! Conversations with an assistant: OpenAI's `messages`, ShareGPT's `conversations`, a conversation a
//! line or all in one array.

use serde::Deserialize;
use serde_json::Value;

use crate::corpus::lines::{Line, of_scene};

/// Who asks.
const USER: &str = "user";
/// Who answers.
pub(super) const ASSISTANT: &str = "assistant";

#[derive(Deserialize)]
struct Conversation {
    #[serde(alias = "conversations", alias = "conversation", alias = "dialogue")]
    messages: Vec<Turn>,
}

#[derive(Deserialize)]
struct Turn {
    #[serde(alias = "from", alias = "speaker", default)]
    role: String,
    #[serde(alias = "value", alias = "text", default)]
    content: Value,
}

/// The lines; what the system and tools say is no speech.
pub(super) fn read(text: &str) -> serde_json::Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut take = |conversation: Conversation| lines.extend(of_scene(turns(conversation)));
    if text.trim_start().starts_with('[') {
        let all: Vec<Conversation> = serde_json::from_str(text)?;
        all.into_iter().for_each(&mut take);
    } else {
        for one in serde_json::Deserializer::from_str(text).into_iter() {
            take(one?);
        }
    }
    Ok(lines)
}

fn turns(conversation: Conversation) -> Vec<(String, String)> {
    let turns = conversation.messages.into_iter().filter_map(|turn| {
        let speaker = match turn.role.to_lowercase().as_str() {
            "user" | "human" | "prompter" => USER.to_owned(),
            "assistant" | "gpt" | "bot" | "model" | "chatgpt" | "bing" | "bard" => {
                ASSISTANT.to_owned()
            }
            "system" | "tool" | "function" | "developer" | "observation" | "function_call" => {
                return None;
            }
            _ => turn.role,
        };
        Some((speaker, words(turn.content)))
    });
    turns.collect()
}

/// What is said: a string, or the texts among several parts.
fn words(content: Value) -> String {
    match content {
        Value::String(text) => text,
        Value::Array(parts) => {
            let texts = parts.into_iter().filter_map(|part| match part {
                Value::String(text) => Some(text),
                Value::Object(mut part) => match part.remove("text") {
                    Some(Value::String(text)) => Some(text),
                    _ => None,
                },
                _ => None,
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_every_kind_are_read() {
        let openai = r#"{"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Tea?"}, {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]}]}"#;
        let sharegpt = r#"{"id": "1", "conversations": [{"from": "human", "value": "Tea?"}, {"from": "gpt", "value": "Yes."}]}"#;
        for text in [
            format!("{openai}\n{openai}\n"),
            format!("{sharegpt}\n\n{sharegpt}"),
            format!("[{sharegpt},\n {sharegpt}]"),
        ] {
            let lines = read(&text).unwrap();
            let said: Vec<(&str, &str, bool)> = lines
                .iter()
                .map(|line| (line.speaker.as_str(), line.text.as_str(), line.begins_scene))
                .collect();
            let one = [("user", "Tea?", true), ("assistant", "Yes.", false)];
            assert_eq!(said, [one, one].concat());
        }
    }
}
