//! What `train-bi` and `train-cross` share: arguments, progress, Ctrl-C, what they print.

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use indicatif::ProgressBar;

use homer::builtin::{self, Builtin};
use homer::error::Error;
use homer::hf::{hub, tensors};
use homer::train::run::{Outcome, Row, Start};
use homer::train::settings::{BiSettings, Common};
use homer::train::task::Validation;
use homer::train::trainer::{Observer, Verdict};

use super::{Global, progress};

#[derive(clap::Args)]
pub struct Existing {
    /// Go on with an unfinished run, with the settings that it was begun with
    #[arg(long, conflicts_with_all = ["force", "own", "shared"])]
    resume: bool,

    /// Train anew; a run that is there is moved aside
    #[arg(long)]
    force: bool,
}

impl Existing {
    pub fn start(&self) -> Start {
        match (self.resume, self.force) {
            (true, _) => Start::Resume,
            (_, true) => Start::Force,
            _ => Start::Fresh,
        }
    }
}

#[derive(clap::Args)]
#[group(id = "shared", multiple = true)]
pub struct Shared {
    /// Steps in all, instead of whole passes
    #[arg(long, value_name = "N", conflicts_with = "epochs", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,

    /// Share of the steps over which the learning rate rises
    #[arg(long, value_name = "SHARE", default_value_t = defaults().warmup, value_parser = share)]
    warmup: f64,

    /// Steps between two validations [default: an eighth of all steps]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    evaluate_every: Option<u64>,

    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = defaults().seed)]
    seed: u64,

    /// How to store the model
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    precision: Precision,

    /// Compute on the GPU, in larger batches
    #[arg(long)]
    pub gpu: bool,
}

/// How weights are stored.
#[derive(Clone, Copy, ValueEnum)]
pub enum Precision {
    /// Four bytes a number
    F32,
    /// Two bytes a number
    F16,
}

impl From<Precision> for tensors::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::F16 => Self::F16,
        }
    }
}

fn defaults() -> Common {
    BiSettings::default().common
}

/// Settings that differ in their defaults.
pub struct Sizes {
    pub epochs: u64,
    pub batch_size: usize,
    pub chunk_size: usize,
    pub max_length: usize,
    pub lr: f64,
    pub patience: u64,
}

impl Shared {
    /// All that both trainings take.
    pub fn common(&self, sizes: Sizes) -> Common {
        Common {
            epochs: sizes.epochs,
            steps: self.steps,
            batch_size: sizes.batch_size,
            chunk_size: sizes.chunk_size,
            max_length: sizes.max_length,
            lr: sizes.lr,
            warmup: self.warmup,
            evaluate_every: self.evaluate_every,
            patience: sizes.patience,
            seed: self.seed,
            precision: self.precision.into(),
            gpu: self.gpu,
        }
    }
}

/// A number above 0.
pub fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("not a number above 0".into()),
    }
}

/// A number from 0 to below 1.
fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..1.0).contains(&number) => Ok(number),
        _ => Err("not a number from 0 to below 1".into()),
    }
}

/// A count of `least` or more.
pub fn at_least(least: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..=1 << 32)
}

/// The encoder to start from where none is named: the built-in one, if it is there.
pub fn default_encoder() -> String {
    match Builtin::find().encoder() {
        Some(_) => builtin::ENCODER.into(),
        None => BiSettings::default().encoder,
    }
}

/// What else there is, for who takes the defaults.
pub const OTHER_ENCODERS: &str = "for a larger model, start from `--encoder distilbert-base-uncased` \
    (downloaded once); `--gpu` computes on a GPU, in a build that has one";

/// The folder of the encoder that was asked for, downloaded if need be.
pub fn encoder(name: &str) -> anyhow::Result<PathBuf> {
    let mut bar: Option<(String, ProgressBar)> = None;
    let folder = hub::resolve(name, &mut |progress| {
        if bar.as_ref().is_none_or(|(file, _)| file != progress.file) {
            let new = progress::download(progress.total, progress.file);
            bar = Some((progress.file.to_owned(), new));
        }
        if let Some((_, bar)) = &bar {
            bar.set_position(progress.done);
        }
    });
    if let Some((_, bar)) = bar {
        bar.finish_and_clear();
    }
    Ok(folder?)
}

