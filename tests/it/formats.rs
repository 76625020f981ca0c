//! What people have, through `homer prepare`: formats, layouts of well-known files, and the faults that
//! files have.

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::TempDir;

use homer::internals::Dataset;

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let home = Self::new();
        home.write(name, bytes);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn homer(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_homer"));
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    fn prepare(&self, arguments: &[&str]) -> Assert {
        self.homer(&["prepare"]).args(arguments).assert()
    }

    /// `query → reply`, in the order of the source.
    fn said(&self) -> Vec<String> {
        let dataset = Dataset::load(&self.path("data/exchanges")).unwrap();
        let exchanges = dataset.exchanges().into_iter();
        exchanges
            .map(|one| format!("{}: {} → {}", one.query.speaker, one.query.text, one.reply))
            .collect()
    }
}

/// Prepares one file without any option; its exchanges.
fn prepared(name: &str, text: impl AsRef<[u8]>, said_of_it: &str) -> Vec<String> {
    let home = Home::with(name, text);
    home.prepare(&[name]).success().stdout(contains(said_of_it));
    home.said()
}

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

#[test]
fn tables_in_json_are_read() {
    let rows = r#"{"speaker": "Ada", "line": "Tea?"}
{"speaker": "Bo", "line": "Soup."}
{"speaker": "Bo", "line": "Two."}
"#;
    assert_eq!(
        prepared("a.jsonl", rows, "a table in JSON, 3 lines, 2 people"),
        ["Ada: Tea? → Soup. Two."]
    );
    let whole = format!("[{}]", rows.trim().replace('\n', ","));
    assert_eq!(
        prepared("a.json", whole, "a table in JSON"),
        ["Ada: Tea? → Soup. Two."]
    );
}

/// One line, so that positions in it are columns.
#[test]
fn errors_stay_short() {
    let long = format!("[{{\"speaker\": \"{}\"", "x".repeat(800_000));
    let home = Home::with("a.json", long);
    let assert = home
        .prepare(&["a.json"])
        .code(1)
        .stderr(contains("a table in JSON"));
    assert!(assert.get_output().stderr.len() < 1000);
    let home = Home::with("a.csv", format!("{}\nx\n", "word ".repeat(100_000)));
    let assert = home.prepare(&["a.csv"]).code(1);
    assert!(assert.get_output().stderr.len() < 2000);
}

#[test]
fn files_folders_patterns_and_standard_input_are_one_script() {
    let home = Home::new();
    for n in [2, 10, 9] {
        home.write(
            &format!("show/e{n}.csv"),
            format!("who,line\nAda,Tea {n}?\nBo,Soup {n}.\n"),
        );
    }
    home.write("show/._e2.csv", "\u{0}\u{1}");
    home.write("show/.~lock.e2.csv#", ",x");
    let expected = [
        "Ada: Tea 2? → Soup 2.",
        "Ada: Tea 9? → Soup 9.",
        "Ada: Tea 10? → Soup 10.",
    ];
    for inputs in [
        &["show"][..],
        &["show/*.csv"],
        &["show/e2.csv", "show/e9.csv", "show/e10.csv"],
    ] {
        home.prepare(inputs)
            .success()
            .stdout(contains("scenes  3").and(contains("a table in 3 files, 6 lines, 2 people")));
        // Of two with as many lines it is the first by name.
        home.homer(&["prepare", "--character", "Bo"])
            .args(inputs)
            .assert()
            .success();
        assert_eq!(home.said(), expected, "{inputs:?}");
    }
    home.homer(&["prepare", "-", "--character", "Bo"])
        .write_stdin("who,line\nAda,Tea?\nBo,Soup.\n")
        .assert()
        .success()
        .stderr(contains("reading standard input"));
    assert_eq!(home.said(), ["Ada: Tea? → Soup."]);
    home.write("data/mine.csv", "who,line\nAda,Tea?\nBo,Yes.\nAda,Ah.\n");
    home.write("data/._mine.csv", "\u{0}");
    home.prepare(&[]).success().stderr(contains("mine.csv"));
    home.prepare(&["show/e2.csv", "--format", "klingon"])
        .code(2);
    home.prepare(&["show/e2.csv", "--format", "telegram"])
        .code(1)
        .stderr(contains("looks like a Telegram export"));
}

