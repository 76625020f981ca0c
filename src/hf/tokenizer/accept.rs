//! Which `tokenizer.json` is read: one of the BERT family, and nothing that a stranger could hurt with.
//!
//! A `Precompiled` normalizer panics inside its crate on data that are none; `Replace` makes any length
//! of any text; a `Split` by somebody's pattern takes as long as the pattern likes. No encoder that homer
//! reads has one of them, so that a list of what is known is shorter than a guard for each.

use serde::Deserialize;
use serde_json::Value;

/// Normalizers of the family, and what tools put beside them.
const NORMALIZERS: [&str; 9] = [
    "BertNormalizer",
    "Lowercase",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Nmt",
    "Strip",
    "StripAccents",
];

/// The same of what divides a text into words.
const DIVIDERS: [&str; 5] = [
    "BertPreTokenizer",
    "Digits",
    "Punctuation",
    "Whitespace",
    "WhitespaceSplit",
];

/// The longest word that is looked up, in characters; BERT's is 100. Looking it up takes the cube of it.
const LONGEST_WORD: u64 = 200;

/// What of a `tokenizer.json` decides; the vocabulary is passed over.
#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    normalizer: Option<Value>,
    #[serde(default)]
    pre_tokenizer: Option<Value>,
    /// Looked through and no more: its crate panics where it is not sound JSON.
    #[serde(default, rename = "decoder")]
    _decoder: Option<Value>,
    model: Model,
}

#[derive(Deserialize)]
struct Model {
    /// Old files do not say it.
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    max_input_chars_per_word: Option<u64>,
}

/// Makes sure that a `tokenizer.json` is one that homer reads.
///
/// # Errors
/// It is not; what is wrong, in words.
pub(super) fn accept(json: &[u8]) -> Result<(), String> {
    let parts: Parts =
        serde_json::from_slice(json).map_err(|source| format!("not a tokenizer: {source}"))?;
    let kind = parts.model.kind.as_deref().unwrap_or("WordPiece");
    if kind != "WordPiece" {
        return Err(unknown("model", kind));
    }
    if let Some(longest) = parts.model.max_input_chars_per_word
        && longest > LONGEST_WORD
    {
        return Err(format!(
            "it looks up words of up to {longest} characters; homer does of up to {LONGEST_WORD}"
        ));
    }
    for (part, known, list) in [
        (&parts.normalizer, &NORMALIZERS[..], "normalizers"),
        (&parts.pre_tokenizer, &DIVIDERS[..], "pretokenizers"),
    ] {
        if let Some(part) = part {
            check(part, known, list)?;
        }
    }
    Ok(())
}

/// Makes sure that a part, or all of a `Sequence` of them under the key `list`, is known.
fn check(part: &Value, known: &[&str], list: &str) -> Result<(), String> {
    match part["type"].as_str() {
        Some("Sequence") => match part[list].as_array() {
            Some(parts) => parts.iter().try_for_each(|part| check(part, known, list)),
            None => Err(format!("a sequence of {list} has none")),
        },
        Some(kind) if known.contains(&kind) => Ok(()),
        Some(kind) => Err(unknown(list.trim_end_matches('s'), kind)),
        None => Err(format!("one of its {list} is of no type")),
    }
}

fn unknown(what: &str, kind: &str) -> String {
    format!("its {what} is {kind:?}: homer needs a tokenizer of the BERT family")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn says(normalizer: Value, pre_tokenizer: Value, model: Value) -> Result<(), String> {
        let whole = json!({
            "version": "1.0", "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "model": model,
        });
        accept(whole.to_string().as_bytes())
    }

    #[test]
    fn the_family_is_accepted_and_nothing_else() {
        let model = json!({"vocab": {"a": 0}, "max_input_chars_per_word": 100});
        let bert = json!({"type": "BertNormalizer", "lowercase": true});
        let sequence = json!({"type": "Sequence", "normalizers": [{"type": "NFC"}, bert]});
        says(sequence, Value::Null, model.clone()).unwrap();
        says(Value::Null, Value::Null, json!({"type": "WordPiece"})).unwrap();
        for (normalizer, says_so) in [
            (
                json!({"type": "Precompiled", "precompiled_charsmap": "x"}),
                "Precompiled",
            ),
            (json!({"precompiled_charsmap": "x"}), "of no type"),
            (
                json!({"type": "Replace", "pattern": {"Regex": ""}, "content": "xx"}),
                "Replace",
            ),
            (
                json!({"type": "Sequence", "normalizers": [{"type": "Sequence",
                    "normalizers": [{"type": "Replace"}]}]}),
                "Replace",
            ),
            (json!({"type": "Sequence"}), "has none"),
            (json!(7), "of no type"),
        ] {
            let error = says(normalizer, Value::Null, model.clone()).unwrap_err();
            assert!(error.contains(says_so), "{error}");
        }
        let split = json!({"type": "Split", "pattern": {"Regex": "(a+)+$"}});
        assert!(
            says(Value::Null, split, model)
                .unwrap_err()
                .contains("pretokenizer")
        );
        for kind in ["BPE", "Unigram", "WordLevel"] {
            let error = says(Value::Null, Value::Null, json!({"type": kind})).unwrap_err();
            assert!(
                error.contains(kind) && error.contains("BERT family"),
                "{error}"
            );
        }
        let long = json!({"type": "WordPiece", "max_input_chars_per_word": 1_000_000});
        assert!(
            says(Value::Null, Value::Null, long)
                .unwrap_err()
                .contains("1000000")
        );
    }

    #[test]
    fn deep_and_broken_json_is_refused() {
        let deep = "[".repeat(100_000);
        let nested = format!("{{\"model\": {{}}, \"normalizer\": {deep}");
        let sequence = "{\"type\":\"Sequence\",\"normalizers\":[".repeat(50_000);
        let sequence = format!("{{\"model\": {{}}, \"normalizer\": {sequence}");
        let surrogate = r#"{"model": {}, "decoder": {"type": "WordPiece", "prefix": "\ud800"}}"#;
        let infinite = r#"{"model": {}, "decoder": {"type": 1e999}}"#;
        let inner = format!("{{\"model\": {{}}, \"decoder\": {}", deep);
        for json in [
            &deep,
            &nested,
            &sequence,
            &inner,
            surrogate,
            infinite,
            "",
            "{}",
            "{\"model\": 1}",
        ] {
            accept(json.as_bytes()).unwrap_err();
        }
    }
}
