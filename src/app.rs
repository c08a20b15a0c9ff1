//! The whole program, put together: what starts in which order, and what stops in which order.

use crate::{
    cache::Cache,
    config::Config,
    https::{self, Secured},
    message::Handler,
    observe::Observe,
    pages,
    process::{self, Event, FileLimit, Shutdown, Signals, SocketPath, SpawnError, Worker, exit_code, reap},
    proxy::{Plain, Proxy},
    server::{self, Acceptor, Connections, Cores},
    tls::Reload,
    upstream::Upstream,
};
use nix::sys::signal::Signal;
use std::{
    convert::Infallible,
    ffi::OsString,
    fmt,
    future::{Future, pending},
    io,
    net::{IpAddr, SocketAddr},
    os::unix::process::ExitStatusExt,
    pin::pin,
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

/// How long what is cut off may take to notice: a task that is just running, to its next pause.
pub const LAST_TASKS: Duration = Duration::from_millis(100);
/// How long the last responses may take when the worker has ended by itself.
const LAST_RESPONSES: Duration = Duration::from_millis(750);

/// Runs until the worker ends, or until we are told to stop; gives the exit code. Must be polled on the main thread.
///
/// # Errors
/// What kept it from starting.
pub async fn run(
    config: Config,
    command: Vec<OsString>,
    observe: Arc<Observe>,
    cores: Arc<Cores>,
) -> Result<u8, StartError> {
    // Signals first, so that none is lost; ports next, so that no application is started in vain.
    let signals = Signals::install().map_err(StartError::Signals)?;
    let limit = FileLimit::raise();
    let mut secured = Secured::prepare(&config).map_err(StartError::Tls)?;
    let listener = listen(&config, config.server.port, "PORT")?;
    let secure_listener = match secured {
        Some(_) => Some(listen(&config, config.https.port, "THRUST_HTTPS_PORT")?),
        None => None,
    };
    // The authority's questions wait in the kernel's queue until somebody accepts them.
    let _orders = match &mut secured {
        Some(secured) => secured.order(&config).map_err(StartError::Tls)?,
        None => None,
    };
    warn_of_missing_page(&config);
    warn_of_missing_folders(&config);
    let socket =
        config.worker.socket.as_ref().map(SocketPath::choose).transpose().map_err(StartError::Socket)?;
    let worker = start_worker(&config, command, socket.as_ref(), limit)?;

    let path = socket.as_ref().map(|socket| socket.path().to_owned());
    let upstream = Upstream::start(config.upstream(path, worker.is_some()));
    let connections = Connections::new();
    pages::reserve(config.cache.bodies(), cores.count());
    let cache = Cache::new(config.cache.clone());
    let front = Front { cores, connections: connections.clone(), limit: limit.connections() };
    let (options, files) = (config.proxy.clone(), config.files.clone());
    let proxy = Proxy::new(options, files, config.encode, upstream.clone(), cache, observe);
    let reload = front.open(&config, Arc::new(proxy), listener, secured.zip(secure_listener));
    let app = App { signals, worker, upstream, connections, reload, shutdown: config.shutdown };
    Ok(app.serve().await)
}

/// What clients meet.
struct Front {
    cores: Arc<Cores>,
    connections: Arc<Connections>,
    /// How many may be there.
    limit: usize,
}

impl Front {
    /// Begins to accept: on the plain port alone, or there to redirect and on the TLS port to serve.
    fn open(
        &self,
        config: &Config,
        proxy: Arc<Proxy>,
        plain: TcpListener,
        secure: Option<(Secured, TcpListener)>,
    ) -> Option<Reload> {
        let Some((secured, listener)) = secure else {
            tokio::spawn(self.acceptor(proxy, config, self.limit).run(plain));
            return None;
        };
        let own_port = listener.local_addr().map_or(config.https.port, |address| address.port());
        let redirecting = Plain {
            proxy: proxy.clone(),
            port: config.https.redirect_port.unwrap_or(own_port),
            domains: config.proxy.domains.clone(),
            health_path: config.https.health_path.clone(),
            challenges: secured.challenges,
        };
        // Redirects are short.
        let few = (self.limit / 8).max(1);
        tokio::spawn(self.acceptor(Arc::new(redirecting), config, few).run(plain));
        let acceptor = self.acceptor(proxy, config, self.limit - few).secure(secured.acceptor);
        tokio::spawn(acceptor.run(listener));
        Some(secured.reload)
    }

    fn acceptor<H: Handler>(&self, handler: Arc<H>, config: &Config, limit: usize) -> Acceptor<H> {
        Acceptor::new(handler, self.cores.clone(), self.connections.clone(), &config.server, limit)
    }
}

fn listen(config: &Config, port: u16, setting: &str) -> Result<TcpListener, StartError> {
    let address = config.server.address;
    let failed =
        |error| StartError::Bind { address, port, setting: config.variable(setting).to_owned(), error };
    let listener = server::bind(address, port).and_then(TcpListener::from_std).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(%address, "listening");
    Ok(listener)
}

/// A page that was asked for and is not there may come later, but more likely its path is wrong.
fn warn_of_missing_page(config: &Config) {
    const SETTING: &str = "THRUST_BAD_GATEWAY_PAGE";
    let path = &config.proxy.bad_gateway_page;
    if config.is_set(SETTING) && !path.is_file() {
        tracing::warn!(path = %path.display(), "{} names a file that is not there", config.variable(SETTING));
    }
}

/// The same for folders of files: what is missing serves nothing, and says so only by a 404.
fn warn_of_missing_folders(config: &Config) {
    let public = config.files.public.iter().map(|path| ("THRUST_PUBLIC_PATH", path));
    let roots = config.files.send_file_roots.iter().map(|path| ("THRUST_SEND_FILE_ROOT", path));
    for (setting, path) in public.chain(roots).filter(|(_, path)| !path.is_dir()) {
        tracing::warn!(path = %path.display(), "{} names a folder that is not there", config.variable(setting));
    }
}

fn start_worker(
    config: &Config,
    command: Vec<OsString>,
    socket: Option<&SocketPath>,
    limit: FileLimit,
) -> Result<Option<Worker>, StartError> {
    if command.is_empty() {
        return Ok(None);
    }
    let socket = socket.map(|socket| socket.path().to_owned());
    let options = process::Options { command, port: config.worker.port, socket };
    let worker = Worker::spawn(&options, limit).map_err(StartError::Worker)?;
    match &options.socket {
        Some(socket) => tracing::info!(pid = worker.pid(), socket = %socket.display(), "worker started"),
        None => tracing::info!(pid = worker.pid(), port = options.port, "worker started"),
    }
    Ok(Some(worker))
}

/// Everything that runs.
struct App {
    signals: Signals,
    worker: Option<Worker>,
    upstream: Upstream,
    connections: Arc<Connections>,
    /// Has certificate files looked at anew.
    reload: Option<Reload>,
    shutdown: Shutdown,
}

/// What ends a stop before its time.
enum Early {
    /// The worker has ended by itself, or as it was told.
    Worker(ExitStatus),
    /// There is no worker, and a second signal says that there is no time either.
    Impatience(Signal),
}

impl App {
    /// Serves until the worker ends or a signal stops us.
    async fn serve(mut self) -> u8 {
        loop {
            let event = self.next_signal().await;
            match event.signal {
                Signal::SIGTERM | Signal::SIGINT => return self.stop(event).await,
                Signal::SIGQUIT if self.worker.is_none() => return self.stop(event).await,
                Signal::SIGCHLD => {
                    if let Some(status) = reap(self.worker.as_ref()) {
                        report_end(status);
                        return self.worker_ended(status).await;
                    }
                }
                _ => self.pass_on(event),
            }
        }
    }

    /// A clean stop, in this order:
    ///
    /// 1. `delay`: go on serving, for balancers that stop sending a little late.
    /// 2. Accept no more; serve every connection that the kernel has accepted.
    /// 3. Drain: responses say `Connection: close`, idle connections are closed, requests in flight finish; WebSockets
    ///    and event streams are closed as soon as only they are left.
    /// 4. TERM to the worker when nothing is in flight, at the latest after three quarters of `timeout`.
    /// 5. KILL to the worker at the end of `timeout`.
    ///
    /// Should the worker end before its turn, what is in flight is answered with 502, and that is all.
    async fn stop(mut self, first: Event) -> u8 {
        let Shutdown { delay, timeout: limit } = self.shutdown;
        tracing::info!(signal = %first.signal, connections = self.connections.open(), "stopping");
        if !delay.is_zero()
            && let Err(end) = self.meanwhile(sleep(delay)).await
        {
            return self.cut_short(end).await;
        }
        let deadline = Instant::now() + limit;
        // Without a worker nobody else needs time.
        let drain_until = if self.worker.is_some() { deadline - limit / 4 } else { deadline };
        match self.drain(drain_until).await {
            Err(end) => self.cut_short(end).await,
            Ok(()) => self.stop_worker(first, deadline).await,
        }
    }

    /// Waits until no request is in flight, until `deadline` at most.
    async fn drain(&mut self, deadline: Instant) -> Result<(), Early> {
        let connections = self.connections.clone();
        if self.meanwhile(timeout_at(deadline, connections.drain())).await?.is_err() {
            tracing::warn!(
                connections = self.connections.open(),
                "requests are still in flight; stopping all the same"
            );
        }
        Ok(())
    }

    /// Ends the worker: TERM, then KILL at the deadline. One that has got INT from a terminal, as we have, is on its way
    /// already: TERM would be a second signal to it, and is sent only late.
    async fn stop_worker(mut self, first: Event, deadline: Instant) -> u8 {
        if self.worker.is_none() {
            self.cut_off().await;
            return 0;
        }
        let late = deadline - self.shutdown.timeout / 4;
        let term_at = if first.from_kernel { late } else { Instant::now() };
        for (signal, at) in [(Signal::SIGTERM, term_at), (Signal::SIGKILL, deadline)] {
            if let Err(end) = self.meanwhile(sleep_until(at)).await {
                return self.cut_short(end).await;
            }
            match signal {
                Signal::SIGKILL => tracing::warn!(%signal, "the worker has not ended in time; ending it"),
                _ => tracing::info!(%signal, "ending the worker"),
            }
            self.worker.iter().for_each(|worker| worker.signal(signal));
        }
        let Err(end) = self.meanwhile(pending::<Infallible>()).await;
        self.cut_short(end).await
    }

    /// Something has ended the stop before its time.
    async fn cut_short(self, end: Early) -> u8 {
        match end {
            Early::Worker(status) => self.worker_ended(status).await,
            Early::Impatience(signal) => {
                self.cut_off().await;
                128 + signal as u8
            }
        }
    }

    /// Ends the connections that are still there.
    async fn cut_off(&self) {
        // Whoever has not noticed by then ends with the runtime.
        let _ = timeout(LAST_TASKS, self.connections.cut_off()).await;
    }

    /// The worker has ended: whoever waits for it gets 502, bodies that had begun are broken off, and we end as it did.
    async fn worker_ended(self, status: ExitStatus) -> u8 {
        self.upstream.worker_gone();
        // Clients that do not take their response in time find a closed connection.
        if timeout(LAST_RESPONSES, self.connections.drain()).await.is_err() {
            self.cut_off().await;
        }
        exit_code(status)
    }

    /// Does something while signals are looked after; an error if the end comes first. A second TERM or INT goes to the
    /// worker at once, since somebody is in a hurry; where there is no worker, it ends us.
    async fn meanwhile<F: Future>(&mut self, work: F) -> Result<F::Output, Early> {
        let mut work = pin!(work);
        loop {
            let event = tokio::select! {
                biased;
                output = &mut work => return Ok(output),
                event = self.next_signal() => event,
            };
            match event.signal {
                Signal::SIGCHLD => {
                    if let Some(status) = reap(self.worker.as_ref()) {
                        tracing::info!(code = exit_code(status), "the worker has ended");
                        return Err(Early::Worker(status));
                    }
                }
                hurry @ (Signal::SIGTERM | Signal::SIGINT) if self.worker.is_none() => {
                    return Err(Early::Impatience(hurry));
                }
                _ => self.pass_on(event),
            }
        }
    }

    async fn next_signal(&mut self) -> Event {
        match self.signals.next().await {
            Ok(event) => event,
            Err(error) => {
                // The pipe is our own and open: this does not happen. If it did, stopping is better than being deaf.
                tracing::error!(%error, "cannot read signals");
                Event { signal: Signal::SIGTERM, from_kernel: false }
            }
        }
    }

    /// The worker's own signals, restarts among them.
    fn pass_on(&self, event: Event) {
        if event.signal == Signal::SIGHUP {
            self.reload.iter().for_each(Reload::now);
        }
        let Some(worker) = &self.worker else { return };
        if matches!(event.signal, Signal::SIGUSR1 | Signal::SIGUSR2 | Signal::SIGHUP) {
            self.upstream.expect_restart();
        }
        if !event.from_kernel {
            tracing::debug!(signal = %event.signal, "passed on to the worker");
            worker.signal(event.signal);
        }
    }
}

fn report_end(status: ExitStatus) {
    match status.signal() {
        Some(number) => {
            let signal = Signal::try_from(number).map_or_else(|_| number.to_string(), |s| s.to_string());
            tracing::error!(signal, "the worker was ended by a signal; exiting")
        }
        None if status.success() => tracing::info!("the worker has ended; exiting"),
        None => tracing::error!(code = exit_code(status), "the worker has ended; exiting"),
    }
}

/// What kept the program from starting.
#[derive(Debug)]
pub enum StartError {
    /// The signal handlers cannot be installed.
    Signals(io::Error),
    /// The front port cannot be bound.
    Bind {
        /// Where to listen.
        address: Option<IpAddr>,
        /// The port.
        port: u16,
        /// The variable that the port was read from: another one that sets it may have no say.
        setting: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// No folder for the worker's socket can be made.
    Socket(io::Error),
    /// The worker cannot be started.
    Worker(SpawnError),
    /// TLS cannot be had as it was asked for.
    Tls(https::Refusal),
}

impl StartError {
    /// The program's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Worker(error) => error.exit_code(),
            Self::Tls(_) => crate::cli::EX_CONFIG,
            Self::Signals(_) | Self::Bind { .. } | Self::Socket(_) => 1,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signals(error) => write!(f, "cannot handle signals: {error}"),
            Self::Bind { address, port, setting, error } => {
                write_bind_error(f, address.map(|ip| SocketAddr::new(ip, *port)), *port, setting, error)
            }
            Self::Socket(error) => write!(
                f,
                "THRUST_WORKER_SOCKET=auto: cannot make a folder for the socket: {error}: set TMPDIR to a folder that \
                 can be written, or THRUST_WORKER_SOCKET to a path"
            ),
            Self::Worker(error) => error.fmt(f),
            Self::Tls(refusal) => refusal.fmt(f),
        }
    }
}

fn write_bind_error(
    f: &mut fmt::Formatter<'_>,
    address: Option<SocketAddr>,
    port: u16,
    setting: &str,
    error: &io::Error,
) -> fmt::Result {
    match (error.kind(), address) {
        (io::ErrorKind::AddrInUse, _) => write!(
            f,
            "cannot listen on port {port}: it is in use (ss -ltnp shows by what): stop that process, or set {setting} to \
             another port"
        ),
        (io::ErrorKind::PermissionDenied, _) => write!(
            f,
            "cannot listen on port {port}: it needs privilege: set {setting} to 1024 or more (a container's port can be \
             published as {port} all the same), or allow it with the sysctl net.ipv4.ip_unprivileged_port_start={port}"
        ),
        (io::ErrorKind::AddrNotAvailable, Some(address)) => write!(
            f,
            "cannot listen on {address}: no interface here has this address: set THRUST_BIND to one that is here, or \
             leave it out"
        ),
        (_, Some(address)) => write!(f, "cannot listen on {address} (THRUST_BIND, {setting}): {error}"),
        (_, None) => write!(f, "cannot listen on port {port} ({setting}): {error}"),
    }
}

impl std::error::Error for StartError {}
