//! Whether an encoder can read a script at all.

use crate::error::Result;
use crate::folder::Folder;
use crate::hf::tokenizer::Tokenizer;
use crate::watch::Watch;

/// An encoder for other languages than English, and for many scripts.
pub(super) const MULTILINGUAL: &str = "distilbert-base-multilingual-cased";

/// More unknown tokens than this, and a text is a riddle.
const UNKNOWN: f64 = 0.2;

/// Texts that are looked at.
const TEXTS: usize = 2000;

/// Says if the encoder in a folder does not know most of what is said in `texts`.
///
/// # Errors
/// The folder has no tokenizer.
pub(super) fn note_illegible(
    encoder: &Folder,
    name: &str,
    texts: &[&str],
    watch: &mut dyn Watch,
) -> Result<()> {
    let step = texts.len().div_ceil(TEXTS).max(1);
    let sample: Vec<&str> = texts.iter().copied().step_by(step).collect();
    let unknown = Tokenizer::load(encoder)?.unknown(&sample)?;
    if unknown > UNKNOWN {
        let what = format!(
            "{name} cannot read this language: {:.0} of 100 words and signs are unknown to it, and what it \
             cannot tell apart it answers alike",
            unknown * 100.0
        );
        let help = format!("train the bi-encoder from one that can, such as {MULTILINGUAL}");
        watch.advise(&what, &help.into());
    }
    Ok(())
}
