//! What people thought of answers is learned from.

use homer::Query;

use super::*;

/// Somebody asks about a thing, likes an answer that no exchange holds, and none of the others.
pub(super) fn opinion(thing: usize, disliked: &[usize]) -> Opinion {
    let reply = |thing: usize| format!("{} it is", THINGS[thing % THINGS.len()]);
    Opinion {
        query: format!("listen {}", THINGS[thing]),
        context: Vec::new(),
        liked: vec![reply(thing + 7)],
        disliked: disliked.iter().map(|&thing| reply(thing)).collect(),
    }
}

/// To a message that no exchange holds: the first six answers are liked, the next six are not.
fn taste() -> Opinion {
    let replies = |things: std::ops::Range<usize>| {
        let things = THINGS[things].iter();
        things.map(|thing| format!("{thing} it is")).collect()
    };
    Opinion {
        query: "listen it listen".into(),
        context: Vec::new(),
        liked: replies(0..6),
        disliked: replies(6..12),
    }
}

/// In how many of the 36 pairs the liked answer has the higher score.
fn preferred(score: impl Fn(&str) -> f32) -> usize {
    let Opinion {
        liked, disliked, ..
    } = taste();
    let pairs = liked
        .iter()
        .flat_map(|liked| disliked.iter().map(move |disliked| (liked, disliked)));
    pairs
        .filter(|(liked, disliked)| score(liked) > score(disliked))
        .count()
}

#[test]
fn the_bi_encoder_comes_to_prefer_what_was_liked() {
    let mut bench = Bench::new(Family::Bert);
    let settings = bi_settings();
    let mut learn = |run: &str, feedback: Vec<Opinion>| {
        bench.feedback = feedback;
        bench
            .bi(run, Start::Fresh, &settings, &mut never())
            .unwrap();
        let model = BiEncoder::load(bench.path(run).join("model"), &Compute::Fast).unwrap();
        preferred(|reply| {
            let vectors = model.embed_replies(&[&taste().query, reply]).unwrap();
            let (a, b) = vectors.values.split_at(vectors.width);
            a.iter().zip(b).map(|(a, b)| a * b).sum()
        })
    };
    // It is one message among many: said often enough to be heard.
    let (without, with) = (learn("without", vec![]), learn("with", vec![taste(); 12]));
    assert!(with >= 34 && without < 30, "{with} {without}");
}

#[test]
fn the_cross_encoder_comes_to_prefer_what_was_liked_and_goes_on_with_what_it_began_with() {
    let mut bench = Bench::new(Family::Bert);
    bench
        .bi("bi", Start::Fresh, &bi_settings(), &mut never())
        .unwrap();
    // What is kept is the best on validation, which knows nothing of feedback: on what was learned it is the last.
    bench.dataset.valid = bench.dataset.train.clone();
    let mut settings = cross_settings();
    settings.common.steps = Some(120);
    settings.common.evaluate_every = Some(60);
    let mut learn = |run: &str, feedback: Vec<Opinion>| {
        bench.feedback = feedback;
        bench
            .cross(run, Start::Fresh, &settings, &mut never())
            .unwrap();
        let model = CrossEncoder::load(bench.path(run).join("model"), &Compute::Fast).unwrap();
        let text = taste().query;
        preferred(|reply| {
            let query = Query {
                context: &[],
                text: &text,
            };
            model.score(query, &[reply]).unwrap()[0]
        })
    };
    let (without, with) = (learn("without", vec![]), learn("with", vec![taste(); 20]));
    assert!(with >= 32 && without < 30, "{with} {without}");

    settings.common.steps = Some(6);
    let mut watch = Ear::at(3);
    bench.feedback = vec![taste()];
    let stopped = bench.cross("again", Start::Fresh, &settings, &mut watch);
    assert!(matches!(stopped, Err(Error::Interrupted { .. })));
    bench.feedback = Vec::new();
    bench
        .cross("again", Start::Resume, &settings, &mut never())
        .unwrap();
    let kept: Vec<Opinion> = read_jsonl(&bench.path("again/feedback.jsonl")).unwrap();
    assert_eq!(kept, [taste()]);
}
