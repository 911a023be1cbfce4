//! `bitrouter`: one binary, the daemon and its thin client. This file captures the world and maps the end to a code.
//!
//! [`cli`] is the command line, one file per verb; [`launch`] finds, starts, waits for and ends a daemon; [`render`] is
//! the only place that prints; [`exit`] sorts failures; [`browser`] opens links, [`interrupt`] hears Ctrl-C. [`context`] and [`flags`] are what verbs are given. Only
//! [`local_daemon`] knows the daemon's own code; every other verb is a call of the control API. [`name`] is what we were called by.

mod browser;
mod cli;
mod context;
mod exit;
mod flags;
mod interrupt;
mod launch;
mod local_daemon;
mod name;
mod render;

use std::process::ExitCode;

use bitrouter_proto::env::Environment;

fn main() -> ExitCode {
    let environment = Environment::of_process();
    let args: Vec<_> = std::env::args_os().collect();
    cli::run(&args, environment).into()
}
