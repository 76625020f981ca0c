//! The one call: a script in, a dataset folder out.

use std::path::{Path, PathBuf};

use encoding_rs::Encoding;

use super::columns::{Columns, Named};
use super::dataset::{DatasetSettings, POOL, SETTINGS, TEST, TRAIN, VALID};
use super::material::Material;
use super::read::{Source, data};
use super::report::Report;
use super::scenes::Speaker;
use super::script::Script;
use super::split::{Part, Split, split};
use super::{folder, pick};
use crate::dialogue::Exchange;
use crate::error::{IoContext, Remedy, Result, Setting};
use crate::files;

/// Which script, and what to make of it.
#[derive(Debug, Clone)]
pub struct Options {
    /// The script, or the ready pairs.
    pub input: PathBuf,
    /// Its encoding; by default the byte order mark's, else UTF-8.
    pub encoding: Option<&'static Encoding>,
    /// Columns that the user named.
    pub columns: Named,
    /// Who answers; by default Homer Simpson where the script has him, else whoever has most lines.
    pub character: Option<String>,
    /// Turns before the query that are kept, at most.
    pub context_turns: usize,
    /// Good replies an exchange, at most.
    pub good: usize,
    /// Bad replies an exchange, at most.
    pub bad: usize,
    /// How to divide; by default by scene, and ready pairs in file order.
    pub split: Option<Split>,
    /// Decides the split and the bad replies.
    pub seed: u64,
}

impl Options {
    /// The defaults, for `input`.
    pub fn new(input: impl Into<PathBuf>) -> Self {
        Self {
            input: input.into(),
            encoding: None,
            columns: Named::default(),
            character: None,
            context_turns: 4,
            good: 3,
            bad: 5,
            split: None,
            seed: 42,
        }
    }
}

/// Reads the input and writes the dataset into `folder`, as a whole or not at all. An earlier
/// dataset there is replaced.
///
/// # Errors
/// Whatever is wrong with the input, with file and row; nothing is written then.
pub fn prepare(options: &Options, folder: &Path) -> Result<Report> {
    folder::check_replaceable(folder)?;
    let source = Source::read(&options.input, options.encoding)?;
    let columns = Columns::recognise(&source, &options.columns)?;
    let mut material = Material::read(&source, &columns, options)?;
    let parts = split(&material.exchanges, material.split, options.seed);
    pick::pick(
        &mut material.exchanges,
        &parts,
        options.good,
        options.bad,
        options.seed,
    );
    let settings = DatasetSettings {
        source: options.input.display().to_string(),
        character: material.character.clone(),
        seed: options.seed,
        columns: Some(columns),
        encoding: options.encoding.map(|encoding| encoding.name().to_owned()),
        context_turns: options.context_turns,
        good: options.good,
        bad: options.bad,
        split: material.split,
    };
    let report = material.report(&source, &parts);
    files::replace_folder(folder, |new| {
        for (name, part) in [
            (TRAIN, Part::Train),
            (VALID, Part::Valid),
            (TEST, Part::Test),
        ] {
            let of_part = material.exchanges.iter().zip(&parts);
            let of_part = of_part.filter(|(_, own)| **own == part);
            files::write_jsonl(&new.join(name), of_part.map(|(exchange, _)| exchange))?;
        }
        files::write_jsonl(&new.join(POOL), &material.pool)?;
        files::write_json(&new.join(SETTINGS), &settings)?;
        files::write_json(&new.join("report.json"), &report)?;
        let text = new.join("report.txt");
        files::write_atomic(&text, |out| {
            use std::io::Write;
            write!(out, "{report}").at("write", &text)
        })?;
        #[cfg(feature = "plots")]
        super::picture::draw(&report, &new.join("report.png"))?;
        Ok(())
    })?;
    Ok(report)
}

/// The character and their exchanges, in the order of the input; nothing is picked, divided or
/// written.
///
/// # Errors
/// Whatever is wrong with the input, with file and row.
pub fn exchanges(options: &Options) -> Result<(String, Vec<Exchange>)> {
    let source = Source::read(&options.input, options.encoding)?;
    let columns = Columns::recognise(&source, &options.columns)?;
    let material = Material::read(&source, &columns, options)?;
    Ok((material.character, material.exchanges))
}

/// Everybody who speaks in a script, the most lines first.
///
/// # Errors
/// As [`prepare`]; ready pairs, which have no speakers.
pub fn list_characters(options: &Options) -> Result<Vec<Speaker>> {
    let source = Source::read(&options.input, options.encoding)?;
    match &Columns::recognise(&source, &options.columns)? {
        Columns::Script {
            speaker,
            text,
            scenes,
        } => {
            let script = Script::read(&source, speaker, text, scenes)?;
            Ok(script.speakers().into_iter().cloned().collect())
        }
        Columns::Pairs { .. } => Err(data(
            source.path(),
            None,
            "these are ready pairs: they do not say who speaks",
            Remedy::choose([Setting::SpeakerColumn, Setting::TextColumn]),
        )),
    }
}
