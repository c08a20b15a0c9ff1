//! Signals, one by one, in the order they came in.
//!
//! A handler writes each into a pipe, so that none is merged with another of its kind (Puma adds a worker for every
//! TTIN) and nothing but a `write` happens in a handler.

use nix::sys::signal::Signal;
use std::{io, os::fd::AsRawFd};
use tokio::{io::AsyncReadExt, net::unix::pipe};

/// Everything that is passed on, or that stops us.
const HANDLED: [Signal; 12] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGWINCH,
    Signal::SIGCONT,
    Signal::SIGURG,
    Signal::SIGCHLD,
];

/// A signal that has come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Which.
    pub signal: Signal,
    /// Whether the kernel sent it, as it does at a terminal: then the whole process group has got it, the worker too.
    pub from_kernel: bool,
}

/// The signals that come in from now on.
pub struct Signals {
    pipe: pipe::Receiver,
    /// Kept open, so that the handlers never write into nothing.
    _writer: pipe::Sender,
}

impl Signals {
    /// Takes over all handled signals; within a runtime. Once a process.
    ///
    /// # Errors
    /// The pipe or a handler cannot be set up.
    pub fn install() -> io::Result<Self> {
        let (writer, pipe) = pipe::pipe()?;
        for signal in HANDLED {
            if !(signal == Signal::SIGHUP && is_ignored(signal)) {
                handle(signal, writer.as_raw_fd())?;
            }
        }
        Ok(Self { pipe, _writer: writer })
    }

    /// The next signal.
    ///
    /// # Errors
    /// The pipe cannot be read.
    pub async fn next(&mut self) -> io::Result<Event> {
        loop {
            let mut bytes = [0; 2];
            self.pipe.read_exact(&mut bytes).await?;
            if let Ok(signal) = Signal::try_from(i32::from(bytes[0])) {
                return Ok(Event { signal, from_kernel: bytes[1] != 0 });
            }
        }
    }
}

fn handle(signal: Signal, pipe: i32) -> io::Result<()> {
    let action = move |info: &libc::siginfo_t| {
        let bytes = [signal as u8, u8::from(info.si_code == libc::SI_KERNEL)];
        // SAFETY: `write` is async-signal-safe, `bytes` is valid for its length, and a pipe takes two bytes whole or
        // not at all. `errno` is put back for the code that was interrupted.
        unsafe {
            let errno = *libc::__errno_location();
            libc::write(pipe, bytes.as_ptr().cast(), bytes.len());
            *libc::__errno_location() = errno;
        }
    };
    // SAFETY: the action allocates nothing, takes no lock and cannot panic.
    unsafe { signal_hook_registry::register_sigaction(signal as i32, action) }.map(|_| ())
}

/// Whether we were started with this signal ignored, as `nohup` does with HUP: the worker is to inherit that.
fn is_ignored(signal: Signal) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: only asks for the current action, which is written whole if the call succeeds.
    unsafe {
        libc::sigaction(signal as i32, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
