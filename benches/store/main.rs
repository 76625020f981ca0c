//! Many personas in PostgreSQL beside the same in homer's own indexes: loading, bytes, times, recall. README.md
//! beside says how to run it, and what came out.

#![allow(clippy::print_stdout, reason = "its figures are what it is run for")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use std::cell::RefCell;

use homer::Place;
use homer::internals::{Index, Loader, Nearest, Owner, Stored, sample_index};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const WIDTH: usize = 384;
/// What `ask` looks for.
const WANTED: usize = 600;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    // Cargo adds an argument of its own.
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|one| one != "--bench")
        .collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let numbers = |from: usize| -> Outcome<Vec<usize>> {
        let each = args.iter().skip(from);
        Ok(each.map(|one| one.parse()).collect::<Result<_, _>>()?)
    };
    match args.as_slice() {
        ["load", url, folder, ..] => {
            let [personas, replies] = numbers(3)?[..] else {
                return Err("load URL FOLDER PERSONAS REPLIES".into());
            };
            load(url, Path::new(folder), personas, replies)
        }
        ["ask", url, folder, ..] => {
            let [personas, replies, clients, questions] = numbers(3)?[..] else {
                return Err("ask URL FOLDER PERSONAS REPLIES CLIENTS QUESTIONS".into());
            };
            ask(
                url,
                Path::new(folder),
                [personas, replies],
                clients,
                questions,
            )
        }
        _ => Err("load … or ask …: see benches/store/README.md".into()),
    }
}

/// What a persona is called.
fn called(replies: usize, number: usize) -> String {
    format!("persona-{replies}-{number}")
}

/// Vectors around as many centres as there are hundreds of replies, as long as a mean of two unit vectors is;
/// the centres depend on the persona alone, so that questions are around the same.
struct Cloud {
    centres: Vec<Vec<f32>>,
}

impl Cloud {
    fn of(number: usize, replies: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
        let centres = (0..(replies / 100).max(1)).map(|_| unit(&mut rng, None));
        Self {
            centres: centres.collect(),
        }
    }

    fn vector(&self, rng: &mut impl Rng) -> Vec<f32> {
        let centre = &self.centres[rng.random_range(0..self.centres.len())];
        unit(rng, Some(centre))
    }
}

/// A random direction, or one at some 45 degrees from a centre.
fn unit(rng: &mut impl Rng, centre: Option<&Vec<f32>>) -> Vec<f32> {
    let noise: Vec<f32> = (0..WIDTH).map(|_| rng.random_range(-1.0f32..1.0)).collect();
    let length = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
    let own = length(&noise);
    let mut vector: Vec<f32> = noise.iter().map(|x| x / own).collect();
    if let Some(centre) = centre {
        vector.iter_mut().zip(centre).for_each(|(x, c)| *x += c);
    }
    let all = length(&vector);
    vector.iter().map(|x| x / all).collect()
}

fn folder_of(folder: &Path, replies: usize, number: usize) -> PathBuf {
    folder.join(called(replies, number))
}

fn load(url: &str, folder: &Path, personas: usize, replies: usize) -> Outcome<()> {
    let Place::Database(database) = Place::parse(url)? else {
        return Err("that is no database".into());
    };
    let (mut writing, mut loading, mut bytes) = (0.0, 0.0, 0);
    for number in 0..personas {
        let start = Instant::now();
        let path = folder_of(folder, replies, number);
        if !path.exists() {
            write(&path, number, replies)?;
        }
        writing += start.elapsed().as_secs_f64();
        let index = Index::open(path.clone())?;
        for file in std::fs::read_dir(&path)? {
            bytes += file?.metadata()?.len();
        }
        let start = Instant::now();
        let owner = Owner {
            name: called(replies, number),
            id: "bench".into(),
            take_over: false,
        };
        Loader::begin(&database, owner)?.load(&index, &mut ())?;
        loading += start.elapsed().as_secs_f64();
    }
    println!(
        "{personas} personas of {replies}: {writing:.1} s to write their indexes, {} MiB; {loading:.1} s to load them",
        bytes >> 20
    );
    Ok(())
}

fn write(path: &Path, number: usize, replies: usize) -> Outcome<()> {
    let cloud = Cloud::of(number, replies);
    let rng = RefCell::new(ChaCha8Rng::seed_from_u64(1 << 40 | number as u64));
    sample_index(path, [replies, WIDTH], |_, vector| {
        vector.copy_from_slice(&cloud.vector(&mut *rng.borrow_mut()));
    })?;
    Ok(())
}

/// What was measured of one way to find.
#[derive(Default)]
struct Measured {
    times: Vec<f64>,
    found: usize,
}

impl Measured {
    fn say(mut self, what: &str, wanted: usize) {
        self.times.sort_by(f64::total_cmp);
        let at = |share: f64| self.times[((self.times.len() - 1) as f64 * share) as usize] * 1e3;
        println!(
            "{what}: p50 {:.2} ms, p99 {:.2} ms, recall@10 {:.4}",
            at(0.5),
            at(0.99),
            self.found as f64 / wanted as f64
        );
    }
}

fn ask(
    url: &str,
    folder: &Path,
    [personas, replies]: [usize; 2],
    clients: usize,
    questions: usize,
) -> Outcome<()> {
    let Place::Database(database) = Place::parse(url)? else {
        return Err("that is no database".into());
    };
    let start = Instant::now();
    let all: Vec<(Stored, Index, Cloud)> = (0..personas)
        .map(|number| {
            let stored = Stored::open(&database, Some(&called(replies, number)))?;
            let index = Index::open(folder_of(folder, replies, number))?;
            Ok((stored, index, Cloud::of(number, replies)))
        })
        .collect::<homer::Result<_>>()?;
    let opened = start.elapsed().as_secs_f64() * 1e3 / personas as f64;
    let start = Instant::now();
    let each = |client: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(1 << 41 | client as u64);
        let (mut store, mut local) = (Measured::default(), Measured::default());
        for _ in 0..questions {
            let (stored, index, cloud) = &all[rng.random_range(0..all.len())];
            let question = cloud.vector(&mut rng);
            let start = Instant::now();
            let there = stored.nearest(&question, WANTED)?;
            store.times.push(start.elapsed().as_secs_f64());
            let start = Instant::now();
            let here = index.nearest(&question, WANTED)?;
            local.times.push(start.elapsed().as_secs_f64());
            let ten = here.iter().take(10);
            store.found += ten
                .filter(|hit| there.iter().take(10).any(|one| one == *hit))
                .count();
            local.found += 10.min(here.len());
        }
        homer::Result::Ok((store, local))
    };
    let (mut store, mut local) = (Measured::default(), Measured::default());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|client| scope.spawn(move || each(client)))
            .collect();
        for thread in threads {
            let (more, beside) = thread.join().map_err(|_| "a client panicked")??;
            store.times.extend(more.times);
            store.found += more.found;
            local.times.extend(beside.times);
            local.found += beside.found;
        }
        Outcome::Ok(())
    })?;
    let took = start.elapsed().as_secs_f64();
    println!(
        "{personas} personas of {replies}, {clients} clients, {questions} questions each, in {took:.1} s; {opened:.1} ms to open one"
    );
    let wanted = local.found;
    store.say("store", wanted);
    local.say("index", wanted);
    Ok(())
}
