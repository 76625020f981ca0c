//! `homer status`.

use std::fmt::Write as _;
use std::io::Write;

use homer::Remedy;
use homer::project::{Age, ModelStatus, Status, status};

use super::Global;
use super::remedy::{call, name};

/// Show what is there, of what, how old, finished and judged or not, and what comes next
#[derive(clap::Args)]
#[command(after_help = "Examples:
  homer status
  homer -C moe status --json")]
pub(super) struct Args {
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    let status = status(&global.project())?;
    let next = global.command(&next(&status.next));
    let mut out = std::io::stdout().lock();
    if args.json {
        let mut all = serde_json::to_value(&status)?;
        if let Some(all) = all.as_object_mut() {
            all.insert("next".into(), next.into());
        }
        writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
    } else {
        writeln!(out, "{}next: {next}", table(&status))?;
    }
    Ok(())
}

/// The command that comes next.
fn next(remedy: &Remedy) -> String {
    match remedy {
        Remedy::Resume(step) => format!("{} --resume", name(*step)),
        Remedy::Remake(step) if call(*step) == name(*step) && name(*step) != "build-index" => {
            format!("{} --force", name(*step))
        }
        Remedy::Make(step) | Remedy::Remake(step) => call(*step).to_owned(),
        _ => "--help".to_owned(),
    }
}

fn table(status: &Status) -> String {
    let mut text = String::new();
    let mut row = |what: &str, says: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{what:<14} {says}");
    };
    row(
        "dialogue",
        status
            .dialogue
            .as_ref()
            .map_or("not prepared".into(), |one| {
                let [train, valid, test] = one.exchanges;
                format!(
                    "{} from {}, {train} + {valid} + {test} exchanges, {} replies, {}",
                    one.character,
                    one.source,
                    one.replies,
                    ago(one.age)
                )
            }),
    );
    row("bi-encoder", model(status.bi_encoder.as_ref(), ""));
    let judged = match status.reranks {
        _ if status.cross_encoder.is_none() => "",
        Some(true) => ", helps and is used",
        Some(false) => ", does not help and is not used",
        None => ", not judged beside this bi-encoder and not used",
    };
    row(
        "cross-encoder",
        model(status.cross_encoder.as_ref(), judged),
    );
    row(
        "index",
        status.index.as_ref().map_or("not built".into(), |one| {
            let old = if one.current { "" } else { ", out of date" };
            format!(
                "{} replies of {}, {}{old}",
                one.replies,
                one.character,
                ago(one.age)
            )
        }),
    );
    if let Some(store) = &status.store {
        row("answers from", store.clone());
    }
    row("test", status.tested.map_or("not done".into(), ago));
    text
}

fn model(model: Option<&ModelStatus>, judged: &str) -> String {
    let Some(model) = model else {
        return "not trained".into();
    };
    let mut text = match (model.finished, model.age) {
        (true, Some(age)) => format!("trained {}", ago(age)),
        (_, age) => format!(
            "unfinished{}",
            age.map_or(String::new(), |age| format!(", best kept {}", ago(age)))
        ),
    };
    if let Some([before, after]) = model.mrr {
        let _ = write!(
            text,
            ", validation MRR {before:.3} before, {after:.3} after"
        );
    }
    if let Some(source) = &model.source {
        let _ = write!(text, ", on {source}");
    }
    if model.retraining {
        text.push_str(", another is in training");
    }
    if !model.current {
        text.push_str(", another dialogue than is prepared now");
    }
    text + judged
}

/// How old something is, in the largest unit that there is one of.
fn ago(age: Age) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let unit = units
        .into_iter()
        .find(|(seconds, _)| age.seconds >= *seconds);
    match unit.map(|(seconds, unit)| (age.seconds / seconds, unit)) {
        Some((1, unit)) => format!("1 {unit} ago"),
        Some((count, unit)) => format!("{count} {unit}s ago"),
        None => "just now".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_their_largest_unit() {
        let of = |seconds| ago(Age { seconds });
        assert_eq!(of(59), "just now");
        assert_eq!(of(61), "1 minute ago");
        assert_eq!(of(7_300), "2 hours ago");
        assert_eq!(of(864_000), "10 days ago");
    }
}
