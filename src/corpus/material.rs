//! What was read from a script or from ready pairs, in one form.

use super::columns::Columns;
use super::dataset::{Reply, pool};
use super::pairs::Pairs;
use super::prepare::Options;
use super::read::{Source, data};
use super::report::{Count, Lengths, MOST_FREQUENT, Report, ScriptFigures};
use super::script::Script;
use super::split::{Part, Split};
use crate::dialogue::Exchange;
use crate::error::{Error, Remedy, Result, Setting};

/// What ready pairs call their character when the user does not.
const UNNAMED: &str = "the character";

/// What was read, whatever its shape.
pub(super) struct Material {
    pub character: String,
    pub exchanges: Vec<Exchange>,
    pub pool: Vec<Reply>,
    pub split: Split,
    rows: usize,
    skipped: Vec<Count>,
    shape: Shape,
}

/// What only one shape has.
enum Shape {
    Script(Script),
    Pairs,
}

impl Material {
    /// Reads the rows of `source`.
    ///
    /// # Errors
    /// Whatever is wrong with them; a character who answers nobody; a split that pairs cannot have.
    pub fn read(source: &Source, columns: &Columns, options: &Options) -> Result<Self> {
        match columns {
            Columns::Script {
                speaker,
                text,
                scenes,
            } => Self::of_script(
                source,
                Script::read(source, speaker, text, scenes)?,
                options,
            ),
            Columns::Pairs {
                query,
                reply,
                context,
                label,
            } => {
                if options.split == Some(Split::Scene) {
                    return Err(Error::setting(
                        "ready pairs have no scenes, and neighbouring rows share their context: \
                         they are split contiguously",
                        Remedy::Leave(Setting::Split),
                    ));
                }
                let label = label.as_deref();
                let context = context.as_deref().filter(|_| options.context_turns > 0);
                let pairs =
                    Pairs::read(source, query, reply, context, label, options.context_turns)?;
                Ok(Self::of_pairs(pairs, options))
            }
        }
    }

    fn of_script(source: &Source, script: Script, options: &Options) -> Result<Self> {
        let character = script.character(source, options.character.as_deref())?;
        let exchanges = script.exchanges(character, options.context_turns);
        if exchanges.is_empty() {
            return Err(data(
                source.path(),
                None,
                format!(
                    "{} never answers anybody: every turn of theirs ({}) opens a scene",
                    character.name, character.turns
                ),
                Remedy::choose_like(Setting::Character, "somebody else").or(Remedy::ListCharacters),
            ));
        }
        let skipped = script.skipped();
        Ok(Self {
            character: character.name.clone(),
            exchanges,
            pool: script.pool(character),
            split: options.split.unwrap_or(Split::Scene),
            rows: script.lines() + skipped.no_speaker + skipped.no_text,
            skipped: counts(&[
                ("without a speaker", skipped.no_speaker),
                ("without words", skipped.no_text),
            ]),
            shape: Shape::Script(script),
        })
    }

    fn of_pairs(pairs: Pairs, options: &Options) -> Self {
        let replies = pairs.exchanges.iter();
        Self {
            character: options.character.clone().unwrap_or_else(|| UNNAMED.into()),
            pool: pool(replies.map(|pair| (pair.reply.as_str(), Some(pair.id)))),
            split: Split::Contiguous,
            rows: pairs.exchanges.len() + pairs.others + pairs.incomplete,
            skipped: counts(&[
                ("labelled as somebody else's", pairs.others),
                ("without a query or a reply", pairs.incomplete),
            ]),
            shape: Shape::Pairs,
            exchanges: pairs.exchanges,
        }
    }

    /// The figures.
    pub fn report(&self, source: &Source, parts: &[Part]) -> Report {
        let [train, valid, test] = [Part::Train, Part::Valid, Part::Test]
            .map(|wanted| parts.iter().filter(|part| **part == wanted).count());
        let answers_nobody = |reply: &&Reply| reply.exchanges.is_empty();
        let exchanges = self.exchanges.iter();
        Report {
            source: source.path().display().to_string(),
            character: self.character.clone(),
            rows: self.rows,
            skipped: self.skipped.clone(),
            repaired: source.repaired(),
            script: self.figures(),
            exchanges: self.exchanges.len(),
            train,
            valid,
            test,
            pool: self.pool.len(),
            openers: self.pool.iter().filter(answers_nobody).count(),
            query_words: Lengths::of(exchanges.clone().map(|one| one.query.text.as_str())),
            reply_words: Lengths::of(exchanges.map(|one| one.reply.as_str())),
            notes: notes(valid, test),
        }
    }

    fn figures(&self) -> Option<ScriptFigures> {
        let Shape::Script(script) = &self.shape else {
            return None;
        };
        let speakers = script.speakers();
        let (first, others) = speakers.split_at(speakers.len().min(MOST_FREQUENT));
        let own = others
            .iter()
            .filter(|speaker| speaker.name == self.character);
        Some(ScriptFigures {
            scenes: script.scenes(),
            lines: script.lines(),
            turns: speakers.iter().map(|speaker| speaker.turns).sum(),
            speakers: speakers.len(),
            most_frequent: first
                .iter()
                .chain(own)
                .map(|&speaker| speaker.clone())
                .collect(),
        })
    }
}

fn notes(valid: usize, test: usize) -> Vec<String> {
    if valid > 0 && test > 0 {
        return Vec::new();
    }
    let empty = match (valid, test) {
        (0, 0) => "validation and test",
        (0, _) => "validation",
        _ => "test",
    };
    vec![format!(
        "nothing is left for {empty}, because the exchanges stand in too few scenes, and scenes are \
         never divided. Separate scenes by empty rows, or name the columns that change with them."
    )]
}

fn counts(counts: &[(&str, usize)]) -> Vec<Count> {
    let there = counts.iter().filter(|(_, count)| *count > 0);
    let count = |&(what, count): &(&str, usize)| Count {
        what: what.into(),
        count,
    };
    there.map(count).collect()
}