#[test]
fn everybodys_answers_are_exchanges() {
    let home = Home::with(
        "a.csv",
        "scene,speaker,text\n1,Ada,Tea?\n1,Bo,Soup.\n1,Ada,Two.\n2,Cy,Rain?\n2,Bo,No.\n",
    );
    home.prepare(&["a.csv", "--everyone", "--scene-column", "scene"])
        .success()
        .stdout(contains("everyone in a.csv").and(contains("exchanges  3:")));
    assert_eq!(
        home.said(),
        ["Ada: Tea? → Soup.", "Bo: Soup. → Two.", "Cy: Rain? → No."]
    );
    let dataset = Dataset::load(&home.path("data/exchanges")).unwrap();
    assert!(dataset.settings.everyone);
    let pairs = Home::with("p.csv", "query,reply,label\nTea?,Yes.,1\nMilk?,No.,0\n");
    pairs.prepare(&["p.csv"]).success();
    assert_eq!(pairs.said().len(), 1);
    pairs.prepare(&["p.csv", "--everyone"]).success();
    assert_eq!(pairs.said().len(), 2);
    assert_eq!(dataset.pool.len(), 5);
    home.prepare(&["a.csv", "--everyone", "--character", "Ada"])
        .code(2);
}

/// From memory of their headers; the rows are invented.
#[test]
fn layouts_of_public_files_are_read_without_an_option() {
    let said = [
        "\"Tea, or soup?\"",
        "Soup. Always soup.",
        "Why not tea then?",
        "Because of you.",
    ];
    let who = ["Ada", "Bo"];
    let rows = |row: &dyn Fn(usize, &str, &str) -> String| -> String {
        let lines = said.iter().enumerate();
        lines
            .map(|(n, text)| row(n, who[n % 2], text) + "\n")
            .collect()
    };
    let plain = |text: &str| text.trim_matches('"').to_owned();
    for (name, header, body) in [
        // The Simpsons.
        (
            "a.csv",
            ",raw_character_text,spoken_words",
            rows(&|n, who, text| format!("{n},{who},{text}")),
        ),
        // The Simpsons, the whole table.
        (
            "a.csv",
            "id,episode_id,number,raw_text,timestamp_in_ms,speaking_line,character_id,location_id,raw_character_text,raw_location_text,spoken_words,normalized_text,word_count",
            rows(&|n, who, text| {
                format!(
                    "{n},32,{n},\"{who}: {}\",84{n}000,true,{},3,{who},Kitchen,{text},x,3",
                    plain(text),
                    n % 2
                )
            }),
        ),
        // South Park.
        (
            "a.csv",
            "Season,Episode,Character,Line",
            rows(&|_, who, text| format!("10,1,{who},{text}")),
        ),
        // The Office.
        (
            "a.csv",
            "id,season,episode,scene,line_text,speaker,deleted",
            rows(&|n, who, text| format!("{n},1,1,1,{text},{who},False")),
        ),
        // Friends.
        (
            "a.csv",
            "text,speaker,season,episode,scene,utterance",
            rows(&|n, who, text| format!("{text},{who},1,1,1,{n}")),
        ),
        // Seinfeld.
        (
            "a.csv",
            ",Character,Dialogue,EpisodeNo,SEID,Season",
            rows(&|n, who, text| format!("{n},{who},{text},1.0,S01E01,1.0")),
        ),
        // Shakespeare.
        (
            "a.csv",
            "Dataline,Play,PlayerLinenumber,ActSceneLine,Player,PlayerLine",
            rows(&|n, who, text| format!("{n},Henry IV,{n},1.1.{n},{who},{text}")),
        ),
        // Harry Potter.
        (
            "a.csv",
            "Character;Sentence",
            rows(&|_, who, text| format!("{who};{text}")),
        ),
        // Game of Thrones.
        (
            "a.csv",
            "Release Date,Season,Episode,Episode Title,Name,Sentence",
            rows(&|_, who, text| format!("2011-04-17,Season 1,Episode 1,Winter,{who},{text}")),
        ),
        // The Lord of the Rings.
        (
            "a.csv",
            ",char,dialog,movie",
            rows(&|n, who, text| format!("{n},{who},{text},The First Film")),
        ),
        // Rick and Morty.
        (
            "a.csv",
            "index,season no.,episode no.,episode name,name,line",
            rows(&|n, who, text| format!("{n},1,1,Pilot,{who},{text}")),
        ),
        // Avatar.
        (
            "a.csv",
            "id,book,book_num,chapter,chapter_num,character,full_text,character_words,writer,director",
            rows(&|n, who, text| {
                format!(
                    "{n},Water,1,The Boy,1,{who},\"x {}\",{text},W,D",
                    plain(text)
                )
            }),
        ),
    ] {
        let home = Home::with(name, format!("{header}\n{body}"));
        home.prepare(&[name]).success();
        let expected: Vec<String> = [(0, 1), (2, 3)]
            .map(|(query, reply)| format!("Ada: {} → {}", plain(said[query]), plain(said[reply])))
            .to_vec();
        home.prepare(&[name, "--character", "bo"]).success();
        assert_eq!(home.said(), expected, "{header}");
    }
}

