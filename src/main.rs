//! The program: arguments, configuration, runtime, `app::run`.

use std::{
    ffi::OsString,
    fmt::Display,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
    thread::available_parallelism,
    time::Duration,
};
use thrust::{
    allocator::{self, Allocator},
    app,
    cli::{self, Action},
    config::{Config, ConfigErrors, Warning},
    explain::Question,
    https,
    observe::{self, Observe},
    server::Cores,
};
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// More threads than this, of all cores, do not wait for disks, each with memory of its own.
const BLOCKING_THREADS: usize = 64;
/// How long the last log lines may take.
const LAST_LINES: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let action = match cli::parse(std::env::args_os().skip(1)) {
        Ok(action) => action,
        Err(error) => return ExitCode::from(complain(error, cli::EXIT_USAGE)),
    };
    let code = match action {
        Action::Help => print(|out| cli::help(out)),
        Action::Version => print(|out| cli::version(out)),
        Action::HelpOfExplain => print(|out| cli::help_of_explain(out)),
        Action::Check => check(),
        Action::Explain(question) => explain(&question),
        Action::Run(command) => run(command),
    };
    ExitCode::from(code)
}

fn configuration() -> Result<(Config, Vec<Warning>), ConfigErrors> {
    Config::from_env(std::env::vars_os(), io::stdout().is_terminal())
}

fn check() -> u8 {
    match configuration() {
        Ok((config, warnings)) => {
            complain_of(&warnings);
            match https::inspect(&config) {
                Ok(untimely) => untimely.iter().for_each(warn),
                Err(refusal) => return complain(refusal, cli::EX_CONFIG),
            }
            print(|out| cli::check(&config, out))
        }
        Err(errors) => misconfigured(&errors),
    }
}

fn explain(question: &Question) -> u8 {
    let config = match configuration() {
        Ok((config, _)) => config,
        Err(errors) => return misconfigured(&errors),
    };
    match question.ask(&config) {
        Ok(answer) => print(|out| out.write_all(answer.as_bytes())),
        Err(error) => complain(&error, error.exit_code()),
    }
}

fn run(command: Vec<OsString>) -> u8 {
    let (config, warnings) = match configuration() {
        Ok(configuration) => configuration,
        Err(errors) => return misconfigured(&errors),
    };
    if let Err(error) = cli::needs_command(&command, &config) {
        complain_of(&warnings);
        return complain(error, cli::EXIT_USAGE);
    }
    allocator::set_up(count_cores());
    let started = observe::start(&config.log).and_then(|observe| Ok((observe, runtime()?)));
    let (observe, runtime) = match started {
        Ok((observe, runtime)) => (Arc::new(observe), runtime),
        Err(error) => return complain(format!("cannot start: {error}"), 1),
    };
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    serve(runtime, config, command, observe)
}

fn serve(runtime: Runtime, config: Config, command: Vec<OsString>, observe: Arc<Observe>) -> u8 {
    let code = match start_cores(&runtime) {
        Ok(cores) => {
            let cores = Arc::new(cores);
            let result = runtime.block_on(app::run(config, command, observe.clone(), cores.clone()));
            // Ends what is still in flight, which is logged by that. (Who accepted is gone with the main runtime.)
            runtime.shutdown_timeout(app::LAST_TASKS);
            if let Some(cores) = Arc::into_inner(cores) {
                cores.stop();
            }
            result.unwrap_or_else(|error| {
                tracing::error!("{error}");
                error.exit_code()
            })
        }
        Err(error) => complain(format!("cannot start: {error}"), 1),
    };
    observe.flush(LAST_LINES);
    code
}

/// The main thread's runtime, which accepts connections and looks after the worker.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().max_blocking_threads(blocking_threads()).enable_all().build()
}

/// One more for each other core that we may use.
fn start_cores(runtime: &Runtime) -> io::Result<Cores> {
    Cores::start(runtime.handle().clone(), count_cores(), blocking_threads(), app::LAST_TASKS)
}

fn count_cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

fn blocking_threads() -> usize {
    (BLOCKING_THREADS / count_cores()).max(4)
}

fn misconfigured(errors: &ConfigErrors) -> u8 {
    complain_of(&errors.warnings);
    complain(errors, cli::EX_CONFIG)
}

fn complain_of(warnings: &[Warning]) {
    warnings.iter().for_each(warn);
}

fn warn(warning: &impl Display) {
    complain(format_args!("warning: {warning}"), 0);
}

/// Says what is wrong where nobody can miss it. If even that cannot be written, the exit code has to do.
fn complain(error: impl Display, code: u8) -> u8 {
    let _ = writeln!(io::stderr(), "thrust: {error}");
    code
}

/// Prints to standard output. A reader that has gone away is no error: `thrust --help | head`.
fn print(write: impl FnOnce(&mut io::StdoutLock) -> io::Result<()>) -> u8 {
    match write(&mut io::stdout().lock()) {
        Ok(()) => 0,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => complain(format!("cannot write: {error}"), 1),
    }
}
