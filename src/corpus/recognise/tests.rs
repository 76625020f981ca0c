//! Headers and rows of many kinds, and what their columns are taken for.

use super::*;
use crate::corpus::document::Document;

fn recognise(header: &str, named: &Named) -> Result<Columns> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.csv");
    std::fs::write(&path, header).unwrap();
    let source = Source::of(Document::read(&path, None).unwrap()).unwrap();
    Ok(super::recognise(&source, named)?.columns)
}

fn script(speaker: &str, text: &str, scenes: &[&str]) -> Columns {
    Columns::Script {
        speaker: speaker.into(),
        text: text.into(),
        scenes: scenes.iter().map(|&name| name.into()).collect(),
    }
}

#[test]
fn well_known_files_are_recognised() {
    let none = Named::default();
    for (header, speaker, text, scenes) in [
        (
            ",raw_character_text,spoken_words",
            "raw_character_text",
            "spoken_words",
            &[][..],
        ),
        (
            "raw_character_text,dialogue",
            "raw_character_text",
            "dialogue",
            &[],
        ),
        ("Character,Line", "Character", "Line", &[]),
        ("NAME;Line Text", "NAME", "Line Text", &[]),
        (
            "id,season,episode,scene,line_text,speaker,deleted",
            "speaker",
            "line_text",
            &["season", "episode", "scene"],
        ),
        ("name,text,question,answer", "name", "text", &[]),
    ] {
        assert_eq!(
            recognise(header, &none).unwrap(),
            script(speaker, text, scenes),
            "{header}"
        );
    }
    let pairs =
        |query: &str, reply: &str, context: Option<&str>, label: Option<&str>| Columns::Pairs {
            query: query.into(),
            more: None,
            reply: reply.into(),
            context: context.map(Into::into),
            label: label.map(Into::into),
        };
    assert_eq!(
        recognise(",A,Q,Context,len_Context,label", &none).unwrap(),
        pairs("Q", "A", Some("Context"), Some("label"))
    );
    assert_eq!(
        recognise("Question\tResponse", &none).unwrap(),
        pairs("Question", "Response", None, None)
    );
}

#[test]
fn contents_come_before_names() {
    let none = Named::default();
    let said = ["Tea, or soup?", "Soup.", "Now then.", "Fine by me."];
    let table = |header: &str, row: &dyn Fn(usize, &str) -> String| {
        let rows = said.iter().enumerate().map(|(n, text)| row(n, text));
        format!("{header}\n{}", rows.collect::<Vec<_>>().join("\n"))
    };
    let who = |n: usize| ["Ada", "Bo"][n % 2];
    for (table, speaker, text, scenes) in [
        (
            table("text,speaker,scene,utterance", &|n, text| {
                format!("\"{text}\",{},1,{n}", who(n))
            }),
            "speaker",
            "text",
            &["scene"][..],
        ),
        (
            table("line,character,text", &|n, text| {
                format!("{n},{},\"{text}\"", who(n))
            }),
            "character",
            "text",
            &[],
        ),
        (
            table("a1,b2,c3", &|n, text| format!("{n},{},\"{text}\"", who(n))),
            "b2",
            "c3",
            &[],
        ),
        (
            table(
                "Play,PlayerLinenumber,ActSceneLine,Player,PlayerLine",
                &|n, text| format!("Tea,{n},1.1.{n},{},\"{text}\"", who(n)),
            ),
            "Player",
            "PlayerLine",
            &["Play"],
        ),
        (
            table("EpisodeNo,Season,Character,Dialogue", &|n, text| {
                format!("{},1,{},\"{text}\"", n / 2, who(n))
            }),
            "Character",
            "Dialogue",
            &["EpisodeNo", "Season"],
        ),
        (
            table(
                "conv_id,season no.,movie,dialogue_id,char,dialouge",
                &|n, text| format!("1,1,m,1,{},\"{text}\"", who(n)),
            ),
            "char",
            "dialouge",
            &["conv_id", "season no.", "movie", "dialogue_id"],
        ),
    ] {
        assert_eq!(
            recognise(&table, &none).unwrap(),
            script(speaker, text, scenes),
            "{table}"
        );
    }
    let pairs = table("instruction,input,output", &|n, text| {
        format!("Say it,\"{n} times\",\"{text}\"")
    });
    let Columns::Pairs {
        query, more, reply, ..
    } = recognise(&pairs, &none).unwrap()
    else {
        panic!()
    };
    assert_eq!(
        (query.as_str(), more.as_deref(), reply.as_str()),
        ("instruction", Some("input"), "output")
    );
    let pairs = table("frage,antwort", &|n, text| {
        format!("Was ist {n}?,\"{text}\"")
    });
    let Columns::Pairs { query, reply, .. } = recognise(&pairs, &none).unwrap() else {
        panic!()
    };
    assert_eq!((query.as_str(), reply.as_str()), ("frage", "antwort"));
    let intents = table("question,answer,label", &|n, text| {
        format!("What is {n}?,\"{text}\",greeting")
    });
    let Columns::Pairs { label, .. } = recognise(&intents, &none).unwrap() else {
        panic!()
    };
    assert_eq!(label, None);
}

#[test]
fn the_users_names_come_first() {
    let named = Named {
        speaker: Some("wer".into()),
        scenes: vec!["AKT".into()],
        ..Named::default()
    };
    assert_eq!(
        recognise("wer,speaker,text,akt,scene", &named).unwrap(),
        script("wer", "text", &["akt"])
    );
}

#[test]
fn what_is_missing_is_named() {
    let refused = |header: &str, named: &Named| {
        let error = recognise(header, named).unwrap_err();
        (error.to_string(), error.remedy())
    };
    let none = Named::default();
    let (text, remedy) = refused("foo,,bar", &none);
    assert!(text.contains("foo, (unnamed), bar"), "{text}");
    let script = Remedy::choose([Setting::SpeakerColumn, Setting::TextColumn]);
    let pairs = Remedy::choose([Setting::QueryColumn, Setting::ReplyColumn]);
    assert_eq!(remedy, script.or(pairs));
    let named = Named {
        text: Some("nope".into()),
        ..Named::default()
    };
    let (text, remedy) = refused("speaker,line", &named);
    assert!(text.contains("no column \"nope\""), "{text}");
    assert!(remedy.to_string().contains("speaker, line"), "{remedy}");
    let named = Named {
        text: Some("said".into()),
        ..Named::default()
    };
    let (_, remedy) = refused("x,said", &named);
    assert_eq!(remedy, Remedy::choose([Setting::SpeakerColumn]));
    let named = Named {
        reply: Some("x".into()),
        ..Named::default()
    };
    let (_, remedy) = refused("x,said", &named);
    assert_eq!(remedy, Remedy::choose([Setting::QueryColumn]));
}
