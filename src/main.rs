//! The program: parse, run, exit code.

use std::process::ExitCode;

use sweepd::cli::Cli;

/// The stack of the main thread on Linux. Windows gives it an eighth, which a run does not fit in.
const STACK: usize = 8 << 20;

fn main() -> ExitCode {
    if !cfg!(windows) {
        return run();
    }
    match std::thread::Builder::new().stack_size(STACK).spawn(run).map(std::thread::JoinHandle::join) {
        Ok(Ok(exit)) => exit,
        // It has said why.
        Ok(Err(_)) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: the system gives no thread: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> ExitCode {
    let cli = match Cli::from_arguments(&std::env::args_os().collect::<Vec<_>>()) {
        Ok(cli) => cli,
        Err(exit) => return ExitCode::from(exit.code()),
    };
    // One thread is enough: the work is waiting for a database.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the system gives no event loop: {error}");
            return ExitCode::FAILURE;
        }
    };
    let exit = runtime.block_on(cli.run());
    // A second signal leaves work where it is.
    runtime.shutdown_background();
    ExitCode::from(exit.code())
}
