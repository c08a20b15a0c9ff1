//! The worker: one child process, and the orphans that come to us as PID 1.

use super::{FileLimit, Options};
use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::{Signal, kill},
    },
    unistd::{Pid, getppid},
};
use std::{
    fmt, io,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Command, ExitStatus},
};

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    pid: Pid,
}

impl Worker {
    /// Starts the worker with our standard streams and environment. Must be called on the main thread: the kernel ends
    /// the worker when the thread that started it ends.
    ///
    /// # Errors
    /// The command is not found or cannot be executed.
    pub fn spawn(options: &Options, limit: FileLimit) -> Result<Self, SpawnError> {
        let (program, arguments) = options
            .command
            .split_first()
            .ok_or_else(|| SpawnError::new("", io::ErrorKind::NotFound.into()))?;
        let mut command = Command::new(program);
        command.args(arguments);
        tell_where_to_listen(&mut command, options);
        let parent = Pid::this();
        // SAFETY: between fork and exec only async-signal-safe system calls are made.
        unsafe { command.pre_exec(move || become_worker(parent, limit)) };
        let child = command.spawn().map_err(|error| SpawnError::new(&program.to_string_lossy(), error))?;
        let pid =
            i32::try_from(child.id()).map_err(|_| SpawnError::new("", io::ErrorKind::InvalidData.into()))?;
        Ok(Self { pid: Pid::from_raw(pid) })
    }

    /// The process's ID.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Sends a signal to the worker. One that has already ended takes it without complaint.
    pub fn signal(&self, signal: Signal) {
        if let Err(error) = kill(self.pid, signal) {
            tracing::warn!(%error, %signal, "cannot signal the worker");
        }
    }
}

/// By a socket or by a port, never both: `bin/rails server` that finds a `PORT` listens there and nowhere else, whatever
/// `config/puma.rb` binds to. (Our own `PORT` is in the environment that it inherits.)
fn tell_where_to_listen(command: &mut Command, options: &Options) {
    if let Some(socket) = &options.socket {
        command.env("THRUST_WORKER_SOCKET", socket).env_remove("PORT").env_remove("THRUST_WORKER_PORT");
    } else {
        let port = options.port.to_string();
        command.env("PORT", &port).env("THRUST_WORKER_PORT", &port);
    }
}

/// Reaps every child that has ended: the worker, whose status is returned, and the orphans that have come to us. As PID 1
/// we get them without a worker too: from whatever is executed in the container.
pub fn reap(worker: Option<&Worker>) -> Option<ExitStatus> {
    loop {
        let mut status = 0;
        // (Not by `nix`, which has no real-time signals: a child that one of them has ended is an error there.)
        // SAFETY: `status` is valid for the call.
        match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
            // Nobody has ended, or there is nobody.
            ..=0 => return None,
            pid if worker.is_some_and(|worker| worker.pid() == pid) => {
                return Some(ExitStatus::from_raw(status));
            }
            pid => tracing::debug!(pid, "reaped an orphan"),
        }
    }
}

/// In the child: ends with its parent, and gets the limit of open files that we were started with.
fn become_worker(parent: Pid, limit: FileLimit) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // The parent may have ended before the line above.
    if getppid() != parent {
        return Err(Errno::ESRCH.into());
    }
    limit.restore()?;
    Ok(())
}

/// A status as a shell would report it: the worker's own code, or 128 + n where signal n ended it.
pub fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// The worker could not be started.
#[derive(Debug)]
pub struct SpawnError {
    program: String,
    error: io::Error,
}

impl SpawnError {
    fn new(program: &str, error: io::Error) -> Self {
        Self { program: program.to_owned(), error }
    }

    /// 127 where the command is not found, 126 where it cannot be executed, as in a shell.
    pub fn exit_code(&self) -> u8 {
        if self.error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, error } = self;
        write!(f, "cannot start the worker \"{program}\": {error}")?;
        match error.raw_os_error() {
            Some(libc::ENOENT) if program.contains('/') => f.write_str(
                " (there is no such file here, or the interpreter that its first line names is missing)",
            ),
            Some(libc::ENOENT) => f.write_str(" (it is in no folder of PATH)"),
            Some(libc::EACCES) if Path::new(program).is_dir() => f.write_str(" (it is a folder)"),
            Some(libc::EACCES) => f.write_str(" (is it executable? chmod +x)"),
            Some(libc::ENOEXEC) => f.write_str(" (is its first line #!/path/to/interpreter?)"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for SpawnError {}
