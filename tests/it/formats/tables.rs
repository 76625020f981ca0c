//! Layouts of well-known files, and what is shown of them.

use std::fs;

use predicates::str::contains;

use super::prepared;
use crate::home::Home;

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
    home.command(&["prepare", "a.csv", "--character", "Bo"])
        .args(columns)
        .assert()
        .success();
    let assert = home.homer(&["eval", "--test", "b.csv", "--json"]).success();
    let report: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(report["character"], "Bo");
    let answers = fs::read_to_string(home.path("runs/eval-of-b-answers.jsonl")).unwrap();
    assert!(!answers.contains("\"y "), "{answers}");
}
