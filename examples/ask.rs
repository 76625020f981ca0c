//! Asks the persona of a folder, the built-in one where there is none, one thing after another:
//! `cargo run --release --example ask -- springfield "Hello!" "Want to go fishing?"`.

use std::io::Write;

use homer::{Choice, Conversation, Project};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| ".".into());
    let persona = Project::new(folder).persona()?;

    let mut conversation = Conversation::default();
    for question in arguments {
        // What was said before is read with the question, and not said again.
        let context = conversation.context();
        let answer = persona.answer(&context, &question, &[], &Choice::default())?;
        let text = answer.text().unwrap_or("…");
        writeln!(std::io::stdout(), "{}: {text}", persona.character)?;
        conversation.add(&question, answer.text());
    }
    Ok(())
}
