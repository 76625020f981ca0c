//! Telegram Desktop's export, `result.json`: of one chat, or of all.

use std::collections::HashMap;

use serde::Deserialize;

use super::time;
use crate::corpus::lines::{Line, Message, of_chat};

#[derive(Deserialize)]
struct Export {
    #[serde(default)]
    messages: Vec<Post>,
    chats: Option<Chats>,
    left_chats: Option<Chats>,
}

#[derive(Deserialize)]
struct Chats {
    #[serde(default)]
    list: Vec<Chat>,
}

#[derive(Deserialize)]
struct Chat {
    #[serde(default)]
    messages: Vec<Post>,
}

#[derive(Deserialize)]
struct Post {
    #[serde(default)]
    id: i64,
    #[serde(rename = "type", default)]
    kind: String,
    date: Option<String>,
    from: Option<String>,
    from_id: Option<serde_json::Value>,
    reply_to_message_id: Option<i64>,
    #[serde(default)]
    text: Text,
}

/// What a message says: a string, or strings and marked-up pieces in turn.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Pieces(Vec<Piece>),
}

impl Default for Text {
    fn default() -> Self {
        Self::Plain(String::new())
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Piece {
    Plain(String),
    Marked {
        #[serde(default)]
        text: String,
    },
}

/// The lines of all chats; what the system says, and media without words, are dropped.
pub(super) fn read(text: &str, gap: u64) -> serde_json::Result<Vec<Line>> {
    let export: Export = serde_json::from_str(text)?;
    let chats = [export.chats, export.left_chats].into_iter().flatten();
    let chats = chats.flat_map(|chats| chats.list).map(|chat| chat.messages);
    let mut lines: Vec<Line> = Vec::new();
    for posts in [export.messages].into_iter().chain(chats) {
        let start = lines.len();
        lines.extend(of_chat(messages(posts), gap));
        for line in lines.iter_mut().skip(start) {
            line.answers = line.answers.map(|at| at + start);
        }
        if let Some(first) = lines.get_mut(start) {
            first.begins_scene = true;
        }
    }
    Ok(lines)
}

fn messages(posts: Vec<Post>) -> Vec<Message> {
    let mut places: HashMap<i64, usize> = HashMap::new();
    let mut messages = Vec::new();
    for post in posts {
        let text = match post.text {
            Text::Plain(text) => text,
            Text::Pieces(pieces) => pieces
                .into_iter()
                .map(|piece| match piece {
                    Piece::Plain(text) | Piece::Marked { text } => text,
                })
                .collect(),
        };
        if post.kind != "message" || text.trim().is_empty() {
            continue;
        }
        // Whoever deleted their account has a number only.
        let speaker = post.from.or_else(|| match post.from_id? {
            serde_json::Value::String(id) => Some(id),
            id => Some(id.to_string()),
        });
        places.insert(post.id, messages.len());
        messages.push(Message {
            time: post.date.as_deref().and_then(time::iso),
            speaker: speaker.unwrap_or_default(),
            text,
            answers: post
                .reply_to_message_id
                .and_then(|id| places.get(&id).copied()),
        });
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: &str = r#""messages": [
        {"id": 1, "type": "service", "date": "2023-01-05T10:00:00", "actor": "Ada", "action": "create_group", "text": ""},
        {"id": 2, "type": "message", "date": "2023-01-05T10:00:01", "from": "Ada", "from_id": "user1", "text": "Tea?"},
        {"id": 3, "type": "message", "date": "2023-01-05T10:00:02", "from": "Ada", "from_id": "user1", "text": "Or soup?"},
        {"id": 4, "type": "message", "date": "2023-01-05T10:00:03", "from": null, "from_id": "user2", "photo": "a.jpg", "text": ""},
        {"id": 5, "type": "message", "date": "2023-01-05T10:00:04", "from": "Bo", "reply_to_message_id": 2,
         "text": ["See ", {"type": "link", "text": "tea.example"}, "!"]},
        {"id": 6, "type": "message", "date": "2023-01-06T10:00:04", "from": null, "from_id": "user2", "text": "Late."}
    ]"#;

    #[test]
    fn one_chat_and_all_chats_are_read() {
        let one = read(&format!("{{\"name\": \"x\", {CHAT}}}"), 3600).unwrap();
        let said: Vec<(&str, &str)> = one
            .iter()
            .map(|line| (line.speaker.as_str(), line.text.as_str()))
            .collect();
        let expected = [
            ("Ada", "Tea?"),
            ("Ada", "Or soup?"),
            ("Bo", "See tea.example!"),
            ("user2", "Late."),
        ];
        assert_eq!(said, expected);
        assert_eq!(one[2].answers, Some(0));
        assert!(one[3].begins_scene && !one[2].begins_scene);
        let all = format!("{{\"chats\": {{\"list\": [{{{CHAT}}}, {{{CHAT}}}]}}}}");
        let all = read(&all, 3600).unwrap();
        assert_eq!(all.len(), 8);
        assert!(all[4].begins_scene);
        assert_eq!(all[6].answers, Some(4));
    }
}
