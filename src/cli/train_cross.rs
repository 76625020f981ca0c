//! `homer train-cross`.

use std::path::PathBuf;

use homer::project::{JudgedTraining, train_cross};
use homer::{CommonSettings, CrossSettings, Start, Step};

use super::Global;
use super::progress::Display;
use super::training::{self, Existing, Shared, Sizes};

/// Train the cross-encoder, which puts the best candidates in order
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  homer train-cross                                 the recipe, from the general reranker
  homer train-cross --judged mine.jsonl            and from answers that you have graded
  homer train-cross --resume                        after Ctrl-C or a crash")]
pub(super) struct Args {
    #[command(flatten)]
    own: Own,
    #[command(flatten)]
    shared: Shared,
    #[command(flatten)]
    existing: Existing,
}

#[derive(clap::Args)]
#[group(id = "own", multiple = true)]
struct Own {
    /// BERT or DistilBERT to start from: `built-in`, a folder, or a name on the Hugging Face hub [default: the general reranker]
    #[arg(long, value_name = "ENCODER")]
    encoder: Option<String>,

    /// Passes over the training exchanges
    #[arg(long, value_name = "N", default_value_t = defaults().epochs, value_parser = clap::value_parser!(u64).range(1..))]
    epochs: u64,

    /// Exchanges a step, each with its negatives [default: 16, with --gpu 32]
    #[arg(long, value_name = "N", value_parser = training::at_least(1))]
    batch_size: Option<usize>,

    /// Exchanges that go through the encoder at once: smaller needs less memory [default: 16, with --gpu 32]
    #[arg(long, value_name = "N", value_parser = training::at_least(1))]
    chunk_size: Option<usize>,

    /// Longest pair, in tokens; of a longer query with the turn before it the newest are kept
    #[arg(long, value_name = "N", default_value_t = defaults().max_length, value_parser = training::at_least(8))]
    max_length: usize,

    /// Stop after this many validations without a better one
    #[arg(long, value_name = "N", default_value_t = defaults().patience, value_parser = clap::value_parser!(u64).range(1..))]
    patience: u64,

    /// Learning rate at its peak
    #[arg(long, value_name = "RATE", default_value_t = defaults().lr, value_parser = training::positive)]
    lr: f64,

    /// Negatives for each true reply: random ones, and others of the same scene
    #[arg(long, value_name = "N", default_value_t = CrossSettings::default().negatives, value_parser = training::at_least(1))]
    negatives: usize,

    /// Learn from judged messages too (see `homer judge`), and from a larger model's opinion of their candidates where
    /// they have one (`logit`); may be given several times
    #[arg(long, value_name = "FILE")]
    judged: Vec<PathBuf>,
}

fn defaults() -> CommonSettings {
    CrossSettings::default().common
}

impl Args {
    fn settings(&self) -> CrossSettings {
        let usual = CrossSettings::batch_size(self.shared.gpu);
        CrossSettings {
            encoder: self.own.encoder.clone(),
            common: self.shared.common(Sizes {
                epochs: self.own.epochs,
                batch_size: self.own.batch_size.unwrap_or(usual),
                chunk_size: self.own.chunk_size.unwrap_or(usual),
                max_length: self.own.max_length,
                lr: self.own.lr,
                patience: self.own.patience,
            }),
            negatives: self.own.negatives,
        }
    }
}

/// Trains, and says how it went, and whether it helps.
pub(super) fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    let project = global.project();
    let start = args.existing.start();
    if start != Start::Resume && args.own.encoder.is_none() {
        eprintln!("{}", training::OTHER_ENCODERS);
    }
    let judged = train_cross(
        &project,
        &args.settings(),
        &args.own.judged,
        args.shared.feedback(&project).as_deref(),
        start,
        &mut Display::new(global)?,
    );
    let JudgedTraining { outcome, contest } =
        judged.map_err(|error| training::stopped(error, global, Step::TrainCross))?;
    let verdict = if contest.helps() {
        "it helps, and `ask` will use it"
    } else {
        "that is not beyond chance, so `ask` goes on without it"
    };
    eprintln!(
        "on validation, MRR {:.4} without it, {:.4} with it (gain {:+.4}, 95% from {:+.4} to {:+.4}): {verdict}",
        contest.before.mean,
        contest.after.mean,
        contest.gain.mean,
        contest.gain.low,
        contest.gain.high
    );
    training::report(&outcome, &project.cross_encoder());
    eprintln!("next: {}", global.command("build-index"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn sizes(arguments: &[&str]) -> (usize, usize) {
        let arguments = [&["train-cross"], arguments].concat();
        let common = Command::parse_from(arguments).args.settings().common;
        (common.batch_size, common.chunk_size)
    }

    #[test]
    fn a_gpu_gets_larger_batches_unless_the_user_says_otherwise() {
        let [cpu, gpu] = [false, true].map(CrossSettings::batch_size);
        assert_eq!(sizes(&[]), (cpu, cpu));
        assert_eq!(sizes(&["--gpu"]), (gpu, gpu));
        assert_eq!(sizes(&["--gpu", "--batch-size", "7"]), (7, gpu));
        assert_eq!(sizes(&["--gpu", "--chunk-size", "7"]), (gpu, 7));
        let help = Command::command().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let says = format!("[default: {cpu}, with --gpu {gpu}]");
        assert_eq!(help.matches(&says).count(), 2, "{help}");
    }
}
