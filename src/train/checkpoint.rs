//! Where a training stands, on disk, so that it goes on as if it had never stopped.
//!
//! The tensors go into a file named after the step; `state.json`, which names it, is renamed into
//! place last. A crash at any moment leaves the old checkpoint or the new one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::task::{Trainee, Validation};
use crate::error::{Error, IoContext, Remedy, Result};
use crate::files::{self, disk};
use crate::folder::is_file_name;
use crate::hf::tensors::{Precision, read_safetensors, write_safetensors};
use crate::nn::head::head_specs;
use crate::nn::optimizer::Moments;
use crate::nn::weights::{Spec, Values, Weights, encoder_specs};

/// Everything about a training that is not a tensor. Data order, dropout and learning rate follow
/// from the step and the settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Steps taken.
    pub step: u64,
    /// The last step after which the model was validated.
    pub validated: Option<u64>,
    /// The validation before the first step.
    pub baseline: Option<Validation>,
    /// The best validation of a trained model, and its step.
    pub best: Option<(u64, Validation)>,
    /// Validations since the best one.
    pub since_best: u64,
    /// Rows of `metrics.jsonl` that belong to it.
    pub rows: usize,
    /// Seconds of training so far.
    pub seconds: f64,
}

/// What `state.json` holds.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    state: State,
    /// The file with the tensors.
    tensors: String,
    /// Steps that the encoder's and the head's optimizers have taken.
    optimizer_steps: (u64, u64),
}

const STATE: &str = "state.json";

/// Prefixes of the tensors' names: values, first and second moments.
const KINDS: [&str; 3] = ["weights", "first", "second"];

/// Whether `folder` holds a checkpoint.
pub(crate) fn exists(folder: &Path) -> bool {
    folder.join(STATE).is_file()
}

/// Writes a checkpoint; the one before it is then gone.
///
/// # Errors
/// A file cannot be written; the checkpoint before it then stands.
pub fn write(folder: &Path, state: &State, model: &dyn Trainee) -> Result<()> {
    let weights = model.encoder().weights()?;
    let moments = model.encoder().moments()?;
    let specs = encoder_specs(&weights.config);
    let mut tensors = Vec::new();
    gather(&mut tensors, "encoder", &specs, &weights.values, &moments);
    let mut optimizer_steps = (moments.steps, 0);
    let (values, moments);
    let specs = head_specs(&weights.config);
    if let Some(head) = model.head() {
        (values, moments) = (head.values()?, head.moments()?);
        gather(&mut tensors, "head", &specs, &values, &moments);
        optimizer_steps.1 = moments.steps;
    }
    let stored = Stored {
        state: state.clone(),
        tensors: format!("step-{}.safetensors", state.step),
        optimizer_steps,
    };
    for name in [STATE, &stored.tensors] {
        files::stays(&folder.join(name))?;
    }
    write_safetensors(&folder.join(&stored.tensors), &tensors, Precision::F32)?;
    files::write_json(&folder.join(STATE), &stored)?;
    for entry in fs::read_dir(folder).at("read", folder)? {
        let path = entry.at("read", folder)?.path();
        let tensors = path.extension().is_some_and(|e| e == "safetensors");
        if tensors && path.file_name() != Some(stored.tensors.as_ref()) {
            disk::remove_file(&path).at("remove", &path)?;
        }
    }
    Ok(())
}

type Named<'a> = (String, Vec<usize>, std::borrow::Cow<'a, [f32]>);

fn gather<'a>(
    into: &mut Vec<Named<'a>>,
    part: &str,
    specs: &[Spec],
    values: &'a [Values],
    moments: &'a Moments,
) {
    for (i, spec) in specs.iter().enumerate() {
        let all = [
            values[i].to_f32(),
            moments.first[i].as_slice().into(),
            moments.second[i].as_slice().into(),
        ];
        for (kind, values) in KINDS.iter().zip(all) {
            let name = format!("{part}.{kind}.{}", spec.name);
            into.push((name, spec.shape.clone(), values));
        }
    }
}

/// What can be done about a file of a run that is missing or damaged: nothing brings it back.
pub(super) fn or_restart<T>(read: Result<T>) -> Result<T> {
    read.map_err(|error| match error {
        Error::Model { path, what, .. } => Error::model(path, what, Remedy::Restart),
        Error::Io { path, source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Error::model(path, "missing", Remedy::Restart)
        }
        error => error,
    })
}

/// Puts a model where the checkpoint in `folder` says it was.
///
/// # Errors
/// The checkpoint is damaged, or is another model's.
pub fn restore(folder: &Path, model: &mut dyn Trainee) -> Result<State> {
    files::stays(&folder.join(STATE))?;
    let stored: Stored = or_restart(files::read_json(&folder.join(STATE)))?;
    if !is_file_name(&stored.tensors) {
        let what = format!("{:?} is not the name of a file beside it", stored.tensors);
        return Err(Error::model(folder.join(STATE), what, Remedy::Restart));
    }
    let path = folder.join(&stored.tensors);
    let mut tensors: BTreeMap<String, Values> = or_restart(read_safetensors(&path))?
        .into_iter()
        .filter_map(|tensor| Some((tensor.name, tensor.values?)))
        .collect();
    let mut take = |part: &str, specs: &[Spec], steps: u64| -> Result<(Vec<Values>, Moments)> {
        let [mut values, mut first, mut second] = KINDS.map(|_| Vec::new());
        for spec in specs {
            for (kind, into) in KINDS.iter().zip([&mut values, &mut first, &mut second]) {
                let name = format!("{part}.{kind}.{}", spec.name);
                let tensor = tensors.remove(&name).filter(|t| t.len() == spec.len());
                into.push(tensor.ok_or_else(|| {
                    let what = format!("{name} is not in it as this model needs it");
                    Error::model(&path, what, Remedy::Restart)
                })?);
            }
        }
        let flat = |moments: Vec<Values>| {
            let moments = moments.iter().map(|values| values.to_f32().into_owned());
            moments.collect()
        };
        let moments = Moments {
            steps,
            first: flat(first),
            second: flat(second),
        };
        Ok((values, moments))
    };
    let config = model.encoder().config().clone();
    let (values, moments) = take("encoder", &encoder_specs(&config), stored.optimizer_steps.0)?;
    let head = match model.head() {
        Some(_) => Some(take(
            "head",
            &head_specs(&config),
            stored.optimizer_steps.1,
        )?),
        None => None,
    };
    let encoder = model.encoder_mut();
    // Copied out of the mapped file, which the next checkpoint removes.
    let values = values
        .iter()
        .map(|v| Values::Owned(v.to_f32().into_owned()));
    encoder.set_weights(&Weights {
        config,
        values: values.collect(),
    })?;
    encoder.set_moments(&moments)?;
    if let (Some((values, moments)), Some(head)) = (head, model.head_mut()) {
        head.set_values(&values)?;
        head.set_moments(&moments)?;
    }
    Ok(stored.state)
}
