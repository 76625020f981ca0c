//! The order of the rooms: a test that imports run downwards only.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom up; each knows only those before it.
const ROOMS: [&str; 26] = [
    "remedy",
    "error",
    "files",
    "fingerprint",
    "folder",
    "seed",
    "watch",
    "builtin",
    "chart",
    "stats",
    "text",
    "dialogue",
    "ranker",
    "nn",
    "hf",
    "model",
    "corpus",
    "train",
    "distill",
    "index",
    "store",
    "chat",
    "eval",
    "project",
    "serve",
    "cli",
];

/// Every source file under `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                sources(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The rooms that a source speaks of as `crate::room` or `crate::{room, …}`, outside its comments.
fn used(source: &str) -> BTreeSet<String> {
    let code = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    let name = |text: &str| {
        text.split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap()
            .to_owned()
    };
    let after = code.split("crate::").skip(1);
    after
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => list
                .split('}')
                .next()
                .unwrap()
                .split(',')
                .map(|item| name(item.trim()))
                .collect(),
            None => vec![name(rest)],
        })
        .collect()
}

#[test]
fn imports_run_downwards() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rank = |room: &str| ROOMS.iter().position(|known| *known == room);
    let mut upwards = Vec::new();
    let mut seen = BTreeSet::new();
    for path in sources(&root) {
        let inside = path.strip_prefix(&root).unwrap();
        let room = inside
            .iter()
            .next()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs");
        if ["lib", "main", "internals", "rooms"].contains(&room) {
            continue;
        }
        let own = rank(room).unwrap_or_else(|| panic!("{room} has no place among the rooms"));
        seen.insert(own);
        let source = fs::read_to_string(&path).unwrap();
        let higher = used(&source)
            .into_iter()
            .filter(|other| rank(other) > Some(own));
        upwards.extend(higher.map(|other| format!("{} uses {other}", inside.display())));
    }
    assert!(upwards.is_empty(), "{upwards:#?}");
    assert!(seen.len() > 15, "the sources were not found");
}

#[test]
fn a_use_is_seen_however_it_is_written() {
    let source = "use crate::{files, nn::device};\n// crate::cli\nfn f() { crate::eval::g() }";
    let found: Vec<String> = used(source).into_iter().collect();
    assert_eq!(found, ["eval", "files", "nn"]);
}
