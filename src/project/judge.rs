//! Makes the file that a reader grades: messages, each with what several systems would answer.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, str};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Project;
use super::repertoire::Repertoire;
use crate::builtin::Builtin;
use crate::chat::{Choice, Persona};
use crate::dialogue::{Judged, JudgedReply, Query, Said};
use crate::error::{Error, IoContext, Result};
use crate::files;
use crate::nn::device::Compute;
use crate::seed::{Stream, derive};
use crate::text::bm25::Bm25;
use crate::text::normalize::normalized;
use crate::watch::{Unit, Watch};

/// What is to be judged, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgeSettings {
    /// What people may say to the character, a message a line.
    pub messages: PathBuf,
    /// Where messages, candidates and grades are written; else beside the messages.
    pub out: Option<PathBuf>,
    /// Candidates of a message, of all systems together.
    pub candidates: usize,
    /// Decides their order.
    pub seed: u64,
    /// Whether to compute on a GPU.
    pub gpu: bool,
}

/// Messages with their candidates, and the file that they are kept in.
#[derive(Debug, Clone, PartialEq)]
pub struct Judging {
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub judged: Vec<Judged>,
}

/// Puts messages to the systems of the persona that answers in `project` and writes what they would answer, in
/// an order that tells nothing; where that was done before, reads it with the grades that it has.
///
/// # Errors
/// There is no message; the file holds others; as [`Persona::load`]; a model or the index fails, the file
/// cannot be written; [`Error::Interrupted`].
pub fn judge(
    project: &Project,
    settings: &JudgeSettings,
    watch: &mut dyn Watch,
) -> Result<Judging> {
    let messages = messages(&settings.messages)?;
    let beside = || settings.messages.with_extension("judged.jsonl");
    let path = settings.out.clone().unwrap_or_else(beside);
    if path.exists() {
        let judged = resume(&path, &messages)?;
        return Ok(Judging { path, judged });
    }
    let compute = Compute::choose(settings.gpu)?;
    let persona = Persona::find(project, &Builtin::find(), &compute, true)?;
    watch.note(&format!(
        "{} messages to {}",
        messages.len(),
        persona.character
    ));
    watch.stage("messages", messages.len() as u64, Unit::Parts);
    let judged = candidates(&persona, &messages, settings, watch)?;
    let judging = Judging { path, judged };
    judging.save()?;
    Ok(judging)
}

impl Judging {
    /// Writes the file anew.
    ///
    /// # Errors
    /// Any I/O error, with the path.
    pub fn save(&self) -> Result<()> {
        save(&self.path, &self.judged)
    }
}

/// Writes judged messages, a line each.
///
/// # Errors
/// Any I/O error, with the path.
pub fn save(path: &Path, judged: &[Judged]) -> Result<()> {
    files::write_jsonl(path, judged)
}

/// The messages of a text file; of those that are the same but for case and punctuation the first.
fn messages(path: &Path) -> Result<Vec<String>> {
    let data = |row, what: &str, advice: &'static str| Error::Data {
        path: path.to_path_buf(),
        row,
        what: what.into(),
        remedy: advice.into(),
    };
    let bytes = fs::read(path).at("read", path)?;
    let text = str::from_utf8(&bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let row = good.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
        data(Some(row), "not UTF-8", "save it as UTF-8")
    })?;
    let mut seen = Said::default();
    let mut messages = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
        if !line.is_empty() && seen.insert(line) {
            messages.push(line.to_owned());
        }
    }
    if messages.is_empty() {
        let advice = "write what people may say to the character, a message a line";
        return Err(data(None, "there is no message in it", advice));
    }
    Ok(messages)
}

/// The file as it was left; of these messages.
fn resume(path: &Path, messages: &[String]) -> Result<Vec<Judged>> {
    let all: Vec<Judged> = files::read_jsonl(path)?;
    if all.iter().map(|judged| &judged.message).ne(messages) {
        return Err(Error::Data {
            path: path.to_path_buf(),
            row: None,
            what: "it has other messages than are to be judged now".into(),
            remedy: "write to another file, or move this one away".into(),
        });
    }
    Ok(all)
}

