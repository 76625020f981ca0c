//! Reranking, as Jina's and Cohere's clients know it.

use homer::internals::BiEncoder;
use homer::{Compute, Query};
use serde_json::{Value, json};

use super::harness::Server;
use crate::persona::{persona, train_cross};

const DOCUMENTS: [&str; 4] = ["A boat at sea.", "My pie.", "Kettles, kettles!", "The hat?"];

fn order(ranking: &Value) -> Vec<usize> {
    let results = ranking["results"].as_array().unwrap();
    let scores: Vec<f64> = results
        .iter()
        .map(|one| one["relevance_score"].as_f64().unwrap())
        .collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    results
        .iter()
        .map(|one| one["index"].as_u64().unwrap() as usize)
        .collect()
}

/// Places in the order of scores, the highest first.
fn sorted(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

#[test]
fn without_a_second_stage_documents_are_ordered_by_their_cosine() {
    let home = persona();
    let server = Server::of(&home);
    let client = server.client();
    let encoder = BiEncoder::load(home.path("runs/bi-encoder/model"), &Compute::Fast).unwrap();
    let query = encoder.embed_replies(&["A hat?"]).unwrap();
    let documents = encoder.embed_replies(&DOCUMENTS).unwrap();
    let cosine = |i| {
        query
            .row(0)
            .iter()
            .zip(documents.row(i))
            .map(|(a, b)| a * b)
            .sum()
    };
    let expected = sorted(&(0..4).map(cosine).collect::<Vec<f32>>());

    let request = json!({"model": "rufus", "query": "A hat?", "documents": DOCUMENTS});
    for path in ["/v1/rerank", "/v2/rerank", "/rerank"] {
        let ranking = client.post(path, &request).json();
        assert_eq!(order(&ranking), expected);
        for one in ranking["results"].as_array().unwrap() {
            let index = one["index"].as_u64().unwrap() as usize;
            assert_eq!(one["document"]["text"], DOCUMENTS[index]);
        }
    }
    let objects: Vec<Value> = DOCUMENTS.iter().map(|text| json!({"text": text})).collect();
    let request = json!({"query": {"text": "A hat?"}, "documents": objects, "top_n": 2, "return_documents": false});
    let ranking = client.post("/v1/rerank", &request).json();
    assert_eq!(order(&ranking), expected[..2]);
    assert_eq!(ranking["results"][0].get("document"), None);

    for wrong in [
        json!({"query": "A hat?", "documents": []}),
        json!({"query": "A hat?", "documents": ["Hm."], "top_n": 0}),
        json!({"query": "A hat?", "documents": [7]}),
        json!({"query": "A hat?", "documents": vec!["Hm."; 1001]}),
        json!({"documents": ["Hm."]}),
    ] {
        assert_eq!(client.post("/v1/rerank", &wrong).status, 400);
    }
}

#[test]
fn the_second_stage_scores_them_where_there_is_one() {
    let home = persona();
    let cross = train_cross(&home, 5);
    let server = Server::start(&home, &["--listen", "127.0.0.1:0"], &[]);
    let query = Query {
        context: &[],
        text: "A hat?",
    };
    let logits = cross.score(query, &DOCUMENTS).unwrap();
    let request = json!({"query": "A hat?", "documents": DOCUMENTS});
    let ranking = server.client().post("/v1/rerank", &request).json();
    assert_eq!(order(&ranking), sorted(&logits));
    let best = logits.iter().copied().fold(f32::MIN, f32::max);
    let score = ranking["results"][0]["relevance_score"].as_f64().unwrap();
    assert!((score - f64::from(1.0 / (1.0 + (-best).exp()))).abs() < 1e-5);
}
