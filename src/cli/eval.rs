//! `homer eval`.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;

use homer::eval::cases::Cases;
use homer::eval::picture;
use homer::eval::report::evaluate;
use homer::files;
use homer::nn::device::Compute;
use homer::project::lineup::lineup;
use homer::project::record::record;
use homer::project::test_set::{Source, TestSet};

use super::{Global, progress};

/// Measure how well the character picks the reply that was really given
///
/// Every query of the test part is put to chance, TF-IDF, BM25, the untuned encoder, the trained
/// models, and what `ask` does by default. The figures also go to runs/eval.json, the answers to
/// runs/eval-answers.jsonl; those of the prepared dialogue's test part also into the models' cards
/// and the index's manifest. What the index knows of the queries that a reply answered is left out:
/// the tested queries are among them.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  homer eval
  homer eval --split valid --json
  homer eval --test another_season.csv")]
pub struct Args {
    /// Test on this file: exchanges (.jsonl), a script or ready pairs, which training never saw
    #[arg(long, value_name = "FILE", conflicts_with = "split")]
    test: Option<PathBuf>,
    /// Whose replies to test on in a script [default: the prepared dialogue's character]
    #[arg(long, value_name = "NAME", requires = "test")]
    character: Option<String>,
    /// Which part of the prepared dialogue to test on
    #[arg(long, value_name = "PART", default_value = "test")]
    split: Part,
    /// Ask at most this many queries, drawn at random
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
    queries: u32,
    /// Seed of the distractors and of the intervals
    #[arg(long, value_name = "N", default_value_t = 42)]
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
}

#[derive(Clone, Copy, ValueEnum)]
enum Part {
    /// What was held out for choosing
    Valid,
    /// What was held out for reporting
    Test,
}

pub fn run(args: Args, global: &Global) -> anyhow::Result<()> {
    let compute = Compute::choose(args.gpu)?;
    let project = global.project();
    let source = match (args.test, args.split) {
        (Some(file), _) => Source::File(file),
        (None, Part::Valid) => Source::Valid,
        (None, Part::Test) => Source::Test,
    };
    let set = TestSet::load(&project, &source, args.character.as_deref())?;
    global.note_unfinished(&project.bi_encoder(), "train-bi");
    global.note_unfinished(&project.cross_encoder(), "train-cross");
    let cases = Arc::new(Cases::new(&set.exchanges, args.queries as usize, args.seed));
    let systems = lineup(&project, &compute, &cases, |what| {
        eprintln!("embedding with {what}");
    })?;
    let bar = progress::bar(cases.cases.len() as u64, "queries");
    let found = evaluate(&cases, &systems, args.seed, |system, done| {
        if done == 1 {
            bar.set_message(system.to_owned());
        }
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let (mut report, answers) = found?;
    report.character.clone_from(&set.character);
    report.tested.clone_from(&set.name);
    let known = report.notes.len();
    if set.trained_on > 0 {
        report.notes.push(format!(
            "{} of {} exchanges are in the training part as well: the figures flatter the models",
            set.trained_on,
            set.exchanges.len()
        ));
    }

    for name in set.strangers(&project) {
        report.notes.push(format!(
            "the {name} was trained on other exchanges than are prepared now, and may have seen what is \
             tested: train it again"
        ));
    }
    let own = report.notes.len() == known;

    // Printed before it is written: the figures took long, and the folder may be read-only.
    let mut out = std::io::stdout().lock();
    let printed = if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)
    } else {
        write!(out, "{report}")
    };
    let printed = printed.and_then(|()| out.flush());

    // A test on something else does not take the place of the ordinary one.
    let name = match &source {
        Source::Test => "eval".to_owned(),
        Source::Valid => "eval-valid".to_owned(),
        Source::File(file) => {
            let name = file.file_stem().unwrap_or_default();
            format!("eval-of-{}", name.display())
        }
    };
    let figures = project.runs().join(format!("{name}.json"));
    files::write_json(&figures, &report)?;
    let each = project.runs().join(format!("{name}-answers.jsonl"));
    files::write_jsonl(&each, &answers)?;
    let png = args
        .png
        .unwrap_or_else(|| project.runs().join(format!("{name}.png")));
    picture::draw(&report, &png)?;
    if matches!(source, Source::Test) && own {
        record(&project, &report)?;
    }
    printed?;
    for note in &report.notes {
        eprintln!("note: {note}");
    }
    eprintln!("wrote {} and {}", figures.display(), png.display());
    Ok(())
}
