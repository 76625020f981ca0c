//! `homer prepare`

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use encoding_rs::Encoding;

use homer::corpus::{self, Format, Named, Options, list_characters, speakers_table};
use homer::project::{default_input, prepare};

use super::Global;
use super::progress::Display;

/// Read a script (or ready question/answer pairs) and write the character's exchanges
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  homer prepare                                        the one script in data/, else the sample
  homer prepare script.csv                             the default character of a script
  homer prepare season1/ season2/                      a script in many files, an episode a file
  homer prepare \"WhatsApp Chat.txt\" --character Ada    of a chat, one of those who write
  homer prepare script.csv --list-characters           who speaks, and how much
  homer prepare script.csv --character \"Lisa Simpson\"
  homer prepare faq.tsv --query-column asked --reply-column said")]
pub(super) struct Args {
    /// Files, folders or patterns that make one script, each file beginning a scene; `-` reads standard input [default: your one script in data/, else the sample script]
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    /// What the input is [default: what it looks like]
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    format: Option<Format>,

    /// Of chats: a scene begins after so long a silence, for instance 90s, 20m, 6h or 1d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration)]
    gap: u64,

    /// Who answers, in any case [default: Homer Simpson, else whoever has the most lines]
    #[arg(long, value_name = "NAME")]
    character: Option<String>,

    /// Take every speaker's turn that answers another's: a persona that is a whole cast, or general dialogue to train on
    #[arg(long, conflicts_with = "character")]
    everyone: bool,

    /// Show the speakers with their counts and write nothing
    #[arg(long)]
    list_characters: bool,

    /// Turns before the query to keep, at most: the models read the newest, none of them is an answer
    #[arg(long, value_name = "N", default_value_t = Options::new("").context_turns)]
    context_turns: usize,

    /// Replies to similar queries to pick for each exchange
    #[arg(long, value_name = "N", default_value_t = Options::new("").good, value_parser = up_to_100())]
    good: usize,

    /// Replies to dissimilar queries to pick for each exchange
    #[arg(long, value_name = "N", default_value_t = Options::new("").bad, value_parser = up_to_100())]
    bad: usize,

    /// How to divide 80/10/10 [default: scene; ready pairs: contiguous]
    #[arg(long, value_name = "HOW")]
    split: Option<Split>,

    /// Seed of the split and of the bad replies
    #[arg(long, value_name = "N", default_value_t = Options::new("").seed)]
    seed: u64,

    /// Encoding of the file [default: its byte order mark's, else UTF-8]
    #[arg(long, value_name = "NAME", value_parser = corpus::encoding)]
    encoding: Option<&'static Encoding>,

    #[command(flatten)]
    script: ScriptColumns,

    #[command(flatten)]
    pairs: PairsColumns,
}

#[derive(clap::Args)]
#[group(multiple = true, conflicts_with = "PairsColumns")]
#[command(next_help_heading = "Columns of a script (well-known names are recognised)")]
struct ScriptColumns {
    /// Who speaks
    #[arg(long, value_name = "NAME")]
    speaker_column: Option<String>,

    /// What is said
    #[arg(long, value_name = "NAME")]
    text_column: Option<String>,

    /// A change in this column begins a scene, as an empty row does; may be repeated
    #[arg(long, value_name = "NAME")]
    scene_column: Vec<String>,
}

#[derive(clap::Args)]
#[group(multiple = true)]
#[command(next_help_heading = "Columns of ready pairs (well-known names are recognised)")]
struct PairsColumns {
    /// What is answered
    #[arg(long, value_name = "NAME")]
    query_column: Option<String>,

    /// The answer
    #[arg(long, value_name = "NAME")]
    reply_column: Option<String>,

    /// What was said before the query
    #[arg(long, value_name = "NAME")]
    context_column: Option<String>,

    /// 1 where the reply is the character's, 0 where the row is to be left out
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Split {
    /// Whole scenes, in a seeded random order
    Scene,
    /// Whole scenes in file order: the end of the story is held out
    Contiguous,
}

/// The formats, by name.
fn formats() -> impl TypedValueParser<Value = Format> {
    let names = PossibleValuesParser::new(Format::ALL.map(Format::name));
    names.map(|name| {
        let all = Format::ALL.into_iter();
        let mut named = all.filter(|format| format.name() == name);
        named.next().unwrap_or(Format::Table)
    })
}

/// Seconds, from `90`, `90s`, `20m`, `6h` or `1d`.
fn duration(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..).unwrap_or_default() {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("write 90s, 20m, 6h or 1d".into()),
    };
    let number: u64 = digits
        .trim()
        .parse()
        .map_err(|_| "write 90s, 20m, 6h or 1d")?;
    number
        .checked_mul(unit)
        .ok_or_else(|| "that is for ever".into())
}

/// Each reply picked is stored with its exchange: more would only fill the disk.
fn up_to_100() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(0..=100)
}

/// Prepares the dataset, or lists the characters.
pub(super) fn run(args: Args, global: &Global) -> anyhow::Result<()> {
    let project = global.project();
    let inputs = match args.inputs {
        none if none.is_empty() => vec![default_input(&project)?],
        inputs => inputs,
    };
    let options = Options {
        inputs,
        format: args.format,
        gap: args.gap,
        encoding: args.encoding,
        columns: Named {
            speaker: args.script.speaker_column,
            text: args.script.text_column,
            scenes: args.script.scene_column,
            query: args.pairs.query_column,
            reply: args.pairs.reply_column,
            context: args.pairs.context_column,
            label: args.pairs.label_column,
        },
        character: args.character,
        everyone: args.everyone,
        context_turns: args.context_turns,
        good: args.good,
        bad: args.bad,
        split: args.split.map(|split| match split {
            Split::Scene => corpus::Split::Scene,
            Split::Contiguous => corpus::Split::Contiguous,
        }),
        seed: args.seed,
    };
    let mut out = std::io::stdout().lock();
    if args.list_characters {
        let speakers = list_characters(&options)?;
        let speakers: Vec<_> = speakers.iter().collect();
        write!(out, "{}", speakers_table(&speakers))?;
        return Ok(());
    }
    let report = prepare(&project, &options, &mut Display::new(global)?)?;
    eprintln!("wrote {}\n", project.exchanges().display());
    write!(out, "{report}")?;
    out.flush()?;
    if report.train < 2 || report.valid == 0 {
        eprintln!(
            "\n{} to train on and {} to validate on are too few to train a model\n  \
             prepare a longer script, or more pairs",
            report.train, report.valid
        );
    } else {
        eprintln!(
            "\nnext: {}, and you can talk; {} and {} make the answers better, and say by how much",
            global.command("build-index"),
            global.command("train-bi"),
            global.command("train-cross")
        );
    }
    Ok(())
}
