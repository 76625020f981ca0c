//! Saved model folders: what Python's libraries look for is there, and homer reads it back.

use std::fs;
use std::path::Path;

use homer::Precision;
use homer::internals::{
    Checkpoint, Config, Family, Spec, Tokenizer, Values, Weights, head_specs, model_settings,
    pooler_specs, save_bi_encoder, save_cross_encoder, tiny_config, tiny_vocab,
};
use serde_json::Value;

const FAMILIES: [Family; 2] = [Family::Bert, Family::DistilBert];

struct Model {
    weights: Weights,
    tokenizer: Tokenizer,
    pooler: Vec<Values>,
    head: Vec<Values>,
}

fn model(family: Family) -> Model {
    let vocab = tiny_vocab(&["hello"]);
    let mut config = tiny_config(family, vocab.len()).unwrap();
    config.raw["_name_or_path"] = "/home/somebody/encoder".into();
    config.raw["num_labels"] = 3.into();
    config.raw["dtype"] = "bfloat16".into();
    let numbered = |specs: Vec<Spec>| -> Vec<Values> {
        let values = |(i, spec): (usize, &Spec)| {
            Values::Owned(vec![i as f32 + 0.5; spec.shape.iter().product()])
        };
        specs.iter().enumerate().map(values).collect()
    };
    Model {
        weights: Weights::random(&config, 11),
        tokenizer: Tokenizer::from_vocab(&vocab).unwrap(),
        pooler: numbered(pooler_specs(&config)),
        head: numbered(head_specs(&config)),
    }
}

impl Model {
    fn save_bi(&self, folder: &Path, precision: Precision) -> Result<(), String> {
        let pooler = Some(&self.pooler[..]);
        save_bi_encoder(
            folder,
            &self.weights,
            pooler,
            &self.tokenizer,
            40,
            precision,
        )
        .map_err(|error| format!("{error}\n{}", error.remedy()))
    }

    fn save_cross(&self, folder: &Path) {
        let head = &self.head;
        save_cross_encoder(
            folder,
            &self.weights,
            head,
            &self.tokenizer,
            48,
            Precision::F32,
        )
        .unwrap();
    }
}

fn json(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
}

fn assert_same(a: &[Values], b: &[Values]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.to_f32(), b.to_f32());
    }
}

