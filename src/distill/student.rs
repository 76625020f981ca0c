//! A student's weights, cut out of its teacher's.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::model::config::{Config, Family};
use crate::model::weights::{Layout, Part, Values, Weights};

/// The layers that a student of `layers` keeps of its teacher's `of`, counted from 0: evenly
/// spread, the last one among them.
pub fn kept_layers(layers: usize, of: usize) -> Vec<usize> {
    (1..=layers)
        .map(|i| (i * of).div_ceil(layers) - 1)
        .collect()
}

/// The teacher's weights with the word embeddings `kept` (ids), the layers `layers` (numbers) and
/// the first `positions`.
///
/// # Errors
/// The teacher has not so many positions, or its `config.json` cannot be changed.
pub fn cut(teacher: &Weights, kept: &[u32], layers: &[usize], positions: usize) -> Result<Weights> {
    let old = &teacher.config;
    if positions > old.max_positions {
        return Err(Error::Setting(format!(
            "a longest sequence of {positions} tokens is more than the encoder reads: {}",
            old.max_positions
        )));
    }
    let layers_key = match old.family {
        Family::Bert => "num_hidden_layers",
        Family::DistilBert => "n_layers",
    };
    let mut raw = old.raw.clone();
    raw["vocab_size"] = kept.len().into();
    raw[layers_key] = layers.len().into();
    raw["max_position_embeddings"] = positions.into();
    if let Some(pad) = raw["pad_token_id"].as_u64() {
        let place = kept.iter().position(|&id| u64::from(id) == pad);
        raw["pad_token_id"] = place.map_or(Value::Null, Value::from);
    }
    let config = Config::from_json(raw).map_err(Error::Setting)?;

    let layout = Layout::of(old);
    let hidden = old.hidden;
    let mut words = vec![0.0; kept.len() * hidden];
    for (row, &id) in words.chunks_mut(hidden).zip(kept) {
        teacher.values[Layout::WORDS].read(id as usize * hidden, row);
    }
    let mut first = vec![0.0; positions * hidden];
    teacher.values[Layout::POSITIONS].read(0, &mut first);

    let copy = |values: &Values| Values::Owned(values.to_f32().into_owned());
    let mut values = vec![Values::Owned(words), Values::Owned(first)];
    let start = layout.part(0, Part::Query);
    values.extend(
        teacher.values[Layout::POSITIONS + 1..start]
            .iter()
            .map(copy),
    );
    for &layer in layers {
        let range = layout.part(layer, Part::Query)..layout.part(layer + 1, Part::Query);
        values.extend(teacher.values[range].iter().map(copy));
    }
    Ok(Weights { config, values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::tiny_config;

    #[test]
    fn layers_are_spread_and_the_last_is_kept() {
        assert_eq!(kept_layers(3, 6), [1, 3, 5]);
        assert_eq!(kept_layers(2, 6), [2, 5]);
        assert_eq!(kept_layers(4, 6), [1, 2, 4, 5]);
        assert_eq!(kept_layers(6, 6), [0, 1, 2, 3, 4, 5]);
        assert_eq!(kept_layers(1, 6), [5]);
    }

    #[test]
    fn what_is_kept_is_the_teachers() {
        for family in [Family::Bert, Family::DistilBert] {
            let teacher = Weights::random(&tiny_config(family, 50).unwrap(), 5);
            let student = cut(&teacher, &[0, 7, 49], &[1], 8).unwrap();
            student.check(&student.config).unwrap();
            let (old, new) = (&teacher.values, &student.values);
            let row = |values: &Values, i: usize| values.to_f32()[i * 32..][..32].to_vec();
            assert_eq!(row(&new[0], 1), row(&old[0], 7));
            assert_eq!(row(&new[1], 7), row(&old[1], 7));
            let (tail, last) = (new.len() - 16, old.len() - 16);
            for i in 0..16 {
                assert_eq!(new[tail + i].to_f32(), old[last + i].to_f32());
            }
            assert_eq!((student.config.vocab, student.config.layers), (3, 1));
            assert_eq!(student.config.max_positions, 8);
            assert!(cut(&teacher, &[0], &[1], 65).is_err());
        }
    }
}
