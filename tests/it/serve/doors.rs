//! What is not let in, and what is not told.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::harness::Server;
use crate::persona::persona;

const PASSES: [(&str, &str); 1] = [("Content-Type", "application/json")];

/// What the server answers to these very bytes.
fn raw(server: &Server, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let mut answer = Vec::new();
    // It may close while there is something left to write or to read.
    let _ = stream.write_all(request);
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("nothing")
}

#[test]
fn only_known_names_and_origins_are_answered() {
    let home = persona();
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--allow-host",
        "rufus.example",
        "--allow-origin",
        "https://friend.example",
    ];
    let server = Server::start(&home, &args, &[]);
    let port = server.address().rsplit(':').next().unwrap().to_owned();
    let asks = |host: &str, more: &str| {
        let request =
            format!("GET /v1/models HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n");
        raw(&server, request.as_bytes())
    };
    for host in ["localhost", "127.0.0.1", "[::1]", "rufus.example:80"] {
        assert_eq!(status(&asks(host, "")), "200", "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", ""] {
        assert_eq!(status(&asks(host, "")), "403", "{host}");
    }
    let local = format!("127.0.0.1:{port}");
    let own = format!("Origin: http://{local}\r\n");
    assert_eq!(status(&asks(&local, &own)), "200");
    let foreign = asks(&local, "Origin: https://evil.example\r\n");
    assert_eq!(status(&foreign), "403");
    assert!(
        !foreign.to_lowercase().contains("access-control"),
        "{foreign}"
    );
    let friend = asks(&local, "Origin: https://friend.example\r\n");
    assert_eq!(status(&friend), "200");
    assert!(
        friend.contains("access-control-allow-origin: https://friend.example"),
        "{friend}"
    );
}

#[test]
fn who_does_not_know_the_key_gets_the_page_and_nothing_else() {
    let home = persona();
    let key = home.path("key");
    std::fs::write(&key, "open sesame\n").unwrap();
    let args = [
        "--listen",
        "0.0.0.0:0",
        "--api-key-file",
        key.to_str().unwrap(),
    ];
    let mut server = Server::start(&home, &args, &[]);
    server.base = server.base.replace("0.0.0.0", "127.0.0.1");
    let client = server.client();
    for path in [
        "/",
        "/page.js",
        "/page.css",
        "/icon.svg",
        "/health",
        "/openapi.json",
    ] {
        assert_eq!(client.get(path).status, 200, "{path}");
    }
    for path in ["/v1/models", "/v1/models/rufus", "/metrics"] {
        assert_eq!(client.get(path).code(), "invalid_api_key");
        let right = client.get_with(path, &[("Authorization", "Bearer open sesame")]);
        assert_eq!(right.status, 200);
    }
    for path in [
        "/v1/chat/completions",
        "/v1/embeddings",
        "/v1/rerank",
        "/v1/feedback",
    ] {
        let refused = client.post(path, &json!({}));
        assert_eq!(refused.status, 401);
        assert_eq!(refused.header("www-authenticate"), "Bearer");
        let wrong = client.post_with(path, b"{}", &[PASSES[0], ("Authorization", "Bearer open")]);
        assert_eq!(wrong.status, 401);
    }
    assert!(!home.path("runs/feedback.jsonl").exists());
}

#[test]
fn no_address_is_opened_to_others_by_accident() {
    let home = persona();
    let serve = |args: &[&str], key: &str| {
        let mut command = home.process(&["serve"]);
        command.args(args);
        let output = command.env("HOMER_API_KEY", key).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, said) = serve(&["--listen", "0.0.0.0:0"], "");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("empty"), "{said}");
    let mut command = home.process(&["serve", "--listen", "[::]:0"]);
    let output = command.env_remove("HOMER_API_KEY").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("--api-key-file") && said.contains("--no-auth"),
        "{said}"
    );
    for (args, what) in [
        (["--listen", "nowhere"], "127.0.0.1:8080"),
        (["--allow-origin", "https://x/y"], "origin"),
        (["moe", "ned"], "moe=personas/moe"),
    ] {
        let (code, said) = serve(&args, "key");
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(what), "{said}");
    }
    let here = format!("a={}", home.root().display());
    let (code, said) = serve(&[&here, &here], "key");
    assert_eq!(code, Some(1));
    assert!(said.contains("called a"), "{said}");
}

