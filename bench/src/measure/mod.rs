//! The questions, one file each, and the order in which they are asked.

mod cancel;
mod control;
mod in_process;
mod instructions;
mod ledger;
mod memory;
mod node;
mod paths;
mod policies;
mod process;
mod token;

use std::{path::PathBuf, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    args::{Options, Part},
    bound::Row,
    child::{self, Role},
    daemon::Daemon,
    error::BenchError,
    load,
    report::{Compared, Report},
    role,
};

/// The processes of a run.
pub(crate) struct Stage {
    pub(crate) binary: PathBuf,
    pub(crate) provider: Role,
    pub(crate) relay: Role,
    pub(crate) proxy: Role,
    pub(crate) daemon: Daemon,
}

/// Asks everything that is wanted.
pub(crate) fn all(options: &Options) -> Result<Report, BenchError> {
    raise_descriptors();
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => child::own_binary()?.with_file_name("bitrouter"),
    };
    let provider = Role::start(role::PROVIDER, None)?;
    let relay = Role::start(role::RELAY, Some(provider.address()))?;
    let proxy = Role::start(role::PROXY, Some(provider.address()))?;
    let daemon = Daemon::start(&binary, provider.address())?;
    let stage = Stage { binary, provider, relay, proxy, daemon };
    let runtime = load::runtime()?;

    let mut rows: Vec<Row> = Vec::new();
    let mut compared: Vec<Compared> = Vec::new();
    if options.wants(Part::Memory) {
        // First, while nothing was asked of it.
        rows.push(runtime.block_on(memory::idle(&stage)));
    }
    if options.wants(Part::Paths) {
        compared = runtime.block_on(paths::compare(&stage, options))?;
        rows.extend(paths::promises(&compared));
        compared.extend(runtime.block_on(paths::compare_dialects(&stage, options))?);
    }
    if options.wants(Part::Cancel) {
        rows.extend(runtime.block_on(cancel::rows(&stage, options))?);
    }
    if options.wants(Part::Memory) {
        rows.extend(runtime.block_on(memory::loaded(&stage, options))?);
    }
    if options.wants(Part::Token) {
        rows.extend(runtime.block_on(token::rows(&stage, options))?);
    }
    if options.wants(Part::Control) {
        rows.extend(runtime.block_on(control::rows(&stage, options))?);
    }
    if options.wants(Part::Instructions) {
        rows.extend(runtime.block_on(instructions::rows(&stage, options))?);
    }
    if options.wants(Part::Node) {
        rows.extend(runtime.block_on(node::rows(options))?);
    }
    if options.wants(Part::Ledger) {
        rows.extend(runtime.block_on(ledger::rows(options))?);
    }
    if options.wants(Part::Policies) {
        rows.extend(runtime.block_on(policies::rows(options))?);
    }
    if options.wants(Part::Process) {
        rows.extend(process::rows(&stage, options)?);
    }
    Ok(Report { compared, rows })
}

/// A thousand streams need more descriptors than many systems give at first. The daemon raises its own.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).ok();
}

/// What is asked at most this long fails rather than hangs.
async fn within<T>(
    what: &'static str,
    patience: Duration,
    asked: impl Future<Output = Result<T, BenchError>>,
) -> Result<T, BenchError> {
    tokio::time::timeout(patience, asked).await.map_err(|_| BenchError::Late(what))?
}
