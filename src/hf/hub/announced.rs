//! What a hub announces of a file, in its headers: nothing of it is believed before it is looked at.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use ureq::http::{HeaderMap, header};

use super::is_commit;

/// What the hub says of a file.
pub(super) struct Announced {
    /// The revision that it belongs to, hexadecimal.
    pub(super) commit: String,
    /// What its contents are known by.
    pub(super) etag: Etag,
    /// Its length in bytes.
    pub(super) size: u64,
}

/// What a file's contents are known by, and called in the cache: never a path.
pub(super) struct Etag(String);

/// The longest name that an etag may be.
const LONGEST: usize = 128;

impl Etag {
    fn new(header: &str) -> Option<Self> {
        let name = header.trim().trim_start_matches("W/").trim_matches('"');
        let letter = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let safe = (1..=LONGEST).contains(&name.len())
            && !name.starts_with('.')
            && name.chars().all(letter);
        safe.then(|| Self(name.to_owned()))
    }

    /// A name for a file.
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// What its digest is taken with: large files are known by their SHA-256, small ones by Git's SHA-1.
    /// `None` where it is neither.
    pub(super) fn digest(&self, size: u64) -> Option<Context> {
        if !self.0.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        match self.0.len() {
            64 => Some(Context::new(&SHA256)),
            40 => {
                let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
                context.update(format!("blob {size}\0").as_bytes());
                Some(context)
            }
            _ => None,
        }
    }

    /// Whether that is the digest's outcome.
    pub(super) fn is(&self, digest: Context) -> bool {
        let bytes = digest.finish();
        let hex: String = bytes.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        hex.eq_ignore_ascii_case(&self.0)
    }
}

/// What was said on the way to a file, as headers came.
#[derive(Default)]
pub(super) struct Said {
    commit: Option<String>,
    etag: Option<String>,
    linked_etag: Option<String>,
    linked_size: Option<String>,
    length: Option<String>,
}

impl Said {
    /// Takes what an answer says; what comes later counts.
    pub(super) fn hear(&mut self, headers: &HeaderMap) {
        let get = |name: &str| {
            let value = headers.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        for (name, into) in [
            ("x-repo-commit", &mut self.commit),
            ("etag", &mut self.etag),
            ("x-linked-etag", &mut self.linked_etag),
            ("x-linked-size", &mut self.linked_size),
        ] {
            *into = get(name).or(into.take());
        }
    }

    /// Takes the length of the file itself.
    pub(super) fn length(&mut self, headers: &HeaderMap) {
        let length = headers.get(header::CONTENT_LENGTH);
        self.length = length.and_then(|value| value.to_str().ok().map(str::to_owned));
    }

    /// All of it, looked at.
    ///
    /// # Errors
    /// Something is missing or makes no sense.
    pub(super) fn announced(self) -> Result<Announced, String> {
        let no_hub = |what: &str| format!("the server says no {what}: is it a hub?");
        let commit = self.commit.ok_or_else(|| no_hub("X-Repo-Commit"))?;
        if !is_commit(&commit) {
            return Err(format!("its X-Repo-Commit is {commit:?}, and no revision"));
        }
        let etag = self.linked_etag.or(self.etag);
        let etag = etag.ok_or_else(|| no_hub("ETag"))?;
        let name = Etag::new(&etag).ok_or_else(|| format!("its ETag is {etag:?}, and no name"))?;
        let size = self.linked_size.or(self.length);
        let size = size.ok_or_else(|| no_hub("length"))?;
        Ok(Announced {
            commit,
            etag: name,
            size: size
                .trim()
                .parse()
                .map_err(|_| format!("its length is {size:?}, and no number"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_a_name_or_nothing() {
        for (header, name) in [
            ("\"45a2321a\"", "45a2321a"),
            ("W/\"a-b.c_D\"", "a-b.c_D"),
            ("bare", "bare"),
        ] {
            assert_eq!(Etag::new(header).unwrap().name(), name);
        }
        let long = "a".repeat(LONGEST + 1);
        for header in [
            "", "\"\"", "..", ".hidden", "/etc/x", "a/b", "a\\b", "a b", "a\u{1b}", &long,
        ] {
            assert!(Etag::new(header).is_none(), "{header:?}");
        }
    }

    #[test]
    fn digests_are_those_of_git_and_of_the_large_files() {
        // `printf hello | git hash-object --stdin`, `printf hello | sha256sum`
        for (etag, kind) in [
            ("b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0", true),
            (
                "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
                true,
            ),
            ("5d41402abc4b2a76b9719d911017c592", false),
        ] {
            let etag = Etag::new(etag).unwrap();
            let digest = etag.digest(5);
            assert_eq!(digest.is_some(), kind);
            if let Some(mut digest) = digest {
                let mut other = digest.clone();
                digest.update(b"hello");
                other.update(b"hellO");
                assert!(etag.is(digest) && !etag.is(other));
            }
        }
    }
}
