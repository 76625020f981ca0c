//! What reaches a server from outside of HTTP: signals, and personas that were built anew.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{App, chain};

/// How often the files of the personas are looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// The signals that are listened to. What whoever started the server has ignored (`nohup`) is not.
#[derive(Debug, Clone, Copy)]
pub struct Signals {
    /// Ctrl-C: leave.
    pub interrupt: bool,
    /// SIGTERM: leave.
    pub terminate: bool,
    /// SIGHUP: look at the personas now.
    pub hang_up: bool,
}

/// Takes over personas that are built anew, as long as the runtime lives: every two seconds, and at
/// once on SIGHUP.
///
/// # Errors
/// The system lets us hear no signals.
pub fn persona_changes(app: Arc<App>, signals: Signals) -> io::Result<()> {
    let mut hang_up = HangUp::new(signals)?;
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
pub async fn asked_to_leave(signals: Signals) {
    tokio::select! {
        () = interrupted(), if signals.interrupt => {}
        () = terminated(), if signals.terminate => {}
        () = std::future::pending() => {}
    }
    tracing::warn!("leaving: what is under way is finished");
    if signals.interrupt {
        tokio::spawn(async {
            interrupted().await;
            std::process::exit(130);
        });
    }
}

async fn interrupted() {
    // Without a handler the signal just ends the process.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
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

/// SIGHUP, where there is one and it is listened to.
struct HangUp(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

impl HangUp {
    #[cfg(unix)]
    fn new(signals: Signals) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let wanted = signals.hang_up.then(|| signal(SignalKind::hangup()));
        wanted.transpose().map(Self)
    }

    #[cfg(not(unix))]
    fn new(_: Signals) -> io::Result<Self> {
        Ok(Self())
    }

    async fn recv(&mut self) {
        #[cfg(unix)]
        if let Self(Some(signal)) = self {
            signal.recv().await;
            return;
        }
        std::future::pending().await
    }
}
