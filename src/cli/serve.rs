//! `homer serve`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};

use homer::serve::{Address, App, Doors, Host, Limits, Listener, asked_to_leave, persona_changes};

use super::persona::{PersonaArgs, make_your_own, who};
use super::{Global, signals, usage_error};

/// Talk in a browser, and behind the interfaces that other programs know
///
/// Serves a page to talk with the character, and OpenAI's chat completions and embeddings and Jina's
/// and Cohere's reranking to whatever speaks them: /openapi.json describes all. A persona that is
/// built anew is taken over without a pause. The page's thumbs up and down are kept in
/// runs/feedback.jsonl. `HOMER_LOG=info` logs requests, `HOMER_LOG=homer::talk=trace` what is said.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  homer serve --open
  homer serve moe=personas/moe ned=personas/ned --listen 127.0.0.1:9000
  HOMER_API_KEY=… homer serve --listen 0.0.0.0:8080 --allow-host homer.example.org")]
pub(super) struct Args {
    /// Serve the personas of these folders, each under its name [default: the one that `ask` asks]
    #[arg(value_name = "NAME=DIR", value_parser = named)]
    personas: Vec<(String, PathBuf)>,
    /// Listen on this address and port, or on the Unix socket unix:PATH
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: Address,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
    /// Answer only who sends the key that stands in this file (or in HOMER_API_KEY)
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Answer everybody who reaches an address that is not this machine's own
    #[arg(long, conflicts_with = "api_key_file")]
    no_auth: bool,
    /// Answer under this name too, beside localhost and bare addresses
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Let the pages of this origin ask, like https://example.org
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    allow_origin: Vec<axum::http::HeaderValue>,
    #[command(flatten)]
    persona: PersonaArgs,
}

pub(super) fn run(args: Args, global: &Global) -> anyhow::Result<()> {
    let doors = args.doors()?;
    let persona = Arc::new(args.persona);
    let hosts = if args.personas.is_empty() {
        vec![host(None, global.clone(), &persona)?]
    } else {
        if persona.store.persona.is_some() {
            return Err(usage_error(
                "--persona names one persona, and there are several: each folder knows its own",
            ));
        }
        let each = args.personas.into_iter();
        each.map(|(name, directory)| host(Some(name), Global { directory }, &persona))
            .collect::<anyhow::Result<_>>()?
    };
    let app = Arc::new(App::new(hosts, persona.choice(), doors, Limits::default())?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the server")?;
    runtime.block_on(async {
        // From here on, so that who sees where it listens can send them.
        let signals = signals::of_a_server();
        let leave = asked_to_leave(signals)?;
        persona_changes(Arc::clone(&app), signals)?;
        let listener = Listener::bind(&args.listen).await?;
        let address = listener.address().clone();
        for host in app.hosts() {
            eprintln!("{} is called {}", who(&host.persona()), host.name());
        }
        eprintln!("listening on {address} (Ctrl-C leaves)");
        if args.open
            && let Err(error) = open::that_detached(address.to_string())
        {
            eprintln!("homer: cannot open a browser: {error}");
        }
        listener.serve(app, leave).await;
        anyhow::Ok(())
    })
}

impl Args {
    /// Who is let in. An address that others reach is opened by nobody who did not mean to.
    fn doors(&self) -> anyhow::Result<Doors> {
        let key = match &self.api_key_file {
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?,
            ),
            None => std::env::var("HOMER_API_KEY")
                .ok()
                .filter(|_| !self.no_auth),
        };
        let key = key.map(|key| key.trim().to_owned());
        if key.as_ref().is_some_and(String::is_empty) {
            bail!("the API key is empty: put one into the file, or into HOMER_API_KEY");
        }
        if key.is_none() && !self.no_auth && !self.listen.is_local() {
            return Err(usage_error(&format!(
                "{} can be reached from elsewhere: give --api-key-file or HOMER_API_KEY, so that only \
                 who knows the key is answered, or --no-auth",
                self.listen
            )));
        }
        Ok(Doors {
            key,
            hosts: self.allow_host.clone(),
            origins: self.allow_origin.clone(),
        })
    }
}

/// A persona under its name, else under that of its character.
fn host(name: Option<String>, global: Global, args: &Arc<PersonaArgs>) -> anyhow::Result<Host> {
    global.check(false)?;
    let project = args.store.project(&global)?;
    let persona = args.load(&global)?;
    let name = name.unwrap_or_else(|| called(&persona.character));
    if persona.built_in {
        eprintln!("{} {}", who(&persona), make_your_own(&global));
    }
    let args = Arc::clone(args);
    let again = project.clone();
    Ok(Host::new(name, project, persona, move || args.find(&again)))
}

/// A character's name as clients like it: `Principal Skinner` is called `principal-skinner`.
fn called(character: &str) -> String {
    let words = character.split(|c: char| !c.is_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    if words.is_empty() {
        "persona".into()
    } else {
        words.join("-")
    }
}

fn named(text: &str) -> Result<(String, PathBuf), String> {
    let plain = |c: char| c.is_alphanumeric() || "._-".contains(c);
    match text.split_once('=') {
        Some((name, folder)) if !name.is_empty() && !folder.is_empty() => {
            if name.chars().all(plain) {
                Ok((name.into(), folder.into()))
            } else {
                Err("a name has letters, digits, `.`, `_` and `-`".into())
            }
        }
        _ => Err("give a name and a folder, like moe=personas/moe".into()),
    }
}

fn origin(text: &str) -> Result<axum::http::HeaderValue, String> {
    let host = text
        .strip_prefix("https://")
        .or(text.strip_prefix("http://"));
    if host.is_none_or(|host| host.is_empty() || host.contains('/')) {
        return Err("an origin is like https://example.org, without a path".into());
    }
    text.parse()
        .map_err(|_| "not what a browser could send".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_called_by_a_name_without_spaces() {
        assert_eq!(called("Principal Skinner"), "principal-skinner");
        assert_eq!(called("  Élodie (voice) "), "élodie-voice");
        assert_eq!(called("?!"), "persona");
    }

    #[test]
    fn names_and_origins_are_checked() {
        assert_eq!(named("moe=a=b").unwrap(), ("moe".into(), "a=b".into()));
        for wrong in ["moe", "=dir", "moe=", "m/oe=dir", "m oe=dir"] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
        assert!(origin("https://example.org:8443").is_ok());
        for wrong in [
            "example.org",
            "https://",
            "https://example.org/",
            "ftp://x",
            "*",
        ] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }
}
