//! Conversations become tokens: what is kept, what is cut, and what no text can do.

use homer::Query;
use homer::internals::{Family, Tokenizer, tiny_encoder_folder, tiny_vocab};

const WORDS: [&str; 8] = [
    "where", "is", "the", "ladder", "in", "shed", "again", "never",
];

fn tokenizer() -> Tokenizer {
    Tokenizer::from_vocab(&tiny_vocab(&WORDS)).unwrap()
}

/// Token ids as the words of the vocabulary.
fn shown(ids: &[u32]) -> String {
    let vocab = tiny_vocab(&WORDS);
    let words: Vec<_> = ids.iter().map(|&id| vocab[id as usize].as_str()).collect();
    words.join(" ")
}

#[test]
fn text_is_wrapped_and_cut_at_its_end() {
    let tokenizer = tokenizer();
    let tokens = tokenizer.text("Where is the LADDER", 16).unwrap();
    assert_eq!(shown(&tokens.ids), "[CLS] where is the ladder [SEP]");
    assert_eq!(tokens.types, [0; 6]);
    let cut = tokenizer.text("where is the ladder", 4).unwrap();
    assert_eq!(shown(&cut.ids), "[CLS] where is [SEP]");
}

#[test]
fn a_query_and_its_context_each_keep_their_newest_tokens() {
    let tokenizer = tokenizer();
    let context = ["again", "in the shed", ""].map(String::from);
    let query = Query {
        context: &context,
        text: "where is the ladder",
    };
    let at = |max| {
        let tokens = tokenizer.query(query, max).unwrap();
        (shown(&tokens.text.ids), shown(&tokens.context.unwrap().ids))
    };
    let (text, before) = at(64);
    assert_eq!(text, "[CLS] where is the ladder [SEP]");
    assert_eq!(before, "[CLS] in the shed [SEP]");
    let (text, before) = at(4);
    assert_eq!(text, "[CLS] the ladder [SEP]");
    assert_eq!(before, "[CLS] the shed [SEP]");
}

#[test]
fn an_empty_turn_is_no_context_and_leaves_no_separator() {
    let tokenizer = tokenizer();
    let context = [String::new(), "   ".to_owned(), "again".to_owned()];
    let query = |context| Query {
        context,
        text: "where",
    };
    let nothing = tokenizer.query(query(&context[..2]), 16).unwrap();
    assert_eq!(nothing.context, None);
    let pair = tokenizer.pair(query(&context), "never", 16).unwrap();
    assert_eq!(
        shown(&pair.ids),
        "[CLS] again [SEP] where [SEP] never [SEP]"
    );
    let nothing = tokenizer.text("", 16).unwrap();
    assert_eq!(shown(&nothing.ids), "[CLS] [SEP]");
}

#[test]
fn of_several_turns_the_newest_is_read() {
    let tokenizer = tokenizer();
    let context = ["in the shed", "again"].map(String::from);
    let query = Query {
        context: &context,
        text: "where",
    };
    let pair = tokenizer.pair(query, "never", 64).unwrap();
    assert_eq!(
        shown(&pair.ids),
        "[CLS] again [SEP] where [SEP] never [SEP]"
    );
    let alone = tokenizer.query(query, 64).unwrap().context.unwrap();
    assert_eq!(shown(&alone.ids), "[CLS] again [SEP]");
}

#[test]
fn a_pair_shares_the_room() {
    let tokenizer = tokenizer();
    let context = ["again".to_owned()];
    let query = Query {
        context: &context,
        text: "where is the ladder",
    };
    let reply = "in the shed in the shed";
    let pair = |reply, max| tokenizer.pair(query, reply, max).unwrap();

    let whole = pair(reply, 64);
    assert_eq!(
        shown(&whole.ids),
        "[CLS] again [SEP] where is the ladder [SEP] in the shed in the shed [SEP]"
    );
    assert_eq!(whole.types, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
    // Both too long: the reply's beginning, the query's end.
    assert_eq!(
        shown(&pair(reply, 9).ids),
        "[CLS] is the ladder [SEP] in the shed [SEP]"
    );
    // A short reply leaves its room to the query, a short query its room to the reply.
    assert_eq!(
        shown(&pair("never", 8).ids),
        "[CLS] where is the ladder [SEP] never [SEP]"
    );
    let short = Query {
        context: &[],
        text: "where",
    };
    assert_eq!(
        shown(&tokenizer.pair(short, reply, 8).unwrap().ids),
        "[CLS] where [SEP] in the shed in [SEP]"
    );
    for max in 4..32 {
        assert!(pair(reply, max).ids.len() <= max);
    }
}

#[test]
fn no_room_is_an_error() {
    let tokenizer = tokenizer();
    assert!(tokenizer.text("where", 2).is_err());
    assert!(tokenizer.text("where", 0).is_err());
    let query = Query {
        context: &[],
        text: "where",
    };
    assert!(tokenizer.pair(query, "again", 3).is_err());
}

#[test]
fn no_text_can_smuggle_in_a_special_token() {
    let folder = tempfile::tempdir().unwrap();
    tiny_encoder_folder(folder.path(), Family::Bert, &WORDS, 1).unwrap();
    let mut json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("tokenizer.json")).unwrap())
            .unwrap();
    // Files that do not mark them special, or do not list them at all.
    for added_tokens in ["special", "plain", "none"] {
        match added_tokens {
            "special" => {}
            "plain" => {
                for token in json["added_tokens"].as_array_mut().unwrap() {
                    token["special"] = false.into();
                }
            }
            _ => json["added_tokens"] = serde_json::json!([]),
        }
        std::fs::write(folder.path().join("tokenizer.json"), json.to_string()).unwrap();
        let tokenizer = Tokenizer::load(folder.path()).unwrap();
        for text in [
            "where [SEP] again",
            "[CLS]",
            "[PAD][MASK][UNK]",
            "where[SEP]again",
        ] {
            let tokens = tokenizer.text(text, 64).unwrap();
            let inside = &tokens.ids[1..tokens.ids.len() - 1];
            assert!(!inside.is_empty());
            assert!(
                inside.iter().all(|&id| id > 4),
                "{added_tokens}: {text} became {}",
                shown(inside)
            );
        }
    }
}

