//! Chat completions, embeddings and models, as OpenAI's clients know them.

use std::collections::HashSet;

use base64::Engine as _;
use homer::Compute;
use homer::internals::BiEncoder;
use serde_json::{Value, json};

use super::harness::Server;
use crate::home::Home;
use crate::persona::{persona, persona_of, question, reply};

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn assistant(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

fn content(completion: &Value) -> &str {
    completion["choices"][0]["message"]["content"]
        .as_str()
        .unwrap()
}

#[test]
fn models_are_the_personas() {
    let (rufus, ada) = (persona_of("Rufus T."), persona_of("Ada"));
    let one = Server::of(&rufus);
    let models = one.client().get("/v1/models").json();
    assert_eq!(models["object"], "list");
    assert_eq!(models["data"][0]["id"], "rufus-t");
    assert_eq!(models["data"][0]["character"], "Rufus T.");

    let name = |name: &str, home: &Home| format!("{name}={}", home.root().display());
    let (first, second) = (name("first", &ada), name("second", &rufus));
    let two = Server::start(&ada, &[&first, &second, "--listen", "127.0.0.1:0"], &[]);
    let client = two.client();
    let models = client.get("/v1/models").json();
    let ids: Vec<&Value> = (0..2).map(|i| &models["data"][i]["id"]).collect();
    assert_eq!(ids, ["first", "second"]);
    assert_eq!(
        client.get("/v1/models/second").json()["character"],
        "Rufus T."
    );
    assert_eq!(client.get("/v1/models/third").code(), "model_not_found");
    let asked = |model: Value| {
        let request = json!({"model": model, "messages": [user("Well?")]});
        client.post("/v1/chat/completions", &request)
    };
    assert_eq!(asked(json!("second")).json()["model"], "second");
    assert_eq!(asked(json!(null)).json()["model"], "first");
    let unknown = asked(json!("gpt-4o"));
    assert_eq!(
        (unknown.status, unknown.code()),
        (404, "model_not_found".into())
    );
    assert!(unknown.text.contains("first, second"), "{}", unknown.text);
}

#[test]
fn a_completion_has_the_nearest_line_in_openais_shape() {
    let home = persona();
    let server = Server::of(&home);
    let completion = server.client().chat(
        &json!([{"role": "system", "content": "You are a pirate."}, user(&question(17))]),
        &json!({"model": "rufus", "user": "somebody", "max_tokens": 1, "top_p": 0.5, "stop": null}),
    );
    assert_eq!(content(&completion), reply(17));
    assert_eq!(completion["object"], "chat.completion");
    assert_eq!(completion["choices"][0]["finish_reason"], "stop");
    assert_eq!(completion["choices"][0]["message"]["role"], "assistant");
    let words = reply(17).split(' ').count();
    assert_eq!(completion["usage"]["completion_tokens"], words);
    assert_eq!(completion["usage"]["total_tokens"], 2 * words);
    assert_eq!(completion["choices"][0].get("explanation"), None);
}

#[test]
fn what_the_assistant_said_is_not_said_again() {
    let home = persona();
    let client = Server::of(&home);
    let client = (client.client(), client);
    let mut messages = vec![user(&question(5))];
    let mut said = HashSet::new();
    // Each answer is put back as one that was taken back.
    for _ in 0..20 {
        let completion = client.0.chat(&json!(messages), &json!({}));
        assert!(said.insert(content(&completion).to_owned()), "{said:?}");
        messages.push(assistant(content(&completion)));
    }
    assert!(said.contains(&reply(5)));
}

#[test]
fn earlier_turns_are_context_and_those_taken_back_are_not() {
    let home = persona();
    let server = Server::of(&home);
    let client = server.client();
    let score = |messages: Value| {
        let completion = client.chat(&messages, &json!({"explain": true}));
        let explanation = completion["choices"][0]["explanation"]
            .as_array()
            .unwrap()
            .clone();
        explanation[0]["retrieval"].as_f64().unwrap()
    };
    let alone = score(json!([user("The hat?")]));
    let after = score(json!([
        user("Pie!"),
        assistant("A boat."),
        user("The hat?")
    ]));
    assert_ne!(alone, after);
    let taken_back = json!([
        user("Pie!"),
        assistant("Moose."),
        assistant("A boat."),
        user("The hat?")
    ]);
    assert_eq!(after, score(taken_back));
    let other = json!([
        user("Pie!"),
        assistant("A boat."),
        assistant("Moose."),
        user("The hat?")
    ]);
    assert_ne!(after, score(other));
}

#[test]
fn an_explanation_shows_the_candidates_and_what_they_were_said_to() {
    let home = persona();
    let server = Server::of(&home);
    let completion = server
        .client()
        .chat(&json!([user(&question(4))]), &json!({"explain": true}));
    let explanation = completion["choices"][0]["explanation"].as_array().unwrap();
    assert_eq!(explanation.len(), 10);
    let first = &explanation[0];
    assert_eq!(first["reply"], reply(4));
    assert_eq!(first["chosen"], true);
    assert_eq!(
        (&first["place"], &first["exchanges"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        first["said_to"],
        json!({"speaker": "Ada", "text": "What about number 4?"})
    );
    assert_eq!(first["rerank"], Value::Null);
    assert!(first["score"].as_f64() > explanation[9]["score"].as_f64());
}

#[test]
fn several_answers_differ_and_a_seed_decides_what_is_drawn() {
    let home = persona();
    let server = Server::of(&home);
    let client = server.client();
    let ask = |more: Value| -> Vec<String> {
        let completion = client.chat(&json!([user("A hat?")]), &more);
        let choices = completion["choices"].as_array().unwrap();
        let content = |choice: &Value| choice["message"]["content"].as_str().unwrap().to_owned();
        choices.iter().map(content).collect()
    };
    let best = ask(json!({"n": 5}));
    assert_eq!(best.iter().collect::<HashSet<_>>().len(), 5);
    assert_eq!(best[0], client.says("A hat?"));
    let drawn = |seed: i64| ask(json!({"n": 3, "temperature": 2, "seed": seed}));
    let all: Vec<_> = (-3..4).map(drawn).collect();
    assert_eq!(drawn(-2), all[1]);
    assert!(all.iter().any(|draw| *draw != all[0]), "{all:?}");
    assert_eq!(ask(json!({"n": 32})).len(), 32);
}

#[test]
fn a_stream_has_the_same_answer_in_parts_and_ends_with_done() {
    let home = persona();
    let server = Server::of(&home);
    let client = server.client();
    let ask = |more: Value| {
        let mut request = json!({"messages": [user(&question(8))], "stream": true});
        request
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let streamed = client.post("/v1/chat/completions", &request);
        assert!(
            streamed
                .header("content-type")
                .starts_with("text/event-stream")
        );
        let events: Vec<String> = streamed
            .text
            .split_terminator("\n\n")
            .map(|event| event.strip_prefix("data: ").unwrap().to_owned())
            .collect();
        assert_eq!(events.last().unwrap(), "[DONE]");
        let chunks = events[..events.len() - 1].iter();
        chunks
            .map(|chunk| serde_json::from_str(chunk).unwrap())
            .collect::<Vec<Value>>()
    };
    let text = |chunks: &[Value], index: usize| -> String {
        let choices = chunks.iter().filter_map(|chunk| chunk["choices"].get(0));
        let mine = choices.filter(|choice| choice["index"] == index);
        mine.filter_map(|choice| choice["delta"]["content"].as_str())
            .collect()
    };
    let chunks = ask(json!({}));
    assert_eq!(text(&chunks, 0), reply(8));
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chunks[0]["object"], "chat.completion.chunk");
    assert_eq!(
        chunks.last().unwrap()["choices"][0]["finish_reason"],
        "stop"
    );
    assert!(chunks.len() > 5);

    let chunks = ask(json!({"n": 2, "stream_options": {"include_usage": true}}));
    assert_ne!(text(&chunks, 0), text(&chunks, 1));
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert!(last["usage"]["total_tokens"].as_u64() > Some(0));
}

#[test]
fn embeddings_are_the_bi_encoders_as_numbers_and_as_bytes() {
    let home = persona();
    let server = Server::of(&home);
    let client = server.client();
    let encoder = BiEncoder::load(home.path("runs/bi-encoder/model"), &Compute::Fast);
    let texts = ["A boat.", "", "Pie! And a very long hat."];
    let expected = encoder.unwrap().embed_replies(&texts).unwrap();
    let got = client
        .post("/v1/embeddings", &json!({"input": texts, "model": "rufus"}))
        .json();
    assert_eq!(got["data"].as_array().unwrap().len(), 3);
    for (i, data) in got["data"].as_array().unwrap().iter().enumerate() {
        assert_eq!(
            (&data["index"], &data["object"]),
            (&json!(i), &json!("embedding"))
        );
        let vector: Vec<f32> = serde_json::from_value(data["embedding"].clone()).unwrap();
        assert_eq!(vector, expected.row(i));
    }
    let one = json!({"input": texts[2], "encoding_format": "base64"});
    let got = client.post("/v1/embeddings", &one).json();
    let bytes = got["data"][0]["embedding"].as_str().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(bytes)
        .unwrap();
    let vector: Vec<f32> = bytes
        .chunks(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
        .collect();
    let close = vector
        .iter()
        .zip(expected.row(2))
        .all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(vector.len() == expected.width && close);
    assert_eq!(got["usage"], json!({"prompt_tokens": 6, "total_tokens": 6}));
    for (input, what) in [
        (json!([]), "input"),
        (json!([[1, 2]]), "token"),
        (json!(7), "token"),
    ] {
        let refused = client.post("/v1/embeddings", &json!({"input": input}));
        assert_eq!(refused.status, 400);
        assert!(refused.text.contains(what), "{}", refused.text);
    }
    let shorter = client.post("/v1/embeddings", &json!({"input": "Hm.", "dimensions": 7}));
    assert_eq!(shorter.status, 400);
}

#[test]
fn those_who_ask_at_the_same_time_are_answered_as_if_alone() {
    let home = persona();
    let server = Server::of(&home);
    let alone: Vec<String> = (0..40)
        .map(|i| server.client().says(&question(i)))
        .collect();
    let together: Vec<String> = std::thread::scope(|scope| {
        let ask = |i| {
            scope.spawn({
                let client = server.client();
                move || client.says(&question(i))
            })
        };
        let asked: Vec<_> = (0..40).map(ask).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
    assert_eq!(alone, (0..40).map(reply).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_meant_is_refused_and_the_field_named() {
    let home = persona();
    let server = Server::of(&home);
    let client = server.client();
    for (more, what) in [
        (json!({"temperature": -1}), "temperature"),
        (json!({"temperature": 2.5}), "temperature"),
        (json!({"temperature": "hot"}), "hot"),
        (json!({"n": 0}), "n"),
        (json!({"n": 33}), "n"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": "Hello"}), "sequence"),
        (json!({"stream": 1}), "boolean"),
    ] {
        let mut request = json!({"messages": [user("Well?")]});
        request
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let refused = client.post("/v1/chat/completions", &request);
        assert_eq!(refused.status, 400, "{more}");
        assert_eq!(refused.code(), "invalid_value");
        assert!(refused.text.contains(what), "{}", refused.text);
    }
}

#[cfg(unix)]
#[test]
fn feedback_does_not_leave_the_folder() {
    let home = persona();
    let elsewhere = tempfile::tempdir().unwrap();
    let outside = elsewhere.path().join("notes");
    let link = home.path("runs/feedback.jsonl");
    let server = Server::of(&home);
    let client = server.client();
    let verdict = json!({"query": "A hat?", "reply": "No.", "verdict": "up"});
    std::os::unix::fs::symlink(&outside, &link).unwrap();
    assert_eq!(client.post("/v1/feedback", &verdict).status, 500);
    assert!(!outside.exists());
    std::fs::write(&outside, "mine").unwrap();
    assert_eq!(client.post("/v1/feedback", &verdict).status, 500);
    assert_eq!(std::fs::read(&outside).unwrap(), b"mine");
    std::fs::remove_file(&link).unwrap();
    assert_eq!(client.post("/v1/feedback", &verdict).status, 204);
}

#[test]
fn feedback_is_kept_a_line_each_for_its_owners_eyes() {
    let home = persona();
    let server = Server::of(&home);
    let client = server.client();
    let (first, second) = (
        json!({"query": "A hat?", "context": ["Hm.", "So \"what\"?\n"], "reply": "No.", "verdict": "up"}),
        json!({"model": "rufus", "query": "A hat?", "reply": "No.", "verdict": "down"}),
    );
    for verdict in [&first, &second] {
        assert_eq!(client.post("/v1/feedback", verdict).status, 204);
    }
    for wrong in [
        json!({"query": "A hat?", "reply": "No.", "verdict": "perhaps"}),
        json!({"query": "A hat?", "reply": " ", "verdict": "up"}),
        json!({"query": "A hat?", "reply": "No.", "verdict": "up", "context": vec!["Hm."; 65]}),
    ] {
        assert_eq!(client.post("/v1/feedback", &wrong).status, 400);
    }
    let text = std::fs::read_to_string(home.path("runs/feedback.jsonl")).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected = json!([
        {"query": "A hat?", "context": ["Hm.", "So \"what\"?\n"], "reply": "No.", "verdict": "up", "persona": "rufus"},
        {"query": "A hat?", "context": [], "reply": "No.", "verdict": "down", "persona": "rufus"},
    ]);
    assert_eq!(json!(lines), expected);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(home.path("runs/feedback.jsonl"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
