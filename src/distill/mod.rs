//! A small encoder made from a large one: fewer tokens ([`vocabulary`]), fewer and
//! narrower layers ([`student`]), and its embeddings trained ([`task`]) to be the large one's on
//! texts like those that it will read ([`texts`]). The training is a run like any other.
//!
//! Without training, [`mod@shrink`] makes any model smaller by its tokens, positions and bits.
//!
//! After DistilBERT (Sanh et al., 2019) for the layers and sentence-transformers' model
//! distillation (Reimers & Gurevych, 2020) for the target.

pub(crate) mod shrink;
pub(crate) mod student;
pub(crate) mod task;
pub(crate) mod texts;
pub(crate) mod vocabulary;

pub use shrink::{Change, Measured, ShrinkOptions, Shrunk};

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext, Remedy, Result, Setting};
use crate::files::{self, disk};
use crate::fingerprint::Fnv;
use crate::hf::checkpoint::{weights_bytes, weights_file};
use crate::hf::folder::make_encoder;
use crate::hf::hub;
use crate::hf::tensors::Precision;
use crate::hf::tokenizer::Tokenizer;
use crate::model::bi_encoder::{BiEncoder, embed};
use crate::nn::device::Compute;
use crate::train::job::Training;
use crate::train::run::{Outcome, Run, Start};
use crate::train::settings::{BiSettings, CommonSettings, Data};
use crate::train::trainer::train;
use crate::watch::{Unit, Watch};

use student::Cut;
use task::{Imitation, Lessons};
use texts::{Scene, Texts};
use vocabulary::Characters;

const NAME: &str = "small encoder";

/// What the student is to be, of whom, and how it learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudentSettings {
    /// Folder or hub name of the teacher.
    pub encoder: String,
    /// The files to learn from, see [`texts::read`]. Where they have more tokens than fit, the first
    /// one's come first.
    pub texts: Vec<PathBuf>,
    /// Its layers.
    pub layers: usize,
    /// Its tokens.
    pub vocabulary: usize,
    /// Width inside its feed-forward blocks; `None` for the teacher's.
    pub intermediate: Option<usize>,
    /// What every training takes; every epoch ends with a validation.
    #[serde(flatten)]
    pub common: CommonSettings,
}

impl Default for StudentSettings {
    fn default() -> Self {
        Self {
            encoder: String::new(),
            texts: Vec::new(),
            layers: 3,
            vocabulary: 6000,
            intermediate: None,
            common: CommonSettings {
                epochs: 10,
                batch_size: 64,
                max_length: 128,
                lr: 5e-4,
                warmup: 0.05,
                patience: u64::from(u32::MAX),
                precision: Precision::F16,
                ..BiSettings::default().common
            },
        }
    }
}

/// What was kept, and how well the student does.
#[derive(Debug, Clone)]
pub struct Distilled {
    /// Parameters of teacher and student.
    pub parameters: [usize; 2],
    /// Tokens of teacher and student.
    pub tokens: [usize; 2],
    /// Layers of the teacher that the student keeps, counted from 0.
    pub layers: Vec<usize>,
    /// How many the teacher has.
    pub layers_of: usize,
    /// Share of the texts' tokens that the student reads whole.
    pub coverage: f64,
    /// Texts to learn from, and held out.
    pub texts: [usize; 2],
    /// How the training ended; scores are mean cosines to the teacher on held-out texts.
    pub outcome: Outcome,
    /// Bytes of the teacher's and the student's weights on disk.
    pub bytes: [u64; 2],
}

/// The run of a student that is to be `out`: a folder beside it.
pub(crate) fn run_of(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".run");
    name.into()
}

/// Makes a student and puts its model folder at `out`; settings, metrics and loss curve stay in
/// [`run_of`] it. A run that is gone on with keeps the settings that it was begun with.
///
/// # Errors
/// [`Error::Exists`] where there is something at `out`; a setting asks for more than the teacher
/// has, the texts are too few; as [`train`].
pub fn distill(
    settings: &StudentSettings,
    out: &Path,
    start: Start,
    watch: &mut dyn Watch,
) -> Result<Distilled> {
    let run = run_of(out);
    // One that was killed when all but the last was done has its model in its place already.
    let delivered = start == Start::Resume
        && Run::can_resume(&run)
        && !Run::model_of(&run).exists()
        && weights_file(out).is_some();
    if files::is_there(out)? && !delivered {
        return Err(Error::Exists {
            path: out.to_path_buf(),
            remedy: Remedy::Change(Setting::Out, "another").or("move this one away"),
        });
    }
    let training = Training::begin(&run, start, settings)?;
    let settings = &training.settings;
    let compute = Compute::choose(settings.common.gpu)?;
    let sources = settings.texts.iter().map(|path| texts::read(path));
    let sources = sources.collect::<Result<Vec<_>>>()?;
    let folder = hub::resolve(&settings.encoder, watch)?;
    let teacher = BiEncoder::load(&folder, &compute)?;
    let made = cut(&teacher, &sources, settings)?;
    let texts = texts::arrange(&sources.concat(), settings.common.seed)?;
    let sizes = [texts.train.len(), texts.held_out.len()];
    let data = data(settings, &texts);

    let max_length = settings.common.max_length;
    let [lessons, held_out] = lessons(&teacher, &made.tokenizer, &texts, max_length, watch)?;
    let mut task = Imitation {
        student: BiEncoder {
            encoder: make_encoder(made.weights, &compute)?,
            tokenizer: made.tokenizer,
            max_length,
            // The large encoder's was made for states that these are not.
            pooler: None,
        },
        lessons,
        held_out,
        batch_size: settings.common.batch_size,
    };
    let mut common = settings.common.clone();
    common.evaluate_every = Some(data.train.div_ceil(common.batch_size.max(1)) as u64);
    let examples = data.train;
    let resolved = training.resolve(&common, data, examples)?;
    let mut run = training.run(NAME, &resolved)?;
    let outcome = train(&mut task, &resolved.plan(&common), &mut run, watch);
    if outcome.is_err() {
        training.note_kept(watch);
    }
    let outcome = outcome?;
    let model = Run::model_of(run.folder());
    if model.exists() {
        disk::rename(&model, out).at("write", out)?;
    }
    run.finish(&outcome, &card(settings, &outcome))?;
    Ok(Distilled {
        parameters: made.parameters,
        tokens: made.tokens,
        layers: made.layers,
        layers_of: teacher.encoder.config().layers,
        coverage: made.coverage,
        texts: sizes,
        outcome,
        bytes: [weights_bytes(&folder)?, weights_bytes(&out.into())?],
    })
}