#[test]
fn a_bi_encoder_comes_back() {
    for family in FAMILIES {
        let model = model(family);
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("run").join("model");
        model.save_bi(&folder, Precision::F32).unwrap();

        let config = Config::read(&folder).unwrap();
        assert_eq!(
            Config {
                raw: Value::Null,
                ..config.clone()
            },
            Config {
                raw: Value::Null,
                ..model.weights.config.clone()
            }
        );
        let checkpoint = Checkpoint::open(&folder).unwrap();
        assert_same(
            &checkpoint.encoder(&config).unwrap().values,
            &model.weights.values,
        );
        let pooler = checkpoint.named(&pooler_specs(&config)).unwrap();
        assert_same(&pooler.unwrap_or_default(), &model.pooler);
        assert!(
            checkpoint
                .named(&head_specs(&config))
                .map_or(true, |head| head.is_none())
        );

        let kinds: Vec<_> = json(&folder, "modules.json")
            .as_array()
            .unwrap()
            .iter()
            .map(|module| module["type"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            kinds,
            ["Transformer", "Pooling", "Normalize"]
                .map(|kind| format!("sentence_transformers.models.{kind}"))
        );
        assert_eq!(
            json(&folder, "1_Pooling/config.json")["pooling_mode_mean_tokens"],
            true
        );
        assert_eq!(model_settings(&folder).unwrap().max_length, Some(40));
        assert_eq!(
            json(&folder, "tokenizer_config.json")["model_max_length"],
            40
        );
        let text = "hello, you";
        let again = Tokenizer::load(&folder).unwrap();
        assert_eq!(
            again.text(text, 20).unwrap(),
            model.tokenizer.text(text, 20).unwrap()
        );

        let raw = json(&folder, "config.json");
        let name = if family == Family::Bert {
            "BertModel"
        } else {
            "DistilBertModel"
        };
        assert_eq!(raw["architectures"], serde_json::json!([name]));
        assert_eq!(raw["torch_dtype"], "float32");
        for gone in ["_name_or_path", "num_labels", "dtype"] {
            assert_eq!(raw[gone], Value::Null, "{gone}");
        }
    }
}

#[test]
fn a_cross_encoder_comes_back_with_its_head() {
    for family in FAMILIES {
        let model = model(family);
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("cross");
        model.save_cross(&folder);
        let config = Config::read(&folder).unwrap();
        let checkpoint = Checkpoint::open(&folder).unwrap();
        assert_same(
            &checkpoint.encoder(&config).unwrap().values,
            &model.weights.values,
        );
        let head = checkpoint.named(&head_specs(&config)).unwrap();
        assert_same(&head.unwrap(), &model.head);
        let raw = json(&folder, "config.json");
        assert_eq!(raw["id2label"], serde_json::json!({"0": "LABEL_0"}));
        assert_eq!(
            raw["sentence_transformers"]["activation_fn"],
            "torch.nn.modules.linear.Identity"
        );
        assert_eq!(model_settings(&folder).unwrap().max_length, Some(48));

        // The names that transformers looks for.
        let names: Vec<String> = {
            let file = fs::read(folder.join("model.safetensors")).unwrap();
            let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
            tensors.names().into_iter().map(String::from).collect()
        };
        let expected: &[&str] = match family {
            Family::Bert => &[
                "bert.embeddings.word_embeddings.weight",
                "bert.pooler.dense.weight",
                "classifier.weight",
            ],
            Family::DistilBert => &[
                "distilbert.embeddings.word_embeddings.weight",
                "pre_classifier.weight",
                "classifier.bias",
            ],
        };
        for name in expected {
            assert!(
                names.iter().any(|n| n == name),
                "{name} is not in {names:?}"
            );
        }
    }
}

#[test]
fn half_precision_is_half_the_size_and_computed_in_full() {
    let model = model(Family::Bert);
    let home = tempfile::tempdir().unwrap();
    let size = |precision, name| {
        let folder = home.path().join(name);
        model.save_bi(&folder, precision).unwrap();
        fs::metadata(folder.join("model.safetensors"))
            .unwrap()
            .len() as f64
    };
    let ratio = size(Precision::F16, "half") / size(Precision::F32, "full");
    assert!((0.5..0.56).contains(&ratio), "{ratio}");
    let folder = home.path().join("half");
    assert_eq!(json(&folder, "config.json")["torch_dtype"], "float32");
    let config = Config::read(&folder).unwrap();
    let read = Checkpoint::open(&folder).unwrap().encoder(&config).unwrap();
    for (read, kept) in read.values.iter().zip(&model.weights.values) {
        for (a, b) in read.to_f32().iter().zip(kept.to_f32().iter()) {
            assert!((a - b).abs() <= b.abs() * 1e-3 + 1e-6, "{a} {b}");
        }
    }
}

#[test]
fn a_model_is_replaced_whole_and_nothing_else_is() {
    let model = model(Family::Bert);
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("model");
    model.save_cross(&folder);
    fs::write(folder.join("stale.txt"), "from before").unwrap();
    model.save_bi(&folder, Precision::F32).unwrap();
    assert!(!folder.join("stale.txt").exists());
    assert!(folder.join("modules.json").exists());

    // A model that cannot be written leaves the old one.
    let mut broken = self::model(Family::Bert);
    broken.weights.values[4] = Values::Owned(vec![1e9; 32]);
    let error = broken.save_bi(&folder, Precision::F16).unwrap_err();
    assert!(
        error.contains("embeddings.LayerNorm.bias holds 1000000000"),
        "{error}"
    );
    assert!(folder.join("modules.json").exists());
    assert_eq!(
        fs::read_dir(home.path()).unwrap().count(),
        1,
        "nothing is left behind"
    );

    let precious = home.path().join("photos");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("cat.jpg"), "meow").unwrap();
    let error = model.save_bi(&precious, Precision::F32).unwrap_err();
    assert!(error.contains("it is not a model"), "{error}");
    assert!(precious.join("cat.jpg").exists());
}

#[test]
fn the_same_model_is_the_same_bytes() {
    let home = tempfile::tempdir().unwrap();
    let written = |name: &str| {
        let folder = home.path().join(name);
        model(Family::DistilBert)
            .save_bi(&folder, Precision::F32)
            .unwrap();
        [
            "model.safetensors",
            "config.json",
            "tokenizer.json",
            "tokenizer_config.json",
        ]
        .map(|file| fs::read(folder.join(file)).unwrap())
    };
    assert!(written("one") == written("two"));
}

#[test]
fn settings_of_old_and_new_folders() {
    let folder = tempfile::tempdir().unwrap();
    let settings = || model_settings(folder.path()).unwrap().max_length;
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    assert_eq!(settings(), None);
    // What transformers writes for "no limit".
    write(
        "tokenizer_config.json",
        r#"{"model_max_length": 1000000000000000019884624838656}"#,
    );
    assert_eq!(settings(), None);
    write("tokenizer_config.json", r#"{"model_max_length": 512}"#);
    assert_eq!(settings(), Some(512));
    write("sentence_bert_config.json", r#"{"max_seq_length": 256}"#);
    assert_eq!(settings(), Some(256));
    write(
        "sentence_bert_config.json",
        r#"{"transformer_task": "feature-extraction"}"#,
    );
    assert_eq!(settings(), Some(512));
    write("sentence_bert_config.json", "{");
    let error = model_settings(folder.path()).unwrap_err().to_string();
    assert!(error.contains("sentence_bert_config.json"), "{error}");
}
