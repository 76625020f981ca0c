//! Connections, from the first to the last.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

use super::App;
use super::routes::router;
use crate::error::{IoContext, Result};

/// Bytes of the head of a request.
const LARGEST_HEAD: usize = 64 << 10;
/// Connections at once, where the system gives so many.
const CONNECTIONS: u64 = 8192;
/// Files that are open beside connections, at most.
const FILES: u64 = 64;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Whether only programs on this machine reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        let text = text.replacen("localhost:", "127.0.0.1:", 1);
        text.parse().map(Self::Tcp).map_err(|_| {
            "neither an address with a port, like 127.0.0.1:8080 or [::1]:8080, nor unix:PATH"
                .into()
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A door that is open.
pub struct Listener {
    address: Address,
    door: Door,
}

enum Door {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

/// What a connection reads and writes.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Listener {
    /// Listens there. The socket of a server that died is taken over.
    ///
    /// # Errors
    /// Somebody else listens there, or the system refuses.
    pub async fn bind(address: &Address) -> Result<Self> {
        let named = PathBuf::from(address.to_string());
        match address {
            Address::Tcp(wanted) => {
                let door = TcpListener::bind(wanted).await.at("listen on", &named)?;
                let address = Address::Tcp(door.local_addr().at("listen on", &named)?);
                let door = Door::Tcp(door);
                Ok(Self { address, door })
            }
            #[cfg(unix)]
            Address::Unix(path) => {
                if is_dead(path) {
                    std::fs::remove_file(path).at("remove", path)?;
                }
                let door = Door::Unix(UnixListener::bind(path).at("listen on", &named)?);
                let address = address.clone();
                Ok(Self { address, door })
            }
            #[cfg(not(unix))]
            Address::Unix(_) => Err(crate::error::Error::setting(
                "there are no Unix sockets on this system",
                crate::error::Remedy::None,
            )),
        }
    }

    /// Where it listens: with the port that the system gave, where any was wanted.
    pub fn address(&self) -> &Address {
        &self.address
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match &self.door {
            Door::Tcp(door) => {
                let (stream, _) = door.accept().await?;
                // Answers are small: none waits to be filled up.
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            #[cfg(unix)]
            Door::Unix(door) => Box::new(door.accept().await?.0),
        })
    }

    /// Answers until `stop` comes true; then finishes what is under way, for as long as
    /// [`Limits::farewell`](super::Limits::farewell).
    pub async fn serve(self, app: Arc<App>, stop: impl Future<Output = ()>) {
        let routes = router(Arc::clone(&app));
        let places = Arc::new(Semaphore::new(connections()));
        let graceful = GracefulShutdown::new();
        let accepting = async {
            loop {
                // Whoever finds no place waits outside, in the system's queue.
                let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                    return;
                };
                match self.accept().await {
                    Ok(stream) => {
                        let talk =
                            graceful.watch(connection(stream, routes.clone(), app.limits.arrival));
                        let open = app.metrics.connections.clone();
                        open.inc();
                        tokio::spawn(async move {
                            // That a client went away is its own affair.
                            let _ = talk.await;
                            open.dec();
                            drop(place);
                        });
                    }
                    Err(error) => {
                        // Out of files, most likely: some will be closed.
                        tracing::warn!("cannot accept a connection: {error}");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accepting => {}
            () = stop => {}
        }
        if let Address::Unix(path) = &self.address {
            // Nobody finds a closed door.
            let _ = std::fs::remove_file(path);
        }
        drop(self.door);
        if tokio::time::timeout(app.limits.farewell, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("some requests were not finished in time");
        }
    }
}

/// A stream that waits for its reader no longer than it may.
type Patient = Pin<Box<TimeoutStream<Box<dyn Stream>>>>;

/// Speaks HTTP over a stream. Whoever neither sends nor reads for as long as `arrival` is sent away.
fn connection(
    stream: Box<dyn Stream>,
    routes: Router,
    arrival: Duration,
) -> http1::Connection<TokioIo<Patient>, TowerToHyperService<Router>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(arrival));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(arrival)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            TowerToHyperService::new(routes),
        )
}

/// Whether there is a socket with nobody behind it.
#[cfg(unix)]
fn is_dead(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    socket
        && std::os::unix::net::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// How many connections the system lets us have, asked for as many as there may be.
#[cfg(unix)]
fn connections() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let wanted = CONNECTIONS + FILES;
    let wanted = now.maximum.map_or(wanted, |most| most.min(wanted));
    let enough = now.current.is_none_or(|current| current >= wanted);
    let raised = Rlimit {
        current: Some(wanted),
        maximum: now.maximum,
    };
    let files = if enough || setrlimit(Resource::Nofile, raised).is_ok() {
        wanted
    } else {
        now.current.unwrap_or(wanted)
    };
    files.saturating_sub(FILES).max(1) as usize
}

#[cfg(not(unix))]
fn connections() -> usize {
    CONNECTIONS as usize
}