/// Texts to learn from, and those held out, as the student reads them, with what the teacher makes of them.
fn lessons(
    teacher: &BiEncoder,
    student: &Tokenizer,
    texts: &Texts,
    max_length: usize,
    watch: &mut dyn Watch,
) -> Result<[Lessons; 2]> {
    let all = texts.train.len() + texts.held_out.len();
    watch.stage("embedding", all as u64, Unit::Parts);
    let mut embedded = 0;
    let mut read = |texts: &[String]| {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let theirs = teacher.tokenizer.texts(&texts, max_length)?;
        let targets = embed(teacher.encoder.as_ref(), &theirs, |more| {
            embedded += more;
            watch.advance(embedded as u64);
            watch.go_on()
        })?;
        Ok::<_, Error>(Lessons {
            sequences: student.texts(&texts, max_length)?,
            targets,
        })
    };
    let held_out = read(&texts.held_out)?;
    Ok([read(&texts.train)?, held_out])
}

/// A student that has not learned yet.
struct Made {
    weights: crate::nn::weights::Weights,
    tokenizer: Tokenizer,
    parameters: [usize; 2],
    tokens: [usize; 2],
    layers: Vec<usize>,
    coverage: f64,
}

/// Cuts a student out of its teacher.
fn cut(teacher: &BiEncoder, sources: &[Vec<Scene>], settings: &StudentSettings) -> Result<Made> {
    let weights = teacher.encoder.weights()?;
    let layers_of = weights.config.layers;
    if settings.layers == 0 || settings.layers > layers_of {
        return Err(Error::setting(
            format!(
                "the encoder has {layers_of} layers: a student of {} cannot be cut out of it",
                settings.layers
            ),
            Remedy::Change(Setting::Layers, "a smaller"),
        ));
    }
    let counts = sources
        .iter()
        .map(|scenes| {
            let lines: Vec<&str> = scenes.iter().flatten().map(String::as_str).collect();
            vocabulary::count(&teacher.tokenizer, &lines)
        })
        .collect::<Result<Vec<_>>>()?;
    let chosen = vocabulary::choose(
        &teacher.tokenizer,
        &counts,
        settings.vocabulary,
        Characters::Latin,
    )?;
    let layers = student::kept_layers(settings.layers, layers_of);
    let small = student::cut(
        &weights,
        &Cut {
            words: &chosen.kept,
            layers: &layers,
            intermediate: settings.intermediate.unwrap_or(weights.config.intermediate),
            positions: settings.common.max_length,
        },
    )?;
    Ok(Made {
        tokenizer: teacher.tokenizer.cut(&chosen.kept)?,
        parameters: [&weights, &small].map(|all| all.values.iter().map(|v| v.len()).sum()),
        tokens: [weights.config.vocab, small.config.vocab],
        layers,
        coverage: chosen.coverage,
        weights: small,
    })
}

/// What a student learns from, for those who go on with its run.
fn data(settings: &StudentSettings, texts: &Texts) -> Data {
    let mut hash = Fnv::default();
    for text in texts.train.iter().chain(&texts.held_out) {
        hash.add(text.as_bytes());
        hash.add(&[0xff]);
    }
    let files: Vec<String> = settings
        .texts
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    Data {
        source: files.join(", "),
        character: String::new(),
        train: texts.train.len(),
        valid: texts.held_out.len(),
        fingerprint: hash.to_string(),
    }
}

fn card(settings: &StudentSettings, outcome: &Outcome) -> String {
    format!(
        "# A small encoder\n\nDistilled by homer {} from {}: {} layers, {} tokens. Mean cosine to its \
         teacher on held-out texts: {:.4} before training, {:.4} after.\n",
        env!("CARGO_PKG_VERSION"),
        settings.encoder,
        settings.layers,
        settings.vocabulary,
        outcome.baseline.score,
        outcome.best.score
    )
}
