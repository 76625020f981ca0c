//! Discord channels as DiscordChatExporter writes them: JSON and CSV.

use std::collections::HashMap;

use serde::Deserialize;

use super::time::{self, seconds};
use crate::corpus::lines::Message;

#[derive(Deserialize)]
struct Export {
    #[serde(default)]
    messages: Vec<Post>,
}

#[derive(Deserialize)]
struct Post {
    #[serde(default)]
    id: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    timestamp: String,
    #[serde(default)]
    content: String,
    author: Option<Author>,
    reference: Option<Reference>,
}

#[derive(Deserialize)]
struct Author {
    #[serde(default)]
    name: String,
    nickname: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    message_id: Option<String>,
}

/// The messages of a JSON export; what the system says is dropped.
pub(super) fn read_json(text: &str) -> serde_json::Result<Vec<Message>> {
    let export: Export = serde_json::from_str(text)?;
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut messages = Vec::new();
    for post in export.messages {
        let said = matches!(post.kind.as_str(), "" | "Default" | "Reply" | "0" | "19");
        if !said || post.content.trim().is_empty() {
            continue;
        }
        let author = post.author;
        let name = author.map(|author| match author.nickname {
            Some(nickname) if !nickname.is_empty() => nickname,
            _ => author.name,
        });
        let quoted = post.reference.and_then(|reference| reference.message_id);
        places.insert(post.id, messages.len());
        messages.push(Message {
            time: time::iso(&post.timestamp),
            speaker: name.unwrap_or_default(),
            text: post.content,
            answers: quoted.and_then(|id| places.get(&id).copied()),
        });
    }
    Ok(messages)
}

/// The header of a CSV export.
pub(super) fn is_csv(header: &str) -> bool {
    let header = header.to_lowercase().replace(['"', ' '], "");
    header.starts_with("authorid,author,date,content")
}

/// The messages of a CSV export, or what is wrong with it.
pub(super) fn read_csv(text: &str) -> csv::Result<Vec<Message>> {
    let mut messages = Vec::new();
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    for record in reader.records() {
        let record = record?;
        let cell = |at| record.get(at).unwrap_or_default().to_owned();
        let message = Message {
            time: date(&cell(2)),
            speaker: without_tag(&cell(1)).to_owned(),
            text: cell(3),
            answers: None,
        };
        if !message.text.trim().is_empty() {
            messages.push(message);
        }
    }
    Ok(messages)
}

/// `ada#1234` is Ada; since 2023 there are no such numbers.
fn without_tag(name: &str) -> &str {
    match name.rsplit_once('#') {
        Some((name, tag)) if tag.len() == 4 && tag.bytes().all(|c| c.is_ascii_digit()) => name,
        _ => name,
    }
}

/// `2023-01-05T12:34:56…`; older exports write `05-Jan-23 12:34 PM` or `01/05/2023 12:34 PM`.
fn date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    if let Some(time) = time::iso(text) {
        return Some(time);
    }
    let lower = text.trim().to_lowercase();
    let (day, time) = lower.split_once(' ')?;
    let parts: Vec<&str> = day.split(['-', '/']).collect();
    let [first, second, year] = parts[..] else {
        return None;
    };
    let named = MONTHS.iter().position(|month| second.starts_with(month));
    let (month, day) = match named {
        Some(at) => (at as i64 + 1, first.parse().ok()?),
        None => (first.parse().ok()?, second.parse().ok()?),
    };
    let year: i64 = year.parse().ok()?;
    let (clock, half) = time.split_once(' ').unwrap_or((time, ""));
    let (hour, minute) = clock.split_once(':')?;
    let hour: i64 = hour.parse().ok()?;
    let hour = match half {
        "pm" => hour % 12 + 12,
        "am" => hour % 12,
        _ => hour,
    };
    let minute = minute.get(..2)?.parse().ok()?;
    let year = if year < 100 { year + 2000 } else { year };
    seconds(year, month, day, [hour, minute, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_exports_are_read() {
        let text = r#"{"guild": {"name": "g"}, "channel": {"name": "c"}, "messages": [
            {"id": "1", "type": "Default", "timestamp": "2023-01-05T10:00:00.1+00:00", "content": "Tea?",
             "author": {"id": "7", "name": "ada", "nickname": "Ada", "isBot": false}},
            {"id": "2", "type": "ChannelPinnedMessage", "timestamp": "2023-01-05T10:00:01+00:00",
             "content": "Pinned a message.", "author": {"name": "ada"}},
            {"id": "3", "type": "Default", "timestamp": "2023-01-05T10:00:02+00:00", "content": "",
             "author": {"name": "bo"}, "attachments": [{"id": "9"}]},
            {"id": "4", "type": "Reply", "timestamp": "2023-01-05T10:00:03+00:00", "content": "Yes.",
             "author": {"name": "bo", "nickname": ""}, "reference": {"messageId": "1", "channelId": "5"}}
        ], "messageCount": 4}"#;
        let messages = read_json(text).unwrap();
        assert_eq!(messages.len(), 2);
        assert_eq!(
            (messages[1].speaker.as_str(), messages[1].answers),
            ("bo", Some(0))
        );
        assert_eq!(messages[1].time.unwrap() - messages[0].time.unwrap(), 3);
    }

    #[test]
    fn csv_exports_are_read() {
        let head = "AuthorID,Author,Date,Content,Attachments,Reactions\n";
        assert!(is_csv(head));
        let messages = read_csv(&format!(
            "{head}\"7\",\"ada#1234\",\"2023-01-05T10:00:00.0000000+00:00\",\"Tea,\nor soup?\",\"\",\"\"\n\
             \"8\",\"bo\",\"05-Jan-23 10:01 AM\",\"Yes.\",\"\",\"\"\n\
             \"8\",\"bo\",\"01/05/2023 10:02 AM\",\"\",\"a.png\",\"\"\n"
        ))
        .unwrap();
        assert_eq!(messages.len(), 2);
        assert_eq!(
            (messages[0].speaker.as_str(), messages[0].text.as_str()),
            ("ada", "Tea,\nor soup?")
        );
        assert_eq!(messages[1].time.unwrap() - messages[0].time.unwrap(), 60);
    }
}
