//! TLS, with a certificate of one's own.

use std::fs;
use std::process::Command;

use super::harness::Server;
use crate::home::Home;
use crate::persona::persona;

/// A certificate of `localhost` and its key; none without openssl.
fn certificate(home: &Home) -> Option<[Vec<u8>; 2]> {
    let (key, certificate) = (home.path("key.pem"), home.path("certificate.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args([
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=CA:FALSE",
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output();
    match made {
        Ok(made) if made.status.success() => {
            Some([certificate, key].map(|path| fs::read(path).unwrap()))
        }
        _ => {
            eprintln!("left out: there is no openssl to make a certificate with");
            None
        }
    }
}

#[test]
fn what_is_said_cannot_be_overheard_and_who_is_asked_can_be_made_sure_of() {
    let home = persona();
    let Some([certificate, key]) = certificate(&home) else {
        return;
    };
    let hba = b"host all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\n";
    let files: [(&str, &[u8]); 3] = [
        ("server.crt", &certificate),
        ("server.key", &key),
        ("pg_hba.conf", hba),
    ];
    let Some(server) = Server::new("ssl = on\n", &files) else {
        return;
    };
    let url = server.url();
    home.homer(&["build-index", "--store", &url]).success();
    // From here on nobody is let in without TLS.
    let plain = super::harness::Connection::to(&url);
    plain.run(
        "CREATE TABLE lines (line text); \
         INSERT INTO lines VALUES ('hostssl all all all trust'); \
         COPY lines TO PROGRAM 'cat > pg_hba.conf'; SELECT pg_reload_conf()",
    );
    let ask = |parameters: &str| {
        let url = format!("{url}{parameters}");
        home.command(&["ask", "--no-rerank", "--store", &url, "A boat?"])
            .write_stdin("")
            .output()
            .unwrap()
    };
    let refused = |parameters: &str, what: &str| {
        let outcome = ask(parameters);
        let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
        assert_eq!(outcome.status.code(), Some(1), "{said}");
        assert!(said.contains(what), "{said}");
    };
    // The configuration is read again a moment later.
    let begun = std::time::Instant::now();
    while ask("?sslmode=disable").status.success() {
        assert!(begun.elapsed().as_secs() < 60);
    }
    refused("?sslmode=disable", "no encryption");
    for parameters in ["", "?sslmode=prefer", "?sslmode=require"] {
        assert!(ask(parameters).status.success(), "{parameters}");
    }
    let root = home.path("certificate.pem");
    let root = root.display();
    let known = ask(&format!("?sslmode=verify-full&sslrootcert={root}"));
    assert!(
        known.status.success(),
        "{}",
        String::from_utf8_lossy(&known.stderr)
    );
    refused("?sslmode=verify-full", "certificate");
    refused(
        "?sslmode=verify-full&sslrootcert=/nowhere.pem",
        "/nowhere.pem",
    );
    // Another name than the certificate is of.
    let elsewhere = url.replace("localhost", "127.0.0.1");
    let args = format!("{elsewhere}?sslmode=verify-full&sslrootcert={root}");
    let error = home.fails(&["ask", "--no-rerank", "--store", &args, "A boat?"], 1);
    assert!(error.contains("certificate"), "{error}");
}