/// Puts `messages` to several systems: what the persona makes of what it retrieves, its retrieval, and the words
/// shared with queries and with replies. In turn each gives its best reply that is not among the candidates
/// yet; then they are shuffled, so that nobody sees whose they are.
fn candidates(
    persona: &Persona,
    messages: &[String],
    settings: &JudgeSettings,
    watch: &mut dyn Watch,
) -> Result<Vec<Judged>> {
    let words = Words::of(&Repertoire::of(persona)?);
    let mut all = Vec::with_capacity(messages.len());
    for (number, message) in messages.iter().enumerate() {
        watch.go_on()?;
        let mut candidates = mixed(persona, &words, message, settings.candidates)?;
        let seed = derive(settings.seed, Stream::Order, number as u64);
        candidates.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        all.push(Judged {
            message: message.clone(),
            context: Vec::new(),
            candidates,
        });
        watch.advance(number as u64 + 1);
    }
    Ok(all)
}

fn mixed(
    persona: &Persona,
    words: &Words,
    message: &str,
    count: usize,
) -> Result<Vec<JudgedReply>> {
    let query = Query {
        context: &[],
        text: message,
    };
    let said: Said = [message].into_iter().collect();
    let choice = Choice::default();
    let retrieved = persona.retrieve(query, &said, usize::MAX)?;
    let mut scores: HashMap<String, f32> = HashMap::new();
    for candidate in &retrieved {
        let score = scores.entry(normalized(&candidate.reply));
        score.or_insert(candidate.retrieval);
    }
    let best = retrieved.iter().take(choice.top_k).cloned().collect();
    let decided = persona.decide(query, best, &choice)?.candidates;
    let (by_reply, by_query) = words.rank(message);
    let mut systems: [Box<dyn Iterator<Item = &str>>; 4] = [
        Box::new(decided.iter().map(|one| one.reply.as_str())),
        Box::new(retrieved.iter().map(|one| one.reply.as_str())),
        Box::new(by_query.into_iter()),
        Box::new(by_reply.into_iter()),
    ];
    let mut taken = Said::default();
    let mut candidates = Vec::new();
    loop {
        let before = candidates.len();
        for system in &mut systems {
            let new = |reply: &&str| {
                // What was said stands among the retrieved where there is nothing else.
                scores.contains_key(&normalized(reply)) && !taken.contains(reply)
            };
            if candidates.len() < count
                && let Some(reply) = system.find(new)
            {
                taken.insert(reply);
                candidates.push(JudgedReply {
                    reply: reply.to_owned(),
                    score: scores.get(&normalized(reply)).copied(),
                    grade: None,
                });
            }
        }
        if candidates.len() == before {
            return Ok(candidates);
        }
    }
}

/// The replies to be found by their words, and by those of the queries that they answered.
struct Words {
    texts: Vec<String>,
    replies: Bm25,
    queries: Bm25,
    /// Number of the reply that each of the queries was answered with.
    answers: Vec<usize>,
}

impl Words {
    fn of(repertoire: &Repertoire) -> Self {
        let texts = repertoire.replies.texts.clone();
        let (mut queries, mut answers) = (Vec::new(), Vec::new());
        for (number, text) in texts.iter().enumerate() {
            for query in repertoire.queries(text) {
                queries.push(query);
                answers.push(number);
            }
        }
        Self {
            replies: Bm25::fit(&texts),
            queries: Bm25::fit(&queries),
            answers,
            texts,
        }
    }

    /// The replies that share words with a message, and those to queries that do, best first.
    fn rank(&self, message: &str) -> (Vec<&str>, Vec<&str>) {
        let by_reply = best(&self.replies.score_all(message));
        let by_query = best(&self.queries.score_all(message));
        let text = |number: usize| self.texts[number].as_str();
        (
            by_reply.into_iter().map(text).collect(),
            by_query
                .into_iter()
                .map(|query| text(self.answers[query]))
                .collect(),
        )
    }
}

