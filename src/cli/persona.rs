//! What `ask` and `repl` have in common: the persona, and how it chooses.

use homer::{Choice, Compute, MinScore, Persona, Project};

use super::Global;
use super::store::StoreArgs;

/// Shown where no reply is good enough.
pub(super) const NO_ANSWER: &str = "(no good answer)";
/// What is said with the built-in persona's name.
pub(super) fn make_your_own(global: &Global) -> String {
    format!("(make your own: {})", global.command("prepare SCRIPT.csv"))
}

#[derive(clap::Args)]
pub(super) struct PersonaArgs {
    /// Consider this many replies; where they are reranked, the likeliest of twelve times as many, up to 600, or of
    /// lines that were written as answers the nearest, up to 16
    #[arg(long, value_name = "N", default_value_t = Choice::default().top_k as u32, value_parser = clap::value_parser!(u32).range(1..))]
    top_k: u32,
    /// Draw among the ten best: 0 takes the best, 0.5 likes the better ones, from 1 on any may come
    #[arg(long, value_name = "T", default_value_t = 0.0, value_parser = temperature, allow_negative_numbers = true)]
    temperature: f32,
    /// Seed of the draw [default: another one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Leave the cross-encoder out: faster, and less apt
    #[arg(long)]
    no_rerank: bool,
    /// Give no answer whose retrieval score is lower: a cosine, or `auto` for what validation found
    #[arg(long, value_name = "SCORE", value_parser = min_score, allow_negative_numbers = true)]
    min_score: Option<MinScore>,
    /// Compute on the GPU
    #[arg(long)]
    gpu: bool,
    #[command(flatten)]
    pub(super) store: StoreArgs,
}

impl PersonaArgs {
    /// Opens the persona of the project, else the built-in one; says so if its index is older than
    /// its dialogue.
    pub(super) fn load(&self, global: &Global) -> anyhow::Result<Persona> {
        let project = self.store.project(global)?;
        let persona = self.find(&project)?;
        if persona.built_in && project.is_prepared() {
            eprintln!(
                "homer: the dialogue here is prepared, but there is no index of it yet (next: {}); \
                 until then the built-in persona answers",
                global.command("build-index")
            );
        }
        if persona.has_unjudged_reranker() {
            eprintln!(
                "homer: nobody has judged whether the cross-encoder helps this bi-encoder, so it is left \
                 out; `{}` judges it, `{}` trains another",
                global.command("train-cross --resume"),
                global.command("train-cross --force")
            );
        }
        if persona.is_outdated() {
            eprintln!(
                "homer: the dialogue was prepared anew since the index was built, which still answers \
                 as {}; `{}` brings it up to date",
                persona.character,
                global.command("build-index")
            );
        }
        Ok(persona)
    }

    /// The persona of the project, else the built-in one, without a word.
    pub(super) fn find(&self, project: &Project) -> homer::Result<Persona> {
        let compute = Compute::choose(self.gpu)?;
        Persona::find(project, &compute, !self.no_rerank)
    }

    pub(super) fn choice(&self) -> Choice {
        Choice {
            top_k: self.top_k as usize,
            temperature: self.temperature,
            seed: self.seed.unwrap_or_else(rand::random),
            min_score: self.min_score.unwrap_or(MinScore::None),
        }
    }
}

/// Who speaks, and from which folder.
pub(super) fn who(persona: &Persona) -> String {
    if persona.built_in {
        return format!("{}, the built-in persona", persona.character);
    }
    if let Some(store) = &persona.store {
        return format!("{} from {store}", persona.character);
    }
    match &persona.folder {
        Some(folder) => format!("{} from {}", persona.character, folder.display()),
        None => persona.character.clone(),
    }
}

/// A temperature from text.
pub(super) fn temperature(text: &str) -> Result<f32, String> {
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
