//! `bitrouter-bench`: the real binary beside a direct run, a bare TCP relay and a bare hyper proxy, interleaved in one
//! run, so that what stands in the report are ratios and not the speed of somebody's machine.
//!
//! [`role`] holds the processes that are measured against (this binary, started again), [`daemon`] the process under
//! test, [`caller`] and [`load`] the client, [`dialect`] what they say,
//! [`token`] signs one in, [`valgrind`] what counts instructions, [`measure`] one file per question, [`report`] what is printed and checked.
//! It knows nothing of the daemon but its command line, its files and its two sockets.

mod args;
mod bound;
mod caller;
mod child;
mod daemon;
mod dialect;
mod error;
mod load;
mod measure;
mod procfs;
mod report;
mod role;
mod sse;
mod stats;
mod token;
mod valgrind;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use args::Options;
use error::BenchError;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word.starts_with("__")) {
        return ended(role::run(&words).map(|()| true));
    }
    match Options::parse(&words) {
        Ok(Some(options)) => ended(bench(&options)),
        Ok(None) => {
            write!(io::stdout(), "{}", args::USAGE).ok();
            ExitCode::SUCCESS
        }
        Err(error) => ended(Err(error)),
    }
}

fn ended(result: Result<bool, BenchError>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            writeln!(io::stderr(), "error: {error}").ok();
            ExitCode::from(2)
        }
    }
}

/// Measures, prints, and says whether `--check` is content.
fn bench(options: &Options) -> Result<bool, BenchError> {
    let report = measure::all(options)?;
    report.print(&mut io::stdout()).map_err(BenchError::io("print the report"))?;
    if let Some(file) = &options.json {
        report.save(file)?;
    }
    if !options.check {
        return Ok(true);
    }
    let failed = report.failed();
    for row in &failed {
        writeln!(io::stderr(), "error: {row}").ok();
    }
    Ok(failed.is_empty())
}
