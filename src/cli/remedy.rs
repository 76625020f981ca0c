//! What to do about an error, in commands and flags, for the folder that the command worked in.

use homer::{Remedy, Setting, Step};

use super::Global;

/// The remedy as the user can type it.
pub(super) fn render(remedy: &Remedy, global: &Global) -> String {
    let command = |arguments: &str| format!("`{}`", global.command(arguments));
    match remedy {
        Remedy::Make(step) => format!("make it with {}", command(call(*step))),
        Remedy::Remake(step) => format!("make it anew with {}", command(&again(*step))),
        Remedy::Resume(step) => {
            format!(
                "go on with {}",
                command(&format!("{} --resume", name(*step)))
            )
        }
        Remedy::Begin => "start one without `--resume`".into(),
        Remedy::Restart => "`--force` trains anew; this one stays in use until that is finished, and is kept beside it".into(),
        Remedy::ResumeOrRestart => {
            "`--resume` goes on with it, `--force` trains anew and keeps what was trained before".into()
        }
        Remedy::ListCharacters => {
            format!("{} shows who speaks", command("prepare --list-characters"))
        }
        Remedy::BuildForGpu => {
            "build one with `benches/gpu/build.sh` (NVIDIA) or `cargo build --release --features metal` \
             (Apple)"
                .into()
        }
        Remedy::BuildForStore => {
            "build one with `cargo build --release --features postgres`".into()
        }
        Remedy::TakeOver => "`--take-over` replaces it".into(),
        Remedy::Choose(settings, Some(example)) => {
            let flags: Vec<&str> = settings.iter().map(|setting| flag(*setting)).collect();
            match flags.as_slice() {
                [""] => format!("say which: {}", command(&format!("prepare {example}"))),
                flags => format!("give `{} {example}`", flags.join(" ")),
            }
        }
        Remedy::Choose(settings, None) => {
            let flags = settings.iter().map(|setting| match setting {
                Setting::Script => format!("`{}`", global.command("prepare SCRIPT.csv")),
                Setting::TestFile => format!("`{}`", global.command("eval --test FILE")),
                setting => format!("{} NAME", flag(*setting)),
            });
            format!("name it with {}", flags.collect::<Vec<_>>().join(" and "))
        }
        Remedy::Change(setting, how) => format!("try {how} `{}`", flag(*setting)),
        Remedy::Leave(setting) => format!("leave `{}` away", flag(*setting)),
        Remedy::Either(all) => {
            let all: Vec<String> = all.iter().map(|one| render(one, global)).collect();
            all.join(", or ")
        }
        Remedy::Both(both) => {
            let [first, second] = both.as_ref();
            let [first, second] = [first, second].map(|one| render(one, global));
            format!("{first}, and {second}")
        }
        other => other.to_string(),
    }
}

/// The command of a step.
pub(super) fn name(step: Step) -> &'static str {
    match step {
        Step::Prepare => "prepare",
        Step::TrainBi => "train-bi",
        Step::TrainCross => "train-cross",
        Step::BuildIndex => "build-index",
        _ => "ask",
    }
}

/// A step's command with what it cannot do without.
pub(super) fn call(step: Step) -> &'static str {
    match step {
        Step::Prepare => "prepare SCRIPT.csv",
        Step::Ask => "ask \"How are you?\"",
        step => name(step),
    }
}

/// The command that does a step again.
fn again(step: Step) -> String {
    match step {
        Step::TrainBi | Step::TrainCross => format!("{} --force", name(step)),
        step => call(step).to_owned(),
    }
}

/// The flag of a setting.
fn flag(setting: Setting) -> &'static str {
    match setting {
        Setting::Format => "--format",
        Setting::Encoding => "--encoding",
        Setting::Character => "--character",
        Setting::SpeakerColumn => "--speaker-column",
        Setting::TextColumn => "--text-column",
        Setting::SceneColumn => "--scene-column",
        Setting::QueryColumn => "--query-column",
        Setting::ReplyColumn => "--reply-column",
        Setting::ContextColumn => "--context-column",
        Setting::LabelColumn => "--label-column",
        Setting::Split => "--split",
        Setting::Encoder => "--encoder",
        Setting::BatchSize => "--batch-size",
        Setting::ChunkSize => "--chunk-size",
        Setting::MaxLength => "--max-length",
        Setting::LearningRate => "--lr",
        Setting::Warmup => "--warmup",
        Setting::Negatives => "--negatives",
        Setting::Precision => "--precision",
        Setting::MinScore => "--min-score",
        Setting::QueryWeight => "--query-weight",
        Setting::TestFile => "--test",
        Setting::Layers => "--layers",
        Setting::Vocabulary => "--vocabulary",
        Setting::Intermediate => "--intermediate",
        Setting::Out => "--out",
        Setting::Store => "--store",
        Setting::Persona => "--persona",
        // An argument without a flag.
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_is_what_the_user_types_in_the_same_folder() {
        let here = Global {
            directory: ".".into(),
        };
        let moe = Global {
            directory: "moe's".into(),
        };
        let make = Remedy::Make(Step::TrainBi);
        assert_eq!(render(&make, &here), "make it with `homer train-bi`");
        let said = render(&Remedy::Resume(Step::TrainCross), &moe);
        assert_eq!(
            said,
            "go on with `homer -C 'moe'\\''s' train-cross --resume`"
        );
        let columns = Remedy::choose([Setting::SpeakerColumn, Setting::TextColumn]);
        let said = render(&columns.or("wait"), &here);
        assert_eq!(
            said,
            "name it with --speaker-column NAME and --text-column NAME, or wait"
        );
        let said = render(&Remedy::choose_like(Setting::Script, "a.csv"), &moe);
        assert!(said.contains("prepare a.csv`"), "{said}");
        assert!(
            render(&Remedy::Change(Setting::LearningRate, "a smaller"), &here)
                .contains("a smaller `--lr`")
        );
    }
}
