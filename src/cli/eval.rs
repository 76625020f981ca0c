//! `homer eval`.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;

use homer::project::{JudgedSettings, TestSettings, TestSource, evaluate};

use super::progress::Display;
use super::store::StoreArgs;
use super::{Global, eval_judged};

/// Measure how well the character picks the reply that was really given
///
/// Every query of the test part is put to chance, TF-IDF, BM25, the untuned encoder, the trained
/// models, and what `ask` does by default. The figures also go to runs/eval.json, the answers to
/// runs/eval-answers.jsonl; those of the prepared dialogue's test part also into the models' cards
/// and the index's manifest. What the index knows of the queries that a reply answered is left out:
/// the tested queries are among them.
///
/// With --judged, messages whose candidate replies a reader has graded are put to every system instead,
/// and the figures go to runs/judged.json.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  homer eval
  homer eval --split valid --json
  homer eval --test another_season.csv
  homer eval --judged rufus.jsonl ada.jsonl")]
pub(super) struct Args {
    /// Test on this file: exchanges (.jsonl), a script or ready pairs, which training never saw
    #[arg(long, value_name = "FILE", conflicts_with = "split")]
    test: Option<PathBuf>,
    /// Whose replies to test on in a script [default: the prepared dialogue's character]
    #[arg(long, value_name = "NAME", requires = "test")]
    character: Option<String>,
    /// Test on judged messages (`homer judge` makes them), a file a character
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["test", "split", "queries", "png"])]
    judged: Vec<PathBuf>,
    /// Which part of the prepared dialogue to test on
    #[arg(long, value_name = "PART", default_value = "test")]
    split: Part,
    /// Ask at most this many queries, drawn at random
    #[arg(long, value_name = "N", default_value_t = TestSettings::default().queries as u32, value_parser = clap::value_parser!(u32).range(1..))]
    queries: u32,
    /// Seed of the distractors and of the intervals
    #[arg(long, value_name = "N", default_value_t = TestSettings::default().seed)]
    seed: u64,
    /// Write the figures as JSON
    #[arg(long)]
    json: bool,
    /// Where to draw the comparison [default: runs/eval.png]
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Compute on the GPU
    #[arg(long)]
    gpu: bool,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Part {
    /// What was held out for choosing
    Valid,
    /// What was held out for reporting
    Test,
}

pub(super) fn run(args: Args, global: &Global) -> anyhow::Result<()> {
    let project = args.store.project(global)?;
    if !args.judged.is_empty() {
        let settings = JudgedSettings {
            files: args.judged,
            seed: args.seed,
            gpu: args.gpu,
        };
        return eval_judged::run(&project, &settings, args.json, global);
    }
    let settings = TestSettings {
        source: match (args.test, args.split) {
            (Some(file), _) => TestSource::File(file),
            (None, Part::Valid) => TestSource::Valid,
            (None, Part::Test) => TestSource::Test,
        },
        character: args.character,
        queries: args.queries as usize,
        seed: args.seed,
        gpu: args.gpu,
    };
    let tested = evaluate(&project, &settings, &mut Display::new(global)?)?;
    let report = &tested.report;
    // Printed before it is written: the figures took long, and the folder may be read-only.
    let mut out = std::io::stdout().lock();
    let printed = if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(report)?)
    } else {
        write!(out, "{report}")
    };
    let printed = printed.and_then(|()| out.flush());
    let [figures, png] = tested.write(&project, args.png.as_deref())?;
    printed?;
    for note in &report.notes {
        eprintln!("note: {note}");
    }
    eprintln!("wrote {} and {}", figures.display(), png.display());
    Ok(())
}