static INTERRUPT: AtomicBool = AtomicBool::new(false);

/// From now on the first Ctrl-C asks the work to stop, the second stops the program. May be asked for
/// again.
pub fn on_interrupt() -> anyhow::Result<&'static AtomicBool> {
    static HANDLER: Once = Once::new();
    let mut outcome = Ok(());
    HANDLER.call_once(|| {
        outcome = ctrlc::set_handler(|| {
            if INTERRUPT.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            eprintln!("\nstopping as soon as it can; Ctrl-C again leaves at once");
        });
    });
    outcome?;
    Ok(&INTERRUPT)
}

/// Draws how a training goes.
#[derive(Default)]
pub struct Display {
    bar: Option<ProgressBar>,
    stage: &'static str,
    steps: u64,
}

impl Display {
    fn bar(&mut self, stage: &'static str, length: u64) -> &ProgressBar {
        if self.stage != stage {
            self.clear();
            self.stage = stage;
        }
        self.bar.get_or_insert_with(|| progress::bar(length, stage))
    }

    /// Removes the bar.
    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }
}

impl Observer for Display {
    fn note(&mut self, message: &str) {
        self.say(message);
    }

    fn preparing(&mut self, what: &'static str, done: usize, total: usize) {
        let bar = self.bar(what, total as u64);
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    }

    fn started(&mut self, step: u64, steps: u64) {
        self.steps = steps;
        let bar = self.bar("training", steps);
        bar.set_position(step);
        bar.reset_eta();
        if step > 0 {
            self.say(&format!("going on after step {step} of {steps}"));
        }
    }

    fn stepped(&mut self, row: &Row) {
        let (loss, speed) = (row.loss, row.examples_per_second);
        let bar = self.bar("training", self.steps);
        bar.set_position(row.step);
        bar.set_message(format!(
            "loss {:.3}  {:.0} examples/s",
            loss.unwrap_or_default(),
            speed.unwrap_or_default()
        ));
    }

    fn validated(&mut self, step: u64, validation: &Validation, verdict: Verdict) {
        let remark = match verdict {
            Verdict::Baseline => "  (before training)",
            Verdict::Best => "  (best so far, kept)",
            Verdict::Worse => "",
        };
        self.say(&format!(
            "step {step:>5}/{}  validation loss {:.4}  MRR {:.4}{remark}",
            self.steps, validation.loss, validation.mrr
        ));
    }
}

/// Says how a training ended, and what comes next.
pub fn report(
    outcome: Result<Outcome, Error>,
    folder: &Path,
    global: &Global,
    command: &str,
    next: &str,
) -> anyhow::Result<()> {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(Error::Interrupted { saved: true }) => anyhow::bail!(
            "interrupted, and saved in {}\n  go on with `{}`",
            folder.display(),
            global.command(&format!("{command} --resume"))
        ),
        Err(Error::Interrupted { saved: false }) => {
            anyhow::bail!("interrupted before the first step")
        }
        Err(error) => return Err(error.into()),
    };
    let Outcome { baseline, best, .. } = outcome;
    if outcome.steps < outcome.planned {
        eprintln!(
            "stopped early, after step {} of {}: it got no better",
            outcome.steps, outcome.planned
        );
    }
    eprintln!(
        "MRR {:.4} before, {:.4} after (step {}), in {:.1} minutes: {}",
        baseline.mrr,
        best.mrr,
        outcome.best_step,
        outcome.seconds / 60.0,
        folder.join("model").display()
    );
    if best.mrr < baseline.mrr {
        eprintln!(
            "warning: the encoder was better before this training\n  \
             look at {}; try a smaller `--lr`, or more exchanges",
            folder.join("loss.png").display()
        );
    }
    eprintln!("next: {}", global.command(next));
    Ok(())
}
