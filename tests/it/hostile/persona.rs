//! A persona's folder that a stranger sent, hostile in ten ways and more: each is opened, and nothing happens but
//! an answer or an error.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::home::{Home, stderr, stdout};
use crate::persona::persona;

const MODEL: &str = "runs/bi-encoder/model";

/// What homer answers a question with, or says; it must say `says`, and nothing that a terminal obeys.
fn asked(home: &Home, says: &str) -> String {
    let mut command = home.command(&["ask", "--no-rerank", "Where is my boat?"]);
    // It ends: far above what an answer takes, far below what a bomb would.
    let outcome = command.timeout(Duration::from_secs(120)).assert();
    let code = outcome.get_output().status.code();
    assert!(
        matches!(code, Some(0 | 1)),
        "{code:?}: {}",
        stderr(&outcome)
    );
    let all = format!("{}{}", stdout(&outcome), stderr(&outcome));
    assert!(all.contains(says), "{says:?} is not in {all}");
    assert!(all.len() < 20_000, "{} bytes", all.len());
    let obeyed = |c: char| c.is_control() && c != '\n';
    assert!(!all.contains(obeyed), "{all:?}");
    assert!(!all.contains("panicked"), "{all}");
    all
}

fn edit(home: &Home, file: &str, change: impl FnOnce(&mut Value)) {
    let mut value: Value = home.json(file);
    change(&mut value);
    home.write(file, value.to_string());
}

#[test]
fn absurd_numbers_are_refused_before_memory_is_taken() {
    let home = persona();
    let config = format!("{MODEL}/config.json");
    let sound = home.read(&config);
    for (key, number, says) in [
        (
            "num_hidden_layers",
            json!(1_000_000),
            "number of layers is 1000000",
        ),
        ("num_hidden_layers", json!(200), "encoder.layer.2."),
        ("hidden_size", json!(1u64 << 40), "hidden size is"),
        ("vocab_size", json!(u64::MAX), "vocabulary is"),
        (
            "max_position_embeddings",
            json!(1_000_000),
            "should be [1000000, 32]",
        ),
        ("num_attention_heads", json!(0), "num_attention_heads"),
        ("layer_norm_eps", json!(-1.0), "layer_norm_eps"),
    ] {
        edit(&home, &config, |value| value[key] = number);
        asked(&home, says);
        home.write(&config, &sound);
    }
    // Read, it would take fifty times its length.
    home.write(&config, format!("[{}1]", "1,".repeat(5 << 20)));
    asked(&home, "where homer reads up to");
    home.write(&config, &sound);
    let manifest = "runs/index/manifest.json";
    let sound = home.read(manifest);
    for (key, number) in [
        ("replies", json!(1u64 << 60)),
        ("width", json!(0)),
        ("width", json!(u64::MAX)),
    ] {
        edit(&home, manifest, |value| value[key] = number);
        asked(&home, "build-index");
        home.write(manifest, &sound);
    }
}

#[test]
fn a_tokenizer_of_a_stranger_is_looked_at_first() {
    let home = persona();
    let file = format!("{MODEL}/tokenizer.json");
    let sound = home.read(&file);
    let bomb = json!({"type": "Sequence", "normalizers": (0..40).map(|_| {
        json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"})
    }).collect::<Vec<_>>()});
    let precompiled = json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"});
    for (normalizer, says) in [(bomb, "Replace"), (precompiled, "Precompiled")] {
        edit(&home, &file, |value| value["normalizer"] = normalizer);
        asked(&home, says);
        home.write(&file, &sound);
    }
    edit(&home, &file, |value| {
        value["model"]["vocab"]["boat"] = json!(999_999)
    });
    asked(&home, "ids below 1000000");
    home.write(&file, &sound);
    home.write(&file, "[".repeat(1_000_000));
    asked(&home, "not a tokenizer");
}

#[test]
fn a_pickle_is_data() {
    let home = persona();
    let weights = home.path(MODEL).join("model.safetensors");
    fs::remove_file(&weights).unwrap();
    let ran = home.path("ran");
    let command = format!("touch {}", ran.display());
    let mut pickle = b"\x80\x02cposix\nsystem\n(X".to_vec();
    pickle.extend((command.len() as u32).to_le_bytes());
    pickle.extend(command.as_bytes());
    pickle.extend(b"tR.");
    // Memos in memos, each twice the one before.
    let mut nested = b"\x80\x02}q\x00".to_vec();
    for _ in 0..60 {
        nested.extend(b"h\x00h\x00\x86q\x00");
    }
    nested.push(b'.');
    let deep = [&b"\x80\x02N"[..], &b"\x85".repeat(1_000_000), b"."].concat();
    for pickle in [pickle, nested, deep] {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let stored = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        zip.start_file("m/data.pkl", stored).unwrap();
        std::io::Write::write_all(&mut zip, &pickle).unwrap();
        let file = format!("{MODEL}/pytorch_model.bin");
        home.write(&file, zip.finish().unwrap().into_inner());
        asked(&home, "pytorch_model.bin: damaged");
        assert!(!ran.exists());
    }
}

