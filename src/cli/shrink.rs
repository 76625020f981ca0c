//! `homer shrink`.

use std::path::{Path, PathBuf};

use indicatif::{HumanBytes, HumanCount};

use homer::distill::{Change, Measured, ShrinkOptions};
use homer::project::shrink;

use super::Global;
use super::training::{self, Precision};

/// Make a trained model smaller, without training
///
/// Keeps the tokens that the texts use most, and stores a byte a number. A word whose token is not kept
/// is read in smaller pieces, so that nothing becomes unreadable. What is stored as i8 is for homer
/// alone: Python's libraries do not read it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  homer shrink runs/cross-encoder/model --out models/small
  homer shrink models/reranker --out models/small --vocabulary 20000 --texts scripts/*.csv
  homer shrink models/reranker --out models/small --precision f16")]
pub(super) struct Args {
    /// The model folder: a bi-encoder or a cross-encoder
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    /// The new folder to write the small model to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Tokens to keep: characters, then the most frequent of the texts, then the model's first [default: all]
    #[arg(long, value_name = "N", value_parser = training::at_least(1))]
    vocabulary: Option<usize>,

    /// Texts like those that it will read, to choose tokens and to measure by: scripts or ready pairs (.csv, .tsv), else one text a line [default: what `prepare` wrote]
    #[arg(long, value_name = "FILE", num_args = 1..)]
    texts: Vec<PathBuf>,

    /// How to store the small model
    #[arg(long, value_name = "TYPE", default_value = "i8")]
    precision: Precision,
}

/// Shrinks, and says what that did to the model.
pub(super) fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    let options = ShrinkOptions {
        vocabulary: args.vocabulary,
        precision: args.precision.into(),
    };
    let project = global.project();
    let report = shrink(&project, &args.model, &args.out, &args.texts, &options)?;

    let [tokens, kept] = report.tokens.map(|count| HumanCount(count as u64));
    let [positions, left] = report.positions.map(|count| HumanCount(count as u64));
    eprintln!("{kept} of {tokens} tokens; {left} of {positions} positions");
    eprintln!(
        "{} of {} of weights; {} is {} in all",
        HumanBytes(report.bytes[1]),
        HumanBytes(report.bytes[0]),
        args.out.display(),
        HumanBytes(whole(&args.out)?)
    );
    let Some(Measured {
        coverage,
        compared,
        change,
    }) = report.measured
    else {
        eprintln!(
            "not compared with the model as it was: there are no texts (name some with --texts)"
        );
        return Ok(());
    };
    eprintln!(
        "{:.1}% of the texts' tokens are read whole",
        coverage * 100.0
    );
    match change {
        Change::Cosine { mean, least } => eprintln!(
            "cosine to the model as it was, on {compared} texts: {mean:.4} on average, {least:.4} at the least"
        ),
        Change::Score {
            mean,
            most,
            deviation,
        } => eprintln!(
            "scores of {compared} pairs moved by {mean:.3} on average and {most:.3} at the most; their standard deviation is {deviation:.3}"
        ),
    }
    Ok(())
}

/// Bytes of all files of a model folder.
fn whole(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let data = entry.metadata()?;
        bytes += if data.is_dir() {
            whole(&entry.path())?
        } else {
            data.len()
        };
    }
    Ok(bytes)
}
