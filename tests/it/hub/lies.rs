//! A hub that lies, breaks off or says nothing: the cache is as it was, and the next try ends well.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::server::{COMMIT, Hub, Manner, etag};
use super::{assert_usable, env, model, resolve};

/// Every file and link under a folder but the contents that nothing points to yet.
fn spoken_of(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let private = ["blobs", ".locks"].iter().any(|name| path.ends_with(name));
            if path.is_dir() && !path.is_symlink() && !private {
                folders.push(path);
            } else if !private {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn blob(cache: &Path, model: &Path) -> PathBuf {
    let weights = fs::read(model.join("model.safetensors")).unwrap();
    let blobs = cache.join("models--org--tiny/blobs");
    blobs.join(etag(&weights, true))
}

fn part(cache: &Path, model: &Path) -> PathBuf {
    let mut path = blob(cache, model).into_os_string();
    path.push(".part");
    path.into()
}

#[test]
fn whatever_a_hub_does_the_cache_is_as_it_was_and_the_next_try_ends_well() {
    let quick = Duration::from_millis(300);
    let patient = Duration::from_secs(120);
    let long = "x".repeat(200).leak();
    for (manner, timeout, says) in [
        (Manner::HangsUp, patient, "bytes came instead of"),
        (Manner::Halves, patient, "bytes are sent from byte 0 on"),
        (Manner::SaysMore, patient, "bytes are sent from byte 0 on"),
        (Manner::SendsMore, patient, "more came than the"),
        (Manner::Endless, patient, "more came than the"),
        (Manner::Changed, patient, "the digests differ"),
        (Manner::Stalls, quick, "no answer for too long"),
        (Manner::Drips, quick, "no answer for too long"),
        (Manner::DripsAll, quick, "no answer for too long"),
        (Manner::Broken, patient, "http status: 500; try again later"),
        (Manner::Silent, quick, "no answer for too long"),
        (Manner::Loop, patient, "redirected more than 10 times"),
        (Manner::Nowhere, patient, "there is no Location"),
        (Manner::Page, patient, "a web page came"),
        (Manner::LatePage, patient, "a web page came"),
        (Manner::Etag("/tmp/evil"), patient, "and no name"),
        (Manner::Etag("../../evil"), patient, "and no name"),
        (Manner::Etag(".."), patient, "and no name"),
        (Manner::Etag(""), patient, "and no name"),
        (Manner::Etag(long), patient, "and no name"),
        (Manner::Commit("../../../evil"), patient, "and no revision"),
        (Manner::Commit("main"), patient, "and no revision"),
        (Manner::Moves, patient, "it changed during the download"),
        (Manner::NoLength, patient, "says no length"),
        (Manner::Length("-1"), patient, "and no number"),
        (
            Manner::Length("99999999999999999999"),
            patient,
            "and no number",
        ),
        (
            Manner::Length("9999999999999999"),
            patient,
            "bytes are announced",
        ),
    ] {
        let (model, room) = (model(), tempfile::tempdir().unwrap());
        let cache = room.path().join("cache");
        let hub = Hub::of(model.path());
        let mut env = env(&cache, &hub.endpoint);
        env.timeout = timeout;
        hub.set(manner);
        let error = resolve(&env, "org/tiny").unwrap_err();
        assert!(error.contains(says), "{manner:?}: {error}");
        assert!(error.contains("cannot get the encoder org/tiny"), "{error}");
        assert!(
            error.contains(&hub.endpoint) && error.contains("path/to/folder"),
            "{error}"
        );
        assert_eq!(spoken_of(&cache), Vec::<PathBuf>::new(), "{manner:?}");
        let outside: Vec<_> = fs::read_dir(room.path()).unwrap().collect();
        assert!(outside.len() <= 1, "{manner:?}: {outside:?}");
        let weights = fs::metadata(model.path().join("model.safetensors")).unwrap();
        let kept = fs::metadata(part(&cache, model.path())).map_or(0, |part| part.len());
        assert!(kept < weights.len(), "{manner:?}: {kept}");
        env.offline = true;
        resolve(&env, "org/tiny").unwrap_err();
        // The next try goes on and ends well.
        env.offline = false;
        env.timeout = patient;
        hub.set(Manner::Honest);
        let folder = resolve(&env, "org/tiny").unwrap();
        assert_usable(&folder);
        assert!(!part(&cache, model.path()).exists());
        let stored = fs::read(blob(&cache, model.path())).unwrap();
        assert!(stored == fs::read(model.path().join("model.safetensors")).unwrap());
    }
}

#[test]
fn what_is_there_in_part_is_gone_on_with_or_begun_anew() {
    let weights = fs::read(model().path().join("model.safetensors")).unwrap();
    let half = weights.len() / 2;
    let mut wrong = weights[..half].to_vec();
    wrong[7] ^= 1;
    // What lies there, whether the server begins where it is asked to, and where it was asked to begin.
    let all = weights.as_slice();
    let whole_but_wrong = [&wrong[..], &all[half..]].concat();
    let longer = [all, b"more"].concat();
    for (there, manner, asked) in [
        (&all[..half], Manner::Honest, vec![half]),
        (&all[..half], Manner::NoRanges, vec![half]),
        (&wrong, Manner::Honest, vec![half, 0]),
        (all, Manner::Honest, vec![]),
        (&whole_but_wrong, Manner::Honest, vec![0]),
        (&longer, Manner::Honest, vec![0]),
        (&[], Manner::Honest, vec![0]),
    ] {
        let (model, cache) = (model(), tempfile::tempdir().unwrap());
        let hub = Hub::of(model.path());
        hub.set(manner);
        let part = part(cache.path(), model.path());
        fs::create_dir_all(part.parent().unwrap()).unwrap();
        fs::write(&part, there).unwrap();
        let folder = resolve(&env(cache.path(), &hub.endpoint), "org/tiny").unwrap();
        assert_usable(&folder);
        assert!(fs::read(folder.join("model.safetensors")).unwrap() == weights);
        let sent = hub.requests();
        let sent = sent.iter().filter(|one| !one.home && one.method == "GET");
        let begun: Vec<usize> = sent.map(|one| one.from).collect();
        assert_eq!(begun, asked, "{} bytes, {manner:?}", there.len());
    }
}

#[test]
fn what_comes_a_byte_at_a_time_comes() {
    let (model, cache) = (model(), tempfile::tempdir().unwrap());
    let hub = Hub::of(model.path());
    hub.set(Manner::Bytewise);
    let folder = resolve(&env(cache.path(), &hub.endpoint), "org/tiny").unwrap();
    assert_usable(&folder);
}

#[test]
fn damaged_contents_in_the_cache_are_fetched_anew() {
    let (model, cache) = (model(), tempfile::tempdir().unwrap());
    let hub = Hub::of(model.path());
    let env = env(cache.path(), &hub.endpoint);
    let folder = resolve(&env, "org/tiny").unwrap();
    let weights = fs::read(model.path().join("model.safetensors")).unwrap();
    let mut wrong = weights.clone();
    wrong[weights.len() - 1] ^= 1;
    fs::write(blob(cache.path(), model.path()), wrong).unwrap();
    // As after a download that was broken off.
    fs::remove_file(cache.path().join("models--org--tiny/refs/main")).unwrap();
    assert_eq!(resolve(&env, "org/tiny").unwrap(), folder);
    assert!(fs::read(folder.join("model.safetensors")).unwrap() == weights);
}

#[test]
fn the_token_is_shown_to_the_hub_alone() {
    let (model, room) = (model(), tempfile::tempdir().unwrap());
    let hub = Hub::of(model.path());
    let token = |token: Option<&str>| {
        let _ = fs::remove_dir_all(room.path().join("hub"));
        hub.set(Manner::Honest);
        let mut env = env(&room.path().join("hub"), &hub.endpoint);
        env.token = token.map(str::to_owned);
        resolve(&env, "org/tiny").unwrap();
        let requests = hub.requests();
        assert!(requests.iter().any(|one| !one.home));
        let elsewhere = requests.iter().find(|one| !one.home && one.token.is_some());
        assert!(elsewhere.is_none(), "{elsewhere:?}");
        let home: Vec<_> = requests.into_iter().filter(|one| one.home).collect();
        assert!(home.iter().all(|one| one.token == home[0].token));
        home[0].token.clone()
    };
    assert_eq!(token(None), None);
    assert_eq!(token(Some("hf_x")).unwrap(), "Bearer hf_x");
    // Where `hf auth login` leaves it.
    fs::write(room.path().join("token"), "hf_kept\n").unwrap();
    assert_eq!(token(None).unwrap(), "Bearer hf_kept");
    assert_eq!(token(Some("hf_x")).unwrap(), "Bearer hf_x");
}

#[test]
fn two_at_once_download_once() {
    let (model, cache) = (model(), tempfile::tempdir().unwrap());
    let hub = Hub::of(model.path());
    let env = env(cache.path(), &hub.endpoint);
    std::thread::scope(|scope| {
        let one = || scope.spawn(|| assert_usable(&resolve(&env, "org/tiny").unwrap()));
        let both = [one(), one()];
        for each in both {
            each.join().unwrap();
        }
    });
    let requests = hub.requests();
    let sent = requests
        .iter()
        .filter(|one| !one.home && one.method == "GET");
    assert_eq!(sent.count(), 1);
}

/// What Python's `huggingface_hub` leaves: links into `blobs`, and a name for what is not there.
#[test]
#[cfg(unix)]
fn a_cache_of_pythons_library_is_read_and_added_to() {
    let (model, cache) = (model(), tempfile::tempdir().unwrap());
    let folder = cache.path().join("models--org--tiny");
    let snapshot = folder.join("snapshots").join(COMMIT);
    for name in ["blobs", "refs", ".no_exist"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    fs::create_dir_all(&snapshot).unwrap();
    let place = |name: &str| {
        let bytes = fs::read(model.path().join(name)).unwrap();
        let name_of = etag(&bytes, name.ends_with(".safetensors"));
        fs::write(folder.join("blobs").join(&name_of), bytes).unwrap();
        let target = format!("../../blobs/{name_of}");
        std::os::unix::fs::symlink(target, snapshot.join(name)).unwrap();
    };
    place("config.json");
    place("tokenizer.json");
    fs::write(folder.join("refs/main"), COMMIT).unwrap();
    let hub = Hub::of(model.path());
    let env = env(cache.path(), &hub.endpoint);
    let found = resolve(&env, "org/tiny").unwrap();
    assert_eq!(found, snapshot);
    assert_usable(&found);
    // What was there was not fetched again.
    let requests = hub.requests();
    let sent = requests.iter().filter(|one| one.method == "GET");
    let names: Vec<_> = sent.map(|one| one.path.as_str()).collect();
    assert!(
        !names
            .iter()
            .any(|name| name.ends_with("config.json") && !name.contains('_')),
        "{names:?}"
    );
    // A revision that is no revision is never made a path.
    fs::write(folder.join("refs/main"), "../../../../somewhere").unwrap();
    let offline = super::HubEnv {
        offline: true,
        ..env
    };
    resolve(&offline, "org/tiny").unwrap_err();
}
