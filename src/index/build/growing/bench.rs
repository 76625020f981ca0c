//! Dialogues, indexes of them, and what is in these.

use std::collections::BTreeMap;

use super::*;
use crate::dialogue::Turn;

/// A dialogue of these exchanges, in scenes of three: what is said depends on the number alone, its id on what
/// stands before it.
pub(super) fn dialogue(numbers: impl IntoIterator<Item = usize>) -> Dataset {
    let turn = |text: String| Turn {
        speaker: "Ada".into(),
        text,
    };
    let numbers = numbers.into_iter().enumerate();
    let exchanges = numbers.map(|(id, number)| Exchange {
        id,
        scene: id / 3,
        context: vec![],
        query: turn(format!("query {number}")),
        reply: format!("reply {number}"),
        close_replies: vec![],
        good_replies: vec![],
        bad_replies: vec![],
    });
    let train: Vec<Exchange> = exchanges.collect();
    let pool = train.iter().map(|exchange| Reply {
        text: exchange.reply.clone(),
        exchanges: vec![exchange.id],
    });
    Dataset {
        pool: pool.collect(),
        train,
        ..testing::dataset(0..0)
    }
}

/// Limits under which no index grows.
pub(super) const WHOLE: Limits = Limits {
    large: usize::MAX,
    ..SMALL
};

/// What was embedded, and what was said.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) texts: Vec<String>,
    pub(super) notes: String,
}

impl Watch for Heard {
    fn note(&mut self, message: &str) {
        self.notes += message;
    }
}

/// A folder with an index, beside another where the same is built at once.
pub(super) struct Bench {
    pub(super) home: tempfile::TempDir,
    pub(super) folder: PathBuf,
}

impl Bench {
    pub(super) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        Self {
            folder: home.path().join("runs/index"),
            home,
        }
    }

    pub(super) fn build_as(&self, limits: Limits, dataset: &Dataset, source: Provenance) -> Heard {
        let (mut heard, mut texts) = (Heard::default(), Vec::new());
        let embed = |some: &[&str]| {
            texts.extend(some.iter().map(|&text| text.to_owned()));
            embed(some)
        };
        let rights = Rights::OPEN;
        build_within(
            limits,
            &self.folder,
            dataset,
            rights,
            source,
            embed,
            &mut heard,
        )
        .unwrap();
        heard.texts = texts;
        heard
    }

    pub(super) fn build(&self, limits: Limits, dataset: &Dataset) -> Heard {
        self.build_as(limits, dataset, source())
    }

    /// The same index, built at once.
    pub(super) fn anew(&self, dataset: &Dataset) -> PathBuf {
        let folder = self.home.path().join("anew");
        let _ = fs::remove_dir_all(&folder);
        let rights = Rights::OPEN;
        build_within(WHOLE, &folder, dataset, rights, source(), embed, &mut ()).unwrap();
        folder
    }
}

pub(super) fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let read = entries.map(|entry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    });
    read.collect()
}

/// Every answer that an index gives to some questions, to the bit.
pub(super) fn answers(folder: &Path) -> Vec<(Entry, u32)> {
    let index = Index::open(folder).unwrap();
    let questions = embed(&["reply 3", "query 8", "well?"]).unwrap();
    let mut answers = Vec::new();
    for question in questions.values.chunks(questions.width) {
        for hit in index.search(question, usize::MAX).unwrap() {
            answers.push((index.entry(hit.row).unwrap(), hit.score.to_bits()));
        }
    }
    answers
}
