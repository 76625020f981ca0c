use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::fault::{self, Fault};
use super::*;

/// No space left on the device; an input or output error.
const FULL: i32 = 28;
const BROKEN: i32 = 5;

fn write(text: &'static str) -> impl Fn(&Path) -> Result<()> {
    move |new: &Path| {
        write_atomic(&new.join("in/a"), |out| {
            out.write_all(text.as_bytes()).at("write", new)
        })
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_failed_filling_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("made");
    let read = || fs::read_to_string(folder.join("in/a")).unwrap();
    replace_folder(&folder, Rights::OPEN, write("one")).unwrap();
    let failed = replace_folder(&folder, Rights::OPEN, |new| {
        write("two")(new)?;
        Err(Error::Misuse("no".into()))
    });
    assert!(failed.is_err());
    assert_eq!(read(), "one");
    replace_folder(&folder, Rights::OPEN, write("three")).unwrap();
    assert_eq!(read(), "three");
    assert_eq!(names(home.path()), ["made"]);
}

#[test]
fn whenever_the_disk_fails_the_old_or_the_new_is_there() {
    let home = tempfile::tempdir().unwrap();
    let (folder, file) = (home.path().join("made"), home.path().join("file"));
    let both = |text: &'static str| {
        replace_folder(&folder, Rights::OPEN, write(text))?;
        write_atomic(&file, |out| {
            out.write_all(text.as_bytes()).at("write", &file)
        })
    };
    let (outcome, changes) = fault::changes(|| both("old"));
    outcome.unwrap();
    assert!(changes > 15, "{changes}");
    for fault in [Fault::Crash, Fault::From(FULL), Fault::Once(BROKEN)] {
        for at in 1..=changes {
            both("old").unwrap();
            let (outcome, _) = fault::with(at, fault, || both("new"));
            let found = [folder.join("in/a"), file.clone()].map(fs::read_to_string);
            let found = found.map(|text| text.unwrap());
            for text in &found {
                assert!(
                    text == "old" || text == "new",
                    "{fault:?} at {at}: {text:?}"
                );
            }
            match outcome {
                Ok(()) => assert_eq!(found, ["new", "new"], "{fault:?} at {at}"),
                Err(error) => {
                    let said = error.to_string();
                    assert!(said.contains(home.path().to_str().unwrap()), "{said}");
                }
            }
            // The next one finds what the dead left, and no more.
            sweep(home.path());
            assert_eq!(names(home.path()), ["file", "made"], "{fault:?} at {at}");
        }
    }
}

#[test]
fn what_had_to_make_way_when_the_power_went_gets_its_place_again() {
    let home = tempfile::tempdir().unwrap();
    let dead = home.path().join(".homer-1-1.tmp");
    for (folder, text) in [("made", "new"), (".old/made", "old")] {
        fs::create_dir_all(dead.join(folder)).unwrap();
        fs::write(dead.join(folder).join("a"), text).unwrap();
    }
    sweep(home.path());
    assert_eq!(names(home.path()), ["made"]);
    assert_eq!(
        fs::read_to_string(home.path().join("made/a")).unwrap(),
        "old"
    );
}

#[test]
fn only_what_the_dead_left_is_swept() {
    let home = tempfile::tempdir().unwrap();
    for name in [
        ".homer-notes",
        "homer-1.tmp",
        ".homer-1-1.tmp",
        ".homer-2-2.tmp",
    ] {
        fs::write(home.path().join(name), "x").unwrap();
    }
    let living = File::open(home.path().join(".homer-2-2.tmp")).unwrap();
    living.lock().unwrap();
    let under_way = NewFolder::begin(&home.path().join("made"), Rights::OPEN).unwrap();
    sweep(home.path());
    assert!(under_way.path().is_dir());
    drop(under_way);
    assert_eq!(
        names(home.path()),
        [".homer-2-2.tmp", ".homer-notes", "homer-1.tmp"]
    );
    drop(living);
    sweep(home.path());
    assert_eq!(names(home.path()), [".homer-notes", "homer-1.tmp"]);
}

#[test]
fn two_folders_change_places() {
    let home = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| home.path().join(name));
    for folder in [&one, &other] {
        fs::create_dir(folder).unwrap();
        fs::write(
            folder.join("name"),
            folder.file_name().unwrap().as_encoded_bytes(),
        )
        .unwrap();
    }
    exchange_folders(&one, &other).unwrap();
    assert_eq!(fs::read_to_string(one.join("name")).unwrap(), "other");
    assert_eq!(fs::read_to_string(other.join("name")).unwrap(), "one");
    assert_eq!(names(home.path()), ["one", "other"]);
}