#[test]
fn columns_taken_and_three_exchanges_are_shown() {
    let home = Home::with(
        "a.csv",
        "a1,b2,c3\n1,Ada,\"Tea, or soup?\"\n2,Bo,Soup it is.\n3,Ada,Why not tea?\n4,Bo,Because of you.\n",
    );
    home.prepare(&["a.csv", "--character", "Bo"])
        .success()
        .stdout(contains("columns: speaker = b2; text = c3"))
        .stdout(contains("recognised by what is in them: b2, c3"))
        .stdout(contains("Ada: Tea, or soup?\n          Bo: Soup it is."));
}

#[test]
fn what_looks_wrong_is_said() {
    let numbers: String = (0..30).map(|n| format!("Ada,{n}\nBo,{n}\n")).collect();
    let home = Home::with("a.csv", format!("speaker,amount\n{numbers}"));
    home.prepare(&["a.csv", "--text-column", "amount"])
        .success()
        .stdout(contains("replies are mere figures"));
    let same: String = (0..60)
        .map(|n| format!("Ada,Question number {n}?\nBo,Yes.\n"))
        .collect();
    let home = Home::with("a.csv", format!("speaker,text\n{same}"));
    home.prepare(&["a.csv", "--character", "Bo"])
        .success()
        .stdout(contains(
            "one reply comes again and again (60 times of 60): \"Yes.\"",
        ))
        .stdout(contains("it is all one scene"));
}

#[test]
fn a_quotation_mark_that_swallows_rows_is_an_error() {
    let home = Home::with(
        "a.csv",
        "who,line\nAda,\"Raining?\nBo,Only on us.\nAda,Hm.\nBo,So \"wet\".\nAda,Yes.\n",
    );
    home.prepare(&["a.csv"]).code(1).stderr(contains(
        "a.csv, row 2: a quotation mark is opened and not closed",
    ));
}

#[test]
fn placeholders_are_nobody_and_nothing() {
    let home = Home::with(
        "a.csv",
        "who,line\nAda,Tea?\nNaN,NULL\nBo,NA\nBo,Soup.\nNone,x\nAda,\\N\n",
    );
    home.prepare(&["a.csv", "--list-characters"])
        .success()
        .stdout(
            contains("Ada")
                .and(contains("Bo"))
                .and(contains("NaN").not())
                .and(contains("None").not()),
        );
    // The row of nothing ends the scene, as an empty one does.
    let home = Home::with("a.csv", "who,line\nAda,Tea?\nBo,NA\nBo,Soup.\nAda,\\N\n");
    home.prepare(&["a.csv", "--character", "Bo"]).success();
    assert_eq!(home.said(), ["Ada: Tea? → Soup."]);
}

#[test]
fn artefacts_of_formats_mean_nothing() {
    let text = "who,line\r\r\nAda,Tea?\r\r\nBo,Soup.\r\r\nAda,Why?\r\r\nBo,So.\r\r\n\x1a";
    let home = Home::with("a.csv", text);
    home.prepare(&["a.csv", "--character", "Bo"])
        .success()
        .stdout(contains("scenes  1"));
    assert_eq!(home.said(), ["Ada: Tea? → Soup.", "Ada: Why? → So."]);
}

#[test]
fn what_can_be_read_is_not_refused() {
    let mut rows = String::from("who|line|note\n");
    for n in 0..300 {
        rows += &format!("Ada|Question {n}?|x\nBo|Answer {n}.\n");
    }
    rows = rows.replacen("Question 7?", "Question\n7?", 1);
    let home = Home::with("a.csv", rows);
    home.prepare(&["a.csv", "--character", "Bo"])
        .success()
        .stdout(contains("exchanges  300"));
    let home = Home::with(
        "a.csv",
        "Ada,Tea or soup?\nBo,Soup it is.\nAda,Why not tea?\nBo,Because.\n",
    );
    home.prepare(&["a.csv", "--character", "Bo"])
        .success()
        .stdout(contains("there is no header"));
    assert_eq!(home.said().len(), 2);
    let home = Home::with(
        "a.csv",
        "question,answer,label\nTea?,Yes.,drinks\nRain?,No.,weather\n",
    );
    home.prepare(&["a.csv"])
        .success()
        .stdout(contains("exchanges  2").and(contains("--scene-column").not()));
}

