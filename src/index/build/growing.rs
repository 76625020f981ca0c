//! An index that is built again: what is embedded, what it grows by, and what a crash leaves.

mod bench;

use std::fs;
use std::path::PathBuf;

use self::bench::{Bench, WHOLE, answers, bytes, dialogue};
use super::*;
use crate::files::fault::{self, Fault};
use crate::index::testing::{self, SMALL, embed, source};
use crate::index::{Index, PARTS, REPLIES, ROWS, VECTORS};

#[test]
fn only_what_is_new_is_embedded_and_the_bytes_are_those_of_all_anew() {
    let bench = Bench::new();
    bench.build(WHOLE, &dialogue(0..20));
    // An episode at the beginning is gone, one in the middle and one at the end are new: every id is another.
    let next = dialogue((6..12).chain(40..46).chain(12..23));
    let heard = bench.build(WHOLE, &next);
    assert_eq!(heard.notes, "23 replies: 9 new, 14 as they were, 6 gone");
    let new = [40, 41, 42, 43, 44, 45, 20, 21, 22];
    let replies = new.map(|number| format!("reply {number}"));
    let queries = new.map(|number| format!("query {number}"));
    assert_eq!(heard.texts, [replies, queries].concat());
    assert!(bytes(&bench.folder) == bytes(&bench.anew(&next)));
    let heard = bench.build(WHOLE, &next);
    assert_eq!(heard.notes, "23 replies: 0 new, 23 as they were, 0 gone");
    assert!(heard.texts.is_empty() && bytes(&bench.folder) == bytes(&bench.anew(&next)));
}

#[test]
fn a_reply_that_answers_something_else_is_another() {
    let bench = Bench::new();
    let alone = || Provenance {
        query_weight: 0.0,
        ..source()
    };
    let one = dialogue(0..20);
    let mut other = one.clone();
    other.train[4].query.text = "What else?".into();
    bench.build(WHOLE, &one);
    let heard = bench.build(WHOLE, &other);
    assert_eq!(heard.texts, ["reply 4", "What else?"]);
    assert!(bytes(&bench.folder) == bytes(&bench.anew(&other)));
    // Where queries do not count, it is the same.
    fs::remove_dir_all(&bench.folder).unwrap();
    bench.build_as(WHOLE, &one, alone());
    let heard = bench.build_as(WHOLE, &other, alone());
    assert!(heard.texts.is_empty(), "{:?}", heard.texts);
}

#[test]
fn another_model_embeds_all_again_and_says_so() {
    let bench = Bench::new();
    let other = |embedding: Option<&str>| Provenance {
        embedding: embedding.map(str::to_owned),
        ..source()
    };
    bench.build(WHOLE, &dialogue(0..20));
    for (embedding, says) in [
        (Some("otherwise"), "another bi-encoder"),
        (None, "another bi-encoder"),
        (Some("so"), "an earlier version"),
    ] {
        let heard = bench.build_as(WHOLE, &dialogue(0..20), other(embedding));
        assert!(heard.notes.contains(says), "{}", heard.notes);
        assert_eq!(heard.texts.len(), 40);
    }
    let path = bench.folder.join(VECTORS);
    let mut file = fs::read(&path).unwrap();
    let last = file.len() - 1;
    file[last] ^= 1;
    fs::write(path, file).unwrap();
    let heard = bench.build(WHOLE, &dialogue(0..20));
    assert!(heard.notes.contains("cannot be read"), "{}", heard.notes);
    assert!(bytes(&bench.folder) == bytes(&bench.anew(&dialogue(0..20))));
}

