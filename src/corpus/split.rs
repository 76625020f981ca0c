//! Train, valid, test: whole scenes, and only where there is nothing but a long one parts of it.
#![allow(
    clippy::indexing_slicing,
    reason = "borders are counted from the scenes and parts that they divide"
)]

use std::ops::Range;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What an exchange is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// To learn from.
    Train,
    /// To choose by.
    Valid,
    /// To report on, once.
    Test,
}

/// How exchanges are divided 80/10/10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Scenes in a seeded random order.
    #[default]
    Scene,
    /// Scenes in the order of the file: the end of the story is held out.
    Contiguous,
}

/// Scenes shorter than so many gaps are never divided.
const GAPS: usize = 20;

/// The part of each exchange, of which the scenes are given, in order; the exchanges of one scene
/// share a part.
///
/// Scenes fill train, then valid, then test: one that begins before ⌊0.8·n⌋ exchanges are given
/// out is for training, and so on. A part that would stay empty takes a scene from its neighbour,
/// where that has one to spare.
///
/// Where that leaves hardly anything to choose or to report by because a scene is so long, such scenes
/// are divided by position. Between their parts `gap` exchanges are left out, so that none of one part
/// is seen around another's.
pub(crate) fn split(scenes: &[usize], how: Split, seed: u64, gap: usize) -> Vec<Option<Part>> {
    let n = scenes.len();
    let whole = by_scene(scenes, how, seed);
    let mut parts: Vec<Option<Part>> = whole.into_iter().map(Some).collect();
    let count = |wanted| parts.iter().filter(|part| **part == Some(wanted)).count();
    let enough = |wanted| count(wanted) * 20 >= n;
    if enough(Part::Valid) && enough(Part::Test) {
        return parts;
    }
    let mut start = 0;
    for scene in scenes.chunk_by(|a, b| a == b) {
        let own = &mut parts[start..start + scene.len()];
        start += scene.len();
        if own.len() * 5 > n && own.len() >= GAPS * gap.max(1) {
            divide(own, gap);
        }
    }
    parts
}

/// Divides a scene by position.
fn divide(scene: &mut [Option<Part>], gap: usize) {
    let (valid, test) = (scene.len() * 8 / 10, scene.len() * 9 / 10);
    scene[..valid].fill(Some(Part::Train));
    scene[valid..valid + gap].fill(None);
    scene[valid + gap..test].fill(Some(Part::Valid));
    scene[test..test + gap].fill(None);
    scene[test + gap..].fill(Some(Part::Test));
}

fn by_scene(scenes: &[usize], how: Split, seed: u64) -> Vec<Part> {
    let n = scenes.len();
    let mut start = 0;
    let mut scenes: Vec<Range<usize>> = scenes
        .chunk_by(|a, b| a == b)
        .map(|scene| {
            start += scene.len();
            start - scene.len()..start
        })
        .collect();
    if how == Split::Scene {
        scenes.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    }
    let train_end = (n * 8 / 10).max(1);
    let valid_end = train_end + n / 10;
    let mut given = 0;
    let mut of_scene: Vec<Part> = scenes
        .iter()
        .map(|scene| {
            let part = match given {
                start if start < train_end => Part::Train,
                start if start < valid_end => Part::Valid,
                _ => Part::Test,
            };
            given += scene.len();
            part
        })
        .collect();
    fill_empty(&mut of_scene);
    let mut parts = vec![Part::Train; n];
    for (scene, part) in scenes.into_iter().zip(of_scene) {
        parts[scene].fill(part);
    }
    parts
}