#[test]
fn bodies_that_are_no_json_or_too_large_are_refused_and_the_next_is_answered() {
    let home = persona();
    let server = Server::of(&home);
    let client = server.client();
    let path = "/v1/chat/completions";
    for body in [
        &b""[..],
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"{\"messages\": [{\"role\": \"user\", \"content\": \"\xc3\x28\"}]}",
        b"{\"messages\": [{\"role\": \"user\", \"content\": \"\\ud800\"}]}",
        b"{} {}",
    ] {
        let refused = client.post_with(path, body, &PASSES);
        assert_eq!(
            (refused.status, refused.code()),
            (400, "invalid_value".into()),
            "{body:?}"
        );
    }
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    assert_eq!(client.post_with(path, &deep, &PASSES).status, 400);
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
    ] {
        let refused = client.post_with(path, b"{}", &[("Content-Type", kind)]);
        assert_eq!(refused.status, 415, "{kind}");
    }
    // More than it takes: with the size told before, and in pieces without end.
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
    let told = format!("{head}Content-Length: 100000000\r\n\r\n");
    assert_eq!(status(&raw(&server, told.as_bytes())), "413");
    let mut pieces = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..64 {
        pieces.extend_from_slice(b"10000\r\n");
        pieces.extend_from_slice(&[b' '; 0x10000]);
        pieces.extend_from_slice(b"\r\n");
    }
    // Whoever goes on writing may miss the answer.
    let answer = raw(&server, &pieces);
    assert!(["413", "nothing"].contains(&status(&answer)), "{answer}");
    let long_head = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    assert_ne!(status(&raw(&server, long_head.as_bytes())), "200");
    assert_eq!(
        status(&raw(&server, b"\x16\x03\x01 this is no HTTP\r\n\r\n")),
        "400"
    );
    assert_eq!(client.get("/health").status, 200);
}

#[test]
fn no_path_reaches_a_file_and_no_method_another_meaning() {
    let home = persona();
    let server = Server::of(&home);
    for path in [
        "/../../../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/runs/index/manifest.json",
        "/page.css/",
        "/v1/models/..%2F..%2Fruns",
        "/index.html",
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&raw(&server, request.as_bytes())), "404", "{path}");
    }
    let get = server.client().get("/v1/chat/completions");
    assert_eq!((get.status, get.code()), (405, "method_not_allowed".into()));
    assert_eq!(get.header("allow"), "POST");
}

#[test]
fn the_page_may_load_nothing_from_elsewhere_and_run_nothing_but_its_own_file() {
    let home = persona();
    let server = Server::of(&home);
    let page = server.client().get("/");
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
        "{policy}"
    );
    assert!(
        !policy.contains("unsafe") && !policy.contains('*'),
        "{policy}"
    );
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert!(page.header("content-type").starts_with("text/html"));
    for inline in ["<script>", "<style", " style=", " onclick", "javascript:"] {
        assert!(!page.text.contains(inline), "{inline}");
    }
    let script = server.client().get("/page.js").text;
    for way in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "http://",
        "https://",
    ] {
        assert!(!script.contains(way), "{way}");
    }
}

#[test]
fn the_log_has_requests_and_not_what_people_said_unless_asked() {
    let home = persona();
    let log = |filter: &str| {
        let args = ["--listen", "127.0.0.1:0"];
        let server = Server::start(&home, &args, &[("HOMER_LOG", filter)]);
        server.client().says("My secret \u{1b}[31mis a pie.");
        let (code, log) = server.end();
        assert_eq!(code, Some(0), "{log}");
        log
    };
    let usual = log("info");
    assert!(usual.contains("POST /v1/chat/completions 200"), "{usual}");
    assert!(
        !usual.contains("secret") && !usual.contains("I "),
        "{usual}"
    );
    let asked = log("homer::talk=trace");
    assert!(
        asked.contains("My secret") && !asked.contains("\u{1b}[31m"),
        "{asked}"
    );
}