/// The places of the scores above 0, the best first; equals keep their order.
fn best(scores: &[f32]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..scores.len())
        .filter(|&place| scores[place] > 0.0)
        .collect();
    places.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::persona::{Rerank, Retrieve, SecondStage};
    use crate::dialogue::Turn;
    use crate::index::{Entry, Origin};
    use crate::ranker::LinearRanker;

    const LINES: [(&str, &str); 5] = [
        ("I never saw it.", "Have you seen my boat?"),
        ("What boat?", "It is gone."),
        ("Boats sink.", "Why is the harbour empty?"),
        ("BOATS SINK!", "Again?"),
        ("Ask the moose.", "Who knows?"),
    ];

    /// Gives the lines in order, scores falling by a tenth.
    struct Lines;

    impl Retrieve for Lines {
        fn retrieve(&self, _: Query<'_>, count: usize) -> Result<Vec<(Entry, f32)>> {
            let entry = |(id, (reply, query)): (usize, &(&str, &str))| {
                let entry = Entry {
                    text: (*reply).into(),
                    origin: Some(Origin {
                        exchange: id,
                        scene: 0,
                        query: Turn {
                            speaker: String::new(),
                            text: (*query).into(),
                        },
                        context: vec![],
                    }),
                    exchanges: vec![id],
                };
                (entry, 0.9 - id as f32 / 10.0)
            };
            Ok(LINES.iter().take(count).enumerate().map(entry).collect())
        }
    }

    /// Likes the moose.
    struct Moose;

    impl Rerank for Moose {
        fn rerank(&self, _: Query<'_>, replies: &[&str]) -> Result<Vec<f32>> {
            let score = |reply: &&str| f32::from(u8::from(reply.contains("moose")));
            Ok(replies.iter().map(score).collect())
        }
    }

    fn judged(message: &str, candidates: usize, seed: u64) -> Judged {
        let second = SecondStage {
            cross: Box::new(Moose),
            ranker: LinearRanker::default(),
        };
        let persona = Persona::new("Rufus", Lines, Some(second), None);
        let settings = JudgeSettings {
            messages: PathBuf::new(),
            out: None,
            candidates,
            seed,
            gpu: false,
        };
        let messages = [message.to_owned()];
        let all = super::candidates(&persona, &messages, &settings, &mut ());
        all.unwrap().remove(0)
    }

    fn sorted(judged: &Judged) -> Vec<&str> {
        let mut replies: Vec<&str> = judged.candidates.iter().map(|one| &*one.reply).collect();
        replies.sort_unstable();
        replies
    }

    #[test]
    fn every_system_gives_its_best_and_no_reply_comes_twice() {
        // The second stage likes the moose; retrieval, "I never saw it."; the nearest query was answered with
        // that too, then with "Boats sink."; of the words of replies, "boat" is in "What boat?".
        let four = judged("Where is the boat, and the harbour?", 4, 1);
        assert_eq!(
            sorted(&four),
            [
                "Ask the moose.",
                "Boats sink.",
                "I never saw it.",
                "What boat?"
            ]
        );
        let all = judged("Where is the boat?", 25, 1);
        assert_eq!(all.candidates.len(), 4, "{all:?}");
        for one in &all.candidates {
            let rank = LINES.iter().position(|line| line.0 == one.reply).unwrap();
            assert_eq!(one.score, Some(0.9 - rank as f32 / 10.0));
            assert_eq!(one.grade, None);
        }
        let echo = judged("What boat", 25, 1);
        assert!(!sorted(&echo).contains(&"What boat?"), "{echo:?}");
    }

    #[test]
    fn a_seed_decides_an_order_that_tells_nothing() {
        let order = |seed| judged("Where is the boat?", 4, seed).candidates;
        assert_eq!(order(1), order(1));
        let orders: Vec<_> = (0..8).map(order).collect();
        assert!(orders.iter().any(|other| *other != orders[0]));
    }

    #[test]
    fn messages_are_lines_that_are_not_heard_alike() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.txt");
        fs::write(&path, "\u{feff}Hello!\r\n\n  Where were you? \nhello\n").unwrap();
        assert_eq!(messages(&path).unwrap(), ["Hello!", "Where were you?"]);
        fs::write(&path, " \n").unwrap();
        assert!(
            messages(&path)
                .unwrap_err()
                .to_string()
                .contains("no message")
        );
        fs::write(&path, b"Hello!\nCaf\xe9?\n").unwrap();
        let error = messages(&path).unwrap_err().to_string();
        assert!(
            error.contains("row 2") && error.contains("UTF-8"),
            "{error}"
        );
    }
}