#[test]
fn a_large_index_grows_and_answers_as_if_it_were_built_at_once() {
    let bench = Bench::new();
    bench.build(SMALL, &dialogue(0..30));
    let whole = bytes(&bench.folder);
    assert!(!whole.contains_key(ROWS));
    // What was open before goes on answering.
    let open = Index::open(&bench.folder).unwrap();
    let next = dialogue((3..12).chain(40..46).chain(12..30));
    let heard = bench.build(SMALL, &next);
    assert_eq!(heard.texts.len(), 12);
    let grown = bytes(&bench.folder);
    assert!(grown[VECTORS] == whole[VECTORS]);
    assert!(grown[REPLIES] == bytes(&bench.anew(&next))[REPLIES]);
    assert_eq!(Index::open(&bench.folder).unwrap().slots(), 36);
    assert_eq!(answers(&bench.folder), answers(&bench.anew(&next)));
    assert_eq!(open.entry(0).unwrap().text, "reply 0");
    // An episode less, and nothing new: no further file.
    let less = dialogue((3..9).chain(40..46).chain(12..30));
    assert!(bench.build(SMALL, &less).texts.is_empty());
    let names: Vec<String> = bytes(&bench.folder).into_keys().collect();
    assert_eq!(names.len(), 5, "{names:?}");
    assert_eq!(answers(&bench.folder), answers(&bench.anew(&less)));
    // What comes back after it was gone is new.
    let back = dialogue((0..9).chain(40..46).chain(12..30));
    assert_eq!(bench.build(SMALL, &back).texts.len(), 6);
    assert!(bytes(&bench.folder).contains_key(PARTS[2]));
    assert_eq!(answers(&bench.folder), answers(&bench.anew(&back)));
    // There are as many files as there may be: the next is one again.
    let more = dialogue((0..9).chain(40..46).chain(12..31));
    let heard = bench.build(SMALL, &more);
    assert_eq!(heard.texts, ["reply 30", "query 30"]);
    assert!(bytes(&bench.folder) == bytes(&bench.anew(&more)));
}

#[test]
fn an_index_of_which_a_quarter_is_gone_is_written_anew() {
    let bench = Bench::new();
    bench.build(SMALL, &dialogue(0..40));
    bench.build(SMALL, &dialogue(10..40));
    assert!(bytes(&bench.folder).contains_key(ROWS));
    let next = dialogue(11..40);
    assert!(bench.build(SMALL, &next).texts.is_empty());
    assert!(bytes(&bench.folder) == bytes(&bench.anew(&next)));
}

