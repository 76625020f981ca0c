//! Which column is what: by the user's word, else by the names that well-known files use and by what is
//! in the columns.

use serde::{Deserialize, Serialize};

use super::document::data;
use super::headers::{CONTEXT, LABEL, QUERY, REPLY, SPEAKER, TEXT, is_scene, plain, same};
use super::profile::{Profile, SAMPLE};
use super::read::Source;
use crate::error::{Error, Remedy, Result, Setting};

/// Column names that the user gave; what is not given is recognised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Named {
    /// Script: who speaks.
    pub speaker: Option<String>,
    /// Script: what is said.
    pub text: Option<String>,
    /// Script: a change in any of these begins a scene.
    pub scenes: Vec<String>,
    /// Pairs: what is answered.
    pub query: Option<String>,
    /// Pairs: the answer.
    pub reply: Option<String>,
    /// Pairs: what was said before.
    pub context: Option<String>,
    /// Pairs: 1 where the reply is the character's.
    pub label: Option<String>,
}

/// The columns that are read, by name, as written in the header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "lowercase")]
pub enum Columns {
    /// A line of speech a row.
    Script {
        /// Who speaks.
        speaker: String,
        /// What is said.
        text: String,
        /// A change in any of these begins a scene, as an empty row does.
        scenes: Vec<String>,
    },
    /// A query and its reply a row.
    Pairs {
        /// What is answered.
        query: String,
        /// What goes on with the query, where it has two parts: `instruction` and `input`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        more: Option<String>,
        /// The answer.
        reply: String,
        /// What was said before.
        context: Option<String>,
        /// 1 where the reply is the character's.
        label: Option<String>,
    },
}

/// The columns, and which of them were recognised by what is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recognised {
    /// The columns.
    pub columns: Columns,
    /// Those with a name that says nothing.
    pub by_contents: Vec<String>,
}

