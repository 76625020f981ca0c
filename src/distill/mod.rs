//! A small encoder made from a large one: fewer tokens ([`vocabulary`]), fewer and
//! narrower layers ([`student`]), and its embeddings trained ([`mod@train`]) to be the large one's on
//! texts like those that it will read ([`texts`]).
//!
//! After DistilBERT (Sanh et al., 2019) for the layers and sentence-transformers' model
//! distillation (Reimers & Gurevych, 2020) for the target.

pub mod student;
pub mod texts;
pub mod train;
pub mod vocabulary;

use crate::error::{Error, Remedy, Result, Setting};
use crate::hf::folder::make_encoder;
use crate::hf::tokenizer::Tokenizer;
use crate::model::bi_encoder::{BiEncoder, embed};
use crate::nn::device::Compute;
use crate::nn::packed::Tokens;
use crate::watch::{Unit, Watch};

use student::Cut;
use texts::Scene;
use train::{Lessons, Recipe, Trained};

/// What the student is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Its layers.
    pub layers: usize,
    /// Its tokens.
    pub vocabulary: usize,
    /// Width inside its feed-forward blocks; `None` for the teacher's.
    pub intermediate: Option<usize>,
    /// Its longest sequence, in tokens.
    pub max_length: usize,
    /// How it is trained.
    pub recipe: Recipe,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            layers: 3,
            vocabulary: 6000,
            intermediate: None,
            max_length: 128,
            recipe: Recipe {
                epochs: 10,
                batch_size: 64,
                lr: 5e-4,
                seed: 42,
            },
        }
    }
}

/// What was kept, and how well the student does.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
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
    /// Mean cosine to the teacher on held-out texts, before training and at its best.
    pub cosine: [f64; 2],
    /// The epoch that was the best; 0 is before training.
    pub best_epoch: usize,
}

/// Makes a student of `teacher` from `sources`, each the scenes of one file. Where the files have
/// more tokens than fit, the first one's come first.
///
/// # Errors
/// An option asks for more than the teacher has, the texts are too few, or a tensor operation
/// fails.
pub fn distill(
    teacher: &BiEncoder,
    sources: &[Vec<Scene>],
    options: &Options,
    compute: &Compute,
    watch: &mut dyn Watch,
) -> Result<(BiEncoder, Report)> {
    let weights = teacher.encoder.weights()?;
    let layers_of = weights.config.layers;
    if options.layers == 0 || options.layers > layers_of {
        return Err(Error::setting(
            format!(
                "the encoder has {layers_of} layers: a student of {} cannot be cut out of it",
                options.layers
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
    let chosen = vocabulary::choose(&teacher.tokenizer, &counts, options.vocabulary)?;
    let tokenizer = teacher.tokenizer.cut(&chosen.kept)?;
    let layers = student::kept_layers(options.layers, layers_of);
    let small = student::cut(
        &weights,
        &Cut {
            words: &chosen.kept,
            layers: &layers,
            intermediate: options.intermediate.unwrap_or(weights.config.intermediate),
            positions: options.max_length,
        },
    )?;
    let parameters = [&weights, &small].map(|weights| weights.values.iter().map(|v| v.len()).sum());
    let tokens = [weights.config.vocab, small.config.vocab];

    let texts = texts::arrange(&sources.concat(), options.recipe.seed)?;
    let sizes = [texts.train.len(), texts.held_out.len()];
    watch.stage("embedding", sizes.iter().sum::<usize>() as u64, Unit::Parts);
    let mut embedded = 0;
    let mut lessons = |texts: &[String]| {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let read = |tokenizer: &Tokenizer| -> Result<Vec<Tokens>> {
            tokenizer.texts(&texts, options.max_length)
        };
        let targets = embed(
            teacher.encoder.as_ref(),
            &read(&teacher.tokenizer)?,
            |more| {
                embedded += more;
                watch.advance(embedded as u64);
                watch.go_on()
            },
        )?;
        Ok::<_, Error>(Lessons {
            sequences: read(&tokenizer)?,
            targets,
        })
    };
    let held_out = lessons(&texts.held_out)?;
    let lessons = lessons(&texts.train)?;

    let mut encoder = make_encoder(small, compute)?;
    let Trained {
        weights,
        cosines,
        best_epoch,
    } = train::train(
        encoder.as_mut(),
        &lessons,
        &held_out,
        &options.recipe,
        watch,
    )?;
    encoder.set_weights(&weights)?;
    let report = Report {
        parameters,
        tokens,
        layers,
        layers_of,
        coverage: chosen.coverage,
        texts: sizes,
        cosine: [cosines[0], cosines[best_epoch]],
        best_epoch,
    };
    let student = BiEncoder {
        encoder,
        tokenizer,
        max_length: options.max_length,
        // The large encoder's was made for states that these are not.
        pooler: None,
    };
    Ok((student, report))
}
