//! `homer train-bi`.

use homer::project::train_bi;
use homer::{BiSettings, CommonSettings, Start, Step, builtin};

use super::Global;
use super::progress::Display;
use super::training::{self, Existing, Shared, Sizes};

/// Train the bi-encoder, which finds candidates among all replies
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  homer train-bi                                    the recipe, from the default encoder
  homer train-bi --encoder distilbert-base-uncased  from a larger one, downloaded once
  homer train-bi --encoder models/all-MiniLM-L6-v2 --epochs 5
  homer train-bi --batch-size 256 --chunk-size 32   more negatives a step, in little memory
  homer train-bi --resume                           after Ctrl-C or a crash")]
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
    /// BERT or DistilBERT to start from: `built-in`, a folder, or a name on the Hugging Face hub
    #[arg(long, value_name = "ENCODER", default_value_t = builtin::ENCODER.to_owned())]
    encoder: String,

    /// Passes over the training exchanges
    #[arg(long, value_name = "N", default_value_t = defaults().epochs, value_parser = clap::value_parser!(u64).range(1..))]
    epochs: u64,

    /// Exchanges a step; each is a negative for all others [default: 64, with --gpu 128]
    #[arg(long, value_name = "N", value_parser = training::at_least(2))]
    batch_size: Option<usize>,

    /// Exchanges that go through the encoder at once: smaller needs less memory, and time if a step has more [default: 64, with --gpu 128]
    #[arg(long, value_name = "N", value_parser = training::at_least(1))]
    chunk_size: Option<usize>,

    /// Longest sequence, in tokens; of a longer query, or turn before it, the newest are kept
    #[arg(long, value_name = "N", default_value_t = defaults().max_length, value_parser = training::at_least(4))]
    max_length: usize,

    /// Stop after this many validations without a better one
    #[arg(long, value_name = "N", default_value_t = defaults().patience, value_parser = clap::value_parser!(u64).range(1..))]
    patience: u64,

    /// Learning rate at its peak
    #[arg(long, value_name = "RATE", default_value_t = defaults().lr, value_parser = training::positive)]
    lr: f64,

    /// Similarities are divided by it: the smaller, the more the hardest negatives count
    #[arg(long, value_name = "T", default_value_t = BiSettings::default().temperature, value_parser = training::positive)]
    temperature: f64,

    /// Also rank the queries for every reply
    #[arg(long, value_name = "BOOL", default_value_t = BiSettings::default().both_directions, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    both_directions: bool,
}

fn defaults() -> CommonSettings {
    BiSettings::default().common
}

impl Args {
    fn settings(&self) -> BiSettings {
        let usual = BiSettings::batch_size(self.shared.gpu);
        BiSettings {
            encoder: self.own.encoder.clone(),
            common: self.shared.common(Sizes {
                epochs: self.own.epochs,
                batch_size: self.own.batch_size.unwrap_or(usual),
                chunk_size: self.own.chunk_size.unwrap_or(usual),
                max_length: self.own.max_length,
                lr: self.own.lr,
                patience: self.own.patience,
            }),
            temperature: self.own.temperature,
            both_directions: self.own.both_directions,
        }
    }
}

/// Trains, and says how it went.
pub(super) fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    let project = global.project();
    let start = args.existing.start();
    if start != Start::Resume && args.own.encoder == builtin::ENCODER {
        eprintln!("{}", training::OTHER_ENCODERS);
    }
    let outcome = train_bi(
        &project,
        &args.settings(),
        args.shared.feedback(&project).as_deref(),
        start,
        &mut Display::new(global)?,
    );
    let outcome = outcome.map_err(|error| training::stopped(error, global, Step::TrainBi))?;
    training::report(&outcome, &project.bi_encoder());
    let next = "train-cross (or build-index, to answer without it)";
    eprintln!("next: {}", global.command(next));
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
        let arguments = [&["train-bi"], arguments].concat();
        let common = Command::parse_from(arguments).args.settings().common;
        (common.batch_size, common.chunk_size)
    }

    #[test]
    fn a_gpu_gets_larger_batches_unless_the_user_says_otherwise() {
        let [cpu, gpu] = [false, true].map(BiSettings::batch_size);
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
