//! A home with a persona in it: what the commands before `ask` leave, made tiny.

use std::fs;

use serde_json::{Value, json};

use homer::internals::{BiEncoder, CrossEncoder, Family, Head, LinearRanker, tiny_encoder_folder};
use homer::{Compute, Precision};

use crate::home::Home;

pub(crate) const REPLIES: usize = 60;

/// What reply `i` is the nearest answer to: itself, but for an accent that the tokenizer takes off.
/// Nobody is answered with the very words that they said.
pub(crate) fn question(i: usize) -> String {
    reply(i).replace(" my ", " mý ")
}

/// Lines that no two of are alike.
pub(crate) fn reply(i: usize) -> String {
    let things = ["boat", "pie", "hat", "moose", "kettle"];
    let verbs = ["lost", "ate", "painted"];
    let places = ["at sea", "in the attic", "behind the shed", "on Tuesday"];
    format!(
        "I {} my {} {}.",
        verbs[i % 3],
        things[i % 5],
        places[i / 15 % 4]
    )
}

/// A home with prepared dialogue, a tiny bi-encoder and the index of its vectors.
pub(crate) fn persona() -> Home {
    persona_of("Rufus")
}

/// The same of another character.
pub(crate) fn persona_of(character: &str) -> Home {
    let home = Home::new();
    prepare_as(&home, character, REPLIES, reply);
    train(&home, 1);
    index(&home);
    home
}

/// Builds the index of what the replies say, whatever they answered.
pub(crate) fn index(home: &Home) {
    home.homer(&["build-index", "--query-weight", "0"])
        .success();
}

/// Writes what `prepare` would: reply `i` answers query `i`; the last 24 are for validation.
pub(crate) fn prepare(home: &Home, replies: usize) {
    prepare_as(home, "Rufus", replies, reply);
}

/// The same of another character, who says other things.
pub(crate) fn prepare_as(
    home: &Home,
    character: &str,
    replies: usize,
    reply: impl Fn(usize) -> String,
) {
    let exchange = |i: usize| {
        json!({
            "id": i, "scene": i / 4, "reply": reply(i),
            "context": [{"speaker": "Ada", "text": "Listen."}],
            "query": {"speaker": "Ada", "text": format!("What about number {i}?")},
            "close_replies": [], "good_replies": [], "bad_replies": [],
        })
    };
    let lines = |values: &mut dyn Iterator<Item = Value>| -> String {
        values.map(|value| format!("{value}\n")).collect()
    };
    let write = |name: &str, text: String| home.write(&format!("data/exchanges/{name}"), text);
    let settings = json!({
        "source": "play.csv", "character": character, "seed": 0, "context_turns": 2,
    });
    write("settings.json", settings.to_string());
    let valid = replies.saturating_sub(24);
    write("train.jsonl", lines(&mut (0..valid).map(&exchange)));
    write("valid.jsonl", lines(&mut (valid..replies).map(&exchange)));
    write("test.jsonl", String::new());
    let pool = |i: usize| json!({"text": reply(i), "exchanges": [i]});
    write("pool.jsonl", lines(&mut (0..replies).map(pool)));
}

/// Writes what `train-bi` would.
pub(crate) fn train(home: &Home, seed: u64) {
    let model = home.path("runs/bi-encoder/model");
    fs::create_dir_all(&model).unwrap();
    tiny_encoder_folder(&model, Family::Bert, &["boat", "pie", "hat"], seed).unwrap();
}

/// Writes what `train-cross` would, and gives the model.
pub(crate) fn train_cross(home: &Home, seed: u64) -> CrossEncoder {
    let body = BiEncoder::load(home.path("runs/bi-encoder/model"), &Compute::Fast).unwrap();
    let config = body.encoder.config().clone();
    let head = Head::fresh(&config, None, seed);
    let cross = CrossEncoder {
        head: Head::new(&config, &head, &Compute::Fast.device()).unwrap(),
        encoder: body.encoder,
        tokenizer: body.tokenizer,
        max_length: body.max_length,
    };
    let model = home.path("runs/cross-encoder/model");
    fs::create_dir_all(&model).unwrap();
    cross.save(&model, Precision::F32).unwrap();
    LinearRanker::default().write(&model).unwrap();
    home.write("runs/cross-encoder/reranking.json", "{\"rerank\": true}");
    cross
}
