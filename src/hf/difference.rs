//! What a model that was trained further knows beside the one that it was trained from (Hu et al., 2021): matrices of
//! low rank, which are added to its own when it is opened.
//!
//! A file of safetensors: of a matrix NAME `[rows, columns]` the factors `NAME.up` `[rows, rank]` and `NAME.down` `[rank,
//! columns]`; of any other tensor, under its name, the difference itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::tensors::Stored;
use crate::folder::Bytes;
use crate::nn::int8::{Rows, quantise};
use crate::nn::weights::Values;

const UP: &str = ".up";
const DOWN: &str = ".down";

/// Adds the tensors of a `difference` to those of the model. What is in eight bits there is so afterwards.
///
/// # Errors
/// One belongs to nothing in the model, or is of another shape: what is wrong, in words.
pub(super) fn add(
    model: &mut BTreeMap<String, Stored>,
    difference: Vec<Stored>,
) -> Result<(), String> {
    let mut parts: BTreeMap<String, Stored> = difference
        .into_iter()
        .map(|one| (one.name.clone(), one))
        .collect();
    let stems = parts.keys().filter_map(|name| name.strip_suffix(UP));
    let stems: Vec<String> = stems.map(str::to_owned).collect();
    for stem in stems {
        let up = parts.remove(&format!("{stem}{UP}"));
        let down = parts.remove(&format!("{stem}{DOWN}"));
        let (Some(up), Some(down)) = (up, down) else {
            return Err(format!("{stem} has one factor only"));
        };
        let (&[rows, rank], &[inner, columns]) = (up.shape.as_slice(), down.shape.as_slice())
        else {
            return Err(format!("the factors of {stem} are no matrices"));
        };
        let target = model.get_mut(&stem);
        let target = target.filter(|one| rank == inner && one.shape == [rows, columns]);
        let target = target.ok_or_else(|| format!("{stem} does not fit the model"))?;
        let (Some(up), Some(down)) = (&up.values, &down.values) else {
            return Err(format!("{stem} holds whole numbers"));
        };
        let (up, down) = (up.to_f32(), down.to_f32());
        change(target, |values| {
            let each = values.par_chunks_mut(columns.max(1));
            each.zip(up.par_chunks(rank.max(1))).for_each(|(row, up)| {
                for (factor, down) in up.iter().zip(down.chunks(columns.max(1))) {
                    for (value, other) in row.iter_mut().zip(down) {
                        *value += factor * other;
                    }
                }
            });
        });
    }
    for (name, part) in parts {
        let target = model.get_mut(&name).filter(|one| one.shape == part.shape);
        let (Some(target), Some(values)) = (target, &part.values) else {
            return Err(format!("{name} does not fit the model"));
        };
        let other = values.to_f32();
        change(target, |values| {
            for (value, other) in values.iter_mut().zip(other.iter()) {
                *value += other;
            }
        });
    }
    Ok(())
}

/// Changes the values of a tensor, in the precision that it has if that is eight bits, else in floats.
fn change(target: &mut Stored, change: impl FnOnce(&mut [f32])) {
    let Some(values) = &target.values else {
        return;
    };
    let eight = matches!(values, Values::Int8(_));
    let mut values = values.to_f32().into_owned();
    change(&mut values);
    let width = target.shape.last().copied().unwrap_or_default();
    target.values = match eight {
        true => eight_bits(&values, width),
        false => Some(Values::Owned(values)),
    };
}

/// A matrix in eight bits.
fn eight_bits(values: &[f32], width: usize) -> Option<Values> {
    let (numbers, scales) = quantise(values, width);
    let numbers: Arc<[u8]> = numbers.into_iter().map(i8::cast_unsigned).collect();
    Rows::new(&Bytes::Read(numbers), 0, width, scales).map(Values::Int8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(name: &str, shape: &[usize], values: &[f32]) -> Stored {
        Stored {
            name: name.into(),
            shape: shape.to_vec(),
            values: Some(Values::Owned(values.to_vec())),
        }
    }

    fn model(eight: bool) -> BTreeMap<String, Stored> {
        let mut matrix = stored("m", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        if eight {
            matrix.values = eight_bits(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3);
        }
        let vector = stored("v", &[2], &[1.0, 1.0]);
        [matrix, vector].map(|one| (one.name.clone(), one)).into()
    }

    #[test]
    fn factors_are_multiplied_and_vectors_added() {
        for eight in [false, true] {
            let mut model = model(eight);
            let difference = vec![
                stored("m.up", &[2, 1], &[1.0, 2.0]),
                stored("m.down", &[1, 3], &[0.5, 0.0, -1.0]),
                stored("v", &[2], &[0.0, -3.0]),
            ];
            add(&mut model, difference).unwrap();
            let values = |name: &str| model[name].values.clone().unwrap();
            assert_eq!(matches!(values("m"), Values::Int8(_)), eight);
            let expected = [1.5, 2.0, 2.0, 5.0, 5.0, 4.0];
            for (value, expected) in values("m").to_f32().iter().zip(expected) {
                assert!((value - expected).abs() < 0.05, "{value} {expected}");
            }
            assert_eq!(*values("v").to_f32(), [1.0, -2.0]);
        }
    }

    #[test]
    fn what_does_not_fit_is_said() {
        for (difference, what) in [
            (vec![stored("w", &[2], &[0.0; 2])], "w does not fit"),
            (vec![stored("v", &[1], &[0.0])], "v does not fit"),
            (vec![stored("m.up", &[2, 1], &[0.0; 2])], "one factor"),
            (
                vec![stored("m.down", &[1, 3], &[0.0; 3])],
                "m.down does not fit",
            ),
            (
                vec![
                    stored("m.up", &[2, 1], &[0.0; 2]),
                    stored("m.down", &[2, 3], &[0.0; 6]),
                ],
                "m does not fit",
            ),
            (
                vec![
                    stored("m.up", &[2], &[0.0; 2]),
                    stored("m.down", &[1, 3], &[0.0; 3]),
                ],
                "no matrices",
            ),
        ] {
            let refused = add(&mut model(false), difference).unwrap_err();
            assert!(refused.contains(what), "{refused}");
        }
    }
}
