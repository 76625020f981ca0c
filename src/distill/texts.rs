//! What a student learns from: turns alone, turns with the turns before them, parts of turns.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::corpus::clean::clean;
use crate::corpus::columns::{Columns, Named};
use crate::corpus::pairs::Pairs;
use crate::corpus::read::Source;
use crate::corpus::script::Script;
use crate::error::{Error, IoContext, Result};
use crate::model::tokenizer::Query;

/// Turns that follow on each other.
pub type Scene = Vec<String>;

/// One in so many turns is held out.
const HELD_OUT: usize = 20;

/// Turns before a turn that may go with it: as many as an exchange has by default.
const CONTEXT: usize = 4;

/// A text to embed, with what is said before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Text {
    /// Oldest first.
    pub context: Vec<String>,
    /// The text.
    pub text: String,
}

impl Text {
    /// The same, as the tokenizer reads it.
    pub fn query(&self) -> Query<'_> {
        Query {
            context: &self.context,
            text: &self.text,
        }
    }
}

/// Texts to learn from, and others to measure by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// To learn from: no held-out turn is in any of them.
    pub train: Vec<Text>,
    /// Held-out turns, alone.
    pub held_out: Vec<Text>,
}

/// Reads a CSV or TSV (a script or ready pairs, whoever speaks), or any other file as one text a
/// line, where an empty line ends a scene.
///
/// # Errors
/// The file cannot be read, or its columns are not recognised.
pub fn read(path: &Path) -> Result<Vec<Scene>> {
    let table = path.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("csv") || extension.eq_ignore_ascii_case("tsv")
    });
    if !table {
        let text = fs::read_to_string(path).at("read", path)?;
        let lines: Vec<String> = text.lines().map(clean).collect();
        let scenes = lines.split(String::is_empty).map(<[String]>::to_vec);
        return Ok(scenes.filter(|scene| !scene.is_empty()).collect());
    }
    let source = Source::read(path, None)?;
    match Columns::recognise(&source, &Named::default())? {
        Columns::Script {
            speaker,
            text,
            scenes,
        } => Ok(Script::read(&source, &speaker, &text, &scenes)?
            .texts()
            .collect()),
        Columns::Pairs {
            query,
            reply,
            context,
            label,
        } => {
            let (context, label) = (context.as_deref(), label.as_deref());
            let pairs = Pairs::read(&source, &query, &reply, context, label)?;
            let scenes = pairs.exchanges.into_iter().map(|pair| {
                let mut turns: Scene = pair.context.into_iter().map(|turn| turn.text).collect();
                turns.extend([pair.query.text, pair.reply]);
                turns
            });
            Ok(scenes.collect())
        }
    }
}

/// Makes the most of scenes: every turn alone and with some of the turns before it, as queries
/// have their context, and the sentences of longer turns. A twentieth of the distinct turns is
/// held out, and with them every text that they are in.
///
/// # Errors
/// There are fewer than two distinct turns.
pub fn arrange(scenes: &[Scene], seed: u64) -> Result<Texts> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut distinct = HashSet::new();
    let turns: Vec<&String> = scenes
        .iter()
        .flatten()
        .filter(|turn| distinct.insert(*turn))
        .collect();
    if turns.len() < 2 {
        return Err(Error::Setting(format!(
            "{} distinct lines are too few to learn from and to measure by\n  \
             give a script, or a file with one sentence a line",
            turns.len()
        )));
    }
    let mut held: HashSet<&String> = HashSet::new();
    while held.len() < turns.len().div_ceil(HELD_OUT) {
        held.insert(turns[rng.random_range(0..turns.len())]);
    }

    let mut seen = HashSet::new();
    let mut texts = Texts::default();
    let alone = |text: &str| Text {
        context: Vec::new(),
        text: text.to_owned(),
    };
    for scene in scenes {
        for (at, turn) in scene.iter().enumerate() {
            let before = rng.random_range(1..=CONTEXT).min(at);
            let context = &scene[at - before..at];
            if held.contains(turn) {
                texts.held_out.push(alone(turn));
                continue;
            }
            texts.train.push(alone(turn));
            texts.train.extend(sentences(turn).map(alone));
            if before > 0 && !context.iter().any(|turn| held.contains(turn)) {
                texts.train.push(Text {
                    context: context.to_vec(),
                    text: turn.clone(),
                });
            }
        }
    }
    texts.train.retain(|text| seen.insert(text.clone()));
    texts.held_out.retain(|text| seen.insert(text.clone()));
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
    fn turns_come_alone_with_context_and_in_sentences() {
        let scenes = [scene(&["Tea? Or soup!", "Soup.", "Then sit.", "I stand."])];
        let texts = arrange(&scenes, 3).unwrap();
        assert_eq!(texts.held_out.len(), 1);
        let held = &texts.held_out[0].text;
        assert_eq!(texts.held_out[0].context.len(), 0);
        for text in &texts.train {
            assert!(
                &text.text != held && !text.context.contains(held),
                "{text:?}"
            );
        }
        assert!(texts.train.iter().any(|text| !text.context.is_empty()));
        if held != "Tea? Or soup!" {
            assert!(texts.train.iter().any(|text| text.text == "Or soup!"));
        }
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
