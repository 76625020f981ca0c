//! What a student learns from: turns, as they are embedded later, and parts of turns.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::corpus::inputs::is_table;
use crate::corpus::prepare::{self, Options};
use crate::dialogue::Exchange;
use crate::error::{Error, IoContext, Remedy, Result};
use crate::text::clean::clean;

/// Turns that follow on each other.
pub(crate) type Scene = Vec<String>;

/// One in so many turns is held out.
const HELD_OUT: usize = 20;

/// Texts to learn from, and others to measure by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    /// To learn from: no held-out turn is in any of them.
    pub train: Vec<String>,
    /// Held-out turns, alone.
    pub held_out: Vec<String>,
}

/// Reads a CSV or TSV (a script or ready pairs, whoever speaks), or any other file as one text a
/// line, where an empty line ends a scene.
///
/// # Errors
/// The file cannot be read, or its columns are not recognised.
pub(crate) fn read(path: &Path) -> Result<Vec<Scene>> {
    if !is_table(path) {
        let text = fs::read_to_string(path).at("read", path)?;
        let lines: Vec<String> = text.lines().map(clean).collect();
        let scenes = lines.split(String::is_empty).map(<[String]>::to_vec);
        return Ok(scenes.filter(|scene| !scene.is_empty()).collect());
    }
    let options = Options {
        context_turns: usize::MAX,
        ..Options::new(path)
    };
    prepare::texts(&options).map_err(|error| match error {
        // Nothing can be chosen here: the file has to say it all.
        Error::Data {
            path,
            row,
            what,
            remedy: Remedy::Choose(..) | Remedy::Either(_) | Remedy::ListCharacters,
        } => Error::Data {
            path,
            row,
            what,
            remedy: "call its columns speaker and text, or query and reply, and save it as UTF-8; or give a \
                     .txt file with a text a line"
                .into(),
        },
        other => other,
    })
}

/// What is said in exchanges, each a scene of a query and its reply.
pub(crate) fn exchanged(exchanges: &[&Exchange]) -> Vec<Scene> {
    let scenes = exchanges.iter();
    scenes
        .map(|exchange| vec![exchange.query.text.clone(), exchange.reply.clone()])
        .collect()
}

/// Makes the most of scenes: every turn, and the sentences of longer ones. A twentieth of the distinct
/// turns is held out.
///
/// # Errors
/// There are fewer than two distinct turns.
pub(crate) fn arrange(scenes: &[Scene], seed: u64) -> Result<Texts> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut distinct = HashSet::new();
    let turns: Vec<&String> = scenes
        .iter()
        .flatten()
        .filter(|turn| distinct.insert(*turn))
        .collect();
    if turns.len() < 2 {
        return Err(Error::too_few(
            format!(
                "{} distinct lines are too few to learn from and to measure by",
                turns.len()
            ),
            "give a script, or a file with one sentence a line",
        ));
    }
    let mut held: HashSet<&String> = HashSet::new();
    while held.len() < turns.len().div_ceil(HELD_OUT) {
        held.insert(turns[rng.random_range(0..turns.len())]);
    }

    let mut seen = HashSet::new();
    let mut texts = Texts::default();
    for turn in scenes.iter().flatten() {
        if held.contains(turn) {
            texts.held_out.push(turn.clone());
        } else {
            texts.train.push(turn.clone());
            texts.train.extend(sentences(turn).map(str::to_owned));
        }
    }
    // What is measured is not trained on, even where it stands as a sentence in another turn.
    texts.held_out.retain(|text| seen.insert(text.clone()));
    texts.train.retain(|text| seen.insert(text.clone()));
    Ok(texts)
}

/// The sentences of a turn that has several.
fn sentences(turn: &str) -> impl Iterator<Item = &str> {
    let parts: Vec<&str> = turn
        .split_inclusive(['.', '!', '?', '…'])
        .map(str::trim)
        .filter(|part| part.chars().any(char::is_alphanumeric))
        .collect();
    let several = parts.len() > 1;
    parts.into_iter().filter(move |_| several)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(turns: &[&str]) -> Scene {
        turns.iter().map(|&turn| turn.to_owned()).collect()
    }

    #[test]
    fn turns_come_alone_and_in_sentences() {
        let turns = [
            "Tea? Or soup!",
            "Soup.",
            "Then sit.",
            "I stand.",
            "You run.",
        ];
        let scenes = [scene(&turns)];
        let texts = arrange(&scenes, 3).unwrap();
        assert_eq!(texts.held_out.len(), 1);
        let held = &texts.held_out[0];
        assert!(texts.train.iter().all(|text| !text.contains(held.as_str())));
        let trained = |text: &str| texts.train.iter().any(|one| one == text);
        assert_eq!(turns.iter().filter(|turn| trained(turn)).count(), 4);
        assert_eq!(trained("Or soup!"), held != "Tea? Or soup!");
        assert_eq!(arrange(&scenes, 3).unwrap(), texts);
    }

    #[test]
    fn one_line_is_too_little() {
        let error = arrange(&[scene(&["Again.", "Again."])], 0).unwrap_err();
        assert!(error.to_string().contains("1 distinct"), "{error}");
    }

    #[test]
    fn lines_scripts_and_pairs_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            read(&path).unwrap()
        };
        assert_eq!(
            read("a.txt", "One.\n(sighs) Two.\n\nThree.\n"),
            [scene(&["One.", "Two."]), scene(&["Three."])]
        );
        assert_eq!(
            read("b.csv", "speaker,line\nAda,One.\nBo,Two.\n,\nAda,Three.\n"),
            [scene(&["One.", "Two."]), scene(&["Three."])]
        );
        assert_eq!(
            read("c.csv", "query,reply\nOne?,Two.\nThree?,Four.\n"),
            [scene(&["One?", "Two."]), scene(&["Three?", "Four."])]
        );
    }
}