#[test]
fn a_grown_index_whose_files_do_not_fit_each_other_is_refused() {
    let bench = Bench::new();
    let sound = || {
        let _ = fs::remove_dir_all(&bench.folder);
        testing::grown_index(&bench.folder).unwrap();
    };
    sound();
    let names: Vec<String> = bytes(&bench.folder).into_keys().collect();
    assert_eq!(names.len(), 6, "{names:?}");
    let refused = |what: &str| {
        let error = Index::open(&bench.folder).err();
        let error = error.unwrap_or_else(|| panic!("{what}: opened"));
        assert_eq!(error.remedy(), Remedy::Remake(Step::BuildIndex));
        error.to_string()
    };
    for name in &names {
        let path = bench.folder.join(name);
        let file = fs::read(&path).unwrap();
        for cut in [0, file.len() / 2, file.len() - 2] {
            fs::write(&path, &file[..cut]).unwrap();
            let error = refused(name);
            assert!(error.contains(name), "{error}");
        }
        fs::remove_file(&path).unwrap();
        assert!(Index::open(&bench.folder).is_err());
        fs::write(&path, &file).unwrap();
    }
    // A stranger's table, with checksums that are right.
    for (of, to, says) in [
        (5u32, 6u32, "two vectors of reply 7"),
        (5, 4_000_000, "a vector of reply 4000001 of 40"),
        (5, u32::MAX, "replies without a vector"),
    ] {
        sound();
        let path = bench.folder.join(ROWS);
        let mut file = fs::read(&path).unwrap();
        let start = file.len() - 44 * 4;
        let place = (start..file.len())
            .step_by(4)
            .find(|&at| file[at..at + 4] == of.to_le_bytes())
            .unwrap();
        file[place..place + 4].copy_from_slice(&to.to_le_bytes());
        let manifest = bench.folder.join("manifest.json");
        let mut told: serde_json::Value = crate::files::read_json(&manifest).unwrap();
        told["files"][ROWS] = crate::fingerprint::of_bytes(&file).into();
        told["checksums"][ROWS] = crate::fingerprint::checksum(&file).into();
        fs::write(path, file).unwrap();
        fs::write(&manifest, told.to_string()).unwrap();
        let error = refused(says);
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn whenever_it_dies_the_old_index_or_the_new_one_answers() {
    let (old, new) = (
        dialogue(0..30),
        dialogue((3..12).chain(40..46).chain(12..30)),
    );
    let compact = dialogue(12..30);
    for (limits, next) in [(SMALL, &new), (SMALL, &compact), (WHOLE, &new)] {
        let bench = Bench::new();
        let build = |next: &Dataset| {
            let rights = Rights::OPEN;
            build_within(
                limits,
                &bench.folder,
                next,
                rights,
                source(),
                embed,
                &mut (),
            )
            .map(drop)
        };
        build(&old).unwrap();
        let before = bytes(&bench.folder);
        let (outcome, changes) = fault::changes(|| build(next));
        outcome.unwrap();
        let (after, wanted) = (bytes(&bench.folder), answers(&bench.anew(next)));
        assert!(before != after && changes > 20);
        for fault in [Fault::Crash, Fault::From(28), Fault::Once(5)] {
            for at in 1..=changes {
                fs::remove_dir_all(&bench.folder).unwrap();
                fs::create_dir(&bench.folder).unwrap();
                for (name, file) in &before {
                    fs::write(bench.folder.join(name), file).unwrap();
                }
                let (outcome, _) = fault::with(at, fault, || build(next));
                let found = bytes(&bench.folder);
                assert!(found == before || found == after, "{fault:?} at {at}");
                assert!(outcome.is_err() || found == after, "{fault:?} at {at}");
                Index::open(&bench.folder).unwrap();
                crate::files::sweep(bench.folder.parent().unwrap());
                build(next).unwrap();
                assert!(answers(&bench.folder) == wanted, "{fault:?} at {at}");
                let left: Vec<_> = fs::read_dir(bench.folder.parent().unwrap())
                    .unwrap()
                    .collect();
                assert_eq!(left.len(), 1, "{fault:?} at {at}: {left:?}");
            }
        }
    }
}

#[test]
fn a_first_look_in_four_bits_finds_what_the_exact_search_finds() {
    use rand::{RngExt, SeedableRng};
    const ROWS: usize = 40_000;
    const WIDTH: usize = 128;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
    let mut value = || rng.random_range(-1.0f32..1.0);
    // Two hundred clusters, so that there are near ones.
    let centres: Vec<f32> = (0..200 * WIDTH).map(|_| value()).collect();
    let vectors: Vec<f32> = (0..ROWS)
        .flat_map(|row| {
            let centre = &centres[row % 200 * WIDTH..][..WIDTH];
            let vector: Vec<f32> = centre.iter().map(|x| x + value()).collect();
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            vector.into_iter().map(move |x| x / length)
        })
        .collect();
    let embed = |texts: &[&str]| {
        let number = |text: &&str| {
            text.strip_prefix("reply ")
                .unwrap()
                .parse::<usize>()
                .unwrap()
        };
        let rows = texts.iter().map(number);
        Ok(Embeddings {
            width: WIDTH,
            values: rows
                .flat_map(|row| vectors[row * WIDTH..][..WIDTH].iter().copied())
                .collect(),
        })
    };
    let bench = Bench::new();
    let build = |limits: Limits| {
        let (dataset, rights) = (testing::dataset(0..ROWS), Rights::OPEN);
        build_within(
            limits,
            &bench.folder,
            &dataset,
            rights,
            source(),
            embed,
            &mut (),
        )
        .unwrap();
        Index::open(&bench.folder).unwrap()
    };
    let coded = build(WHOLE);
    let exact = build(Limits {
        coded: usize::MAX,
        eight: false,
        ..WHOLE
    });
    assert!(coded.is_coded() && !exact.is_coded());
    for question in vectors.chunks(WIDTH).step_by(ROWS / 100) {
        let best = coded.search(question, 10).unwrap();
        assert_eq!(best, exact.search(question, 10).unwrap());
    }
    // So many are all looked at.
    let question = &vectors[..WIDTH];
    let most = coded.search(question, ROWS / 2).unwrap();
    assert_eq!(most, exact.search(question, ROWS / 2).unwrap());
}
