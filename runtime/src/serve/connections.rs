//! Connections: accepted, given up where a client is too slow, and drained at the end.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::http::{PATIENCE, Server, log, refused};
use crate::error::{Error, Result};

/// Open connections at most; further ones wait to be accepted.
const CONNECTIONS: usize = 4096;

/// Listens, loads, answers until SIGTERM or SIGINT, and loads again at SIGHUP.
///
/// # Errors
/// An address that cannot be listened on, and a first version that cannot be loaded.
pub fn run(server: Arc<Server>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| refused("the server's threads", &source))?;
    runtime.block_on(serve(server))
}

async fn serve(server: Arc<Server>) -> Result<()> {
    let bind = server.settings.bind;
    let listener = TcpListener::bind(bind).await;
    let listener = listener.map_err(|source| {
        Error::run(
            "--bind",
            format!("cannot listen on {bind}: {source}"),
            "choose another address or port; port 0 takes one that is free",
        )
    })?;
    let address = listener.local_addr().unwrap_or(bind);
    log(json!({ "event": "listening", "address": address.to_string() }));
    let first = load(&server);
    let accepting = accept(&server, listener);
    let graceful = tokio::select! {
        // A version that is ready changes nothing here; one that is not ends the server.
        Err(error) = first => return Err(error),
        graceful = accepting => graceful?,
    };
    log(json!({ "event": "draining" }));
    let drained = tokio::time::timeout(server.settings.drain, graceful.shutdown()).await;
    log(json!({ "event": "stopped", "drained": drained.is_ok() }));
    Ok(())
}

/// Accepts connections until a signal to end, and loads again at SIGHUP.
async fn accept(server: &Arc<Server>, listener: TcpListener) -> Result<GracefulShutdown> {
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let router = server.router();
    let mut signals = Signals::listen()?;
    loop {
        let (stream, slot) = tokio::select! {
            signal = signals.next() => match signal {
                Signal::End => return Ok(graceful),
                Signal::Load => {
                    let server = Arc::clone(server);
                    tokio::spawn(async move {
                        if let Err(error) = load(&server).await {
                            server.metrics.failed_loads.inc();
                            log(json!({ "event": "load failed", "error": error.to_string() }));
                        }
                    });
                    continue;
                }
            },
            accepted = accepted(&listener, &slots) => match accepted {
                Some(accepted) => accepted,
                None => continue,
            },
        };
        let service = TowerToHyperService::new(router.clone());
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that breaks off, or is too slow, is no error of the server.
            let _ = connection.await;
            drop(slot);
        });
    }
}

/// The next connection, with its place among the open ones.
async fn accepted(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are small: they go at once.
            let _ = stream.set_nodelay(true);
            Some((stream, slot))
        }
        Err(error) => {
            log(json!({ "event": "accept failed", "error": error.to_string() }));
            // Out of descriptors, most likely: some time for others to close.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// Loads a version beside what is answered.
async fn load(server: &Arc<Server>) -> Result<()> {
    let server = Arc::clone(server);
    let loaded = tokio::task::spawn_blocking(move || server.load()).await;
    match loaded {
        Ok(loaded) => loaded,
        Err(error) => Err(Error::run(
            "the model",
            format!("loading it stopped unexpectedly: {error}"),
            "report this as a bug",
        )),
    }
}

enum Signal {
    End,
    Load,
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|source| refused("the signals", &source));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::End,
            _ = self.interrupt.recv() => Signal::End,
            _ = self.hang_up.recv() => Signal::Load,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        let _ = tokio::signal::ctrl_c().await;
        Signal::End
    }
}
