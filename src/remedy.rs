//! What to do about an error, in terms of the work and its settings: whoever knows how those are
//! called (a command line its commands and flags) words it for its user.
#![warn(clippy::indexing_slicing, clippy::string_slice)]

use std::borrow::Cow;
use std::fmt;

/// A part of the work on a persona.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Script to exchanges.
    Prepare,
    /// Exchanges to bi-encoder.
    TrainBi,
    /// Exchanges and bi-encoder to cross-encoder.
    TrainCross,
    /// Replies and bi-encoder to index.
    BuildIndex,
    /// Questions to answers.
    Ask,
}

/// Something that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Setting {
    /// The script to prepare.
    Script,
    /// What kind of script it is.
    Format,
    /// The encoding of a script.
    Encoding,
    /// Who answers.
    Character,
    /// The column that says who speaks.
    SpeakerColumn,
    /// The column with what is said.
    TextColumn,
    /// A column that changes where a scene begins.
    SceneColumn,
    /// The column with what is answered.
    QueryColumn,
    /// The column with the answers.
    ReplyColumn,
    /// The column with what was said before.
    ContextColumn,
    /// The column that says which rows count.
    LabelColumn,
    /// How exchanges are divided.
    Split,
    /// The encoder to start from.
    Encoder,
    /// Exchanges a step.
    BatchSize,
    /// How many go through the encoder at once.
    ChunkSize,
    /// Longest sequence, in tokens.
    MaxLength,
    /// The learning rate at its peak.
    LearningRate,
    /// Share of the steps over which it rises.
    Warmup,
    /// Negatives for each true reply.
    Negatives,
    /// How weights are stored.
    Precision,
    /// The least score of an answer.
    MinScore,
    /// Weight of the queries in a reply's vector.
    QueryWeight,
    /// A file to test on.
    TestFile,
    /// Layers of a small encoder.
    Layers,
    /// Tokens of a small encoder or model.
    Vocabulary,
    /// Width inside a small encoder's feed-forward blocks.
    Intermediate,
    /// Where a small encoder or model is written.
    Out,
    /// The store that replies are in.
    Store,
    /// The name of a persona in a store.
    Persona,
}

/// What to do about an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Nothing is known to help.
    #[default]
    None,
    /// This, in plain words.
    Advice(Cow<'static, str>),
    /// Do that step first.
    Make(Step),
    /// Do that step again.
    Remake(Step),
    /// Go on with that training, which was begun.
    Resume(Step),
    /// Begin the training, as there is none to go on with.
    Begin,
    /// Train anew; what is there is in use until then, and kept.
    Restart,
    /// Go on with the training that is there, or train anew.
    ResumeOrRestart,
    /// See who speaks in the script.
    ListCharacters,
    /// A build for a GPU.
    BuildForGpu,
    /// A build that keeps replies in a store.
    BuildForStore,
    /// Take the place of what another folder put into a store.
    TakeOver,
    /// Choose these settings, for example so.
    Choose(Vec<Setting>, Option<Cow<'static, str>>),
    /// Choose another value: "a smaller", "a longer".
    Change(Setting, &'static str),
    /// Make no choice of this setting.
    Leave(Setting),
    /// Any of these.
    Either(Vec<Remedy>),
    /// This, and then that.
    Both(Box<[Remedy; 2]>),
}

impl Remedy {
    /// Choose these settings.
    pub fn choose(settings: impl Into<Vec<Setting>>) -> Self {
        Self::Choose(settings.into(), None)
    }

    /// Choose this setting, for example so.
    pub fn choose_like(setting: Setting, example: impl Into<Cow<'static, str>>) -> Self {
        Self::Choose(vec![setting], Some(example.into()))
    }

    /// This, and then that.
    pub fn and(self, other: impl Into<Self>) -> Self {
        Self::Both(Box::new([self, other.into()]))
    }

    /// This, or that.
    pub fn or(self, other: impl Into<Self>) -> Self {
        let mut all = match self {
            Self::Either(all) => all,
            one => vec![one],
        };
        all.push(other.into());
        Self::Either(all)
    }
}

impl From<&'static str> for Remedy {
    fn from(advice: &'static str) -> Self {
        Self::Advice(advice.into())
    }
}

impl From<String> for Remedy {
    fn from(advice: String) -> Self {
        Self::Advice(advice.into())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prepare => "preparing a script",
            Self::TrainBi => "training the bi-encoder",
            Self::TrainCross => "training the cross-encoder",
            Self::BuildIndex => "building the index",
            Self::Ask => "asking",
        })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Script => "script",
            Self::Format => "format",
            Self::Encoding => "encoding",
            Self::Character => "character",
            Self::SpeakerColumn => "column of the speakers",
            Self::TextColumn => "column of the lines",
            Self::SceneColumn => "column of the scenes",
            Self::QueryColumn => "column of the queries",
            Self::ReplyColumn => "column of the replies",
            Self::ContextColumn => "column of the context",
            Self::LabelColumn => "column of the labels",
            Self::Split => "split",
            Self::Encoder => "encoder",
            Self::BatchSize => "batch",
            Self::ChunkSize => "chunk",
            Self::MaxLength => "longest sequence",
            Self::LearningRate => "learning rate",
            Self::Warmup => "warm-up",
            Self::Negatives => "number of negatives",
            Self::Precision => "precision",
            Self::MinScore => "least score",
            Self::QueryWeight => "weight of the queries",
            Self::TestFile => "file to test on",
            Self::Layers => "number of layers",
            Self::Vocabulary => "vocabulary",
            Self::Intermediate => "feed-forward width",
            Self::Out => "folder to write to",
            Self::Store => "store",
            Self::Persona => "name of the persona",
        })
    }
}

/// In words that are true without a command line.
impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Advice(advice) => f.write_str(advice),
            Self::Make(step) => write!(f, "make it by {step}"),
            Self::Remake(step) => write!(f, "make it anew by {step}"),
            Self::Resume(step) => write!(f, "go on with {step}"),
            Self::Begin => f.write_str("begin a training instead of resuming one"),
            Self::Restart => {
                f.write_str("train anew; what is there is in use until then, and kept")
            }
            Self::ResumeOrRestart => {
                f.write_str("resume it, or train anew, which keeps what was trained before")
            }
            Self::ListCharacters => f.write_str("see who speaks in the script"),
            Self::BuildForGpu => f.write_str("build homer for a GPU"),
            Self::BuildForStore => f.write_str("build homer with PostgreSQL"),
            Self::TakeOver => f.write_str("say that it may be replaced"),
            Self::Choose(settings, example) => {
                let names: Vec<String> = settings.iter().map(|one| format!("the {one}")).collect();
                write!(f, "name {}", names.join(" and "))?;
                example
                    .iter()
                    .try_for_each(|example| write!(f, ": {example}"))
            }
            Self::Change(setting, how) => write!(f, "try {how} {setting}"),
            Self::Leave(setting) => write!(f, "leave the {setting} open"),
            Self::Both(both) => {
                let [first, second] = both.as_ref();
                write!(f, "{first}, and {second}")
            }
            Self::Either(all) => {
                for (place, one) in all.iter().enumerate() {
                    write!(f, "{}{one}", if place == 0 { "" } else { ", or " })?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_can_be_joined_and_read() {
        let remedy = Remedy::Change(Setting::Negatives, "a smaller")
            .or(Remedy::choose_like(Setting::Encoding, "utf-16le"))
            .or("wait");
        let said = remedy.to_string();
        assert_eq!(
            said,
            "try a smaller number of negatives, or name the encoding: utf-16le, or wait"
        );
    }
}
