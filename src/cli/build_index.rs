//! `homer build-index`.

use std::time::Instant;

use indicatif::HumanCount;

use homer::project::{IndexSettings, build_index};

use super::Global;
use super::progress::Display;
use super::store::StoreArgs;

/// Embed every reply of the character, so that `ask` and `repl` find them
///
/// What stands in the index that is there, and is of the same bi-encoder, is not embedded again. The new index
/// takes its place when it is finished.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  homer build-index
  homer -C moe build-index --gpu
  homer build-index --store postgres://homer@db.example.org/personas")]
pub(super) struct Args {
    /// Compute on the GPU
    #[arg(long)]
    gpu: bool,

    /// How much the queries that a reply answered in the script count beside what it says; 0 leaves
    /// them out
    ///
    /// From 10 on the lines are taken to be written as answers, like those to a list of questions: the cross-encoder is
    /// told what each of them answers, too.
    #[arg(long, value_name = "WEIGHT", default_value_t = IndexSettings::default().query_weight)]
    query_weight: f32,

    /// How to store the vectors
    #[arg(long, value_name = "TYPE", value_enum, default_value_t = Precision::F16)]
    precision: Precision,

    /// Replace the persona in the store, though another folder has put it there
    #[arg(long)]
    take_over: bool,

    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Precision {
    /// Two bytes a number, read where they lie
    F16,
    /// One byte a number: half the size on disk; all of them are in memory then, in two bytes
    I8,
}

pub(super) fn run(args: Args, global: &Global) -> anyhow::Result<()> {
    let project = args.store.project(global)?;
    let settings = IndexSettings {
        query_weight: args.query_weight,
        eight_bits: args.precision == Precision::I8,
        gpu: args.gpu,
        take_over: args.take_over,
    };
    let start = Instant::now();
    let manifest = build_index(&project, &settings, &mut Display::new(global)?)?;
    eprintln!(
        "{} replies of {}, {} numbers each, in {:.1} s: {}",
        HumanCount(manifest.replies as u64),
        manifest.source.character,
        manifest.width,
        start.elapsed().as_secs_f64(),
        project.index().display()
    );
    match manifest.source.calibration {
        Some(found) => eprintln!(
            "on {} validation exchanges, whose queries it did not know, the true reply scores {:.3} on \
             average, a random one {:.3}; --min-score auto is {:.3}",
            HumanCount(found.pairs as u64),
            found.true_mean,
            found.random_mean,
            found.min_score
        ),
        None => eprintln!("too few validation exchanges for --min-score auto"),
    }
    eprintln!(
        "next: {}, or {}",
        global.command("ask \"How are you?\""),
        global.command("repl")
    );
    Ok(())
}
