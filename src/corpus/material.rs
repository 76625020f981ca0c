//! What was read from a script or from ready pairs, in one form.

use std::collections::HashMap;

use super::columns::Columns;
use super::dataset::{EVERYONE, Reply, pool};
use super::document::data;
use super::gather::{Gathered, Understood, gather};
use super::pairs::Pairs;
use super::prepare::Options;
use super::report::{Count, Lengths, MOST_FREQUENT, Report, ScriptFigures, thousands};
use super::script::{Answer, Script, Whose};
use super::split::{Part, Split};
use crate::dialogue::{Exchange, Turn};
use crate::error::{Error, Remedy, Result, Setting};
use crate::text::printable::excerpt;

/// Replies that the report takes along, at most.
const SAMPLE: usize = 2000;

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
    understood: Understood,
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
    /// Reads the inputs.
    ///
    /// # Errors
    /// Whatever is wrong with them; a character who answers nobody; a split that pairs cannot have.
    pub(super) fn read(options: &Options) -> Result<Self> {
        match gather(options)? {
            (Gathered::Script(script), understood) => Self::of_script(script, understood, options),
            (Gathered::Pairs(_), _) if options.split == Some(Split::Scene) => Err(Error::setting(
                "ready pairs have no scenes, and neighbouring rows share their context: \
                 they are split contiguously",
                Remedy::Leave(Setting::Split),
            )),
            (Gathered::Pairs(pairs), understood) => Ok(Self::of_pairs(pairs, understood, options)),
        }
    }

    fn of_script(script: Script, understood: Understood, options: &Options) -> Result<Self> {
        let path = understood.path();
        let (character, whose) = if options.everyone {
            (EVERYONE.to_owned(), Whose::Everyone)
        } else {
            let wanted = options.character.as_deref();
            let at = script.character(path, wanted, understood.character())?;
            (script.speaker(at).name.clone(), Whose::One(at))
        };
        let answers = script.answers(whose);
        if answers.is_empty() {
            let alone = script.speakers().len() == 1;
            let what = match whose {
                Whose::Everyone => "nobody answers anybody: every scene is one turn".to_owned(),
                Whose::One(_) if alone => {
                    format!("{character} never answers anybody: nobody else speaks")
                }
                Whose::One(at) => format!(
                    "{character} never answers anybody: every turn of theirs ({}) opens a scene",
                    script.speaker(at).turns
                ),
            };
            let remedy = if alone {
                Remedy::choose([Setting::SpeakerColumn])
            } else {
                Remedy::choose([Setting::Character])
            };
            return Err(data(path, None, what, remedy.or(Remedy::ListCharacters)));
        }
        let skipped = script.skipped();
        Ok(Self {
            character,
            split: options.split.unwrap_or(Split::Scene),
            context_turns: options.context_turns,
            rows: script.lines() + skipped.no_speaker + skipped.no_text + understood.broken,
            skipped: counts(&[
                ("without a speaker", skipped.no_speaker),
                ("without words", skipped.no_text),
                ("that do not fit the header", understood.broken),
            ]),
            shape: Shape::Script {
                script,
                whose,
                answers,
            },
            understood,
        })
    }

    fn of_pairs(pairs: Pairs, understood: Understood, options: &Options) -> Self {
        let unnamed = if options.everyone { EVERYONE } else { UNNAMED };
        Self {
            character: options.character.clone().unwrap_or_else(|| unnamed.into()),
            split: Split::Contiguous,
            context_turns: options.context_turns,
            rows: pairs.exchanges.len() + pairs.others + pairs.incomplete + understood.broken,
            skipped: counts(&[
                ("labelled as somebody else's", pairs.others),
                ("without a query or a reply", pairs.incomplete),
                ("that do not fit the header", understood.broken),
            ]),
            shape: Shape::Pairs(pairs.exchanges),
            understood,
        }
    }

    /// What is answered, by exchange.
    pub(super) fn queries(&self) -> Vec<&str> {
        match &self.shape {
            Shape::Script {
                script, answers, ..
            } => answers.iter().map(|&at| script.query(at)).collect(),
            Shape::Pairs(pairs) => pairs.iter().map(|pair| pair.query.text.as_str()).collect(),
        }
    }

    /// The answers, by exchange.
    pub(super) fn replies(&self) -> Vec<&str> {
        match &self.shape {
            Shape::Script {
                script, answers, ..
            } => answers.iter().map(|&at| script.reply(at)).collect(),
            Shape::Pairs(pairs) => pairs.iter().map(|pair| pair.reply.as_str()).collect(),
        }
    }

    /// The scenes, by exchange.
    pub(super) fn scenes(&self) -> Vec<usize> {
        match &self.shape {
            Shape::Script {
                script, answers, ..
            } => answers.iter().map(|&at| script.scene(at)).collect(),
            Shape::Pairs(pairs) => pairs.iter().map(|pair| pair.scene).collect(),
        }
    }

    /// How many exchanges there are.
    pub(super) fn len(&self) -> usize {
        match &self.shape {
            Shape::Script { answers, .. } => answers.len(),
            Shape::Pairs(pairs) => pairs.len(),
        }
    }

    /// An exchange; nothing is picked for it yet.
    #[allow(
        clippy::indexing_slicing,
        reason = "who asks numbers the exchanges that are there"
    )]
    pub(super) fn exchange(&self, id: usize) -> Exchange {
        match &self.shape {
            Shape::Script {
                script, answers, ..
            } => script.exchange(id, answers[id], self.context_turns),
            Shape::Pairs(pairs) => pairs[id].clone(),
        }
    }

    /// The columns that were read, of tables.
    pub(super) fn columns(&self) -> Option<Columns> {
        self.understood.columns.clone()
    }

    /// The inputs, in words.
    pub(super) fn source(&self) -> String {
        self.understood.source()
    }

    /// The distinct replies.
    pub(super) fn pool(&self) -> Vec<Reply> {
        match &self.shape {
            Shape::Script { script, whose, .. } => script.pool(*whose),
            Shape::Pairs(pairs) => {
                let replies = pairs.iter();
                pool(replies.map(|pair| (pair.reply.as_str(), Some(pair.id))))
            }
        }
    }

    /// The figures.
    pub(super) fn report(&self, parts: &[Option<Part>], pool: &[Reply]) -> Report {
        let [train, valid, test] = [Part::Train, Part::Valid, Part::Test]
            .map(|wanted| parts.iter().filter(|part| **part == Some(wanted)).count());
        let answers_nobody = |reply: &&Reply| reply.exchanges.is_empty();
        let script = self.figures();
        let people = script.as_ref().map(|script| script.speakers);
        let lines = script.as_ref().map_or(self.rows, |script| script.lines);
        Report {
            source: self.understood.source(),
            kind: self.understood.kind(lines, people),
            said: self.understood.said().to_vec(),
            character: self.character.clone(),
            rows: self.rows,
            skipped: self.skipped.clone(),
            repaired: self.understood.repaired,
            script,
            exchanges: self.len(),
            train,
            valid,
            test,
            between: parts.iter().filter(|part| part.is_none()).count(),
            pool: pool.len(),
            openers: pool.iter().filter(answers_nobody).count(),
            query_words: Lengths::of(self.queries()),
            reply_words: Lengths::of(self.replies()),
            examples: self.examples(),
            sample: {
                let step = pool.len().div_ceil(SAMPLE).max(1);
                let sample = pool.iter().step_by(step);
                sample.map(|reply| reply.text.clone()).collect()
            },
            notes: self.notes(valid, test),
        }
    }

    /// Three exchanges as they were understood: near the start, in the middle, near the end.
    fn examples(&self) -> Vec<[Turn; 2]> {
        let n = self.len();
        let mut places = vec![n / 6, n / 2, n * 5 / 6];
        places.dedup();
        let reply = |text: &str| Turn {
            speaker: self.character.clone(),
            text: text.to_owned(),
        };
        places
            .into_iter()
            .filter_map(|at| match &self.shape {
                Shape::Script {
                    script, answers, ..
                } => answers.get(at).map(|&answer| script.both(answer)),
                Shape::Pairs(pairs) => pairs
                    .get(at)
                    .map(|pair| [pair.query.clone(), reply(&pair.reply)]),
            })
            .collect()
    }

    /// What looks wrong.
    fn notes(&self, valid: usize, test: usize) -> Vec<String> {
        let mut notes = Vec::new();
        let replies = self.replies();
        let figures = |reply: &&&str| !reply.contains(char::is_alphabetic);
        if replies.iter().filter(figures).count() * 2 > replies.len() {
            notes.push(
                "most replies are mere figures: another column may hold what is said. Name it."
                    .into(),
            );
        }
        let mut times: HashMap<&str, usize> = HashMap::new();
        for reply in &replies {
            *times.entry(reply).or_default() += 1;
        }
        let most = times
            .into_iter()
            .max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0)));
        if let Some((reply, times)) =
            most.filter(|(_, times)| *times > 20 && times * 5 > replies.len())
        {
            notes.push(format!(
                "one reply comes again and again ({} times of {}): \"{}\".",
                thousands(times),
                thousands(replies.len()),
                excerpt(reply, 60)
            ));
        }
        if let Shape::Script { script, .. } = &self.shape
            && script.scenes() == 1
            && script.lines() > 100
        {
            notes.push(
                "it is all one scene: who speaks after a break is taken to answer what was said \
                     before it. If there are breaks, name the columns that change with them, or \
                     separate scenes by empty rows."
                    .into(),
            );
        }
        if valid == 0 || test == 0 {
            notes.push(self.too_few(valid, test));
        }
        notes
    }

    fn too_few(&self, valid: usize, test: usize) -> String {
        let empty = match (valid, test) {
            (0, 0) => "validation and test",
            (0, _) => "validation",
            _ => "test",
        };
        match self.shape {
            Shape::Script { .. } => format!(
                "nothing is left for {empty}, because the exchanges stand in too few scenes, and short scenes \
                 are never divided. Separate scenes by empty rows, or name the columns that change with them."
            ),
            Shape::Pairs(_) => format!("nothing is left for {empty}: there are too few pairs."),
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

fn counts(counts: &[(&str, usize)]) -> Vec<Count> {
    let there = counts.iter().filter(|(_, count)| *count > 0);
    let count = |&(what, count): &(&str, usize)| Count {
        what: what.into(),
        count,
    };
    there.map(count).collect()
}
