//! `homer distill`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use indicatif::{HumanBytes, HumanCount};

use homer::distill::train::Recipe;
use homer::distill::{Options, distill, texts};
use homer::error::{Error, Remedy, Setting};
use homer::hf::checkpoint::weights_file;
use homer::hf::{hub, tensors};
use homer::model::bi_encoder::BiEncoder;
use homer::nn::device::Compute;

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
  homer train-bi --encoder models/small")]
pub struct Args {
    /// What to learn from: a script or ready pairs (.csv, .tsv), else one text a line
    #[arg(value_name = "TEXT", required = true)]
    texts: Vec<PathBuf>,

    /// The large encoder: a folder, or a name on the Hugging Face hub
    #[arg(long, value_name = "ENCODER")]
    encoder: String,

    /// The new folder to write the small encoder to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Layers to keep
    #[arg(long, value_name = "N", default_value_t = Options::default().layers, value_parser = training::at_least(1))]
    layers: usize,

    /// Tokens to keep: characters, then those of each TEXT in turn, then the large encoder's first
    #[arg(long, value_name = "N", default_value_t = Options::default().vocabulary, value_parser = training::at_least(1))]
    vocabulary: usize,

    /// Width inside the feed-forward blocks: those units are kept that weigh most [default: all]
    #[arg(long, value_name = "N", value_parser = training::at_least(1))]
    intermediate: Option<usize>,

    /// Longest sequence, in tokens
    #[arg(long, value_name = "N", default_value_t = Options::default().max_length, value_parser = training::at_least(4))]
    max_length: usize,

    /// Passes over the texts
    #[arg(long, value_name = "N", default_value_t = Options::default().recipe.epochs, value_parser = clap::value_parser!(u64).range(1..))]
    epochs: u64,

    /// Texts a step
    #[arg(long, value_name = "N", default_value_t = Options::default().recipe.batch_size, value_parser = training::at_least(2))]
    batch_size: usize,

    /// Learning rate at its peak
    #[arg(long, value_name = "RATE", default_value_t = Options::default().recipe.lr, value_parser = training::positive)]
    lr: f64,

    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = Options::default().recipe.seed)]
    seed: u64,

    /// How to store the small encoder
    #[arg(long, value_name = "TYPE", default_value = "f16")]
    precision: Precision,

    /// Compute on the GPU
    #[arg(long)]
    gpu: bool,
}

/// Distils, and says what came of it.
pub fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    let compute = Compute::choose(args.gpu)?;
    if args.out.exists() {
        bail!(Error::Exists {
            path: args.out.clone(),
            remedy: Remedy::Change(Setting::Out, "another").or("move this one away"),
        });
    }
    let sources = args
        .texts
        .iter()
        .map(|path| texts::read(path))
        .collect::<Result<Vec<_>, _>>()?;
    let mut watch = Display::new(global)?;
    let folder = hub::resolve(&args.encoder, &mut watch)?;
    let teacher = BiEncoder::load(&folder, &compute)?;
    let options = Options {
        layers: args.layers,
        vocabulary: args.vocabulary,
        intermediate: args.intermediate,
        max_length: args.max_length,
        recipe: Recipe {
            epochs: args.epochs,
            batch_size: args.batch_size,
            lr: args.lr,
            seed: args.seed,
        },
    };
    let start = Instant::now();
    let (student, report) = distill(&teacher, &sources, &options, &compute, &mut watch)?;
    drop(watch);
    student.save(&args.out, tensors::Precision::from(args.precision))?;

    eprintln!(
        "{} of {} tokens, which read {:.1}% of the texts' tokens whole",
        HumanCount(report.tokens[1] as u64),
        HumanCount(report.tokens[0] as u64),
        report.coverage * 100.0
    );
    let layers: Vec<String> = report.layers.iter().map(|i| (i + 1).to_string()).collect();
    eprintln!(
        "kept {} {} of the {}; {} of {} parameters, {} of {} on disk",
        if layers.len() == 1 { "layer" } else { "layers" },
        layers.join(", "),
        report.layers_of,
        HumanCount(report.parameters[1] as u64),
        HumanCount(report.parameters[0] as u64),
        HumanBytes(size(&args.out)?),
        HumanBytes(size(&folder)?)
    );
    eprintln!(
        "cosine to the large encoder on {} held-out lines: {:.4} before training, {:.4} after (epoch {} of {}, {} texts), in {:.1} minutes",
        HumanCount(report.texts[1] as u64),
        report.cosine[0],
        report.cosine[1],
        report.best_epoch,
        args.epochs,
        HumanCount(report.texts[0] as u64),
        start.elapsed().as_secs_f64() / 60.0
    );
    eprintln!("next: homer train-bi --encoder {}", quoted(&args.out));
    Ok(())
}

/// Bytes of a model's weights.
fn size(folder: &Path) -> anyhow::Result<u64> {
    let Some(file) = weights_file(folder) else {
        return Ok(0);
    };
    let data =
        std::fs::metadata(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(data.len())
}
