//! The documents that are worth an exact score, and the best queries of different meanings.

/// Of a query whose postings are not all read, the documents that are scored exactly, at most.
const FINALISTS: usize = 128;

/// Keeps the [`FINALISTS`] of the best scores, of equals the first.
pub(super) fn keep_finalists(found: &mut Vec<(u32, f32)>) {
    const SAMPLED: usize = 16;
    if found.len() <= FINALISTS {
        return;
    }
    // Most come nowhere near, and one score, which a sample says that twice as many reach, tells them
    // apart sooner than selecting does.
    let sampled = found.iter().step_by(SAMPLED);
    let mut sampled: Vec<f32> = sampled.map(|&(_, score)| score).collect();
    let place = (2 * FINALISTS / SAMPLED).min(sampled.len() - 1);
    let (_, &mut rough, _) = sampled.select_nth_unstable_by(place, |a, b| b.total_cmp(a));
    let reach = found.iter().filter(|(_, score)| *score >= rough).count();
    if reach > FINALISTS {
        found.retain(|(_, score)| *score >= rough);
    }
    // Positive floats are ordered as their bits are.
    found.select_nth_unstable_by_key(FINALISTS - 1, |&(document, score)| {
        u64::from(!score.to_bits()) << 32 | u64::from(document)
    });
    found.truncate(FINALISTS);
}

/// The best of different meanings so far.
pub(super) struct Best {
    wanted: usize,
    /// Score, query, meaning; best first.
    found: Vec<(f32, u32, u32)>,
}

impl Best {
    pub(super) fn new(wanted: usize) -> Self {
        Self {
            wanted,
            found: Vec::with_capacity(wanted),
        }
    }

    /// The queries.
    pub(super) fn queries(&self) -> Vec<u32> {
        self.found.iter().map(|&(_, query, _)| query).collect()
    }

    /// What is below this is not wanted any more.
    pub(super) fn least(&self) -> f32 {
        let full = self.found.len() == self.wanted;
        let last = self.found.last().filter(|_| full);
        last.map_or(0.0, |last| last.0)
    }

    pub(super) fn offer(&mut self, score: f32, query: u32, meaning: u32) {
        let better =
            |other: &(f32, u32, u32)| score > other.0 || (score == other.0 && query < other.1);
        if self.found.len() == self.wanted && !self.found.last().is_some_and(better) {
            return;
        }
        if let Some(same) = self.found.iter().position(|other| other.2 == meaning) {
            if !better(&self.found[same]) {
                return;
            }
            self.found.remove(same);
        }
        let place = self.found.iter().position(better);
        let place = place.unwrap_or(self.found.len());
        self.found.insert(place, (score, query, meaning));
        self.found.truncate(self.wanted);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finalists_have_the_best_scores(steps in prop::collection::vec(1u16..400, 0..2_000)) {
            let scores = steps.iter().map(|&step| f32::from(step) / 400.0);
            let mut found: Vec<(u32, f32)> = (0..).zip(scores).collect();
            let mut expected = found.clone();
            expected.sort_by(|a, b| b.1.total_cmp(&a.1));
            expected.truncate(FINALISTS);
            expected.sort_unstable_by_key(|&(document, _)| document);
            keep_finalists(&mut found);
            found.sort_unstable_by_key(|&(document, _)| document);
            prop_assert_eq!(found, expected);
        }
    }
}
