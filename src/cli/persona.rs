//! What `ask` and `repl` have in common: the persona, and how it chooses.

use homer::builtin::Builtin;
use homer::chat::{Choice, MinScore, Persona};
use homer::model::device::Compute;

use super::Global;

/// Shown where no reply is good enough.
pub const NO_ANSWER: &str = "(no good answer)";
/// What is said with the built-in persona's name.
pub const MAKE_YOUR_OWN: &str = "(make your own: homer prepare SCRIPT.csv)";

#[derive(clap::Args)]
pub struct PersonaArgs {
    /// Retrieve, and rerank, this many replies
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    top_k: u32,
    /// Draw among the ten best: 0 takes the best, 1 draws freely
    #[arg(long, value_name = "T", default_value_t = 0.0, value_parser = temperature)]
    temperature: f32,
    /// Seed of the draw
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Leave the cross-encoder out: faster, and less apt
    #[arg(long)]
    no_rerank: bool,
    /// Give no answer whose retrieval score is lower: a cosine, or `auto` for what validation found
    #[arg(long, value_name = "SCORE", value_parser = min_score, allow_negative_numbers = true)]
    min_score: Option<MinScore>,
    /// Compute on the GPU
    #[arg(long)]
    gpu: bool,
}

impl PersonaArgs {
    /// Opens the persona of the project, else the built-in one; says so if its index is older than
    /// its dialogue.
    pub fn load(&self, global: &Global) -> anyhow::Result<Persona> {
        let compute = Compute::choose(self.gpu)?;
        let project = global.project();
        let persona = Persona::find(&project, &Builtin::find(), &compute, !self.no_rerank)?;
        if persona.is_outdated() {
            eprintln!(
                "homer: the dialogue was prepared anew since the index was built, which still answers \
                 as {}; `homer build-index` brings it up to date",
                persona.character
            );
        }
        Ok(persona)
    }

    pub fn choice(&self) -> Choice {
        Choice {
            top_k: self.top_k as usize,
            temperature: self.temperature,
            seed: self.seed,
            min_score: self.min_score.unwrap_or(MinScore::None),
        }
    }
}

/// Who speaks, and from which folder.
pub fn who(persona: &Persona) -> String {
    if persona.built_in {
        return format!("{}, the built-in persona", persona.character);
    }
    match &persona.folder {
        Some(folder) => format!("{} from {}", persona.character, folder.display()),
        None => persona.character.clone(),
    }
}

/// A temperature from text.
pub fn temperature(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "not a number".to_owned())?;
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err("a temperature is 0 or more".into())
    }
}

fn min_score(text: &str) -> Result<MinScore, String> {
    if text == "auto" {
        return Ok(MinScore::Auto);
    }
    match text.parse() {
        Ok(cosine) if (-1.0..=1.0).contains(&cosine) => Ok(MinScore::Cosine(cosine)),
        _ => Err("neither `auto` nor a number from -1 to 1".into()),
    }
}
