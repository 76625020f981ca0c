//! How a tokenizer is read, and what homer makes sure of.

use serde_json::{Value, json};
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::ModelWrapper;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::bert::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, Model as _};

use super::{MASK, SPECIAL, Tokenizer, accept, wrong};
use crate::error::{Error, Result};
use crate::folder::Folder;

impl Tokenizer {
    /// Reads `tokenizer.json`, else builds a WordPiece tokenizer from `vocab.txt`.
    ///
    /// # Errors
    /// Neither file is there or readable, or `[CLS]`, `[SEP]`, `[PAD]` or `[UNK]` is not in it.
    pub fn load(folder: impl Into<Folder>) -> Result<Self> {
        let folder = folder.into();
        let settings = if folder.has("tokenizer_config.json") {
            // An object and nothing else: what is saved later is added to it.
            Value::Object(folder.json("tokenizer_config.json")?)
        } else {
            json!({})
        };
        let vocab_path = folder.path("vocab.txt");
        let vocab = if folder.has("vocab.txt") {
            let text = String::from_utf8(folder.read("vocab.txt")?.into_owned());
            Some(text.map_err(|_| wrong(&vocab_path, "not UTF-8"))?)
        } else {
            None
        };
        if folder.has("tokenizer.json") {
            let path = folder.path("tokenizer.json");
            let bytes = folder.read("tokenizer.json")?;
            return Self::from_json(&bytes, settings, vocab).map_err(|what| wrong(&path, what));
        }
        let Some(vocab) = vocab else {
            return Err(wrong(
                &folder.to_path_buf(),
                "no tokenizer.json and no vocab.txt in it: copy one of them from where the encoder came from",
            ));
        };
        Self::from_lines(vocab, settings).map_err(|what| wrong(&vocab_path, what))
    }

    /// A tokenizer as `tokenizer.json` describes it.
    fn from_json(
        json: &[u8],
        settings: Value,
        vocab: Option<String>,
    ) -> std::result::Result<Self, String> {
        accept::accept(json)?;
        let inner = tokenizers::Tokenizer::from_bytes(json)
            .map_err(|source| format!("not a tokenizer: {source}"))?;
        Self::new(inner, settings, vocab)
    }

    /// A WordPiece tokenizer of `words`, whose ids are their positions; upper and lower case are
    /// the same to it.
    ///
    /// # Errors
    /// A special token is missing among `words`.
    pub fn from_vocab(words: &[String]) -> Result<Self> {
        let lines: String = words.iter().map(|word| format!("{word}\n")).collect();
        Self::from_lines(lines, json!({})).map_err(Error::Misuse)
    }

    /// BERT's tokenizer, from a vocabulary with one token a line.
    #[allow(
        clippy::indexing_slicing,
        reason = "keys of JSON objects: where there is none it is made, or read as null"
    )]
    fn from_lines(vocab: String, mut settings: Value) -> std::result::Result<Self, String> {
        let flag = |key: &str| settings[key].as_bool();
        let lowercase = flag("do_lower_case").unwrap_or(true);
        let normalizer = BertNormalizer::new(
            true,
            flag("tokenize_chinese_chars").unwrap_or(true),
            flag("strip_accents"),
            lowercase,
        );
        let model = WordPiece::read_bytes(vocab.as_bytes())
            .and_then(|words| WordPiece::builder().vocab(words).build())
            .map_err(|source| source.to_string())?;
        let id = |name: &str| model.token_to_id(name).ok_or_else(|| no_token(name));
        let template = BertProcessing::new(
            ("[SEP]".into(), id("[SEP]")?),
            ("[CLS]".into(), id("[CLS]")?),
        );
        let mut inner = tokenizers::Tokenizer::new(model);
        inner
            .with_normalizer(Some(normalizer))
            .map_err(|source| source.to_string())?
            .with_pre_tokenizer(Some(BertPreTokenizer))
            .with_post_processor(Some(template))
            .with_decoder(Some(WordPieceDecoder::default()));
        settings["do_lower_case"] = lowercase.into();
        Self::new(inner, settings, Some(vocab))
    }

    /// Makes sure of what homer relies on: no padding, no truncation, and special tokens that
    /// are never read out of what people say.
    pub(super) fn new(
        mut inner: tokenizers::Tokenizer,
        settings: Value,
        vocab: Option<String>,
    ) -> std::result::Result<Self, String> {
        if !matches!(inner.get_model(), ModelWrapper::WordPiece(_)) {
            return Err(
                "its model is no WordPiece: homer needs a tokenizer of the BERT family".into(),
            );
        }
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|source| source.to_string())?;
        let mut special = Vec::new();
        for (_, name) in SPECIAL {
            inner.token_to_id(name).ok_or_else(|| no_token(name))?;
            special.push(AddedToken::from(name, true));
        }
        if inner.token_to_id(MASK.1).is_some() {
            special.push(AddedToken::from(MASK.1, true));
        }
        inner
            .add_special_tokens(special)
            .map_err(|source| source.to_string())?;
        inner.set_encode_special_tokens(true);
        let id = |name: &str| inner.token_to_id(name).ok_or_else(|| no_token(name));
        Ok(Self {
            cls: id("[CLS]")?,
            sep: id("[SEP]")?,
            unknown: id("[UNK]")?,
            inner,
            settings,
            vocab,
        })
    }
}

fn no_token(name: &str) -> String {
    format!("{name} is not in its vocabulary: homer needs a tokenizer of the BERT family")
}
