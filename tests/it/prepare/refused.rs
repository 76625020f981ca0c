//! What `homer prepare` refuses, and what it leaves alone.

use super::*;

/// Runs on `bytes`, over an earlier dataset; expects exit code 1, `message`, and no change.
fn refused(bytes: impl AsRef<[u8]>, arguments: &[&str], message: &[&str]) {
    let home = Home::with("good.csv", script());
    prepare(&home, &["good.csv"]).assert().success();
    let before = written(&home);
    home.write("bad.csv", bytes);
    let mut command = prepare(&home, &["bad.csv"]);
    let mut assert = command.args(arguments).assert().code(1).stdout("");
    for part in message {
        assert = assert.stderr(contains(*part));
    }
    assert.stderr(contains("panicked").not());
    assert_eq!(before, written(&home));
    let left = fs::read_dir(home.path("data")).unwrap().count();
    assert_eq!(left, 1, "something half-written is left");
}

#[test]
fn bad_input_is_refused_with_its_place_and_what_to_do() {
    refused("", &[], &["bad.csv: the file is empty", "header row"]);
    refused("who,line\n", &[], &["nothing below it"]);
    refused(
        "who,line\nPip,Tea?\nMo,Yes, please.\n",
        &[],
        &[
            "bad.csv, row 3: 3 cells where the header has 2",
            "quotation marks",
        ],
    );
    refused(
        b"who,line\nPip,Tea?\nMo,Caf\xe9.\n",
        &[],
        &[
            "row 3: the text is not valid UTF-8",
            "--encoding windows-1252",
        ],
    );
    refused(
        "who,line\nPip,Tea?\nMo,\"Yes.\nPip,No.\n",
        &[],
        &["row 3: a quotation mark is opened and never closed"],
    );
    refused(
        script(),
        &["--text-column", "words"],
        &["no column \"words\"", "Speaker, Line"],
    );
    refused(
        "a1,a2\nPip,Tea?\n",
        &[],
        &["which column is what among: a1, a2"],
    );
    refused(
        script(),
        &["--character", "Pipp"],
        &["nobody is called \"Pipp\"", "did you mean Pip?"],
    );
    refused(
        "who,line\nMo,Alone.\n,\nMo,Still alone.\n",
        &[],
        &["Mo never answers anybody", "--list-characters"],
    );
    refused(
        "who,line\n,Tea?\nMo,(nods)\n",
        &[],
        &["no row has both a speaker"],
    );
    refused(
        "q,a,label\nTea?,Yes.,1\nMilk?,No.,maybe\nRain?,Yes.,0\n",
        &[],
        &["row 3: column \"label\": \"maybe\""],
    );
    refused("q,a,label\nTea?,Yes.,0\n", &[], &["1 labelled 0"]);
    refused(b"PK\x03\x04\x00\x00\x00", &[], &["no text file"]);
}

#[test]
fn a_missing_file_is_named() {
    let home = Home::new();
    prepare(&home, &["nowhere.csv"])
        .assert()
        .code(1)
        .stderr(contains("nowhere.csv: no such file").and(contains("check the path")));
    assert!(!home.path("data").exists());
    prepare(&home, &["."])
        .assert()
        .code(1)
        .stderr(contains("there is no script in this folder"));
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let home = Home::with("play.csv", script());
    for arguments in [
        &["play.csv", "--split", "random"][..],
        &["play.csv", "--encoding", "klingon"],
        &["play.csv", "--speaker-column", "a", "--query-column", "b"],
        &["play.csv", "--good", "many"],
        &["play.csv", "--bad", "101"],
    ] {
        prepare(&home, arguments).assert().code(2);
    }
}

#[test]
fn a_folder_that_homer_did_not_write_is_left_alone() {
    let home = Home::with("play.csv", script());
    home.write("data/exchanges/precious.txt", "mine");
    prepare(&home, &["play.csv"])
        .assert()
        .code(1)
        .stderr(contains("exists already").and(contains("move it away")));
    let left = fs::read_to_string(home.path("data/exchanges/precious.txt")).unwrap();
    assert_eq!(left, "mine");
    assert!(!home.path("data/exchanges/train.jsonl").exists());
}
