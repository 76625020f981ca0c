//! What people write to each other, and what is written for them to say: chats, scripts, subtitles, conversations.

use predicates::prelude::*;
use predicates::str::contains;

use super::prepared;
use crate::home::Home;

#[test]
fn chats_are_read() {
    let chat = "\
12/31/23, 11:50 PM - Messages and calls are end-to-end encrypted.
12/31/23, 11:51 PM - Ada: Tea?
12/31/23, 11:51 PM - Ada: Or soup (hot)?
12/31/23, 11:52 PM - Bo: <Media omitted>
12/31/23, 11:52 PM - Bo: Soup.
1/1/24, 9:00 AM - Ada: Morning!
1/1/24, 9:01 AM - Bo: Hm.
1/1/24, 9:01 AM - Bo: Morning.
";
    let said = prepared(
        "WhatsApp Chat.txt",
        chat,
        "a WhatsApp chat, 6 messages, 2 people",
    );
    assert_eq!(
        said,
        [
            "Ada: Tea? Or soup (hot)? → Soup.",
            "Ada: Morning! → Hm. Morning."
        ]
    );

    let home = Home::with("chat.txt", chat);
    home.prepare(&["chat.txt", "--character", "ada", "--gap", "1d"])
        .success();
    assert_eq!(home.said(), ["Bo: Soup. → Morning!"]);
    home.prepare(&["chat.txt", "--character", "Adda"])
        .code(1)
        .stderr(contains("did you mean Ada?"));
    home.prepare(&["chat.txt", "--gap", "soon"]).code(2);
}

#[test]
fn exports_are_read() {
    let telegram = r#"{"name": "x", "type": "personal_chat", "id": 1, "messages": [
        {"id": 1, "type": "message", "date": "2023-01-05T10:00:00", "date_unixtime": "1", "from": "Ada", "text": "Tea?"},
        {"id": 2, "type": "message", "date": "2023-01-05T10:00:01", "from": "Ada", "text": "Rain."},
        {"id": 3, "type": "message", "date": "2023-01-05T10:00:02", "from": "Cy", "text": "Ah."},
        {"id": 4, "type": "message", "date": "2023-01-05T10:00:03", "from": "Bo", "reply_to_message_id": 1, "text": ["Yes", {"type": "bold", "text": "!"}]},
        {"id": 5, "type": "message", "date": "2023-01-05T10:00:03", "from": "Bo", "text": "Two."}]}"#;
    let home = Home::with("result.json", telegram);
    home.prepare(&["result.json", "--character", "Bo"])
        .success()
        .stdout(contains("a Telegram export, 5 messages, 3 people"));
    assert_eq!(home.said(), ["Ada: Tea? Rain. → Yes! Two."]);

    let discord = r#"{"guild": {"id": "1"}, "channel": {"id": "2"}, "messages": [
        {"id": "1", "type": "Default", "timestamp": "2023-01-05T10:00:00+00:00", "content": "Tea?", "author": {"name": "ada"}},
        {"id": "2", "type": "Reply", "timestamp": "2023-01-05T10:00:09+00:00", "content": "Yes.", "author": {"name": "bo"}, "reference": {"messageId": "1"}}]}"#;
    assert_eq!(
        prepared("c.json", discord, "a Discord channel, 2 messages"),
        ["ada: Tea? → Yes."]
    );
    let csv = "AuthorID,Author,Date,Content,Attachments,Reactions\n\
        1,ada,2023-01-05T10:00:00.0+00:00,Tea?,,\n2,bo,2023-01-05T10:00:09.0+00:00,Yes.,,\n2,bo,2023-01-05T10:00:10.0+00:00,Two.,,\n";
    assert_eq!(
        prepared("c.csv", csv, "a Discord channel, 3 messages"),
        ["ada: Tea? → Yes. Two."]
    );

    let home = Home::new();
    home.write(
        "export/users.json",
        r#"[{"id": "U1", "name": "ada", "profile": {"real_name": "Ada Byron"}}]"#,
    );
    home.write(
        "export/channels.json",
        r#"[{"id": "C1", "name": "general", "created": 1, "members": []}]"#,
    );
    home.write(
        "export/general/2023-01-05.json",
        r#"[
        {"type": "message", "user": "U2", "text": "Tea?", "ts": "1672912800.1"},
        {"type": "message", "user": "U1", "text": "Yes, <@U2>.", "ts": "1672912801.1"}]"#,
    );
    home.prepare(&["export", "--character", "Ada Byron"])
        .success()
        .stdout(contains("a Slack export, 2 messages, 2 people"));
    assert_eq!(home.said(), ["U2: Tea? → Yes, @U2."]);
}

