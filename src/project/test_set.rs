//! What to test on: a part of the prepared dialogue, or a file of its own.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::Project;
use crate::corpus::dataset::{Dataset, DatasetSettings};
use crate::corpus::document;
use crate::corpus::prepare::{self, Options};
use crate::dialogue::Exchange;
use crate::error::{Error, Remedy, Result, Setting};
use crate::files;
use crate::train::run::trained_on;
use crate::train::settings::Data;

/// Where the exchanges come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestSource {
    /// The validation part of the prepared dialogue.
    Valid,
    /// Its test part.
    Test,
    /// A file in one of `prepare`'s shapes: exchanges (`.jsonl`), a script or ready pairs.
    File(PathBuf),
}

/// Exchanges to test on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TestSet {
    /// Who answers.
    pub character: String,
    /// What it is, in words.
    pub name: String,
    /// The exchanges.
    pub exchanges: Vec<Exchange>,
    /// Of a file's, how many training has seen, query and reply alike.
    pub trained_on: usize,
    /// Of a part's dataset, [`Data::fingerprint`].
    pub fingerprint: Option<String>,
}

impl TestSet {
    /// What to bear in mind about the figures: what is tested may have been seen in training. Of the
    /// models of a file nothing is known.
    pub(super) fn remarks(&self, project: &Project) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.trained_on > 0 {
            remarks.push(format!(
                "{} of {} exchanges are in the training part as well: the figures flatter the models",
                self.trained_on,
                self.exchanges.len()
            ));
        }
        let runs = [
            ("bi-encoder", project.bi_encoder()),
            ("cross-encoder", project.cross_encoder()),
        ];
        for (name, folder) in runs {
            let (own, trained) = (&self.fingerprint, trained_on(&folder));
            if let (Some(own), Some(trained)) = (own, trained)
                && *own != trained.fingerprint
            {
                remarks.push(format!(
                    "the {name} was trained on other exchanges than are prepared now, and may have \
                     seen what is tested: train it again"
                ));
            }
        }
        remarks
    }

    /// Reads what `source` says; of a script, the exchanges of `character`, else of the prepared
    /// dialogue's.
    ///
    /// # Errors
    /// Nothing was prepared; the file cannot be used; there is no exchange.
    pub(crate) fn load(
        project: &Project,
        source: &TestSource,
        character: Option<&str>,
    ) -> Result<Self> {
        let (set, path) = match source {
            TestSource::File(path) => {
                // Models can be tested where their dialogue is not.
                let dataset = match Dataset::load(&project.exchanges()) {
                    Err(Error::NotMade { .. }) => None,
                    other => Some(other?),
                };
                (of_file(path, dataset.as_ref(), character)?, path.clone())
            }
            part => {
                let folder = project.exchanges();
                (of_part(part, Dataset::load(&folder)?), folder)
            }
        };
        if set.exchanges.is_empty() {
            return Err(Error::Data {
                path,
                row: None,
                what: format!("{} is empty: there is nothing to test on", set.name),
                remedy: Remedy::from("prepare a longer script")
                    .or(Remedy::choose([Setting::TestFile])),
            });
        }
        Ok(set)
    }
}

fn of_part(part: &TestSource, dataset: Dataset) -> TestSet {
    let fingerprint = Some(Data::fingerprint(&dataset));
    let (what, exchanges) = match part {
        TestSource::Valid => ("validation", dataset.valid),
        _ => ("test", dataset.test),
    };
    TestSet {
        character: dataset.settings.character,
        name: format!("the {what} part of {}", dataset.settings.source),
        exchanges,
        trained_on: 0,
        fingerprint,
    }
}

fn of_file(path: &Path, dataset: Option<&Dataset>, character: Option<&str>) -> Result<TestSet> {
    let settings = dataset.map(|dataset| &dataset.settings);
    let own = settings.map(|settings| settings.character.clone());
    let lines = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("jsonl"));
    let (character, exchanges) = if lines {
        (own.unwrap_or_default(), files::read_jsonl(path)?)
    } else {
        let mut options = Options::new(path);
        if let Some(settings) = settings {
            options.everyone = settings.everyone && character.is_none();
            options.context_turns = settings.context_turns;
            options.gap = settings.gap;
        }
        if !options.everyone {
            options.character = character.map(str::to_owned).or(own);
        }
        read(&options, settings)?
    };
    Ok(TestSet {
        character,
        name: path.display().to_string(),
        trained_on: dataset.map_or(0, |dataset| common(&dataset.train, &exchanges)),
        fingerprint: None,
        exchanges,
    })
}

/// Reads a file as the prepared script was, by what the user said of that; where it is of another kind,
/// by what it looks like.
fn read(options: &Options, told: Option<&DatasetSettings>) -> Result<(String, Vec<Exchange>)> {
    if let Some(told) = told {
        let label = told.encoding.as_deref();
        let like = Options {
            columns: told.named.clone(),
            format: told.format,
            encoding: label.map(document::encoding).transpose()?,
            ..options.clone()
        };
        if let Ok(read) = prepare::exchanges(&like) {
            return Ok(read);
        }
    }
    prepare::exchanges(options)
}

/// How many of `tested` are in `train`, query and reply alike.
fn common(train: &[Exchange], tested: &[Exchange]) -> usize {
    let pair = |one: &'_ Exchange| (one.query.text.clone(), one.reply.clone());
    let seen: HashSet<(String, String)> = train.iter().map(pair).collect();
    tested
        .iter()
        .filter(|one| seen.contains(&pair(one)))
        .count()
}
