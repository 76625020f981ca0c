//! All inputs read: one script, or one list of pairs, and how they were understood.

use std::path::{Path, PathBuf};

use super::columns::Columns;
use super::document::{Document, data};
use super::formats::{Content, Format, Reader};
use super::inputs::expand;
use super::lines::Line;
use super::pairs::{PairColumns, Pairs};
use super::prepare::Options;
use super::read::Source;
use super::recognise::recognise;
use super::report::thousands;
use super::scenes::Builder;
use super::script::Script;
use super::take::{take_lines, take_rows};
use crate::error::Result;

/// What the inputs are.
pub(super) enum Gathered {
    /// Somebody speaks, and somebody answers.
    Script(Script),
    /// Queries with their replies.
    Pairs(Pairs),
}

/// How the inputs were understood.
#[derive(Debug, Default)]
pub(super) struct Understood {
    /// The files, as given.
    pub inputs: Vec<PathBuf>,
    /// Of each kind, how many files.
    formats: Vec<(Format, usize)>,
    /// Of the first table, the columns.
    pub columns: Option<Columns>,
    /// What else there is to say.
    said: Vec<String>,
    /// Characters that were put right.
    pub repaired: usize,
    /// Rows that did not fit.
    pub broken: usize,
}

impl Understood {
    /// The inputs, for messages and reports.
    pub(super) fn source(&self) -> String {
        let names: Vec<String> = self
            .inputs
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        match names.as_slice() {
            [first, _, _, ..] => format!("{first} and {} more", names.len() - 1),
            few => few.join(" and "),
        }
    }

    /// The path that errors about all of it name.
    pub(super) fn path(&self) -> &Path {
        self.inputs.first().map_or(Path::new(""), PathBuf::as_path)
    }

    /// Who is meant where the user names nobody.
    pub(super) fn character(&self) -> Option<&'static str> {
        self.formats
            .first()
            .and_then(|(format, _)| format.character())
    }

    /// The one line that says what was read.
    pub(super) fn kind(&self, lines: usize, people: Option<usize>) -> String {
        let kinds = self.formats.iter().map(|&(format, files)| match files {
            1 => format.what().to_owned(),
            files => format!("{} in {} files", format.what(), thousands(files)),
        });
        let kinds: Vec<String> = kinds.collect();
        let what = self
            .formats
            .first()
            .map_or("lines", |(format, _)| format.lines());
        match people {
            Some(people) => format!(
                "{}, {}, {}",
                kinds.join(" and "),
                counted(lines, what),
                match people {
                    1 => "1 person".to_owned(),
                    people => format!("{} people", thousands(people)),
                }
            ),
            None => format!(
                "{} of ready pairs, {}",
                kinds.join(" and "),
                counted(lines, "rows")
            ),
        }
    }

    /// Which column was taken for what, and what else there is to say.
    pub(super) fn said(&self) -> &[String] {
        &self.said
    }

    fn add(&mut self, format: Format) {
        match self.formats.iter_mut().find(|(known, _)| *known == format) {
            Some((_, files)) => *files += 1,
            None => self.formats.push((format, 1)),
        }
    }

    /// Remembers what is said of a table; of many alike, once.
    fn say(&mut self, what: String) {
        if !self.said.contains(&what) {
            self.said.push(what);
        }
    }

    fn add_table(&mut self, source: &Source, columns: Columns, by_contents: &[String]) {
        let roles = columns.described();
        let roles: Vec<String> = roles
            .iter()
            .map(|(role, name)| format!("{role} = {name}"))
            .collect();
        self.say(format!("columns: {}", roles.join("; ")));
        if source.is_headless() {
            self.say("there is no header: the first row is one of speech".into());
        } else if !by_contents.is_empty() {
            self.say(format!(
                "recognised by what is in them: {}",
                by_contents.join(", ")
            ));
        }
        self.repaired += source.repaired();
        let broken = source.broken();
        if let [first, ..] = broken {
            self.broken += broken.len();
            self.say(format!(
                "passed over in {}: {} rows that do not fit the header, the first of them row {first}",
                source.path().display(),
                thousands(broken.len())
            ));
        }
        self.columns.get_or_insert(columns);
    }
}

/// `1 line`, `2 lines`.
fn counted(number: usize, what: &str) -> String {
    let what = if number == 1 {
        what.trim_end_matches('s')
    } else {
        what
    };
    format!("{} {what}", thousands(number))
}

/// Reads all inputs of `options`, one after the other: each file begins a scene.
///
/// # Errors
/// Whatever is wrong with one of them; scripts and pairs among each other; nothing that is said.
pub(super) fn gather(options: &Options) -> Result<(Gathered, Understood)> {
    let files = expand(&options.inputs)?;
    let mut understood = Understood {
        inputs: options.inputs.clone(),
        ..Understood::default()
    };
    let mut reader = Reader::default();
    let mut builder = Builder::default();
    let mut pairs = Pairs::default();
    let mut lines_read = false;
    let mut pairs_read = false;
    for file in &files {
        let document = Document::read(file, options.encoding)?;
        let repaired = document.repaired;
        let (format, content) = reader.read(document, options.format, options.gap)?;
        match content {
            Content::Table(source) => {
                understood.add(format);
                let found = recognise(&source, &options.columns)?;
                lines_read |=
                    take_table(&mut builder, &mut pairs, &source, &found.columns, options)?;
                pairs_read |= matches!(found.columns, Columns::Pairs { .. });
                understood.add_table(&source, found.columns, &found.by_contents);
            }
            Content::Lines(lines) => {
                understood.add(format);
                understood.repaired += repaired;
                take_lines(&mut builder, &lines, format.manner());
                lines_read = true;
            }
            Content::Nothing if format == Format::Rasa => understood.add(format),
            Content::Nothing => {}
        }
        if lines_read && pairs_read {
            return Err(data(
                file,
                None,
                "this and the inputs before it are a script and ready pairs",
                "prepare one or the other",
            ));
        }
    }
    let last: Vec<Line> = reader.finish();
    if !last.is_empty() {
        take_lines(&mut builder, &last, Format::Rasa.manner());
    }
    if pairs_read {
        return Ok((Gathered::Pairs(pairs), understood));
    }
    let script = Script::new(builder);
    if script.is_empty() {
        return Err(data(
            understood.path(),
            None,
            "nobody says anything in it",
            "give a script, a chat, or questions with their answers",
        ));
    }
    Ok((Gathered::Script(script), understood))
}

/// Takes a table's rows, as lines or as pairs; says whether they are lines.
fn take_table(
    builder: &mut Builder,
    pairs: &mut Pairs,
    source: &Source,
    columns: &Columns,
    options: &Options,
) -> Result<bool> {
    match columns {
        Columns::Script {
            speaker,
            text,
            scenes,
        } => {
            take_rows(builder, source, speaker, text, scenes)?;
            Ok(true)
        }
        Columns::Pairs {
            query,
            more,
            reply,
            context,
            label,
        } => {
            let columns = PairColumns {
                query,
                more: more.as_deref(),
                reply,
                context: context.as_deref().filter(|_| options.context_turns > 0),
                // Everybody's are wanted: a label says whose a reply is.
                label: label.as_deref().filter(|_| !options.everyone),
            };
            pairs.read(source, columns, options.context_turns)?;
            Ok(false)
        }
    }
}
