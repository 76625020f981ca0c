//! Which column is what: by the user's word, else by the names that well-known files use and by what is
//! in the columns.
#![allow(
    clippy::indexing_slicing,
    reason = "columns are numbers of the header's, and there is a profile for each"
)]

use super::columns::{Columns, Named, exact, is_own, list};
use super::document::data;
use super::headers::{CONTEXT, LABEL, QUERY, REPLY, SPEAKER, TEXT, is_scene, plain, same};
use super::profile::{Profile, SAMPLE};
use super::read::Source;
use crate::error::{Error, Remedy, Result, Setting};

#[cfg(test)]
mod tests;

/// The columns, and which of them were recognised by what is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recognised {
    /// The columns.
    pub columns: Columns,
    /// Those with a name that says nothing.
    pub by_contents: Vec<String>,
}

/// Recognises the columns of `source`, and says how; names that the user gave come first.
///
/// # Errors
/// A named column that is not there; neither a script nor pairs.
pub(super) fn recognise(source: &Source, named: &Named) -> Result<Recognised> {
    let table = Table::of(source)?;
    let script_named = named.speaker.is_some() || named.text.is_some() || !named.scenes.is_empty();
    let pairs_named = [&named.query, &named.reply, &named.context, &named.label]
        .iter()
        .any(|name| name.is_some());
    let script = if pairs_named {
        None
    } else {
        Some(table.script(named)?)
    };
    let pairs = if script_named {
        None
    } else {
        Some(table.pairs(named)?)
    };

    if let Some(Half(Some(speaker), Some(text))) = script {
        return table.of_script(speaker, text, named, &[]);
    }
    if let Some(Half(Some(query), Some(reply))) = pairs {
        return table.of_pairs(query, reply, named, &[]);
    }
    // The names do not say it all: what is in the columns does, or must be named.
    if let Some(Half(speaker, text)) = script {
        let text = text.or_else(|| table.speech(&[speaker]));
        let speaker = speaker.or_else(|| table.talker(text));
        if let (Some(speaker_at), Some(text_at)) = (speaker, text) {
            return table.of_script(speaker_at, text_at, named, &[speaker, text]);
        }
    }
    if let Some(Half(query, reply)) = pairs {
        let two = table.two_speeches().filter(|_| !pairs_named);
        if let (None, None, Some((query, reply))) = (query, reply, two) {
            return table.of_pairs(query, reply, named, &[Some(query), Some(reply)]);
        }
    }
    let mut missing = Vec::new();
    for (half, [first, second]) in [(script, ["speaker", "text"]), (pairs, ["query", "reply"])] {
        if let Some(Half(one, other)) = half {
            missing.extend(one.is_none().then_some(first));
            missing.extend(other.is_none().then_some(second));
        }
    }
    Err(unrecognised(source, &missing))
}

/// Two columns that make a shape together, as far as they are found.
#[derive(Debug, Clone, Copy)]
struct Half(Option<usize>, Option<usize>);

/// A table's columns with what is in them.
struct Table<'a> {
    source: &'a Source,
    profiles: Vec<Profile>,
    /// Whether a column's first cells say yes and no.
    is_label: Vec<bool>,
}

impl<'a> Table<'a> {
    fn of(source: &'a Source) -> Result<Self> {
        let sample = source.sample(SAMPLE)?;
        let columns = 0..source.header().len();
        let cells = |column: usize| sample.iter().map(move |row| row[column].as_str());
        Ok(Self {
            source,
            profiles: columns
                .clone()
                .map(|column| Profile::of(cells(column)))
                .collect(),
            is_label: columns
                .map(|column| {
                    let (yes, all) = cells(column)
                        .filter(|cell| !cell.is_empty())
                        .fold((0, 0), |(yes, all), cell| {
                            (yes + usize::from(is_own(cell).is_some()), all + 1)
                        });
                    all == 0 || yes * 2 > all
                })
                .collect(),
        })
    }

    fn script(&self, named: &Named) -> Result<Half> {
        let text = self.find(named.text.as_ref(), TEXT, Profile::is_words)?;
        let speaker = self.find(named.speaker.as_ref(), SPEAKER, Profile::is_names)?;
        if speaker.is_some() && speaker == text {
            return Err(Error::setting(
                format!(
                    "column \"{}\" cannot hold both the speaker and the text",
                    self.name(speaker.unwrap_or_default())
                ),
                Remedy::choose([Setting::SpeakerColumn, Setting::TextColumn]),
            ));
        }
        Ok(Half(speaker, text))
    }

    fn pairs(&self, named: &Named) -> Result<Half> {
        let query = self.find(named.query.as_ref(), QUERY, Profile::is_words)?;
        let reply = self.find(named.reply.as_ref(), REPLY, Profile::is_words)?;
        if query.is_some() && query == reply {
            return Err(Error::setting(
                format!(
                    "column \"{}\" cannot hold both the query and the reply",
                    self.name(reply.unwrap_or_default())
                ),
                Remedy::choose([Setting::QueryColumn, Setting::ReplyColumn]),
            ));
        }
        Ok(Half(query, reply))
    }

    /// The column that the user named, else the first that has a known name and fits.
    fn find(
        &self,
        given: Option<&String>,
        known: &[&str],
        fits: impl Fn(&Profile) -> bool,
    ) -> Result<Option<usize>> {
        if let Some(name) = given {
            return exact(self.source, name).map(Some);
        }
        let places = known
            .iter()
            .filter_map(|name| same(self.source.header(), name));
        let mut fitting = places.filter(|&at| fits(&self.profiles[at]));
        Ok(fitting.next())
    }

