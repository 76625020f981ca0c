//! `homer distill`.

use std::path::PathBuf;

use indicatif::{HumanBytes, HumanCount};

use homer::distill::{StudentSettings, distill};
use homer::{CommonSettings, Error};

use super::progress::Display;
use super::training::{self, Precision};
use super::{Global, quoted};

/// Make a small encoder from a large one, for personas small enough to send to a friend
///
/// The small encoder keeps the tokens that matter for the texts and some of the layers, and learns
/// to embed the texts as the large one does. What comes out is an ordinary model folder.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  homer distill script.csv --encoder sentence-transformers/all-MiniLM-L6-v2 --out models/small
  homer distill script.csv sentences.txt --encoder models/large --out models/tiny --layers 2
  homer distill --resume --out models/small         after Ctrl-C or a crash
  homer train-bi --encoder models/small")]
pub(super) struct Args {
    #[command(flatten)]
    own: Own,

    /// The new folder to write the small encoder to; its settings, metrics and loss curve go to DIR.run
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Go on with an unfinished run, with the settings that it was begun with
    #[arg(long, conflicts_with_all = ["force", "own"])]
    resume: bool,

    /// Train anew; a run that is there is kept beside it
    #[arg(long)]
    force: bool,
}

#[derive(clap::Args)]
#[group(id = "own", multiple = true)]
struct Own {
    /// What to learn from: a script or ready pairs (.csv, .tsv), else one text a line
    #[arg(value_name = "TEXT", required_unless_present = "resume")]
    texts: Vec<PathBuf>,

    /// The large encoder: a folder, or a name on the Hugging Face hub
    #[arg(
        long,
        value_name = "ENCODER",
        required_unless_present = "resume",
        default_value = "",
        hide_default_value = true
    )]
    encoder: String,

    /// Layers to keep
    #[arg(long, value_name = "N", default_value_t = defaults().layers, value_parser = training::at_least(1))]
    layers: usize,

    /// Tokens to keep: characters, then those of each TEXT in turn, then the large encoder's first
    #[arg(long, value_name = "N", default_value_t = defaults().vocabulary, value_parser = training::at_least(1))]
    vocabulary: usize,

    /// Width inside the feed-forward blocks: those units are kept that weigh most [default: all]
    #[arg(long, value_name = "N", value_parser = training::at_least(1))]
    intermediate: Option<usize>,

    /// Longest sequence, in tokens
    #[arg(long, value_name = "N", default_value_t = defaults().common.max_length, value_parser = training::at_least(4))]
    max_length: usize,

    /// Passes over the texts
    #[arg(long, value_name = "N", default_value_t = defaults().common.epochs, value_parser = clap::value_parser!(u64).range(1..))]
    epochs: u64,

    /// Texts a step
    #[arg(long, value_name = "N", default_value_t = defaults().common.batch_size, value_parser = training::at_least(2))]
    batch_size: usize,

    /// Learning rate at its peak
    #[arg(long, value_name = "RATE", default_value_t = defaults().common.lr, value_parser = training::positive)]
    lr: f64,

    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = defaults().common.seed)]
    seed: u64,

    /// How to store the small encoder
    #[arg(long, value_name = "TYPE", default_value = "f16")]
    precision: Precision,

    /// Compute on the GPU
    #[arg(long)]
    gpu: bool,
}

fn defaults() -> StudentSettings {
    StudentSettings::default()
}

impl Own {
    fn settings(self) -> StudentSettings {
        StudentSettings {
            encoder: self.encoder,
            texts: self.texts,
            layers: self.layers,
            vocabulary: self.vocabulary,
            intermediate: self.intermediate,
            common: CommonSettings {
                epochs: self.epochs,
                batch_size: self.batch_size,
                chunk_size: self.batch_size,
                max_length: self.max_length,
                lr: self.lr,
                seed: self.seed,
                precision: self.precision.into(),
                gpu: self.gpu,
                ..defaults().common
            },
        }
    }
}

/// Distils, and says what came of it.
pub(super) fn run(args: Args, global: &Global) -> anyhow::Result<()> {
    let start = training::start(args.resume, args.force);
    let made = distill(
        &args.own.settings(),
        &args.out,
        start,
        &mut Display::new(global)?,
    );
    let made = made.map_err(|error| match error {
        Error::Interrupted { saved: true } => anyhow::Error::from(error).context(format!(
            "interrupted, and saved\n  go on with `{}`",
            global.command(&format!("distill --resume --out {}", quoted(&args.out)))
        )),
        error => error.into(),
    })?;
    eprintln!(
        "{} of {} tokens, which read {:.1}% of the texts' tokens whole",
        HumanCount(made.tokens[1] as u64),
        HumanCount(made.tokens[0] as u64),
        made.coverage * 100.0
    );
    let layers: Vec<String> = made.layers.iter().map(|i| (i + 1).to_string()).collect();
    eprintln!(
        "kept {} {} of the {}; {} of {} parameters, {} of {} on disk",
        if layers.len() == 1 { "layer" } else { "layers" },
        layers.join(", "),
        made.layers_of,
        HumanCount(made.parameters[1] as u64),
        HumanCount(made.parameters[0] as u64),
        HumanBytes(made.bytes[1]),
        HumanBytes(made.bytes[0])
    );
    eprintln!(
        "cosine to the large encoder on {} held-out lines: {:.4} before training, {:.4} after (step {} of {}, {} texts), in {:.1} minutes",
        HumanCount(made.texts[1] as u64),
        made.outcome.baseline.score,
        made.outcome.best.score,
        made.outcome.best_step,
        made.outcome.planned,
        HumanCount(made.texts[0] as u64),
        made.outcome.seconds / 60.0
    );
    let next = format!("train-bi --encoder {}", quoted(&args.out));
    eprintln!("next: {}", global.command(&next));
    Ok(())
}
