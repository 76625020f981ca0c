//! A disk that is really full, and one that is really read-only: a small tmpfs, mounted by root:
//! `cargo test --release --test it -- --ignored --nocapture room`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;

use super::campaign::bytes;
use super::*;
use crate::home::stderr;

const KIB: u64 = 1024;

/// Runs a tool of the system's; whether it could be run and did its work.
fn tool(name: &str, args: &[&str]) -> bool {
    let done = Command::new(name).args(args).output();
    done.is_ok_and(|done| done.status.success())
}

/// A project on a file system of its own, in the folder `disk`.
struct Disk {
    home: Home,
    disk: String,
}

impl Disk {
    /// `None` where nothing can be mounted.
    fn mount() -> Option<Self> {
        let home = prepared();
        let path = home.path("disk");
        fs::create_dir(&path).unwrap();
        let disk = path.to_str().unwrap().to_owned();
        let mounted = tool("mount", &["-t", "tmpfs", "-o", "size=3m", "none", &disk]);
        if !mounted {
            eprintln!("skipped: nothing can be mounted here");
            return None;
        }
        Some(Self { home, disk })
    }

    fn run(&self, args: &[&str]) -> assert_cmd::assert::Assert {
        self.home.homer(&[&["-C", "disk"], args].concat())
    }

    fn bytes(&self, name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        bytes(&Path::new(&self.disk).join(name))
    }

    /// Puts everything there as it is in the folder `kept`.
    fn reset(&self) {
        for entry in fs::read_dir(&self.disk).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }
        let kept = format!("{}/.", self.home.path("kept").display());
        assert!(tool("cp", &["-a", &kept, &self.disk]));
    }

    /// Fills it, but for `left` bytes.
    fn fill(&self, left: u64) {
        let mut ballast = File::create(self.ballast()).unwrap();
        while ballast.write_all(&[0; KIB as usize]).is_ok() {}
        let full = ballast.metadata().unwrap().len();
        ballast.set_len(full - left).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        Path::new(&self.disk).join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        tool("umount", &[&self.disk]);
    }
}

/// A command that changes what is there, the one that goes on with it, and what it makes.
struct Work {
    args: Vec<String>,
    resume: Option<&'static [&'static str]>,
    made: &'static [&'static str],
}

impl Work {
    fn new(args: &[&str], made: &'static [&'static str]) -> Self {
        Self {
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            resume: None,
            made,
        }
    }

    fn args(&self) -> Vec<&str> {
        self.args.iter().map(String::as_str).collect()
    }
}

fn train<'a>(encoder: &'a str, seed: &'a str) -> Vec<&'a str> {
    let mut args = vec!["train-bi", "--encoder", encoder, "--steps", "4"];
    args.extend(["--batch-size", "8", "--evaluate-every", "2", "--seed", seed]);
    args
}

/// A finished persona on the disk, kept beside it too, and what is done anew to it.
fn works(disk: &Disk) -> [Work; 4] {
    let at = |name: &str| disk.home.path(name).to_str().unwrap().to_owned();
    let [one, two, encoder] = ["one.csv", "two.csv", "encoder"].map(at);
    let prepare = ["prepare", "--character", "Bob"];
    disk.run(&[&prepare[..], &[&one]].concat()).success();
    disk.run(&train(&encoder, "1")).success();
    disk.run(&["build-index"]).success();
    disk.run(&["eval", "--queries", "4"]).success();
    assert!(tool("cp", &["-a", &disk.disk, &at("kept")]));
    let again = [&train(&encoder, "2")[..], &["--force"]].concat();
    [
        Work::new(&[&prepare[..], &[&two]].concat(), &["data"]),
        Work::new(&["build-index", "--query-weight", "1"], &["runs/index"]),
        Work {
            resume: Some(&["train-bi", "--resume"]),
            ..Work::new(&again, &["runs/bi-encoder"])
        },
        Work::new(
            &["eval", "--queries", "5"],
            &["runs/index", "runs/bi-encoder", "data"],
        ),
    ]
}

#[test]
#[ignore = "mounts a file system, as root"]
fn without_room_what_was_there_stays_whole() {
    let Some(disk) = Disk::mount() else { return };
    for work in works(&disk) {
        let all = |disk: &Disk| {
            work.made
                .iter()
                .map(|name| disk.bytes(name))
                .collect::<Vec<_>>()
        };
        let old = all(&disk);
        let (mut failed, mut fitted) = (0, 0);
        for left in [
            0, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768,
        ] {
            disk.reset();
            disk.fill(left * KIB);
            let outcome = disk.run(&work.args());
            let what = format!("{:?} with {left} KiB", work.args);
            let said = stderr(&outcome);
            match outcome.get_output().status.code() {
                Some(0) => fitted += 1,
                Some(1) => {
                    failed += 1;
                    assert!(said.contains("No space left on device"), "{what}: {said}");
                    assert!(said.contains("disk/"), "{what} names no path: {said}");
                    assert!(all(&disk) == old, "{what}: changed");
                    assert!(
                        serde_json::from_slice::<serde_json::Value>(
                            &disk.home.read("disk/runs/eval.json")
                        )
                        .is_ok()
                    );
                }
                code => panic!("{what} ended with {code:?}: {said}"),
            }
            assert_eq!(litter(Path::new(&disk.disk)), [] as [PathBuf; 0], "{what}");
            // With room again it can be done.
            fs::remove_file(disk.ballast()).unwrap();
            let resumed = work
                .resume
                .is_some_and(|resume| disk.run(resume).get_output().status.success());
            if !resumed {
                disk.run(&work.args()).success();
            }
        }
        eprintln!(
            "{}: {failed} had no room, {fitted} had enough",
            work.args[0]
        );
        assert!(failed > 0 && fitted > 0);
        disk.reset();
    }
}

#[test]
#[ignore = "mounts a file system, as root"]
fn without_the_right_to_write_there_is_room_to_ask() {
    let Some(disk) = Disk::mount() else { return };
    let works = works(&disk);
    let old = disk.bytes("");
    assert!(tool("mount", &["-o", "remount,ro", &disk.disk]));
    for work in works {
        let said = stderr(&disk.run(&work.args()).code(1));
        let what = &work.args;
        assert!(said.contains("Read-only file system"), "{what:?}: {said}");
        assert!(said.contains("disk/"), "{what:?} names no path: {said}");
    }
    disk.run(&["ask", "--no-rerank", "Is boat 3 yours?"])
        .success();
    disk.run(&["status"]).success();
    assert!(disk.bytes("") == old);
}
