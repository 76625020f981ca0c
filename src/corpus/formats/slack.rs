//! Slack's export: a folder with `users.json` and, for every channel, a folder with a file a day.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde::Deserialize;

use crate::corpus::lines::Message;
use crate::text::pattern;

/// Of everybody's id, the name.
#[derive(Debug, Default)]
pub(super) struct Users(HashMap<String, String>);

#[derive(Deserialize, Default)]
#[serde(default)]
struct User {
    id: String,
    name: Option<String>,
    real_name: Option<String>,
    profile: Profile,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Profile {
    display_name: Option<String>,
    real_name: Option<String>,
    name: Option<String>,
}

impl Profile {
    fn name(self) -> Option<String> {
        let names = [self.display_name, self.real_name, self.name];
        names.into_iter().flatten().find(|name| !name.is_empty())
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Post {
    #[serde(rename = "type")]
    kind: String,
    subtype: Option<String>,
    user: Option<String>,
    username: Option<String>,
    user_profile: Option<Profile>,
    text: Option<String>,
    ts: String,
    thread_ts: Option<String>,
}

impl Users {
    /// Learns the names in `users.json`.
    pub(super) fn learn(&mut self, text: &str) -> serde_json::Result<()> {
        for user in serde_json::from_str::<Vec<User>>(text)? {
            let names = [user.profile.name(), user.real_name, user.name];
            let name = names.into_iter().flatten().find(|name| !name.is_empty());
            if let Some(name) = name {
                self.0.insert(user.id, name);
            }
        }
        Ok(())
    }

    fn name(&self, id: &str) -> String {
        self.0.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }
}

/// The messages of a day; what the system says is dropped, and what is said in a thread answers what
/// was said there before.
pub(super) fn read(text: &str, users: &Users) -> serde_json::Result<Vec<Message>> {
    let mut posts: Vec<Post> = serde_json::from_str(text)?;
    posts.sort_by(|a, b| seconds(&a.ts).total_cmp(&seconds(&b.ts)));
    let mut threads: HashMap<String, usize> = HashMap::new();
    let mut messages = Vec::new();
    for post in posts {
        let kind = post.subtype.as_deref().unwrap_or_default();
        let said = [
            "",
            "me_message",
            "thread_broadcast",
            "file_share",
            "bot_message",
        ];
        let text = spoken(post.text.as_deref().unwrap_or_default(), users);
        if post.kind != "message" || !said.contains(&kind) || text.trim().is_empty() {
            continue;
        }
        let profile = post.user_profile.and_then(Profile::name);
        let known = post.user.as_ref().filter(|id| users.0.contains_key(*id));
        let speaker = known
            .map(|id| users.name(id))
            .or(profile)
            .or(post.username)
            .or(post.user)
            .unwrap_or_default();
        let time = seconds(&post.ts);
        let thread = post.thread_ts.unwrap_or_else(|| post.ts.clone());
        let answers = threads.insert(thread, messages.len());
        messages.push(Message {
            time: time.is_finite().then_some(time as i64),
            speaker,
            text,
            answers,
        });
    }
    Ok(messages)
}

fn seconds(ts: &str) -> f64 {
    ts.parse().unwrap_or_default()
}

/// `<@U1> see <https://a.example|this> &amp; that` as a person reads it.
fn spoken(text: &str, users: &Users) -> String {
    static MARK: LazyLock<Regex> = LazyLock::new(|| pattern(r"<([@#!]?)([^<>|]+)(?:\|([^<>]*))?>"));
    let text = MARK.replace_all(text, |mark: &Captures<'_>| {
        let part = |at| mark.get(at).map_or("", |part| part.as_str());
        match (part(1), part(3)) {
            ("@", _) => format!("@{}", users.name(part(2))),
            ("", "") => part(2).to_owned(),
            (sign, "") => format!("{}{}", if sign == "#" { "#" } else { "@" }, part(2)),
            ("#", label) => format!("#{label}"),
            (_, label) => label.to_owned(),
        }
    });
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_threads_are_read() {
        let mut users = Users::default();
        users
            .learn(r#"[{"id": "U1", "name": "ada", "profile": {"display_name": "", "real_name": "Ada Byron"}}]"#)
            .unwrap();
        let messages = read(
            r#"[
            {"type": "message", "subtype": "channel_join", "user": "U1", "text": "<@U1> has joined", "ts": "1672912799.0"},
            {"type": "message", "user": "U1", "text": "Tea?", "ts": "1672912800.000100", "thread_ts": "1672912800.000100"},
            {"type": "message", "user": "U2", "user_profile": {"real_name": "Bo"}, "text": "Cake!", "ts": "1672912801.0"},
            {"type": "message", "user": "U2", "text": "Yes, <@U1> &amp; <https://a.example|milk>", "ts": "1672912802.0",
             "thread_ts": "1672912800.000100"},
            {"type": "message", "user": "U1", "text": "Now.", "ts": "1672912803.0", "thread_ts": "1672912800.000100"}
            ]"#,
            &users,
        )
        .unwrap();
        let said: Vec<(&str, &str, Option<usize>)> = messages
            .iter()
            .map(|one| (one.speaker.as_str(), one.text.as_str(), one.answers))
            .collect();
        let expected = [
            ("Ada Byron", "Tea?", None),
            ("Bo", "Cake!", None),
            ("U2", "Yes, @Ada Byron & milk", Some(0)),
            ("Ada Byron", "Now.", Some(2)),
        ];
        assert_eq!(said, expected);
    }
}
