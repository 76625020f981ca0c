//! A conversation as clients send it: all of it, every time.

use serde::Deserialize;

use crate::serve::fault::Fault;

/// Messages of a request.
const MOST: usize = 2000;
/// Characters of a text.
pub(crate) const LONGEST: usize = 20_000;
/// Turns that are kept as context; a persona minds the newest of them.
const TURNS: usize = 8;

/// A message.
#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    role: Role,
    #[serde(default)]
    content: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
    Function,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    untagged,
    expecting = "content is a text or a list of parts of the type `text`: homer reads nothing else"
)]
enum Content {
    #[default]
    Nothing,
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Part {
    Text { text: String },
}

impl Content {
    fn into_text(self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text(text) => text,
            Self::Parts(parts) => {
                let texts: Vec<_> = parts.into_iter().map(|Part::Text { text }| text).collect();
                texts.join("\n")
            }
        }
    }
}

/// A conversation as a persona needs it.
#[derive(Debug, PartialEq)]
pub(crate) struct Talk {
    /// The turns before the question, oldest first.
    pub context: Vec<String>,
    /// The last thing that the user said.
    pub question: String,
    /// Everything that the assistant said, even after the question: none of it is said again.
    pub said: Vec<String>,
}

/// Makes sense of messages.
///
/// What the system says is not for a character that can only pick lines. Of several messages of the
/// assistant in a row the last one stands; those before it were taken back, and are not said again.
///
/// # Errors
/// There are too many, one is too long, or the user said nothing.
pub(crate) fn understand(messages: Vec<Message>) -> Result<Talk, Fault> {
    if messages.len() > MOST {
        let what = format!("{} messages, where at most {MOST} are read", messages.len());
        return Err(Fault::invalid(what).of("messages"));
    }
    let mut turns: Vec<(Role, String)> = Vec::new();
    let mut said = Vec::new();
    for message in messages {
        let text = message.content.into_text();
        check_length(&text).map_err(|fault| fault.of("messages"))?;
        if is_blank(&text) {
            continue;
        }
        match message.role {
            Role::User => turns.push((Role::User, text)),
            Role::Assistant => {
                said.push(text.clone());
                match turns.last_mut() {
                    Some((Role::Assistant, stands)) => *stands = text,
                    _ => turns.push((Role::Assistant, text)),
                }
            }
            Role::System | Role::Developer | Role::Tool | Role::Function => {}
        }
    }
    let last = turns.iter().rposition(|(role, _)| *role == Role::User);
    let Some(last) = last else {
        let what = "there is no message of the role `user` that says something";
        return Err(Fault::invalid(what).of("messages"));
    };
    turns.truncate(last + 1);
    let (_, question) = turns.swap_remove(last);
    let context = turns.split_off(last.saturating_sub(TURNS));
    Ok(Talk {
        context: context.into_iter().map(|(_, text)| text).collect(),
        question,
        said,
    })
}

/// Refuses a text that is too long to be meant: the models read its first few dozen words.
///
/// # Errors
/// It is.
pub(crate) fn check_length(text: &str) -> Result<(), Fault> {
    if text.len() > LONGEST && text.chars().count() > LONGEST {
        let what = format!("a text of more than {LONGEST} characters");
        return Err(Fault::invalid(what));
    }
    Ok(())
}

/// Whether a text says nothing. (Python, and so many a client, takes the separators U+001C to U+001F
/// for white space too.)
pub(crate) fn is_blank(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn talk(messages: Value) -> Result<Talk, String> {
        let messages = serde_json::from_value(messages).map_err(|error| error.to_string())?;
        understand(messages).map_err(|fault| format!("{fault:?}"))
    }

    #[test]
    fn the_last_question_is_asked_and_what_was_said_before_is_context() {
        let talk = talk(json!([
            {"role": "system", "content": "You are a pirate."},
            {"role": "user", "content": "Hello?"},
            {"role": "assistant", "content": "Hm."},
            {"role": "assistant", "content": "Well."},
            {"role": "assistant", "content": null},
            {"role": "user", "content": [{"type": "text", "text": "Pie,"}, {"type": "text", "text": "or what?"}]},
            {"role": "assistant", "content": "Pie."},
            {"role": "tool", "content": "42", "tool_call_id": "x"},
        ]))
        .unwrap();
        let expected = Talk {
            context: vec!["Hello?".into(), "Well.".into()],
            question: "Pie,\nor what?".into(),
            said: vec!["Hm.".into(), "Well.".into(), "Pie.".into()],
        };
        assert_eq!(talk, expected);
    }

    #[test]
    fn only_the_newest_turns_are_context_and_everything_said_is_known() {
        let message = |i: usize| {
            let role = if i.is_multiple_of(2) {
                "user"
            } else {
                "assistant"
            };
            json!({"role": role, "content": format!("turn {i}")})
        };
        let talk = talk((0..31).map(message).collect()).unwrap();
        assert_eq!(talk.question, "turn 30");
        assert_eq!(talk.context.len(), TURNS);
        assert_eq!(talk.context.first().unwrap(), "turn 22");
        assert_eq!(talk.said.len(), 15);
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        for (messages, what) in [
            (json!([]), "user"),
            (json!([{"role": "user", "content": " \n\u{1f}"}]), "user"),
            (json!([{"role": "assistant", "content": "Hm."}]), "user"),
            (
                json!([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]),
                "text",
            ),
            (json!([{"role": "user", "content": 7}]), "text"),
            (json!([{"role": "king", "content": "Hm."}]), "king"),
            (
                json!([{"role": "user", "content": "é".repeat(LONGEST + 1)}]),
                "characters",
            ),
            (
                Value::Array(vec![json!({"role": "user", "content": "Hm."}); MOST + 1]),
                "at most",
            ),
        ] {
            let fault = talk(messages).unwrap_err();
            assert!(fault.contains(what), "{fault}");
        }
        assert!(talk(json!([{"role": "user", "content": "é".repeat(LONGEST)}])).is_ok());
    }
}