#[test]
fn what_is_neither_ours_nor_known_is_named() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("runs");
    let refused = |folder: &Path| match check_own(folder, &["a", "b"]) {
        Err(Error::Exists { path, .. }) => Some(path),
        outcome => outcome.map(|()| None).unwrap(),
    };
    assert_eq!(refused(&folder), None);
    fs::create_dir(&folder).unwrap();
    for name in ["a", ".homer-1-1.tmp"] {
        fs::write(folder.join(name), "").unwrap();
    }
    assert_eq!(refused(&folder), None);
    fs::write(folder.join("notes"), "").unwrap();
    assert_eq!(refused(&folder), Some(folder.join("notes")));
    let file = folder.join("notes");
    assert_eq!(refused(&file), Some(file.clone()));
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn with_mode(path: PathBuf, mode: u32) -> PathBuf {
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn who_could_not_read_it_cannot_read_what_is_made_of_it() {
        let home = tempfile::tempdir().unwrap();
        let [open, group, closed] = [("open", 0o644), ("group", 0o640), ("closed", 0o600)]
            .map(|(name, mode)| with_mode(home.path().join(name), mode));
        let modes = |rights: Rights| (rights.file(), rights.folder());
        assert_eq!(modes(Rights::of([&open])), (0o644, 0o755));
        assert_eq!(modes(Rights::of([&open, &group])), (0o640, 0o750));
        assert_eq!(modes(Rights::of([&open, &closed])), (0o600, 0o700));
        assert_eq!(Rights::of(["-"]), Rights::PRIVATE);
        assert_eq!(Rights::of::<&Path>([]), Rights::OPEN);

        let folder = home.path().join("made");
        replace_folder(&folder, Rights::PRIVATE, write("one")).unwrap();
        assert_eq!((mode(&folder), mode(&folder.join("in"))), (0o700, 0o700));
        assert_eq!(mode(&folder.join("in/a")), 0o600);
        // What somebody closed stays closed.
        replace_folder(&folder, Rights::OPEN, write("two")).unwrap();
        assert_eq!((mode(&folder), mode(&folder.join("in/a"))), (0o700, 0o600));
        write_json(&closed, &1).unwrap();
        assert_eq!(mode(&closed), 0o600);
        write_json(&open, &1).unwrap();
        assert_eq!(mode(&open) & !0o644, 0);
    }

    #[test]
    fn a_link_stays_a_link_and_what_it_leads_to_is_written() {
        let home = tempfile::tempdir().unwrap();
        let [elsewhere, folder, file] =
            ["elsewhere", "made", "file"].map(|name| home.path().join(name));
        fs::create_dir_all(elsewhere.join("real")).unwrap();
        fs::write(elsewhere.join("note"), "old").unwrap();
        symlink("elsewhere/real", &folder).unwrap();
        symlink("elsewhere/note", &file).unwrap();
        replace_folder(&folder, Rights::OPEN, write("one")).unwrap();
        write_json(&file, &1).unwrap();
        assert!(fs::symlink_metadata(&folder).unwrap().is_symlink());
        assert!(fs::symlink_metadata(&file).unwrap().is_symlink());
        assert_eq!(
            fs::read_to_string(elsewhere.join("real/in/a")).unwrap(),
            "one"
        );
        assert_eq!(fs::read_to_string(elsewhere.join("note")).unwrap(), "1\n");
        assert_eq!(names(&elsewhere), ["note", "real"]);

        fs::remove_dir_all(&elsewhere).unwrap();
        for path in [&folder, &file, &folder.join("in/a")] {
            let error = is_there(path).unwrap_err().to_string();
            assert!(error.contains("link"), "{error}");
        }
        assert!(write_json(&file, &1).is_err());
        assert!(replace_folder(&folder, Rights::OPEN, write("two")).is_err());
        assert_eq!(names(home.path()), ["file", "made"]);
    }

    #[test]
    fn what_is_no_file_is_not_replaced_by_one() {
        write_json(Path::new("/dev/null"), &1).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn a_file_where_a_folder_should_be_is_said_and_not_taken_for_nothing() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("runs");
        assert!(!is_there(&file).unwrap() && !is_there(&file.join("index")).unwrap());
        fs::write(&file, "").unwrap();
        assert!(is_there(&file).unwrap());
        assert!(is_there(&file.join("index")).is_err());
        assert!(make_folder(&file.join("index")).is_err());
    }
}