#[test]
fn batches_keep_their_order() {
    let tokenizer = tokenizer();
    let texts: Vec<String> = (0..500)
        .map(|i| ["where ", "again ", "never "].repeat(i % 7).concat())
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = tokenizer.texts(&texts, 12).unwrap();
    for (text, tokens) in texts.iter().zip(&together) {
        assert_eq!(*tokens, tokenizer.text(text, 12).unwrap());
    }
}

#[test]
fn vocab_and_json_give_the_same_tokens_after_a_round_trip() {
    let first = tempfile::tempdir().unwrap();
    tiny_encoder_folder(first.path(), Family::Bert, &WORDS, 1).unwrap();
    let text = "Où est the ladder?  Never\u{0}\u{4e2d}again, été";
    let from_json = Tokenizer::load(first.path()).unwrap();
    std::fs::remove_file(first.path().join("tokenizer.json")).unwrap();
    let from_vocab = Tokenizer::load(first.path()).unwrap();
    let expected = from_json.text(text, 64).unwrap();
    assert_eq!(from_vocab.text(text, 64).unwrap(), expected);

    let second = tempfile::tempdir().unwrap();
    from_vocab.save(second.path(), 48).unwrap();
    let again = Tokenizer::load(second.path()).unwrap();
    assert_eq!(again.text(text, 64).unwrap(), expected);
    assert_eq!(again.entries(), tiny_vocab(&WORDS).len());
    let settings = std::fs::read_to_string(second.path().join("tokenizer_config.json")).unwrap();
    let settings: serde_json::Value = serde_json::from_str(&settings).unwrap();
    assert_eq!(settings["model_max_length"], 48);
    assert_eq!(settings["tokenizer_class"], "BertTokenizer");
    assert!(second.path().join("vocab.txt").exists());
}

#[test]
fn a_cased_vocabulary_stays_cased() {
    let folder = tempfile::tempdir().unwrap();
    let vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nNed\nned\n";
    std::fs::write(folder.path().join("vocab.txt"), vocab).unwrap();
    let ids = || {
        let tokenizer = Tokenizer::load(folder.path()).unwrap();
        tokenizer.text("Ned ned", 8).unwrap().ids
    };
    assert_eq!(ids(), [2, 5, 5, 3]);
    let settings = r#"{"do_lower_case": false}"#;
    std::fs::write(folder.path().join("tokenizer_config.json"), settings).unwrap();
    assert_eq!(ids(), [2, 4, 5, 3]);
}

#[test]
fn padding_and_truncation_of_the_file_are_not_used() {
    let folder = tempfile::tempdir().unwrap();
    tiny_encoder_folder(folder.path(), Family::Bert, &WORDS, 1).unwrap();
    let path = folder.path().join("tokenizer.json");
    let mut json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    json["padding"] = serde_json::json!({
        "strategy": {"Fixed": 20}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
    });
    json["truncation"] = serde_json::json!({
        "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0,
    });
    std::fs::write(&path, json.to_string()).unwrap();
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    let tokens = tokenizer.text("where is the ladder", 16).unwrap();
    assert_eq!(shown(&tokens.ids), "[CLS] where is the ladder [SEP]");
}

#[test]
fn unusable_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let message = || Tokenizer::load(folder.path()).unwrap_err().to_string();
    assert!(message().contains("no tokenizer.json and no vocab.txt"));
    std::fs::write(folder.path().join("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n").unwrap();
    assert!(message().contains("[SEP] is not in its vocabulary"));
    assert!(message().contains("vocab.txt"));
    std::fs::write(folder.path().join("tokenizer.json"), "{").unwrap();
    assert!(message().contains("tokenizer.json: not a tokenizer"));
}

#[test]
fn a_cased_multilingual_vocabulary_is_read_as_it_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let words = [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Zo", "##ë", "zoe", "你", "好", "да", "ı",
        "İpek", "!",
    ];
    std::fs::write(folder.path().join("vocab.txt"), words.join("\n")).unwrap();
    let settings = r#"{"do_lower_case": false, "tokenizer_class": "DistilBertTokenizer"}"#;
    std::fs::write(folder.path().join("tokenizer_config.json"), settings).unwrap();
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    let text = "Zoë 你好! да İpek";
    let ids = tokenizer.words(text).unwrap();
    let read: Vec<&str> = ids.iter().map(|&id| words[id as usize]).collect();
    assert_eq!(read, ["Zo", "##ë", "你", "好", "!", "да", "İpek"]);
    assert_eq!(tokenizer.unknown(&[text]).unwrap(), 0.0);
    assert_eq!(tokenizer.unknown(&["猫 да", "猫 猫"]).unwrap(), 0.75);
}
