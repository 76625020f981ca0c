//! The one sandbox: a folder of its own, homer in it, and no way out of it.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use serde::de::DeserializeOwned;

/// A folder that homer works in, gone when it is dropped.
pub(crate) struct Home {
    _folder: tempfile::TempDir,
    /// The folder as homer names it, without links in its path.
    root: PathBuf,
}

impl Home {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            root: fs::canonicalize(folder.path()).unwrap(),
            _folder: folder,
        }
    }

    /// One with a file in it.
    pub(crate) fn with(name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let home = Self::new();
        home.write(name, bytes);
        home
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes a file, and the folders that it lies in.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, name: &str) -> T {
        serde_json::from_slice(&self.read(name)).unwrap()
    }

    /// homer, at work here, without a hub.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        Command::from_std(self.process(args))
    }

    /// The same for who wants to hold the process in his hands.
    pub(crate) fn process(&self, args: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_homer"));
        command.current_dir(&self.root).args(args);
        command
            .env("HF_HUB_OFFLINE", "1")
            .env("HF_HOME", &self.root)
            .env_remove("HOMER_STORE")
            .env_remove("PGPASSWORD");
        command
    }

    pub(crate) fn homer(&self, args: &[&str]) -> Assert {
        self.command(args).write_stdin("").assert()
    }

    /// Standard output of a command that succeeds.
    pub(crate) fn says(&self, args: &[&str]) -> String {
        stdout(&self.homer(args).success())
    }

    /// Standard output of a command that succeeds, given standard input.
    pub(crate) fn replies(&self, args: &[&str], input: &str) -> String {
        stdout(&self.command(args).write_stdin(input).assert().success())
    }

    /// Standard error of a command that succeeds.
    pub(crate) fn notes(&self, args: &[&str]) -> String {
        stderr(&self.homer(args).success())
    }

    /// Standard error of a command that fails with `code`, and says nothing else.
    pub(crate) fn fails(&self, args: &[&str], code: i32) -> String {
        let outcome = self.homer(args).code(code);
        assert!(outcome.get_output().stdout.is_empty());
        stderr(&outcome)
    }
}

pub(crate) fn stdout(outcome: &Assert) -> String {
    text(&outcome.get_output().stdout)
}

pub(crate) fn stderr(outcome: &Assert) -> String {
    text(&outcome.get_output().stderr)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
