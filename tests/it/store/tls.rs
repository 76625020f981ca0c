//! TLS, with a certificate of one's own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::harness::Server;
use crate::home::Home;
use crate::persona::persona;

/// Makes a certificate of `localhost` and its key in the home; says so where there is no openssl.
fn certificate(home: &Home) -> bool {
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(home.path("key.pem"))
        .arg("-out")
        .arg(home.path("certificate.pem"))
        .output();
    let made = made.is_ok_and(|made| made.status.success());
    if !made {
        eprintln!("left out: there is no openssl to make a certificate with");
    }
    made
}

/// What speaks TLS before a server that does not.
struct Proxy {
    child: Child,
    port: u16,
}

impl Proxy {
    fn before(server: &Server, home: &Home) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres/tls_proxy.py");
        let mut child = Command::new("python3")
            .arg(script)
            .arg(home.path("certificate.pem"))
            .arg(home.path("key.pem"))
            .arg(server.port.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap();
        Self { child, port }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_is_said_cannot_be_overheard_and_who_is_asked_can_be_made_sure_of() {
    let home = persona();
    let Some(server) = Server::new() else {
        return;
    };
    if !certificate(&home) {
        return;
    }
    home.homer(&["build-index", "--store", &server.url()])
        .success();
    let proxy = Proxy::before(&server, &home);
    let at = |host: &str, parameters: &str| {
        format!(
            "postgres://homer@{host}:{}/postgres{parameters}",
            proxy.port
        )
    };
    let ask = |url: &str| home.homer(&["ask", "--no-rerank", "--store", url, "A boat?"]);
    for parameters in ["", "?sslmode=prefer", "?sslmode=require"] {
        ask(&at("localhost", parameters)).success();
    }
    let root = home.path("certificate.pem");
    let full = format!("?sslmode=verify-full&sslrootcert={}", root.display());
    ask(&at("localhost", &full)).success();
    let refused = |url: &str, what: &str| {
        let error = home.fails(&["ask", "--no-rerank", "--store", url, "A boat?"], 1);
        assert!(error.contains(what), "{url}: {error}");
    };
    // Nobody whom browsers trust has signed it; it is of another name; what vouches for it is not there.
    refused(&at("localhost", "?sslmode=verify-full"), "certificate");
    refused(&at("127.0.0.1", &full), "certificate");
    refused(
        &at("localhost", "?sslmode=verify-full&sslrootcert=/nowhere.pem"),
        "/nowhere.pem",
    );
    // And a server without TLS is not spoken to where TLS is wanted.
    refused(&format!("{}?sslmode=require", server.url()), "TLS");
}
