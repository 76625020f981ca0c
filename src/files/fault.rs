//! A disk that fails when a test wants it: a power cut, a full disk, a broken one.

use std::cell::Cell;
use std::io;

/// How the disk of this thread fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// From that change on nothing is done any more, not even cleaning up: so does `kill -9` leave a disk.
    Crash,
    /// That change, and every later one that writes, fails so; what is removed is removed.
    From(i32),
    /// That change alone fails so.
    Once(i32),
}

thread_local! {
    static PLAN: Cell<Option<(u64, Fault)>> = const { Cell::new(None) };
    static DONE: Cell<u64> = const { Cell::new(0) };
}

/// Something is about to be written, made or renamed.
pub(super) fn add() -> io::Result<()> {
    change(false)
}

/// Something is about to be removed: a full disk lets that be done.
pub(super) fn remove() -> io::Result<()> {
    change(true)
}

fn change(removes: bool) -> io::Result<()> {
    let done = DONE.get() + 1;
    DONE.set(done);
    match PLAN.get() {
        Some((at, Fault::Crash)) if done >= at => Err(io::Error::other("the power is off")),
        Some((at, Fault::From(code))) if done >= at && !removes => {
            Err(io::Error::from_raw_os_error(code))
        }
        Some((at, Fault::Once(code))) if done == at => Err(io::Error::from_raw_os_error(code)),
        _ => Ok(()),
    }
}

/// Runs `work` with a disk that fails at its change number `at`, from 1; tells how many changes were tried.
pub(crate) fn with<T>(at: u64, fault: Fault, work: impl FnOnce() -> T) -> (T, u64) {
    DONE.set(0);
    PLAN.set(Some((at, fault)));
    let outcome = work();
    PLAN.set(None);
    (outcome, DONE.get())
}

/// The changes that `work` makes to a disk that is well.
pub(crate) fn changes<T>(work: impl FnOnce() -> T) -> (T, u64) {
    with(u64::MAX, Fault::Crash, work)
}