#[test]
fn sound_text_stays_as_it_is() {
    let home = Home::with(
        "a.csv",
        "question,answer\nWhom?,Call (555) 010-1234.\nHow?,print(x)\nSum of 2*(3+4)?,[14]\nÄ… ja?,„Ä“ nein.\n",
    );
    home.prepare(&["a.csv"]).success();
    assert_eq!(
        home.said(),
        [
            ": Whom? → Call (555) 010-1234.",
            ": How? → print(x)",
            ": Sum of 2*(3+4)? → [14]",
            ": Ä… ja? → „Ä“ nein."
        ]
    );
}

#[test]
fn one_person_is_one_speaker() {
    let home = Home::with(
        "a.csv",
        "who,line\nADA (V.O.),One.\nZoe\u{308},Two.\nAda (cont'd),Three.\nZoë,Four.\n\u{200e}Ada,Five.\n\
         小明：,Six.\nİPEK,Seven.\n小明,Eight.\nipek,Nine.\nBob\x1b]0;x\x07,Ten.\n",
    );
    let assert = home.prepare(&["a.csv", "--list-characters"]).success();
    let out = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    assert_eq!(out.lines().count(), 6, "{out}");
    assert!(!out.contains('\x1b') && !out.contains('\x07'), "{out:?}");
}

#[test]
fn a_long_scene_is_divided() {
    let rows: String = (0..400)
        .map(|n| format!("Ada,Question {n}?\nBo,Answer {n}.\n"))
        .collect();
    let home = Home::with("a.csv", format!("who,line\n{rows}"));
    home.prepare(&["a.csv", "--character", "Bo"])
        .success()
        .stdout(contains("320 train, 35 valid, 35 test, 10 between"))
        .stderr(contains("too few").not());
    let dataset = Dataset::load(&home.path("data/exchanges")).unwrap();
    let seen: Vec<&str> = dataset.train.iter().map(|one| one.reply.as_str()).collect();
    for exchange in dataset.valid.iter().chain(&dataset.test) {
        let known = exchange
            .context
            .iter()
            .any(|turn| seen.contains(&turn.text.as_str()));
        assert!(!known, "{exchange:?}");
    }
}

#[test]
fn what_was_said_of_a_script_holds_for_the_next() {
    let home = Home::new();
    let rows: String = (0..40)
        .map(|n| format!("{n};Is it {n}?;Ada;x {n}\n{n};It is {n}.;Bo;y {n}\n"))
        .collect();
    let table = format!("n;said;wer;text\n{rows}");
    home.write("a.csv", &table);
    home.write("b.csv", table.replace("It is", "It was"));
    let columns = [
        "--speaker-column",
        "wer",
        "--text-column",
        "said",
        "--scene-column",
        "n",
    ];
    home.homer(&["prepare", "a.csv", "--character", "Bo"])
        .args(columns)
        .assert()
        .success();
    let assert = home
        .homer(&["eval", "--test", "b.csv", "--json"])
        .assert()
        .success();
    let report: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(report["character"], "Bo");
    let answers = fs::read_to_string(home.path("runs/eval-of-b-answers.jsonl")).unwrap();
    assert!(!answers.contains("\"y "), "{answers}");
}

#[test]
fn a_language_that_the_encoder_cannot_read_is_named() {
    let rows: String = (0..40)
        .map(|n| format!("小明,你今天去哪里了{n}?\n小红,我昨天买了苹果{n}。\n"))
        .collect();
    let home = Home::with("a.csv", format!("who,line\n{rows}"));
    home.prepare(&["a.csv"]).success().stderr(
        contains("cannot read this language").and(contains("distilbert-base-multilingual-cased")),
    );
    let rows: String = (0..40)
        .map(|n| format!("Ada,Where did you go {n}?\nBo,To the sea, and back.\n"))
        .collect();
    let home = Home::with(
        "a.csv",
        format!("who,line\n{}", rows.replace("sea, and", "sea and")),
    );
    home.prepare(&["a.csv"])
        .success()
        .stderr(contains("cannot read").not());
}
