//! What reaches a server from outside of HTTP: signals, and personas that were built anew.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{App, chain};

/// How often the files of the personas are looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// Takes over personas that are built anew, as long as the runtime lives: every two seconds, and at
/// once on SIGHUP.
///
/// # Errors
/// The system lets us hear no signals.
pub fn persona_changes(app: Arc<App>) -> io::Result<()> {
    let mut hang_up = HangUp::new()?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = hang_up.recv() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
            let app = Arc::clone(&app);
            // Loading takes a while, and reads files.
            let _ = tokio::task::spawn_blocking(move || refresh(&app)).await;
        }
    });
    Ok(())
}

fn refresh(app: &App) {
    for host in app.hosts() {
        match host.refresh() {
            Ok(true) => tracing::warn!("{} was built anew and is taken over", host.name()),
            Ok(false) => {}
            Err(error) => tracing::warn!(
                "{} changed and cannot be read, so the one before goes on: {}",
                host.name(),
                chain(&error)
            ),
        }
    }
}

/// Comes true on Ctrl-C and SIGTERM. A second Ctrl-C ends the process at once.
pub async fn asked_to_leave() {
    let interrupted = async {
        // Without a handler the signal just ends the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupted => {}
        () = terminated() => {}
    }
    tracing::warn!("leaving: what is under way is finished");
    tokio::spawn(async {
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    });
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}

/// SIGHUP, where there is one.
struct HangUp(#[cfg(unix)] tokio::signal::unix::Signal);

impl HangUp {
    fn new() -> io::Result<Self> {
        Ok(Self(
            #[cfg(unix)]
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?,
        ))
    }

    async fn recv(&mut self) {
        #[cfg(unix)]
        self.0.recv().await;
        #[cfg(not(unix))]
        std::future::pending::<()>().await;
    }
}
