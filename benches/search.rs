//! The search in an index on disk: the best 50 of many unit vectors of width 384, the size of all-MiniLM-L6-v2's,
//! exactly and with the first look in four bits that a large index takes; how much longer the one takes, and
//! how many of the best of the one are among the best of the other.
//!
//! ```text
//! cargo bench --bench search                                 4,500, 30,000, 100,000 and 1,000,000 vectors
//! cargo bench --bench search -- 10000000                     so many
//! cargo bench --bench search -- 1000000 vectors.safetensors  those of an index, repeated with noise
//! ```
//!
//! Ten million take 10 GB of disk, in the folder that TMPDIR names, and as much memory to stay in.

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use half::f16;
use memmap2::Mmap;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::SafeTensors;

use homer::internals::{Index, sample_index, top_k};

const WIDTH: usize = 384;
const BEST: usize = 50;
const QUESTIONS: usize = 200;
/// Rounds that are timed: the two searches in turn, so that other work on the machine meets both.
const ROUNDS: usize = 21;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Where vectors come from.
struct Source {
    /// Those of an index, row by row; else clusters of a hundred are made up.
    real: Vec<f32>,
    rows: usize,
}

impl Source {
    /// Adds noise of this length, as far as this matters here.
    fn shake(vector: &mut [f32], noise: f32, seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let bound = noise * (3.0 / WIDTH as f32).sqrt();
        for x in vector.iter_mut() {
            *x += rng.random_range(-bound..bound);
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|x| *x /= length);
    }

    fn fill(&self, row: usize, vector: &mut [f32]) {
        if self.real.is_empty() {
            vector.fill(0.0);
            Self::shake(vector, 1.0, (row % self.rows.div_ceil(100)) as u64);
            Self::shake(vector, 0.8, u64::MAX - row as u64);
        } else {
            let count = self.real.len() / WIDTH;
            vector.copy_from_slice(&self.real[row % count * WIDTH..][..WIDTH]);
            // As they are once; repeated, they are lines that say nearly the same.
            if row >= count {
                Self::shake(vector, 0.5, row as u64);
            }
        }
    }

    /// A question that is near some row.
    fn question(&self, number: usize) -> Vec<f32> {
        let mut vector = vec![0.0; WIDTH];
        self.fill(
            number * (self.rows / QUESTIONS).max(1) % self.rows,
            &mut vector,
        );
        Self::shake(&mut vector, 0.6, number as u64);
        vector
    }
}

/// The vectors of a file, as floats.
fn read(path: &Path) -> Outcome<Vec<f32>> {
    let file = std::fs::read(path)?;
    let tensors = SafeTensors::deserialize(&file)?;
    let vectors = tensors.tensor("vectors")?;
    if vectors.shape().get(1) != Some(&WIDTH) {
        return Err(format!("{} has vectors of another width", path.display()).into());
    }
    let values = vectors.data().chunks_exact(2);
    Ok(values
        .map(|two| f16::from_le_bytes([two[0], two[1]]).to_f32())
        .collect())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn bench(source: &Source) -> Outcome<()> {
    let home = tempfile::tempdir()?;
    let folder = home.path().join("index");
    let start = Instant::now();
    sample_index(&folder, [source.rows, WIDTH], |row, vector| {
        source.fill(row, vector)
    })?;
    let built = start.elapsed();
    let start = Instant::now();
    let index = Index::open(&folder)?;
    let opened = start.elapsed();
    let file = File::open(folder.join("vectors.safetensors"))?;
    // SAFETY: nobody else writes to the temporary folder.
    #[allow(unsafe_code, reason = "as homer maps it")]
    let file = unsafe { Mmap::map(&file) }?;
    let tensors = SafeTensors::deserialize(&file)?;
    let vectors: &[f16] = bytemuck::cast_slice(tensors.tensor("vectors")?.data());

    let questions: Vec<Vec<f32>> = (0..QUESTIONS)
        .map(|number| source.question(number))
        .collect();
    let (mut exact, mut first) = (Vec::new(), Vec::new());
    for question in &questions[..ROUNDS] {
        let start = Instant::now();
        black_box(top_k(question, vectors, BEST));
        exact.push(start.elapsed());
        let start = Instant::now();
        black_box(index.search(question, BEST)?);
        first.push(start.elapsed());
    }
    let mut found = [(10, 0), (BEST, 0)];
    for question in &questions {
        let exactly = top_k(question, vectors, BEST);
        let hits = index.search(question, BEST)?;
        for (best, found) in &mut found {
            let right = exactly[..*best]
                .iter()
                .filter(|hit| hits[..*best].contains(hit));
            *found += right.count();
        }
    }
    let recall = found.map(|(best, found)| found as f64 / (best * QUESTIONS) as f64);
    let [exact, first] = [exact, first].map(median);
    writeln!(
        std::io::stdout(),
        "{:>10} vectors: exactly {exact:.2} ms, as searched {first:.2} ms ({:.2} of it); recall@10 {:.4}, \
         recall@{BEST} {:.4}; built in {:.1} s, opened in {:.2} s",
        source.rows,
        first / exact,
        recall[0],
        recall[1],
        built.as_secs_f64(),
        opened.as_secs_f64()
    )?;
    Ok(())
}

fn main() -> Outcome<()> {
    let (mut sizes, mut real) = (Vec::new(), Vec::new());
    // Cargo adds flags of its own.
    for argument in std::env::args().skip(1).filter(|one| !one.starts_with('-')) {
        match argument.parse::<usize>() {
            Ok(rows) => sizes.push(rows),
            Err(_) => real.extend(read(Path::new(&argument))?),
        }
    }
    if sizes.is_empty() {
        sizes = vec![4_500, 30_000, 100_000, 1_000_000];
    }
    let mut source = Source { real, rows: 0 };
    for rows in sizes {
        source.rows = rows;
        bench(&source)?;
    }
    Ok(())
}
