//! `amarre`: parse, run a command, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    amarre::cli::main()
}