#[test]
fn scripts_as_text_are_read() {
    let text = "Ada: Tea?\nBo: Soup.\nBO (O.S.): More\nsoup.\nAda (cont'd): No.\nBo: Oh.\nBo: Ah.\n\nAda: Hm.\n";
    let said = prepared("play.txt", text, "a script as text, 7 lines, 2 people");
    assert_eq!(said, ["Ada: Tea? → Soup. More soup.", "Ada: No. → Oh. Ah."]);
    let fountain = "Title: Tea\n\nINT. KITCHEN\n\nADA\nTea?\n\nBO (V.O.)\n(sighs)\nSoup.\n\nADA\nNo.\n\nBO\nOh.\n";
    let said = prepared("play.fountain", fountain, "a screenplay, 4 lines, 2 people");
    assert_eq!(said, ["BO: Soup. → No."]);
    let said = prepared("play", fountain, "a screenplay");
    assert_eq!(said.len(), 1);
}

#[test]
fn subtitles_need_names() {
    let named = "1\n00:00:01,000 --> 00:00:02,000\nADA: Tea?\n\n2\n00:00:02,000 --> 00:00:03,000\nBO: Soup.\n\n3\n00:00:03,000 --> 00:00:04,000\nBO: Two.\n";
    assert_eq!(
        prepared("a.srt", named, "subtitles, 3 lines, 2 people"),
        ["ADA: Tea? → Soup. Two."]
    );
    let vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ada>Tea?\n\n00:02.000 --> 00:03.000\n<v Bo>Soup.\n\n00:03.000 --> 00:04.000\n<v Bo>Two.\n";
    assert_eq!(
        prepared("a.vtt", vtt, "subtitles"),
        ["Ada: Tea? → Soup. Two."]
    );
    let home = Home::with("a.srt", named.replace("ADA: ", "").replace("BO: ", "- "));
    home.prepare(&["a.srt"])
        .code(1)
        .stderr(contains("do not say who speaks").and(contains("with names")));
}

#[test]
fn assistants_data_is_read() {
    let line = r#"{"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "2*(3+4)?"}, {"role": "assistant", "content": "print(14)"}]}"#;
    let said = prepared(
        "chat.jsonl",
        format!("{line}\n{line}\n"),
        "conversations with an assistant, 4 messages",
    );
    assert_eq!(said, ["user: 2*(3+4)? → print(14)"; 2]);
    let share = r#"[{"id": "1", "conversations": [{"from": "human", "value": "Tea?"}, {"from": "gpt", "value": "Yes."}]}]"#;
    assert_eq!(
        prepared("share.json", share, "conversations with an assistant"),
        ["user: Tea? → Yes."]
    );
    let alpaca = r#"[{"instruction": "Add.", "input": "2, 3", "output": "It is 5."}, {"instruction": "Greet me now.", "input": "", "output": "Hello there."}]"#;
    let said = prepared(
        "alpaca.json",
        alpaca,
        "columns: query = instruction; and = input; reply = output",
    );
    assert_eq!(
        said,
        [": Add. 2, 3 → It is 5.", ": Greet me now. → Hello there."]
    );
    let corpus = "categories:\n- tea\nconversations:\n- - Tea?\n  - Yes.\n- - Milk?\n  - No.\n";
    assert_eq!(
        prepared("tea.yml", corpus, "a ChatterBot corpus, 4 lines"),
        ["user: Tea? → Yes.", "user: Milk? → No."]
    );

    let home = Home::new();
    home.write(
        "rasa/data/nlu.yml",
        "version: '3.1'\nnlu:\n- intent: greet\n  examples: |\n    - hello\n    - hi\n",
    );
    home.write(
        "rasa/data/stories.yml",
        "stories:\n- story: a\n  steps:\n  - intent: greet\n  - action: utter_greet\n",
    );
    home.write(
        "rasa/domain.yml",
        "intents:\n- greet\nresponses:\n  utter_greet:\n  - text: Good day.\n",
    );
    home.prepare(&["rasa"])
        .success()
        .stdout(contains("Rasa's training data in 3 files, 4 lines"));
    assert_eq!(
        home.said(),
        ["user: hello → Good day.", "user: hi → Good day."]
    );
}
