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
        // There is work before anything is heard, so that what is heard at once stops it.
        let work = Self(());
        WORK.fetch_add(1, Ordering::SeqCst);
        #[cfg(unix)]
        unix::listen()?;
        Ok(work)
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
    use std::mem::MaybeUninit;
    use std::sync::Once;
    use std::sync::atomic::Ordering;

    use nix::libc;
    use nix::sys::signal::Signal;
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

    /// Whether a signal is ignored, as it is where whoever started homer ignored it.
    #[allow(
        unsafe_code,
        reason = "nix sets what is to be done about a signal where it tells what was, and what comes between is lost"
    )]
    pub(super) fn is_ignored(signal: Signal) -> bool {
        let mut now = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: without a new action nothing is set; what is done now is written to `now`, which is as large.
        let asked = unsafe { libc::sigaction(signal as i32, std::ptr::null(), now.as_mut_ptr()) };
        // SAFETY: zeros are an action: numbers, sets of bits and no pointer that has to lead anywhere.
        let now = unsafe { now.assume_init() };
        asked == 0 && now.sa_sigaction == libc::SIG_IGN
    }
}
