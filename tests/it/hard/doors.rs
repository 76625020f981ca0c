//! What is closed, leads nowhere, is something else, or belongs to somebody else.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// homer, under a umask.
fn under(home: &Home, umask: &str, args: &[&str]) {
    let mut shell = after(home, &format!("umask {umask}"), args);
    let done = shell.stdin(Stdio::null()).output().unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

fn mode(home: &Home, name: &str) -> u32 {
    fs::metadata(home.path(name)).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_people_said_is_for_those_who_could_read_it() {
    for (input, umask, file, folder, settings) in [
        (0o600, "022", 0o600, 0o700, 0o644),
        (0o644, "022", 0o644, 0o755, 0o644),
        (0o644, "077", 0o600, 0o700, 0o600),
        (0o640, "002", 0o640, 0o750, 0o664),
    ] {
        let home = Home::with("chat.csv", script("boat"));
        let chat = home.path("chat.csv");
        fs::set_permissions(&chat, fs::Permissions::from_mode(input)).unwrap();
        let model = home.path("runs/bi-encoder/model");
        fs::create_dir_all(&model).unwrap();
        tiny_encoder_folder(&model, Family::Bert, &["boat"], 1).unwrap();
        under(&home, umask, &["prepare", "--character", "Bob", "chat.csv"]);
        under(&home, umask, &["build-index"]);
        for name in [
            "data/exchanges/train.jsonl",
            "data/exchanges/pool.jsonl",
            "runs/index/replies.csv",
        ] {
            assert_eq!(mode(&home, name), file, "{name} of {input:o} under {umask}");
        }
        for name in ["data/exchanges", "runs/index"] {
            assert_eq!(
                mode(&home, name),
                folder,
                "{name} of {input:o} under {umask}"
            );
        }
        under(&home, umask, &["eval", "--queries", "5"]);
        assert_eq!(mode(&home, "runs/eval.json"), settings);
        assert_eq!(mode(&home, "runs/eval-answers.jsonl"), file);
    }
}

#[test]
fn a_persona_that_cannot_be_read_is_not_answered_for_by_another() {
    type Way = fn(&Home);
    let ways: [(&str, Way); 5] = [
        ("a link in the place of runs leads nowhere", |home| {
            symlink("nowhere", home.path("runs")).unwrap();
        }),
        ("a link in the place of the index leads nowhere", |home| {
            fs::create_dir(home.path("runs")).unwrap();
            symlink("nowhere", home.path("runs/index")).unwrap();
        }),
        ("a link in the place of the model leads nowhere", |home| {
            fs::create_dir_all(home.path("runs/bi-encoder")).unwrap();
            symlink("nowhere", home.path("runs/bi-encoder/model")).unwrap();
        }),
        ("a file in the place of runs", |home| home.write("runs", "")),
        ("a file in the place of the index", |home| {
            home.write("runs/index", "");
        }),
    ];
    for (what, way) in ways {
        let home = Home::new();
        way(&home);
        let commands = [
            &["ask", "Well?"][..],
            &["repl"],
            &["status"],
            #[cfg(feature = "serve")]
            &["serve", "--listen", "127.0.0.1:0"],
        ];
        for args in commands {
            let error = home.fails(args, 1);
            assert!(error.contains("runs"), "{what}, {args:?}: {error}");
        }
    }
    let home = Home::new();
    home.write("runs/index/manifest.json", "{}");
    fs::set_permissions(home.path("runs"), fs::Permissions::from_mode(0o000)).unwrap();
    // Who may do anything is kept out by no door.
    if fs::read_dir(home.path("runs")).is_err() {
        for args in [&["ask", "Well?"][..], &["repl"], &["status"]] {
            assert!(home.fails(args, 1).contains("ermission denied"));
        }
    }
    fs::set_permissions(home.path("runs"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn what_homer_did_not_write_homer_leaves_alone() {
    let home = persona();
    let refuses = |args: &[&str], name: &str| {
        let error = home.fails(args, 1);
        assert!(
            error.contains(name) && error.contains("move it away"),
            "{error}"
        );
    };
    home.write("runs/index/notes.txt", "mine");
    refuses(&["build-index"], "notes.txt");
    assert_eq!(home.read("runs/index/notes.txt"), b"mine");
    fs::remove_dir_all(home.path("runs/index")).unwrap();
    home.write("runs/index", "mine");
    refuses(&["build-index"], "index");
    assert_eq!(home.read("runs/index"), b"mine");
    home.write("data/exchanges/notes.txt", "mine");
    refuses(&["prepare", "--character", "Bob", "two.csv"], "notes.txt");
    fs::remove_file(home.path("data/exchanges/notes.txt")).unwrap();

    fs::remove_dir_all(home.path("runs/bi-encoder")).unwrap();
    home.write("runs/bi-encoder/notes.txt", "mine");
    refuses(&train_bi("2"), "notes.txt");
    refuses(&[&train_bi("2")[..], &["--force"]].concat(), "notes.txt");
    assert_eq!(home.read("runs/bi-encoder/notes.txt"), b"mine");
    fs::remove_dir_all(home.path("runs/bi-encoder")).unwrap();
    home.write("runs/bi-encoder", "mine");
    refuses(&train_bi("2"), "bi-encoder");
    assert_eq!(home.read("runs/bi-encoder"), b"mine");

    // What was put beside a trained model goes where the model goes.
    fs::remove_file(home.path("runs/bi-encoder")).unwrap();
    home.homer(&train_bi("2")).success();
    home.write("runs/bi-encoder/notes.txt", "mine");
    for kept in ["bi-encoder.old", "bi-encoder.old-2"] {
        home.homer(&[&train_bi("2")[..], &["--force"]].concat())
            .success();
        assert!(home.path("runs").join(kept).is_dir());
    }
    assert_eq!(home.read("runs/bi-encoder.old/notes.txt"), b"mine");
}

#[test]
fn links_to_folders_stay_links() {
    let home = prepared();
    for name in ["exchanges", "index", "bi-encoder"] {
        fs::create_dir_all(home.path("disk").join(name)).unwrap();
    }
    fs::create_dir_all(home.path("runs")).unwrap();
    fs::remove_dir_all(home.path("data/exchanges")).unwrap();
    let links = [
        ("data", "exchanges"),
        ("runs", "index"),
        ("runs", "bi-encoder"),
    ];
    for (folder, name) in links {
        symlink(format!("../disk/{name}"), home.path(folder).join(name)).unwrap();
    }
    home.homer(&["prepare", "--character", "Bob", "two.csv"])
        .success();
    home.homer(&train_bi("2")).success();
    home.homer(&[&train_bi("2")[..], &["--force"]].concat())
        .success();
    home.homer(&["build-index"]).success();
    home.homer(&["build-index"]).success();
    for (folder, name) in links {
        let link = home.path(folder).join(name);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "{name}");
    }
    for name in [
        "exchanges/pool.jsonl",
        "index/manifest.json",
        "bi-encoder/done.json",
        "bi-encoder.old/done.json",
    ] {
        assert!(home.path("disk").join(name).is_file(), "{name}");
    }
    home.homer(&["ask", "--no-rerank", "Is boat 3 yours?"])
        .success();
}
