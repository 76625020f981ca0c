//! A hub on this machine, honest or not.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use crate::hostile::makers::files;

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the hub does, with the weights unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    /// Sends what is asked for.
    Honest,
    /// Announces everything, sends half, hangs up.
    HangsUp,
    /// Sends half and says that this is all.
    Halves,
    /// Sends more than the file, and says so.
    SaysMore,
    /// Sends more than the file, without saying how much.
    SendsMore,
    /// Sends for ever.
    Endless,
    /// Sends as many bytes as announced, one of them another.
    Changed,
    /// Sends half and then nothing, and does not hang up.
    Stalls,
    /// Sends everything, a byte at a time.
    Bytewise,
    /// Sends a byte at a time, and lets time pass after each.
    Drips,
    /// The same, from the first byte of the answer to anything on.
    DripsAll,
    /// Says 500 to everything.
    Broken,
    /// Takes every request and answers none.
    Silent,
    /// Redirects to itself.
    Loop,
    /// Redirects to nowhere, whatever is asked.
    Nowhere,
    /// Sends a web page, whatever is asked.
    Page,
    /// Sends a web page in the place of the contents, as long as they.
    LatePage,
    /// Knows every file by this.
    Etag(&'static str),
    /// Is of this revision.
    Commit(&'static str),
    /// Is of another revision after the first file.
    Moves,
    /// Says no length.
    NoLength,
    /// Says this length.
    Length(&'static str),
    /// Refuses to begin anywhere but at the beginning.
    NoRanges,
}

/// A request as it was made.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Whether it came to the hub, and not to where its large files lie.
    pub(crate) home: bool,
    /// The first byte that was asked for.
    pub(crate) from: usize,
    pub(crate) token: Option<String>,
}

/// A hub that holds one model, `org/tiny`; its large files lie at another address.
pub(crate) struct Hub {
    pub(crate) endpoint: String,
    shared: Arc<Shared>,
    addresses: Vec<String>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    files: BTreeMap<String, Vec<u8>>,
    store: String,
    manner: Mutex<Manner>,
    requests: Mutex<Vec<Request>>,
    /// Connections on which nothing is said any more.
    held: Mutex<Vec<TcpStream>>,
    stop: AtomicBool,
}

impl Hub {
    pub(crate) fn of(folder: &Path) -> Self {
        let files = files(folder)
            .into_iter()
            .map(|path| {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                (name.to_owned(), fs::read(&path).unwrap())
            })
            .collect();
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = listeners
            .each_ref()
            .map(|listener| listener.local_addr().unwrap().to_string());
        let shared = Arc::new(Shared {
            files,
            store: format!("http://{}", addresses[1]),
            manner: Mutex::new(Manner::Honest),
            requests: Mutex::default(),
            held: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let mut home = true;
        let threads = listeners.map(|listener| {
            let shared = shared.clone();
            let here = std::mem::replace(&mut home, false);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    if shared.stop.load(Ordering::SeqCst) {
                        break;
                    }
                    // A client that went away is its own business.
                    let _ = shared.answer(stream.unwrap(), here);
                }
            })
        });
        Self {
            endpoint: format!("http://{}", addresses[0]),
            shared,
            addresses: addresses.into(),
            threads: threads.into(),
        }
    }

    pub(crate) fn set(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
        self.shared.requests.lock().unwrap().clear();
        self.shared.held.lock().unwrap().clear();
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.held.lock().unwrap().clear();
        for address in &self.addresses {
            let _ = TcpStream::connect(address);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn hex(context: Context) -> String {
    let digest = context.finish();
    digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// What the hub knows a file by: Git's digest of a small one, SHA-256 of a large one.
pub(crate) fn etag(bytes: &[u8], large: bool) -> String {
    if large {
        let mut context = Context::new(&SHA256);
        context.update(bytes);
        return hex(context);
    }
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(format!("blob {}\0", bytes.len()).as_bytes());
    context.update(bytes);
    hex(context)
}

impl Shared {
    fn answer(&self, mut stream: TcpStream, home: bool) -> std::io::Result<()> {
        let request = read(&stream, home)?;
        let (method, path) = (request.method.clone(), request.path.clone());
        let (from, first) = (request.from, self.requests.lock().unwrap().is_empty());
        self.requests.lock().unwrap().push(request);
        let manner = *self.manner.lock().unwrap();
        let status = |stream: &mut TcpStream, status: &str, headers: &str| {
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: 0\r\n{headers}Connection: close\r\n\r\n"
            )
        };
        let prefix = if home { "/org/tiny/resolve/main/" } else { "/" };
        let file = path.strip_prefix(prefix);
        let Some((name, body)) = file.and_then(|name| self.files.get_key_value(name)) else {
            return status(&mut stream, "404 Not Found", "");
        };
        match manner {
            Manner::Broken => return status(&mut stream, "500 Broken", ""),
            Manner::Silent => {
                self.held.lock().unwrap().push(stream);
                return Ok(());
            }
            Manner::DripsAll => {
                let answer = format!("HTTP/1.1 200 OK\r\nX-More: {}", "x".repeat(100_000));
                return self.drip(&mut stream, answer.as_bytes());
            }
            Manner::Nowhere => return status(&mut stream, "302 Found", ""),
            Manner::Page => {
                let page =
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi";
                return stream.write_all(page.as_bytes());
            }
            _ => {}
        }
        let large = name.ends_with(".safetensors");
        if manner == Manner::Loop && large {
            return status(
                &mut stream,
                "302 Found",
                &format!("Location: {prefix}{name}\r\n"),
            );
        }
        let mut said = etag(body, large);
        if let Manner::Etag(other) = manner {
            said = other.into();
        }
        let commit = match manner {
            Manner::Commit(commit) => commit,
            Manner::Moves if !first => "fedcba9876543210fedcba9876543210fedcba98",
            _ => COMMIT,
        };
        if home && large {
            let length = match manner {
                Manner::NoLength => String::new(),
                Manner::Length(length) => format!("X-Linked-Size: {length}\r\n"),
                _ => format!("X-Linked-Size: {}\r\n", body.len()),
            };
            let headers = format!(
                "Location: {}/{name}\r\nX-Linked-Etag: \"{said}\"\r\n{length}X-Repo-Commit: {commit}\r\n",
                self.store
            );
            return status(&mut stream, "302 Found", &headers);
        }
        let mut body = body.clone();
        let whole = body.len();
        if large {
            match manner {
                Manner::Changed => body[whole / 3] ^= 1,
                Manner::SaysMore | Manner::SendsMore => body.extend(b"and more"),
                Manner::Halves => body.truncate(whole / 2),
                Manner::LatePage => body.fill(b'<'),
                _ => {}
            }
        }
        let (code, part) = match from {
            from if from > 0 && manner != Manner::NoRanges && from <= body.len() => {
                ("206 Partial Content", &body[from..])
            }
            _ => ("200 OK", &body[..]),
        };
        let mut headers = format!("ETag: \"{said}\"\r\nX-Repo-Commit: {commit}\r\n");
        if code.starts_with("206") {
            headers += &format!("Content-Range: bytes {from}-{}/{whole}\r\n", whole - 1);
        }
        if manner == Manner::LatePage && large {
            headers += "Content-Type: text/html; charset=utf-8\r\n";
        }
        if !(large && matches!(manner, Manner::SendsMore | Manner::Endless)) {
            headers += &format!("Content-Length: {}\r\n", part.len());
        }
        write!(
            stream,
            "HTTP/1.1 {code}\r\n{headers}Connection: close\r\n\r\n"
        )?;
        if method == "HEAD" {
            return Ok(());
        }
        match manner {
            Manner::HangsUp if large => stream.write_all(&part[..part.len() / 2]),
            Manner::Stalls if large => {
                stream.write_all(&part[..part.len() / 2])?;
                self.held.lock().unwrap().push(stream);
                Ok(())
            }
            Manner::Bytewise if large => {
                part.iter().try_for_each(|&byte| stream.write_all(&[byte]))
            }
            Manner::Drips if large => self.drip(&mut stream, part),
            Manner::Endless if large => loop {
                stream.write_all(part)?;
            },
            _ => stream.write_all(part),
        }
    }
}

impl Shared {
    /// Sends a byte at a time, until nobody listens any more.
    fn drip(&self, stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
        for &byte in bytes {
            if self.stop.load(Ordering::SeqCst) {
                break;
            }
            stream.write_all(&[byte])?;
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

fn read(stream: &TcpStream, home: bool) -> std::io::Result<Request> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let line = lines.next().unwrap_or(Ok(String::new()))?;
    let mut parts = line.split(' ').map(str::to_owned);
    let mut request = Request {
        method: parts.next().unwrap_or_default(),
        path: parts.next().unwrap_or_default(),
        home,
        from: 0,
        token: None,
    };
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let range = value.strip_prefix("bytes=").unwrap_or_default();
                request.from = range.trim_end_matches('-').parse().unwrap_or(0);
            }
            "authorization" => request.token = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok(request)
}
