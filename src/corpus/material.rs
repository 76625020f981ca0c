//! What was read from a script or from ready pairs, in one form.

use super::columns::Columns;
use super::dataset::{EVERYONE, Reply, pool};
use super::pairs::Pairs;
use super::prepare::Options;
use super::read::{Source, data};
use super::report::{Count, Lengths, MOST_FREQUENT, Report, ScriptFigures};
use super::script::{Answer, Script, Whose};
use super::split::{Part, Split};
use crate::dialogue::Exchange;
use crate::error::{Error, Remedy, Result, Setting};

/// What ready pairs call their character when the user does not.
const UNNAMED: &str = "the character";

/// What was read, whatever its shape.
pub(super) struct Material {
    pub character: String,
    pub split: Split,
    context_turns: usize,
    rows: usize,
    skipped: Vec<Count>,
    shape: Shape,
}

/// The exchanges of one shape or the other. Of a script they are made when they are asked for: with
/// all that surrounds it, every turn would be there ten times.
enum Shape {
    Script {
        script: Script,
        whose: Whose,
        answers: Vec<Answer>,
    },
    Pairs(Vec<Exchange>),
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
                // Everybody's are wanted: a label says whose a reply is.
                let label = label.as_deref().filter(|_| !options.everyone);
                let context = context.as_deref().filter(|_| options.context_turns > 0);
                let pairs =
                    Pairs::read(source, query, reply, context, label, options.context_turns)?;
                Ok(Self::of_pairs(pairs, options))
            }
        }
    }

    fn of_script(source: &Source, script: Script, options: &Options) -> Result<Self> {
        let (character, whose) = if options.everyone {
            (EVERYONE.to_owned(), Whose::Everyone)
        } else {
            let at = script.character(source, options.character.as_deref())?;
            (script.speaker(at).name.clone(), Whose::One(at))
        };
        let answers = script.answers(whose);
        if answers.is_empty() {
            let what = match whose {
                Whose::Everyone => "nobody answers anybody: every scene is one turn".to_owned(),
                Whose::One(at) => format!(
                    "{character} never answers anybody: every turn of theirs ({}) opens a scene",
                    script.speaker(at).turns
                ),
            };
            return Err(data(
                source.path(),
                None,
                what,
                "pick somebody else with --character; \
                 `homer prepare --list-characters` shows who answers",
            ));
        }
        let skipped = script.skipped();
        Ok(Self {
            character,
            split: options.split.unwrap_or(Split::Scene),
            context_turns: options.context_turns,
            rows: script.lines() + skipped.no_speaker + skipped.no_text,
            skipped: counts(&[
                ("without a speaker", skipped.no_speaker),
                ("without words", skipped.no_text),
            ]),
            shape: Shape::Script {
                script,
                whose,
                answers,
            },
        })
    }

    fn of_pairs(pairs: Pairs, options: &Options) -> Self {
        let unnamed = if options.everyone { EVERYONE } else { UNNAMED };
        Self {
            character: options.character.clone().unwrap_or_else(|| unnamed.into()),
            split: Split::Contiguous,
            context_turns: options.context_turns,
            rows: pairs.exchanges.len() + pairs.others + pairs.incomplete,
            skipped: counts(&[
                ("labelled as somebody else's", pairs.others),
                ("without a query or a reply", pairs.incomplete),
            ]),
            shape: Shape::Pairs(pairs.exchanges),
        }
    }

    /// What is answered, by exchange.
    pub fn queries(&self) -> Vec<&str> {
        match &self.shape {
            Shape::Script {
                script, answers, ..
            } => answers.iter().map(|&at| script.query(at)).collect(),
            Shape::Pairs(pairs) => pairs.iter().map(|pair| pair.query.text.as_str()).collect(),
        }
    }

    /// The answers, by exchange.
    pub fn replies(&self) -> Vec<&str> {
        match &self.shape {
            Shape::Script {
                script, answers, ..
            } => answers.iter().map(|&at| script.reply(at)).collect(),
            Shape::Pairs(pairs) => pairs.iter().map(|pair| pair.reply.as_str()).collect(),
        }
    }

    /// The scenes, by exchange.
    pub fn scenes(&self) -> Vec<usize> {
        match &self.shape {
            Shape::Script {
                script, answers, ..
            } => answers.iter().map(|&at| script.scene(at)).collect(),
            Shape::Pairs(pairs) => pairs.iter().map(|pair| pair.scene).collect(),
        }
    }

    /// How many exchanges there are.
    pub fn len(&self) -> usize {
        match &self.shape {
            Shape::Script { answers, .. } => answers.len(),
            Shape::Pairs(pairs) => pairs.len(),
        }
    }

    /// An exchange; nothing is picked for it yet.
    pub fn exchange(&self, id: usize) -> Exchange {
        match &self.shape {
            Shape::Script {
                script, answers, ..
            } => script.exchange(id, answers[id], self.context_turns),
            Shape::Pairs(pairs) => pairs[id].clone(),
        }
    }

    /// The distinct replies.
    pub fn pool(&self) -> Vec<Reply> {
        match &self.shape {
            Shape::Script { script, whose, .. } => script.pool(*whose),
            Shape::Pairs(pairs) => {
                let replies = pairs.iter();
                pool(replies.map(|pair| (pair.reply.as_str(), Some(pair.id))))
            }
        }
    }

    /// The figures.
    pub fn report(&self, source: &Source, parts: &[Part], pool: &[Reply]) -> Report {
        let [train, valid, test] = [Part::Train, Part::Valid, Part::Test]
            .map(|wanted| parts.iter().filter(|part| **part == wanted).count());
        let answers_nobody = |reply: &&Reply| reply.exchanges.is_empty();
        Report {
            source: source.path().display().to_string(),
            character: self.character.clone(),
            rows: self.rows,
            skipped: self.skipped.clone(),
            repaired: source.repaired(),
            script: self.figures(),
            exchanges: self.len(),
            train,
            valid,
            test,
            pool: pool.len(),
            openers: pool.iter().filter(answers_nobody).count(),
            query_words: Lengths::of(self.queries()),
            reply_words: Lengths::of(self.replies()),
            notes: notes(valid, test),
        }
    }

    fn figures(&self) -> Option<ScriptFigures> {
        let Shape::Script { script, .. } = &self.shape else {
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