impl Columns {
    /// Which column is taken for what, in words.
    pub(crate) fn described(&self) -> Vec<(&'static str, String)> {
        let list = |columns: &[(&'static str, Option<&String>)]| {
            let there = columns.iter();
            there
                .filter_map(|(role, column)| Some((*role, (*column)?.clone())))
                .collect()
        };
        match self {
            Self::Script {
                speaker,
                text,
                scenes,
            } => {
                let scenes = (!scenes.is_empty()).then(|| scenes.join(", "));
                list(&[
                    ("speaker", Some(speaker)),
                    ("text", Some(text)),
                    ("scenes", scenes.as_ref()),
                ])
            }
            Self::Pairs {
                query,
                more,
                reply,
                context,
                label,
            } => list(&[
                ("query", Some(query)),
                ("and", more.as_ref()),
                ("reply", Some(reply)),
                ("context", context.as_ref()),
                ("label", label.as_ref()),
            ]),
        }
    }
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

/// `1`, `1.0`, `true`, `yes` and their opposites, in any case.
pub(super) fn is_own(label: &str) -> Option<bool> {
    match label.trim().to_lowercase().as_str() {
        "true" | "yes" => Some(true),
        "false" | "no" => Some(false),
        number => match number.parse::<f64>() {
            Ok(1.0) => Some(true),
            Ok(0.0) => Some(false),
            _ => None,
        },
    }
}

/// The place of a recognised column in the header.
pub(super) fn place(source: &Source, name: &str) -> Result<usize> {
    let position = source.header().iter().position(|column| column == name);
    position.ok_or_else(|| no_such(source, name))
}

/// The column that the user means: as written, else in any case, else by its number.
fn exact(source: &Source, name: &str) -> Result<usize> {
    let header = source.header();
    let written = header.iter().position(|column| column == name);
    let number = || {
        let number: usize = name.trim().parse().ok()?;
        number
            .checked_sub(1)
            .filter(|&at| at < header.len() && source.is_headless())
    };
    let found = written.or_else(|| same(header, name)).or_else(number);
    found.ok_or_else(|| no_such(source, name))
}

fn no_such(source: &Source, name: &str) -> Error {
    data(
        source.path(),
        None,
        format!("there is no column \"{name}\""),
        format!("its columns are: {}", list(source)),
    )
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

fn list(source: &Source) -> String {
    let names = source.header().iter().map(|name| match name.as_str() {
        "" => "(unnamed)",
        name => name,
    });
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::document::Document;

    fn recognise(header: &str, named: &Named) -> Result<Columns> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.csv");
        std::fs::write(&path, header).unwrap();
        let source = Source::of(Document::read(&path, None).unwrap()).unwrap();
        Ok(super::recognise(&source, named)?.columns)
    }

    fn script(speaker: &str, text: &str, scenes: &[&str]) -> Columns {
        Columns::Script {
            speaker: speaker.into(),
            text: text.into(),
            scenes: scenes.iter().map(|&name| name.into()).collect(),
        }
    }

    #[test]
    fn well_known_files_are_recognised() {
        let none = Named::default();
        for (header, speaker, text, scenes) in [
            (
                ",raw_character_text,spoken_words",
                "raw_character_text",
                "spoken_words",
                &[][..],
            ),
            (
                "raw_character_text,dialogue",
                "raw_character_text",
                "dialogue",
                &[],
            ),
            ("Character,Line", "Character", "Line", &[]),
            ("NAME;Line Text", "NAME", "Line Text", &[]),
            (
                "id,season,episode,scene,line_text,speaker,deleted",
                "speaker",
                "line_text",
                &["season", "episode", "scene"],
            ),
            ("name,text,question,answer", "name", "text", &[]),
        ] {
            assert_eq!(
                recognise(header, &none).unwrap(),
                script(speaker, text, scenes),
                "{header}"
            );
        }
        let pairs =
            |query: &str, reply: &str, context: Option<&str>, label: Option<&str>| Columns::Pairs {
                query: query.into(),
                more: None,
                reply: reply.into(),
                context: context.map(Into::into),
                label: label.map(Into::into),
            };
        assert_eq!(
            recognise(",A,Q,Context,len_Context,label", &none).unwrap(),
            pairs("Q", "A", Some("Context"), Some("label"))
        );
        assert_eq!(
            recognise("Question\tResponse", &none).unwrap(),
            pairs("Question", "Response", None, None)
        );
    }

    #[test]
    fn contents_come_before_names() {
        let none = Named::default();
        let said = ["Tea, or soup?", "Soup.", "Now then.", "Fine by me."];
        let table = |header: &str, row: &dyn Fn(usize, &str) -> String| {
            let rows = said.iter().enumerate().map(|(n, text)| row(n, text));
            format!("{header}\n{}", rows.collect::<Vec<_>>().join("\n"))
        };
        let who = |n: usize| ["Ada", "Bo"][n % 2];
        for (table, speaker, text, scenes) in [
            (
                table("text,speaker,scene,utterance", &|n, text| {
                    format!("\"{text}\",{},1,{n}", who(n))
                }),
                "speaker",
                "text",
                &["scene"][..],
            ),
            (
                table("line,character,text", &|n, text| {
                    format!("{n},{},\"{text}\"", who(n))
                }),
                "character",
                "text",
                &[],
            ),
            (
                table("a1,b2,c3", &|n, text| format!("{n},{},\"{text}\"", who(n))),
                "b2",
                "c3",
                &[],
            ),
            (
                table(
                    "Play,PlayerLinenumber,ActSceneLine,Player,PlayerLine",
                    &|n, text| format!("Tea,{n},1.1.{n},{},\"{text}\"", who(n)),
                ),
                "Player",
                "PlayerLine",
                &["Play"],
            ),
            (
                table("EpisodeNo,Season,Character,Dialogue", &|n, text| {
                    format!("{},1,{},\"{text}\"", n / 2, who(n))
                }),
                "Character",
                "Dialogue",
                &["EpisodeNo", "Season"],
            ),
            (
                table(
                    "conv_id,season no.,movie,dialogue_id,char,dialouge",
                    &|n, text| format!("1,1,m,1,{},\"{text}\"", who(n)),
                ),
                "char",
                "dialouge",
                &["conv_id", "season no.", "movie", "dialogue_id"],
            ),
        ] {
            assert_eq!(
                recognise(&table, &none).unwrap(),
                script(speaker, text, scenes),
                "{table}"
            );
        }
        let pairs = table("instruction,input,output", &|n, text| {
            format!("Say it,\"{n} times\",\"{text}\"")
        });
        let Columns::Pairs {
            query, more, reply, ..
        } = recognise(&pairs, &none).unwrap()
        else {
            panic!()
        };
        assert_eq!(
            (query.as_str(), more.as_deref(), reply.as_str()),
            ("instruction", Some("input"), "output")
        );
        let pairs = table("frage,antwort", &|n, text| {
            format!("Was ist {n}?,\"{text}\"")
        });
        let Columns::Pairs { query, reply, .. } = recognise(&pairs, &none).unwrap() else {
            panic!()
        };
        assert_eq!((query.as_str(), reply.as_str()), ("frage", "antwort"));
        let intents = table("question,answer,label", &|n, text| {
            format!("What is {n}?,\"{text}\",greeting")
        });
        let Columns::Pairs { label, .. } = recognise(&intents, &none).unwrap() else {
            panic!()
        };
        assert_eq!(label, None);
    }

    #[test]
    fn the_users_names_come_first() {
        let named = Named {
            speaker: Some("wer".into()),
            scenes: vec!["AKT".into()],
            ..Named::default()
        };
        assert_eq!(
            recognise("wer,speaker,text,akt,scene", &named).unwrap(),
            script("wer", "text", &["akt"])
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let refused = |header: &str, named: &Named| {
            let error = recognise(header, named).unwrap_err();
            (error.to_string(), error.remedy())
        };
        let none = Named::default();
        let (text, remedy) = refused("foo,,bar", &none);
        assert!(text.contains("foo, (unnamed), bar"), "{text}");
        let script = Remedy::choose([Setting::SpeakerColumn, Setting::TextColumn]);
        let pairs = Remedy::choose([Setting::QueryColumn, Setting::ReplyColumn]);
        assert_eq!(remedy, script.or(pairs));
        let named = Named {
            text: Some("nope".into()),
            ..Named::default()
        };
        let (text, remedy) = refused("speaker,line", &named);
        assert!(text.contains("no column \"nope\""), "{text}");
        assert!(remedy.to_string().contains("speaker, line"), "{remedy}");
        let named = Named {
            text: Some("said".into()),
            ..Named::default()
        };
        let (_, remedy) = refused("x,said", &named);
        assert_eq!(remedy, Remedy::choose([Setting::SpeakerColumn]));
        let named = Named {
            reply: Some("x".into()),
            ..Named::default()
        };
        let (_, remedy) = refused("x,said", &named);
        assert_eq!(remedy, Remedy::choose([Setting::QueryColumn]));
    }
}
