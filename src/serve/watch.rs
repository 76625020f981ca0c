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
    let mut hang_up = Heard::hang_up(signals.hang_up)?;
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

/// Comes true on Ctrl-C and SIGTERM, which are listened to from this call on. A second Ctrl-C ends the
/// process at once.
///
/// # Errors
/// The system lets us hear no signals.
pub fn asked_to_leave(signals: Signals) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = Heard::interrupt(signals.interrupt)?;
    let mut terminate = Heard::terminate(signals.terminate)?;
    Ok(async move {
        tokio::select! {
            () = interrupt.recv() => {}
            () = terminate.recv() => {}
        }
        tracing::warn!("leaving: what is under way is finished");
        tokio::spawn(async move {
            interrupt.recv().await;
            std::process::exit(130);
        });
    })
}

/// A signal, where there is such a one and it is listened to; else it never comes.
#[cfg(unix)]
struct Heard(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Heard {
    fn new(wanted: bool, kind: tokio::signal::unix::SignalKind) -> io::Result<Self> {
        let signal = wanted.then(|| tokio::signal::unix::signal(kind));
        signal.transpose().map(Self)
    }

    fn interrupt(wanted: bool) -> io::Result<Self> {
        Self::new(wanted, tokio::signal::unix::SignalKind::interrupt())
    }

    fn terminate(wanted: bool) -> io::Result<Self> {
        Self::new(wanted, tokio::signal::unix::SignalKind::terminate())
    }

    fn hang_up(wanted: bool) -> io::Result<Self> {
        Self::new(wanted, tokio::signal::unix::SignalKind::hangup())
    }

    async fn recv(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}

/// Ctrl-C, where it is listened to; there is nothing else.
#[cfg(not(unix))]
struct Heard(bool);

#[cfg(not(unix))]
impl Heard {
    fn interrupt(wanted: bool) -> io::Result<Self> {
        Ok(Self(wanted))
    }

    fn terminate(_: bool) -> io::Result<Self> {
        Ok(Self(false))
    }

    fn hang_up(_: bool) -> io::Result<Self> {
        Ok(Self(false))
    }

    async fn recv(&mut self) {
        // Without a handler the signal just ends the process.
        if !self.0 || tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