    fn of_script(
        &self,
        speaker: usize,
        text: usize,
        named: &Named,
        guessed: &[Option<usize>],
    ) -> Result<Recognised> {
        let scenes = if named.scenes.is_empty() {
            let header = self.source.header().iter().enumerate();
            let scenes = header.filter(|&(at, name)| {
                let divides = !self.profiles[at].is_different_everywhere();
                at != speaker && at != text && is_scene(name) && divides
            });
            scenes.map(|(_, name)| name.clone()).collect()
        } else {
            let named = named.scenes.iter();
            let places = named.map(|name| exact(self.source, name));
            let places: Vec<usize> = places.collect::<Result<_>>()?;
            places.into_iter().map(|at| self.name(at)).collect()
        };
        let of_names = [
            (speaker, SPEAKER, named.speaker.is_some()),
            (text, TEXT, named.text.is_some()),
        ];
        let columns = Columns::Script {
            speaker: self.name(speaker),
            text: self.name(text),
            scenes,
        };
        Ok(self.recognised(columns, guessed, &of_names))
    }

    fn of_pairs(
        &self,
        query: usize,
        reply: usize,
        named: &Named,
        guessed: &[Option<usize>],
    ) -> Result<Recognised> {
        let header = self.source.header();
        // An instruction has its input beside it.
        let input = || same(header, "input").filter(|&at| at != query && at != reply);
        let instruction = same(header, "instruction") == Some(query) && named.query.is_none();
        let more = if instruction { input() } else { None };
        let context = self.find(named.context.as_ref(), CONTEXT, Profile::is_words)?;
        let label = match &named.label {
            Some(name) => Some(exact(self.source, name)?),
            // Elsewhere a label is an intent.
            None => LABEL
                .iter()
                .find_map(|name| same(header, name))
                .filter(|&at| self.is_label[at]),
        };
        let free = |at: &usize| *at != query && *at != reply;
        let columns = Columns::Pairs {
            query: self.name(query),
            more: more.map(|at| self.name(at)),
            reply: self.name(reply),
            context: context.filter(free).map(|at| self.name(at)),
            label: label.filter(free).map(|at| self.name(at)),
        };
        Ok(self.recognised(columns, guessed, &[]))
    }

    fn recognised(
        &self,
        columns: Columns,
        guessed: &[Option<usize>],
        of_names: &[(usize, &[&str], bool)],
    ) -> Recognised {
        let by_name = |at: usize| {
            let mut roles = of_names.iter().filter(|(column, _, _)| *column == at);
            roles.any(|(_, known, named)| {
                *named
                    || known
                        .iter()
                        .any(|name| plain(name) == plain(&self.source.header()[at]))
            })
        };
        let mut guessed: Vec<usize> = guessed.iter().copied().flatten().collect();
        guessed.retain(|&at| !by_name(at));
        Recognised {
            columns,
            by_contents: guessed.into_iter().map(|at| self.name(at)).collect(),
        }
    }

    /// The column with the most words.
    fn speech(&self, not: &[Option<usize>]) -> Option<usize> {
        let columns = (0..self.profiles.len()).filter(|at| !not.contains(&Some(*at)));
        let speech = columns.filter(|&at| self.profiles[at].is_speech());
        let words = |at: usize| self.profiles[at].mean_words();
        speech.max_by(|&a, &b| words(a).total_cmp(&words(b)).then(b.cmp(&a)))
    }

    /// The column whose cells are the names of people who talk with each other.
    fn talker(&self, text: Option<usize>) -> Option<usize> {
        let talk = |at: usize| self.profiles[at].talk();
        let columns = (0..self.profiles.len()).filter(|&at| {
            let scene = is_scene(&self.source.header()[at]);
            Some(at) != text && !scene && talk(at) > 0.2
        });
        columns.max_by(|&a, &b| talk(a).total_cmp(&talk(b)).then(b.cmp(&a)))
    }

    /// The two columns of speech, where there are no more.
    fn two_speeches(&self) -> Option<(usize, usize)> {
        let columns = 0..self.profiles.len();
        let speech: Vec<usize> = columns
            .filter(|&at| self.profiles[at].is_speech())
            .collect();
        match speech[..] {
            [query, reply] => Some((query, reply)),
            _ => None,
        }
    }

    fn name(&self, at: usize) -> String {
        self.source.header()[at].clone()
    }
}

fn unrecognised(source: &Source, missing: &[&str]) -> Error {
    let [script, pairs] = [
        [Setting::SpeakerColumn, Setting::TextColumn],
        [Setting::QueryColumn, Setting::ReplyColumn],
    ];
    let remedy = match missing {
        // Half of a shape is there: say which column would make it whole.
        ["speaker"] => Remedy::choose([Setting::SpeakerColumn]),
        ["text"] => Remedy::choose([Setting::TextColumn]),
        ["query"] => Remedy::choose([Setting::QueryColumn]),
        ["reply"] => Remedy::choose([Setting::ReplyColumn]),
        ["speaker", "text"] => Remedy::choose(script),
        ["query", "reply"] => Remedy::choose(pairs),
        _ => Remedy::choose(script).or(Remedy::choose(pairs)),
    };
    data(
        source.path(),
        None,
        format!("cannot tell which column is what among: {}", list(source)),
        remedy,
    )
}
