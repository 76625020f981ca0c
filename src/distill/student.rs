//! A student's weights, cut out of its teacher's.

use serde_json::Value;

use crate::error::{Error, Remedy, Result, Setting};
use crate::nn::config::{Config, Family};
use crate::nn::weights::{Layout, Part, Values, Weights};

/// The layers that a student of `layers` keeps of its teacher's `of`, counted from 0: evenly
/// spread, the last one among them.
pub(crate) fn kept_layers(layers: usize, of: usize) -> Vec<usize> {
    (1..=layers)
        .map(|i| (i * of).div_ceil(layers) - 1)
        .collect()
}

/// What a student keeps of its teacher.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut<'a> {
    /// Ids of the word embeddings.
    pub words: &'a [u32],
    /// Numbers of the layers.
    pub layers: &'a [usize],
    /// Width inside the feed-forward blocks.
    pub intermediate: usize,
    /// Positions, from the first.
    pub positions: usize,
}

/// The part of the teacher's weights that `cut` keeps.
///
/// # Errors
/// The teacher has not so much, or its `config.json` cannot be changed.
pub(crate) fn cut(teacher: &Weights, cut: &Cut<'_>) -> Result<Weights> {
    let Cut {
        words: kept,
        layers,
        intermediate,
        positions,
    } = *cut;
    let old = &teacher.config;
    if intermediate > old.intermediate {
        return Err(Error::setting(
            format!(
                "feed-forward blocks of {intermediate} are wider than the encoder's: {}",
                old.intermediate
            ),
            Remedy::Change(Setting::Intermediate, "a smaller"),
        ));
    }
    if positions > old.max_positions {
        return Err(Error::setting(
            format!(
                "a longest sequence of {positions} tokens is more than the encoder reads: {}",
                old.max_positions
            ),
            Remedy::Change(Setting::MaxLength, "a smaller"),
        ));
    }
    let (layers_key, intermediate_key) = match old.family {
        Family::Bert => ("num_hidden_layers", "intermediate_size"),
        Family::DistilBert => ("n_layers", "hidden_dim"),
    };
    let mut raw = old.raw.clone();
    raw["vocab_size"] = kept.len().into();
    raw[layers_key] = layers.len().into();
    raw[intermediate_key] = intermediate.into();
    raw["max_position_embeddings"] = positions.into();
    if let Some(pad) = raw["pad_token_id"].as_u64() {
        let place = kept.iter().position(|&id| u64::from(id) == pad);
        raw["pad_token_id"] = place.map_or(Value::Null, Value::from);
    }
    let config = Config::from_json(raw).map_err(Error::Misuse)?;

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
        let part = |part: Part| layout.part(layer, part);
        values.extend(
            teacher.values[part(Part::Query)..part(Part::Expand)]
                .iter()
                .map(copy),
        );
        values.extend(narrow(
            &teacher.values[part(Part::Expand)..],
            old,
            intermediate,
        ));
        let norm = part(Part::FeedForwardNorm);
        values.extend(teacher.values[norm..norm + 2].iter().map(copy));
    }
    Ok(Weights { config, values })
}

/// A feed-forward block's four tensors with the `width` units that weigh most: the product of the
/// norms of what goes into a unit and of what comes out of it.
fn narrow(block: &[Values], config: &Config, width: usize) -> [Values; 4] {
    let Config {
        hidden,
        intermediate,
        ..
    } = *config;
    // [f, h], [f], [h, f], [h]
    let [expand, expand_bias, contract, bias] = [0, 1, 2, 3].map(|i| block[i].to_f32());
    let weight = |unit: usize| {
        let inward = expand[unit * hidden..][..hidden].iter();
        let outward = contract[unit..].iter().step_by(intermediate);
        inward.map(|x| x * x).sum::<f32>() * outward.map(|x| x * x).sum::<f32>()
    };
    let weights: Vec<f32> = (0..intermediate).map(weight).collect();
    let mut units: Vec<usize> = (0..intermediate).collect();
    units.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
    units.truncate(width);
    units.sort_unstable();
    let units = units.iter();
    [
        units
            .clone()
            .flat_map(|&unit| &expand[unit * hidden..][..hidden])
            .copied()
            .collect(),
        units.clone().map(|&unit| expand_bias[unit]).collect(),
        contract
            .chunks(intermediate)
            .flat_map(|row| units.clone().map(|&unit| row[unit]))
            .collect(),
        bias.into_owned(),
    ]
    .map(Values::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hf::testing::tiny_config;

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
            let part = Cut {
                words: &[0, 7, 49],
                layers: &[1],
                intermediate: 64,
                positions: 8,
            };
            let student = cut(&teacher, &part).unwrap();
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
            for (intermediate, positions) in [(65, 8), (64, 65)] {
                let more = Cut {
                    intermediate,
                    positions,
                    ..part
                };
                assert!(cut(&teacher, &more).is_err());
            }
        }
    }

    #[test]
    fn feed_forward_blocks_keep_the_units_that_weigh_most() {
        let mut teacher = Weights::random(&tiny_config(Family::Bert, 50).unwrap(), 5);
        let layout = Layout::of(&teacher.config);
        let silent = |unit: usize| unit % 4 == 1;
        let contract = layout.part(1, Part::Contract);
        if let Values::Owned(values) = &mut teacher.values[contract] {
            // [h, f]
            let outward = values.iter_mut().enumerate();
            outward
                .filter(|(i, _)| silent(i % 64))
                .for_each(|(_, value)| *value = 0.0);
        }
        let part = Cut {
            words: &[3],
            layers: &[1],
            intermediate: 48,
            positions: 8,
        };
        let student = cut(&teacher, &part).unwrap();
        student.check(&student.config).unwrap();
        let new = |part| student.values[layout.part(0, part)].to_f32();
        let old = |part| teacher.values[layout.part(1, part)].to_f32();
        let spoken: Vec<usize> = (0..64).filter(|&unit| !silent(unit)).collect();
        for (place, &unit) in spoken.iter().enumerate() {
            let rows = |values: &[f32], at: usize| values[at * 32..][..32].to_vec();
            assert_eq!(
                rows(&new(Part::Expand), place),
                rows(&old(Part::Expand), unit)
            );
            assert_eq!(
                new(Part::Contract)[48 + place],
                old(Part::Contract)[64 + unit]
            );
        }
    }
}
