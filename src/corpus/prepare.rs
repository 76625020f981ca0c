//! The one call: a script in, a dataset folder out.

use std::path::{Path, PathBuf};

use encoding_rs::Encoding;

use super::columns::Named;
use super::dataset::{DatasetSettings, GAP, POOL, REPORTS, SETTINGS, TEST, TRAIN, VALID};
use super::document::data;
use super::folder;
use super::formats::Format;
use super::gather::{Gathered, gather};
use super::inputs::expand;
use super::material::Material;
use super::pick::Picks;
use super::report::Report;
use super::scenes::Speaker;
use super::script::CLOSE_REPLIES;
use super::split::{Part, Split, split};
use crate::dialogue::Exchange;
use crate::error::{IoContext, Remedy, Result, Setting};
use crate::files::{self, Rights};
use crate::watch::Watch;

/// Which script, and what to make of it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Files, folders and patterns: the script, or the ready pairs. `-` is the standard input.
    pub inputs: Vec<PathBuf>,
    /// What they are; by default what they look like.
    pub format: Option<Format>,
    /// Seconds of silence after which a chat's next message begins a scene.
    pub gap: u64,
    /// Their encoding; by default the byte order mark's, else UTF-8.
    pub encoding: Option<&'static Encoding>,
    /// Columns that the user named.
    pub columns: Named,
    /// Who answers; by default Homer Simpson where the script has him, else whoever has most lines.
    pub character: Option<String>,
    /// Every speaker's turn that answers another's is an exchange.
    pub everyone: bool,
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
            inputs: vec![input.into()],
            format: None,
            gap: GAP,
            encoding: None,
            columns: Named::default(),
            character: None,
            everyone: false,
            context_turns: 4,
            good: 3,
            bad: 5,
            split: None,
            seed: 42,
        }
    }
}

/// Reads the input and writes the dataset into `folder`, as a whole or not at all. An earlier
/// dataset there is replaced. Who could not read the input cannot read the dataset.
///
/// # Errors
/// Whatever is wrong with the input, with file and row, and [`Error::Interrupted`] soon after `watch` says so;
/// nothing is written then.
///
/// [`Error::Interrupted`]: crate::error::Error::Interrupted
pub(crate) fn prepare(options: &Options, folder: &Path, watch: &dyn Watch) -> Result<Report> {
    folder::check_replaceable(folder)?;
    let rights = Rights::of(expand(&options.inputs)?);
    let material = Material::read(options)?;
    watch.go_on()?;
    let gap = options.context_turns.max(CLOSE_REPLIES) + 1;
    let parts = split(&material.scenes(), material.split, options.seed, gap);
    let replies = material.replies();
    let picks = Picks::new(
        &material.queries(),
        &replies,
        &parts,
        options.good,
        options.bad,
        options.seed,
        watch,
    )?;
    let settings = settings(options, &material);
    let pool = material.pool();
    let report = material.report(&parts, &pool);
    let texts = |picked: &mut dyn Iterator<Item = usize>| -> Vec<String> {
        let texts = picked.filter_map(|at| replies.get(at));
        texts.map(|&text| text.to_owned()).collect()
    };
    let exchange = |id: usize| {
        let [mut good, mut bad] = picks.of(id);
        Exchange {
            good_replies: texts(&mut good),
            bad_replies: texts(&mut bad),
            ..material.exchange(id)
        }
    };
    let [json, text, picture] = REPORTS;
    files::replace_folder(folder, rights, |new| {
        for (name, part) in [
            (TRAIN, Part::Train),
            (VALID, Part::Valid),
            (TEST, Part::Test),
        ] {
            let of_part = parts.iter().enumerate();
            let of_part = of_part.filter(|&(_, own)| *own == Some(part));
            let of_part = of_part.map(|(id, _)| exchange(id));
            files::write_jsonl(&new.join(name), Rights::OPEN, of_part)?;
            watch.go_on()?;
        }
        files::write_jsonl(&new.join(POOL), Rights::OPEN, &pool)?;
        files::write_json(&new.join(SETTINGS), &settings)?;
        files::write_json(&new.join(json), &report)?;
        let text = new.join(text);
        files::write_atomic(&text, |out| {
            use std::io::Write;
            write!(out, "{report}").at("write", &text)
        })?;
        #[cfg(feature = "plots")]
        super::picture::draw(&report, &new.join(picture))?;
        #[cfg(not(feature = "plots"))]
        let _ = picture;
        watch.go_on()
    })?;
    Ok(report)
}

/// What the dataset was made from, and how.
fn settings(options: &Options, material: &Material) -> DatasetSettings {
    DatasetSettings {
        source: material.source(),
        character: material.character.clone(),
        everyone: options.everyone,
        seed: options.seed,
        columns: material.columns(),
        named: options.columns.clone(),
        format: options.format,
        gap: options.gap,
        encoding: options.encoding.map(|encoding| encoding.name().to_owned()),
        context_turns: options.context_turns,
        good: options.good,
        bad: options.bad,
        split: material.split,
    }
}

/// The character and their exchanges, in the order of the input; nothing is picked, divided or
/// written.
///
/// # Errors
/// Whatever is wrong with the input, with file and row.
pub(crate) fn exchanges(options: &Options) -> Result<(String, Vec<Exchange>)> {
    let material = Material::read(options)?;
    let exchanges = (0..material.len()).map(|id| material.exchange(id));
    let exchanges = exchanges.collect();
    Ok((material.character, exchanges))
}

/// What is said, whoever speaks: the turns of every scene; of pairs, of every pair.
///
/// # Errors
/// As [`prepare`].
pub fn texts(options: &Options) -> Result<Vec<Vec<String>>> {
    match gather(options)?.0 {
        Gathered::Script(script) => Ok(script.texts().collect()),
        Gathered::Pairs(pairs) => {
            let scenes = pairs.exchanges.into_iter().map(|pair| {
                let context = pair.context.into_iter().map(|turn| turn.text);
                context.chain([pair.query.text, pair.reply]).collect()
            });
            Ok(scenes.collect())
        }
    }
}

/// Everybody who speaks in a script, the most lines first.
///
/// # Errors
/// As [`prepare`]; ready pairs, which have no speakers.
pub fn list_characters(options: &Options) -> Result<Vec<Speaker>> {
    match gather(options)? {
        (Gathered::Script(script), _) => Ok(script.speakers().into_iter().cloned().collect()),
        (Gathered::Pairs(_), understood) => Err(data(
            understood.path(),
            None,
            "these are ready pairs: they do not say who speaks",
            Remedy::choose([Setting::SpeakerColumn, Setting::TextColumn]),
        )),
    }
}
