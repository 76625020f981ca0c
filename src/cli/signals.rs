//! Ctrl-C, SIGTERM and SIGHUP: the first asks the work to stop well, the second ends the program. What whoever
//! started homer has ignored (`nohup`) stays ignored. Where there are no such signals, the system ends homer, and
//! what was there is whole all the same.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

/// The first signal that was heard; 0 where there was none.
static HEARD: AtomicI32 = AtomicI32::new(0);
/// How much work there is that asks [`heard`].
static WORK: AtomicUsize = AtomicUsize::new(0);

/// Work that stops when it is asked to, as long as this lives.
pub(super) struct Stoppable(());

impl Stoppable {
    /// Listens, from the first time on.
    pub(super) fn begin() -> anyhow::Result<Self> {
        #[cfg(unix)]
        unix::listen()?;
        WORK.fetch_add(1, Ordering::SeqCst);
        Ok(Self(()))
    }
}

impl Drop for Stoppable {
    fn drop(&mut self) {
        WORK.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether the work is to stop.
pub(super) fn heard() -> bool {
    HEARD.load(Ordering::SeqCst) != 0
}

/// How a program ends that a signal stopped: as shells count it, 128 and the signal's number.
pub(super) fn exit_code() -> ExitCode {
    match HEARD.load(Ordering::SeqCst) {
        0 => ExitCode::FAILURE,
        signal => ExitCode::from(u8::try_from(128 + signal).unwrap_or(1)),
    }
}

/// What a server listens to.
#[cfg(feature = "serve")]
pub(super) fn of_a_server() -> homer::serve::Signals {
    #[cfg(unix)]
    {
        use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGTERM};
        homer::serve::Signals {
            interrupt: !unix::is_ignored(SIGINT),
            terminate: !unix::is_ignored(SIGTERM),
            hang_up: !unix::is_ignored(SIGHUP),
        }
    }
    #[cfg(not(unix))]
    homer::serve::Signals {
        interrupt: true,
        terminate: true,
        hang_up: true,
    }
}

/// Says something on standard error, whoever listens: a terminal that was closed is no reason to stop working.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(unix)]
mod unix {
    use std::sync::Once;
    use std::sync::atomic::Ordering;

    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
    use signal_hook::consts::SIGINT;
    use signal_hook::iterator::Signals;

    use super::{HEARD, WORK, say};

    pub(super) fn listen() -> anyhow::Result<()> {
        static ONCE: Once = Once::new();
        let mut outcome = Ok(());
        ONCE.call_once(|| outcome = start());
        outcome
    }

    fn start() -> anyhow::Result<()> {
        let all = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
        let heard = all.into_iter().filter(|&signal| !is_ignored(signal));
        let mut signals = Signals::new(heard.map(|signal| signal as i32))?;
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || signals.forever().for_each(hear))?;
        Ok(())
    }

    fn hear(signal: i32) {
        let first = HEARD.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        let working = WORK.load(Ordering::SeqCst) > 0;
        // Who waits for a key hears of Ctrl-C by another way.
        if first.is_err() || !(working || signal == SIGINT) {
            std::process::exit(128 + signal);
        }
        if working {
            say("\nstopping as soon as it can; Ctrl-C again leaves at once");
        }
    }

    /// Whether a signal was ignored when homer was started; it is ignored from now on, until it is listened to.
    #[allow(
        unsafe_code,
        reason = "what is done about a signal can only be asked by setting it"
    )]
    pub(super) fn is_ignored(signal: Signal) -> bool {
        let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
        // SAFETY: no handler is set, so that no code of ours runs in one.
        let before = unsafe { sigaction(signal, &ignore) };
        before.is_ok_and(|before| matches!(before.handler(), SigHandler::SigIgn))
    }
}
