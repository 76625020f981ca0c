//! The wrong answers that the cross-encoder learns to tell from the true one.

use std::path::Path;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::dialogue::{Exchange, Replies};
use crate::error::{Error, Remedy, Result};
use crate::files;

/// Per exchange, by number among the [`Replies`]: the true reply and where its negatives come from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Negatives {
    /// The true reply.
    pub truth: Vec<u32>,
    /// Hard negatives, hardest first.
    pub mined: Vec<Vec<u32>>,
    /// TF-IDF's bad replies.
    pub bad: Vec<Vec<u32>>,
    /// Random negatives are drawn from the replies below this number.
    pub pool: u32,
}

/// Of four negatives, two are mined, one is a bad reply, one is drawn from all.
#[derive(Clone, Copy)]
enum Kind {
    Mined,
    Bad,
    Random,
}
const MIX: [Kind; 4] = [Kind::Mined, Kind::Bad, Kind::Mined, Kind::Random];

/// A row of the file that keeps the hard negatives beside a run.
#[derive(Serialize, Deserialize)]
struct Mined {
    exchange: usize,
    mined: Vec<String>,
}

impl Negatives {
    /// Truths and bad replies of exchanges, none mined yet; `replies` learns what it does not know.
    /// Only true replies are drawn at random.
    pub fn new(exchanges: &[Exchange], replies: &mut Replies) -> Self {
        let truth = exchanges.iter().map(|e| replies.number(&e.reply)).collect();
        let pool = replies.len() as u32;
        let bad = exchanges
            .iter()
            .map(|e| {
                e.bad_replies
                    .iter()
                    .map(|bad| replies.number(bad))
                    .collect()
            })
            .collect();
        Self {
            truth,
            mined: vec![Vec::new(); exchanges.len()],
            bad,
            pool,
        }
    }

    /// `count` distinct negatives of exchange `i`, drawn with `seed`: of each source its share, as
    /// far as it goes, and random ones for the rest. Fewer only when the pool has no more.
    pub fn draw(&self, i: usize, count: usize, seed: u64) -> Vec<u32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut drawn = Vec::with_capacity(count);
        let mut mined = self.mined[i].clone();
        let mut bad = self.bad[i].clone();
        mined.shuffle(&mut rng);
        bad.shuffle(&mut rng);
        for turn in 0..count {
            let fresh = |number: &u32| *number != self.truth[i] && !drawn.contains(number);
            let next = |from: &mut Vec<u32>| {
                let place = from.iter().rposition(fresh)?;
                from.truncate(place + 1);
                from.pop()
            };
            let found = match MIX[turn % MIX.len()] {
                Kind::Mined => next(&mut mined),
                Kind::Bad => next(&mut bad),
                Kind::Random => None,
            };
            let found = found.or_else(|| {
                // Round the pool once from a random place: it ends even when nothing is left.
                let start = rng.random_range(0..self.pool.max(1));
                (start..self.pool).chain(0..start).find(fresh)
            });
            drawn.extend(found);
        }
        drawn
    }

    /// Keeps the hard negatives as text, one exchange a line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path, exchanges: &[Exchange], replies: &Replies) -> Result<()> {
        let rows = exchanges.iter().zip(&self.mined).map(|(exchange, mined)| {
            let text = |&number: &u32| replies.texts[number as usize].clone();
            Mined {
                exchange: exchange.id,
                mined: mined.iter().map(text).collect(),
            }
        });
        files::write_jsonl(path, rows)
    }

    /// Takes the hard negatives that [`Negatives::save`] kept.
    ///
    /// # Errors
    /// The file cannot be read, or belongs to other exchanges.
    pub fn load(&mut self, path: &Path, exchanges: &[Exchange], replies: &Replies) -> Result<()> {
        let other = || Error::model(path, "belongs to other exchanges", Remedy::Restart);
        let rows: Vec<Mined> = files::read_jsonl(path)?;
        if rows.len() != exchanges.len() {
            return Err(other());
        }
        for ((row, exchange), mined) in rows.iter().zip(exchanges).zip(&mut self.mined) {
            if row.exchange != exchange.id {
                return Err(other());
            }
            let number = |text: &String| replies.find(text).ok_or_else(other);
            *mined = row.mined.iter().map(number).collect::<Result<_>>()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::Turn;

    fn exchange(id: usize, reply: &str, bad: &[&str]) -> Exchange {
        Exchange {
            id,
            scene: id,
            context: Vec::new(),
            query: Turn {
                speaker: String::new(),
                text: format!("question {id}"),
            },
            reply: reply.into(),
            close_replies: Vec::new(),
            good_replies: Vec::new(),
            bad_replies: bad.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    fn sample() -> (Vec<Exchange>, Replies, Negatives) {
        let exchanges = vec![
            exchange(3, "zero", &["three", "four", "Zero!"]),
            exchange(4, "one", &[]),
            exchange(5, "two", &["zero"]),
            exchange(6, "three", &[]),
            exchange(7, "four", &[]),
            exchange(8, "five", &[]),
            exchange(9, "six", &[]),
        ];
        let mut replies = Replies::default();
        let mut negatives = Negatives::new(&exchanges, &mut replies);
        negatives.mined[0] = vec![1, 2, 5];
        (exchanges, replies, negatives)
    }

    #[test]
    fn each_source_gives_its_share_and_never_the_truth() {
        let (_, _, negatives) = sample();
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let drawn = negatives.draw(0, 4, seed);
            assert_eq!(drawn, negatives.draw(0, 4, seed));
            let mut distinct = drawn.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), 4);
            assert!(!drawn.contains(&0));
            assert!([1, 2, 5].contains(&drawn[0]) && [1, 2, 5].contains(&drawn[2]));
            assert!([3, 4].contains(&drawn[1]));
            seen.extend(drawn);
        }
        assert_eq!(seen.len(), 6);
    }

    #[test]
    fn random_ones_fill_in_until_the_pool_is_empty() {
        let (_, _, negatives) = sample();
        assert_eq!(negatives.draw(1, 4, 1).len(), 4);
        let mut all = negatives.draw(1, 20, 1);
        all.sort_unstable();
        assert_eq!(all, [0, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn mined_ones_come_back_from_the_file() {
        let (exchanges, replies, negatives) = sample();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("negatives.jsonl");
        negatives.save(&path, &exchanges, &replies).unwrap();
        let mut replies = Replies::default();
        let mut again = Negatives::new(&exchanges, &mut replies);
        again.load(&path, &exchanges, &replies).unwrap();
        assert_eq!(again, negatives);
        assert!(again.load(&path, &exchanges[1..], &replies).is_err());
    }
}
