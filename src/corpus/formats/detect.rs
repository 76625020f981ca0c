//! The kind of a text, told from what is in it.

use std::path::Path;

use super::{Format, discord, is_list, screenplay, script_text, subtitles, whatsapp};
use crate::corpus::headers::knows;
use crate::corpus::records::looks_like_a_table;

/// Of a large file, its start says enough.
const HEAD: usize = 64 * 1024;

/// Lines that are looked at.
const LINES: usize = 200;

/// The kind of `text`. The file's name counts only where its content leaves a choice.
pub(super) fn detect(path: &Path, text: &str) -> Format {
    let head = head(text.trim_start());
    if head.starts_with(['{', '['])
        && let Some(format) = json(path, head)
    {
        return format;
    }
    if subtitles::is_it(head) {
        return Format::Subtitles;
    }
    let (starts, lines) = whatsapp::share(head, LINES);
    if starts * 5 >= lines && starts > 0 {
        return Format::WhatsApp;
    }
    let first = head.lines().next().unwrap_or_default();
    if discord::is_csv(first) {
        return Format::Discord;
    }
    if let Some(format) = yaml(head) {
        return format;
    }
    let named = |wanted: &str| {
        let extension = path.extension().unwrap_or_default();
        extension.eq_ignore_ascii_case(wanted)
    };
    if named("fountain") {
        return Format::Screenplay;
    }
    let table = looks_like_a_table(head);
    let header = first
        .split([',', ';', '\t', '|'])
        .any(|cell| knows(cell.trim().trim_matches('"')));
    if table && header || named("csv") || named("tsv") {
        return Format::Table;
    }
    let (names, lines) = script_text::share(head, LINES);
    let (cues, rows) = screenplay::cues(head, LINES);
    if names * 5 >= lines * 2 && names > 1 && names >= cues {
        return Format::Script;
    }
    if cues * 10 >= rows && cues > 1 {
        return Format::Screenplay;
    }
    if table {
        return Format::Table;
    }
    if names > 1 && names * 10 >= lines {
        return Format::Script;
    }
    Format::Table
}

/// The first lines, as many as are needed.
fn head(text: &str) -> &str {
    let mut ends = (0..=text.len().min(HEAD)).rev();
    ends.find_map(|end| text.get(..end)).unwrap_or_default()
}

fn json(path: &Path, head: &str) -> Option<Format> {
    // A script's first line may well begin with a bracket.
    let inside = head.strip_prefix(['[', '{'])?.trim_start();
    if !(inside.starts_with(['"', '{', '}', ']']) || inside.is_empty()) {
        return None;
    }
    let has = |key: &str| head.contains(&format!("\"{key}\""));
    let telegram = [
        "from_id",
        "date_unixtime",
        "personal_information",
        "frequent_contacts",
    ];
    let turns = (has("role") && has("content")) || (has("from") && has("value"));
    let conversations = ["messages", "conversations", "conversation", "dialogue"];
    let format = if telegram.into_iter().any(has) || (has("chats") && has("list")) {
        Format::Telegram
    } else if has("guild") && has("channel") {
        Format::Discord
    } else if turns && conversations.into_iter().any(has) {
        Format::Assistant
    } else if is_slack(&has) || (is_list(path) && has("id")) {
        Format::Slack
    } else {
        Format::Json
    };
    Some(format)
}

/// A day of a channel, or the list of people.
fn is_slack(has: &impl Fn(&str) -> bool) -> bool {
    let day = has("ts") && (has("type") || has("user"));
    let users = has("profile") && has("id") && has("name");
    day || users
}

fn yaml(head: &str) -> Option<Format> {
    let key = |name: &str| {
        head.lines().any(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.trim_end().starts_with(':') && rest.trim().len() == 1)
        })
    };
    if key("conversations") && head.contains("- - ") {
        return Some(Format::ChatterBot);
    }
    let rasa = ["nlu", "responses", "stories", "rules", "intents"];
    rasa.iter().any(|name| key(name)).then_some(Format::Rasa)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_decide() {
        for (text, format) in [
            ("speaker,line\nAda,Tea?\n", Format::Table),
            ("a1;b2\nAda;Tea?\nBo;Soup.\n", Format::Table),
            ("[{\"who\": \"Ada\"}]", Format::Json),
            ("{\"who\": \"Ada\"}\n{\"who\": \"Bo\"}\n", Format::Json),
            (
                "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}",
                Format::Assistant,
            ),
            (
                "[{\"conversations\": [{\"from\": \"human\", \"value\": \"x\"}]}]",
                Format::Assistant,
            ),
            (
                "{\"name\": \"x\", \"messages\": [{\"id\": 1, \"from_id\": \"user1\"}]}",
                Format::Telegram,
            ),
            (
                "{\"about\": \"x\", \"personal_information\": {\"user_id\": 1}",
                Format::Telegram,
            ),
            ("[{\"role\": \"Ada\", \"content\": \"Tea?\"}]", Format::Json),
            (
                "{\"guild\": {}, \"channel\": {}, \"messages\": []}",
                Format::Discord,
            ),
            (
                "AuthorID,Author,Date,Content,Attachments,Reactions\n",
                Format::Discord,
            ),
            (
                "[{\"type\": \"message\", \"user\": \"U1\", \"ts\": \"1.0\"}]",
                Format::Slack,
            ),
            (
                "[{\"id\": \"U1\", \"name\": \"ada\", \"profile\": {}}]",
                Format::Slack,
            ),
            ("\u{feff}[31.12.23, 23:59:01] Ada: Tea?\n", Format::WhatsApp),
            (
                "31/12/2023, 23:59 - Ada: Tea?\nor\nsoup\n",
                Format::WhatsApp,
            ),
            (
                "WEBVTT\n\n00:01.000 --> 00:02.000\nTea?\n",
                Format::Subtitles,
            ),
            (
                "1\n00:00:01,000 --> 00:00:02,000\nTea?\n",
                Format::Subtitles,
            ),
            (
                "Ada: Tea?\nBo: Soup, please.\nAda: Now, then.\nBo: Yes.\n",
                Format::Script,
            ),
            (
                "[Scene: a kitchen]\nAda: Tea?\nBo: Soup.\nAda: Now.\nBo: Yes.\n",
                Format::Script,
            ),
            (
                "INT. KITCHEN\n\nADA\nTea?\n\nBO\nSoup.\n",
                Format::Screenplay,
            ),
            (
                "categories:\n- x\nconversations:\n- - Tea?\n  - Yes.\n",
                Format::ChatterBot,
            ),
            ("version: '3.1'\nnlu:\n- intent: greet\n", Format::Rasa),
        ] {
            let text = text.trim_start_matches('\u{feff}');
            assert_eq!(detect(Path::new("input"), text), format, "{text}");
        }
    }
}
