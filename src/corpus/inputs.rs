//! Which files are meant: files, folders, patterns, the standard input.

use std::fs;
use std::path::{Path, PathBuf};

use super::document::{STDIN, data};
use crate::error::{IoContext, Result};

/// The endings of files that may be scripts.
const ENDINGS: [&str; 14] = [
    "csv", "tsv", "tab", "psv", "txt", "text", "json", "jsonl", "ndjson", "srt", "vtt", "fountain",
    "yml", "yaml",
];

/// Folders below the one that was named, at most.
const DEPTH: usize = 16;

/// Whether a file may be a script, by its name: what the system and office programs leave beside
/// scripts is none.
pub(crate) fn is_script(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default();
    let known = ENDINGS
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known));
    known && !is_hidden(path)
}

/// Whether a file's name says that it is a table.
pub(crate) fn is_table(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default();
    ending.eq_ignore_ascii_case("csv") || ending.eq_ignore_ascii_case("tsv")
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().starts_with(['.', '~'])
}

/// The files that `inputs` name, in order: of a folder all that may be scripts, those below it too, of a
/// pattern all that match. Numbers in names count as numbers, so that episode 10 comes after 9.
///
/// # Errors
/// There is nothing there that may be a script.
pub(super) fn expand(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        let start = files.len();
        if input == Path::new(STDIN) {
            files.push(input.clone());
        } else if input.is_dir() {
            walk(input, DEPTH, &mut files)?;
            if files.len() == start {
                return Err(data(
                    input,
                    None,
                    "there is no script in this folder",
                    format!("scripts end in .{}", ENDINGS.join(", .")),
                ));
            }
        } else if !input.exists() && is_pattern(input) {
            let found = glob::glob(&input.to_string_lossy()).map_err(|error| {
                data(
                    input,
                    None,
                    format!("this is no pattern: {error}"),
                    "check it",
                )
            })?;
            let found = found.filter_map(std::result::Result::ok);
            files.extend(found.filter(|path| path.is_file() && !is_hidden(path)));
            if files.len() == start {
                return Err(data(
                    input,
                    None,
                    "nothing matches this pattern",
                    "check it; `*` stands for any name, `**` for any folders",
                ));
            }
        } else {
            files.push(input.clone());
        }
        if let Some(new) = files.get_mut(start..) {
            new.sort_by_cached_key(|path| order(path));
        }
    }
    Ok(files)
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).at("read", folder)? {
        let path = entry.at("read", folder)?.path();
        if path.is_dir() {
            if depth > 0 && !is_hidden(&path) {
                walk(&path, depth - 1, files)?;
            }
        } else if is_script(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// What to sort by: lists of people before what they say, names without case, numbers as numbers.
fn order(path: &Path) -> (bool, Vec<(String, u64)>) {
    let lists = path.file_name().is_some_and(|name| name == "users.json");
    let name = path.to_string_lossy().to_lowercase();
    let mut parts = Vec::new();
    let mut rest = name.as_str();
    while !rest.is_empty() {
        let digit = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(digit);
        let end = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        let (number, after) = after.split_at(end);
        parts.push((word.to_owned(), number.parse().unwrap_or(u64::MAX)));
        rest = after;
    }
    (!lists, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_patterns_are_expanded() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("show");
        fs::create_dir_all(folder.join("s2")).unwrap();
        for name in [
            "e10.csv",
            "E9.csv",
            "._e9.csv",
            ".~lock.e9.csv#",
            "~e.csv",
            "a.png",
            "s2/e1.TXT",
        ] {
            fs::write(folder.join(name), "x").unwrap();
        }
        let names = |inputs: &[PathBuf]| -> Vec<String> {
            let files = expand(inputs).unwrap().into_iter();
            files
                .map(|file| file.strip_prefix(&folder).unwrap().display().to_string())
                .collect()
        };
        assert_eq!(
            names(std::slice::from_ref(&folder)),
            ["E9.csv", "e10.csv", "s2/e1.TXT"]
        );
        assert_eq!(
            names(&[folder.join("*.csv")])[..2],
            ["E9.csv", "e10.csv"][..]
        );
        assert_eq!(
            names(&[folder.join("e10.csv"), folder.join("E9.csv")]),
            ["e10.csv", "E9.csv"]
        );
        fs::create_dir(home.path().join("empty")).unwrap();
        for nothing in ["empty", "x*.csv"] {
            assert!(expand(&[home.path().join(nothing)]).is_err(), "{nothing}");
        }
    }
}
