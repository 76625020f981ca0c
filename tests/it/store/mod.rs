//! Replies in PostgreSQL. `tests/postgres/run.sh` starts a server and names it in `HOMER_TEST_STORE`, and the
//! programs to start others with in `HOMER_TEST_POSTGRES`; without them, what needs them is left out, and says so.

mod answers;
mod harness;
mod kills;
mod password;
mod tls;
mod together;
mod usage;
