//! What to test on: a part of the prepared dialogue, or a file of its own.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::corpus::exchange::{Dataset, Exchange};
use crate::corpus::prepare::{self, Options};
use crate::error::{Error, Result};
use crate::files;
use crate::project::Project;

/// Where the exchanges come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The validation part of the prepared dialogue.
    Valid,
    /// Its test part.
    Test,
    /// A file in one of `prepare`'s shapes: exchanges (`.jsonl`), a script or ready pairs.
    File(PathBuf),
}

/// Exchanges to test on.
#[derive(Debug, Clone, PartialEq)]
pub struct TestSet {
    /// Who answers.
    pub character: String,
    /// What it is, in words.
    pub name: String,
    /// The exchanges.
    pub exchanges: Vec<Exchange>,
    /// How many of them training has seen, query and reply alike.
    pub trained_on: usize,
}

impl TestSet {
    /// Reads what `source` says; of a script, the exchanges of `character`, else of the prepared
    /// dialogue's.
    ///
    /// # Errors
    /// Nothing was prepared; the file cannot be used; there is no exchange.
    pub fn load(project: &Project, source: &Source, character: Option<&str>) -> Result<Self> {
        let dataset = match (Dataset::load(&project.exchanges()), source) {
            (Ok(dataset), _) => Some(dataset),
            (Err(Error::NotMade { .. }), Source::File(_)) => None,
            (Err(error), _) => return Err(error),
        };
        let seen: HashSet<(String, String)> = dataset
            .iter()
            .flat_map(|dataset| &dataset.train)
            .map(|one| (one.query.text.clone(), one.reply.clone()))
            .collect();
        let set = match (source, dataset) {
            (Source::File(path), dataset) => of_file(path, dataset.as_ref(), character)?,
            (part, Some(dataset)) => of_part(part, dataset),
            (_, None) => return Err(nothing(&project.exchanges(), "nothing was prepared")),
        };
        let trained_on = set
            .exchanges
            .iter()
            .filter(|one| seen.contains(&(one.query.text.clone(), one.reply.clone())))
            .count();
        if set.exchanges.is_empty() {
            let path = match source {
                Source::File(path) => path.clone(),
                _ => project.exchanges(),
            };
            return Err(nothing(&path, &format!("{} is empty", set.name)));
        }
        Ok(Self { trained_on, ..set })
    }
}

fn of_part(part: &Source, dataset: Dataset) -> TestSet {
    let (what, exchanges) = match part {
        Source::Valid => ("validation", dataset.valid),
        _ => ("test", dataset.test),
    };
    TestSet {
        character: dataset.settings.character,
        name: format!("the {what} part of {}", dataset.settings.source),
        exchanges,
        trained_on: 0,
    }
}

fn of_file(path: &Path, dataset: Option<&Dataset>, character: Option<&str>) -> Result<TestSet> {
    let settings = dataset.map(|dataset| &dataset.settings);
    let name = path.display().to_string();
    let own = settings.map(|settings| settings.character.clone());
    let lines = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("jsonl"));
    if lines {
        return Ok(TestSet {
            character: own.unwrap_or_default(),
            name,
            exchanges: files::read_jsonl(path)?,
            trained_on: 0,
        });
    }
    let mut options = Options::new(path);
    options.character = character.map(str::to_owned).or(own);
    if let Some(settings) = settings {
        options.context_turns = settings.context_turns;
    }
    let (character, exchanges) = prepare::exchanges(&options)?;
    Ok(TestSet {
        character,
        name,
        exchanges,
        trained_on: 0,
    })
}

fn nothing(path: &Path, what: &str) -> Error {
    Error::Data {
        path: path.to_path_buf(),
        row: None,
        what: format!("{what}: there is nothing to test on"),
        help: "prepare a longer script, or test on a file of its own: `homer eval --test FILE`"
            .into(),
    }
}
