//! Databases to be filled, and servers to be killed.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

/// A variable that `tests/postgres/run.sh` sets; says it where it is not set.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    if value.is_none() {
        eprintln!("left out: {name} is not set (tests/postgres/run.sh sets it)");
    }
    value
}

/// A connection of the test's own.
pub(crate) struct Connection {
    runtime: Runtime,
    client: Client,
}

impl Connection {
    pub(crate) fn to(url: &str) -> Self {
        Self::try_to(url).unwrap()
    }

    pub(crate) fn try_to(url: &str) -> Result<Self, tokio_postgres::Error> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let (client, connection) = runtime.block_on(tokio_postgres::connect(url, NoTls))?;
        runtime.spawn(connection);
        Ok(Self { runtime, client })
    }

    pub(crate) fn run(&self, sql: &str) {
        self.runtime
            .block_on(self.client.batch_execute(sql))
            .unwrap();
    }

    /// A number that is asked for.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        let row = self.runtime.block_on(self.client.query_one(sql, &[]));
        row.unwrap().get(0)
    }
}

/// A database of a test's own, gone when it is dropped.
pub(crate) struct Database {
    pub url: String,
    name: String,
    server: String,
}

impl Database {
    /// On the server that is there for all; none where there is none.
    pub(crate) fn new() -> Option<Self> {
        Some(Self::on(&variable("HOMER_TEST_STORE")?))
    }

    /// On the server of a database.
    fn on(server: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("homer_test_{}_{number}", std::process::id());
        Connection::to(server).run(&format!("CREATE DATABASE {name}"));
        let (base, _) = server.rsplit_once('/').unwrap();
        Self {
            url: format!("{base}/{name}"),
            name,
            server: server.to_owned(),
        }
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::to(&self.url)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Ok(connection) = Connection::try_to(&self.server) {
            connection.run(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

/// A server of a test's own, that can be killed.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    pub port: u16,
    child: Child,
}

impl Server {
    /// None where there are no programs.
    pub(crate) fn new() -> Option<Self> {
        let programs = PathBuf::from(variable("HOMER_TEST_POSTGRES")?);
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        own(&data);
        let made = as_nobody(&programs.join("initdb"), folder.path())
            .args([
                "-U",
                "homer",
                "--auth=trust",
                "-E",
                "UTF8",
                "--no-locale",
                "-N",
                "-D",
            ])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut lines = fs::read_to_string(data.join("postgresql.conf")).unwrap();
        lines.push_str(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n",
        );
        fs::write(data.join("postgresql.conf"), lines).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let child = launch(&programs, folder.path(), port);
        let server = Self {
            folder,
            programs,
            port,
            child,
        };
        server.until_it_answers();
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://homer@localhost:{}/postgres", self.port)
    }

    /// kill −9, its children included: they leave as soon as they see that it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again.
    pub(crate) fn again(&mut self) {
        let begun = Instant::now();
        loop {
            self.child = launch(&self.programs, self.folder.path(), self.port);
            while self.child.try_wait().unwrap().is_none() {
                if Connection::try_to(&self.url()).is_ok() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            // As long as a child of the one that was killed is there, it refuses to begin.
            assert!(
                begun.elapsed() < Duration::from_secs(120),
                "it does not begin"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn until_it_answers(&self) {
        let begun = Instant::now();
        while Connection::try_to(&self.url()).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(120),
                "it does not begin"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its folder goes with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(programs: &Path, folder: &Path, port: u16) -> Child {
    as_nobody(&programs.join("postgres"), folder)
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

const NOBODY: u32 = 65534;

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// PostgreSQL does not run as root.
fn as_nobody(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn own(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}