#[test]
fn names_and_links_do_not_leave_their_folder() {
    let home = persona();
    let secret = tempfile::tempdir().unwrap();
    let outside = secret.path().join("secret");
    fs::write(&outside, "text\r\nthe secret,,,,,,\r\n").unwrap();
    let link = |file: &str| {
        let path = home.path(file);
        let sound = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&outside, &path).unwrap();
        (path, sound)
    };
    for file in [
        "runs/index/replies.csv",
        "runs/index/vectors.safetensors",
        "runs/index/manifest.json",
        "runs/bi-encoder/model/config.json",
        "runs/bi-encoder/model/tokenizer.json",
        "runs/bi-encoder/model/model.safetensors",
    ] {
        let (path, sound) = link(file);
        let all = asked(&home, "");
        assert!(!all.contains("the secret"), "{file}: {all}");
        assert!(all.contains(file), "{file}: {all}");
        fs::remove_file(&path).unwrap();
        fs::write(&path, sound).unwrap();
    }
    let weights = home.path(MODEL).join("model.safetensors");
    let shards = format!("{MODEL}/model.safetensors.index.json");
    let sound = fs::read(&weights).unwrap();
    fs::remove_file(&weights).unwrap();
    for name in ["../../../../etc/passwd", "/etc/passwd", "..", "", "a/b"] {
        home.write(&shards, json!({"weight_map": {"a": name}}).to_string());
        asked(&home, "is not the name of a file beside it");
    }
    fs::remove_file(home.path(&shards)).unwrap();
    fs::write(&weights, sound).unwrap();
    assert_eq!(asked(&home, "").lines().count(), 1);
    // A whole folder elsewhere may be meant, and is said.
    let index = home.path("runs/index");
    let elsewhere = secret.path().join("index");
    for name in ["manifest.json", "replies.csv", "vectors.safetensors"] {
        fs::create_dir_all(&elsewhere).unwrap();
        fs::rename(index.join(name), elsewhere.join(name)).unwrap();
    }
    fs::remove_dir(&index).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &index).unwrap();
    asked(&home, "index is a link: what is read lies in");
}

/// What homer writes unasked goes into the folder, wherever links there lead.
#[test]
fn what_is_written_stays_in_the_folder() {
    let home = persona();
    home.write(
        "data/exchanges/test.jsonl",
        home.read("data/exchanges/valid.jsonl"),
    );
    let secret = tempfile::tempdir().unwrap();
    let outside = secret.path().join("notes");
    for file in [
        "runs/eval.json",
        "runs/eval-answers.jsonl",
        "runs/eval.png",
        "runs/bi-encoder/README.md",
    ] {
        fs::write(&outside, "the secret").unwrap();
        let place = home.path(file);
        let _ = fs::remove_file(&place);
        for target in [outside.clone(), secret.path().join("new")] {
            std::os::unix::fs::symlink(&target, &place).unwrap();
            let eval = home.homer(&["eval", "--queries", "4"]);
            assert!(!secret.path().join("new").exists(), "{file}");
            assert_eq!(fs::read(&outside).unwrap(), b"the secret", "{file}");
            // A card that leads nowhere is none.
            if target.exists() {
                let said = stderr(&eval.code(1));
                assert!(said.contains("a link out of its folder, to"), "{said}");
                assert!(
                    said.contains(file) && said.contains("remove the link"),
                    "{said}"
                );
            }
            fs::remove_file(&place).unwrap();
        }
    }
    // A link that stays in it may be meant.
    fs::remove_file(home.path("runs/eval.json")).unwrap();
    std::os::unix::fs::symlink("figures.json", home.path("runs/eval.json")).unwrap();
    home.write("runs/figures.json", "{}");
    home.homer(&["eval", "--queries", "4"]).success();
    assert!(home.read("runs/figures.json").len() > 100);
}

#[test]
fn what_a_terminal_would_obey_does_not_reach_it() {
    let home = persona();
    // A name and a line that would set the window's title, and turn what follows round.
    edit(&home, "runs/index/manifest.json", |value| {
        value["character"] = json!("Bob\u{1b}]0;owned\u{7}");
    });
    asked(&home, "");
    let file = format!("{MODEL}/tokenizer.json");
    edit(&home, &file, |value| {
        value["normalizer"] = json!({"type": "\u{1b}[2J"});
    });
    asked(&home, "[2J");
    let weights = home.path(MODEL).join("model.safetensors");
    let header =
        json!({"\u{1b}]0;x\u{7}": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}});
    let header = header.to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.push(0);
    fs::write(weights, bytes).unwrap();
    asked(&home, "F8_E4M3");
}

#[test]
fn what_has_no_end_is_not_waited_for() {
    let home = persona();
    for file in [
        "runs/bi-encoder/model/config.json",
        "runs/bi-encoder/model/model.safetensors",
        "runs/index/replies.csv",
        "runs/index/manifest.json",
    ] {
        let path = home.path(file);
        let sound = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        pipe(&path);
        asked(&home, "");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        asked(&home, "");
        fs::remove_file(&path).unwrap();
        fs::write(&path, sound).unwrap();
    }
}

fn pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}
