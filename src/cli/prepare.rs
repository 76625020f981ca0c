//! `homer prepare`

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use encoding_rs::Encoding;

use homer::builtin::Builtin;
use homer::corpus::columns::Named;
use homer::corpus::prepare::{Options, list_characters};
use homer::corpus::{read, report, split};
use homer::project::input::default_input;
use homer::project::prepare;

use super::Global;
use super::progress::Display;

/// Read a script (or ready question/answer pairs) and write the character's exchanges
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  homer prepare                                        the one script in data/, else the sample
  homer prepare script.csv                             the default character of a script
  homer prepare script.csv --list-characters           who speaks, and how much
  homer prepare script.csv --character \"Lisa Simpson\"
  homer prepare faq.tsv --query-column asked --reply-column said")]
pub struct Args {
    /// CSV or TSV: one line of speech, or one query and its reply, a row [default: your one script in data/, else the sample script]
    #[arg(value_name = "INPUT")]
    input: Option<PathBuf>,

    /// Who answers, in any case [default: Homer Simpson, else whoever has the most lines]
    #[arg(long, value_name = "NAME")]
    character: Option<String>,

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
    #[arg(long, value_name = "NAME", value_parser = read::encoding)]
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

/// Each reply picked is stored with its exchange: more would only fill the disk.
fn up_to_100() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(0..=100)
}

/// Prepares the dataset, or lists the characters.
pub fn run(args: Args, global: &Global) -> anyhow::Result<()> {
    let project = global.project();
    let input = match args.input {
        Some(input) => input,
        None => default_input(&project, &Builtin::find())?,
    };
    let options = Options {
        input,
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
        context_turns: args.context_turns,
        good: args.good,
        bad: args.bad,
        split: args.split.map(|split| match split {
            Split::Scene => split::Split::Scene,
            Split::Contiguous => split::Split::Contiguous,
        }),
        seed: args.seed,
    };
    let mut out = std::io::stdout().lock();
    if args.list_characters {
        let speakers = list_characters(&options)?;
        let speakers: Vec<_> = speakers.iter().collect();
        write!(out, "{}", report::table(&speakers))?;
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
        eprintln!("\nnext: {}", global.command("train-bi"));
    }
    Ok(())
}