/// In a short script one long scene can reach past the borders of valid and test. `of_scene` stands
/// in the order train, valid, test, and keeps it.
fn fill_empty(of_scene: &mut [Part]) {
    let count = |parts: &[Part], wanted| parts.iter().filter(|part| **part == wanted).count();
    if of_scene.len() > 1 && count(of_scene, Part::Test) == 0 {
        let last = of_scene.len() - 1;
        of_scene[last] = Part::Test;
    }
    if count(of_scene, Part::Valid) == 0 {
        let border = count(of_scene, Part::Train);
        if count(of_scene, Part::Test) > 1 {
            of_scene[border] = Part::Valid;
        } else if border > 1 {
            of_scene[border - 1] = Part::Valid;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whole scenes, which these all are.
    fn split(scenes: &[usize], how: Split, seed: u64) -> Vec<Part> {
        let parts = super::split(scenes, how, seed, 5);
        parts.into_iter().map(Option::unwrap).collect()
    }

    /// Of each exchange its scene, the scenes having the given sizes.
    fn scenes(sizes: &[usize]) -> Vec<usize> {
        let sizes = sizes.iter().enumerate();
        sizes
            .flat_map(|(scene, &size)| std::iter::repeat_n(scene, size))
            .collect()
    }

    fn sizes(parts: &[Part]) -> [usize; 3] {
        [Part::Train, Part::Valid, Part::Test]
            .map(|wanted| parts.iter().filter(|part| **part == wanted).count())
    }

    #[test]
    fn rows_of_pairs_are_cut_at_eighty_and_ninety_percent() {
        let parts = split(&scenes(&[1; 4643]), Split::Contiguous, 0);
        assert_eq!(sizes(&parts), [3714, 464, 465]);
        assert!(parts[..3714].iter().all(|part| *part == Part::Train));
        assert!(parts[4178..].iter().all(|part| *part == Part::Test));
    }

    #[test]
    fn the_seed_decides() {
        let exchanges = scenes(&[3; 60]);
        let first = split(&exchanges, Split::Scene, 1);
        assert_eq!(first, split(&exchanges, Split::Scene, 1));
        assert_ne!(first, split(&exchanges, Split::Scene, 2));
        assert_eq!(sizes(&first), [144, 18, 18]);
    }

    #[test]
    fn a_few_long_scenes_still_fill_every_part() {
        for how in [Split::Scene, Split::Contiguous] {
            for lengths in [&[5, 5, 5][..], &[1, 1, 50], &[50, 1, 1], &[1, 1, 1, 20]] {
                let parts = split(&scenes(lengths), how, 3);
                assert!(
                    !sizes(&parts).contains(&0),
                    "{lengths:?} {how:?}: {parts:?}"
                );
            }
        }
        assert_eq!(sizes(&split(&scenes(&[9]), Split::Scene, 0)), [9, 0, 0]);
        assert!(split(&[], Split::Scene, 0).is_empty());
    }

    #[test]
    fn a_long_scene_is_divided_by_position_with_a_gap() {
        for lengths in [&[400][..], &[400, 1, 1]] {
            let parts = super::split(&scenes(lengths), Split::Scene, 1, 5);
            let long = &parts[..400];
            let runs: Vec<(Option<Part>, usize)> = long
                .chunk_by(|a, b| a == b)
                .map(|run| (run[0], run.len()))
                .collect();
            let expected = [
                (Some(Part::Train), 320),
                (None, 5),
                (Some(Part::Valid), 35),
                (None, 5),
                (Some(Part::Test), 35),
            ];
            assert_eq!(runs, expected, "{lengths:?}");
        }
        let short = super::split(&scenes(&[99]), Split::Scene, 1, 5);
        assert!(short.iter().all(|part| *part == Some(Part::Train)));
    }

    proptest! {
        #[test]
        fn scenes_stay_whole(sizes in prop::collection::vec(1usize..9, 1..40), seed: u64) {
            let exchanges = scenes(&sizes);
            for how in [Split::Scene, Split::Contiguous] {
                let parts = split(&exchanges, how, seed);
                for (pair, part) in exchanges.windows(2).zip(parts.windows(2)) {
                    prop_assert!(pair[0] != pair[1] || part[0] == part[1]);
                    prop_assert!(how == Split::Scene || part[0] as u8 <= part[1] as u8);
                }
                prop_assert!(parts.contains(&Part::Train));
            }
        }
    }
}
