//! The first step: settings, registry and keys are read, the lock is taken, memory made private, the log opened. Nothing
//! is bound yet.

use std::{io::IsTerminal as _, sync::Arc};

use bitrouter_proto::{
    env::{self, Environment},
    paths::{NamedBy, Places, check_socket_path},
};

use super::{
    ServeError, ServeOptions,
    hardening::{self, FdBudget},
    lock::InstanceLock,
    passed::{self, Passed},
};
use crate::{
    config::{Config, Level, Listen, LogFormat},
    environment::Parent,
    reload::{Engine, Sources},
    telemetry::{Logging, SinkKind},
};

/// What is known before anything is bound.
pub(super) struct Parsed {
    pub(super) lock: InstanceLock,
    pub(super) places: Places,
    pub(super) engine: Engine,
    pub(super) logging: Arc<Logging>,
    pub(super) fd_budget: FdBudget,
    pub(super) passed: Passed,
    pub(super) environment: Environment,
    pub(super) serve_args: Vec<String>,
    pub(super) listen: Option<String>,
    /// What was typed to get here, for hints.
    pub(super) verb: &'static str,
}

/// Reads settings, registry and keys; takes the lock; makes memory private; opens the log.
pub(super) fn parse(options: &ServeOptions) -> Result<Parsed, ServeError> {
    let environment = options.environment.clone();
    let places = Places::of(&environment)?;
    let lock = InstanceLock::acquire(&places)?;
    let passed = passed::take(&environment)?;
    let passes_http = !passed.http.is_empty();
    if passes_http && options.listen.is_some() {
        return Err(ServeError::caller(
            "`--listen` cannot be used with a passed socket: the service manager bound it, where `ListenStream=` says",
        ));
    }
    let level = level_of(&environment)?;
    // The parent's environment is read now: afterwards our own `/proc` entries are closed, and the parent may be gone.
    let parent = options.parent.and_then(|pid| Parent::record(pid).ok());
    hardening::keep_private();
    let sources = sources(options, &places, passes_http, level.is_some());
    let engine = Engine::first(sources, parent).map_err(|refused| ServeError::caller(refused.message))?;
    let settings = engine.config().log;
    let json = match options.log_format.unwrap_or(settings.format) {
        LogFormat::Auto => None,
        LogFormat::Human => Some(false),
        LogFormat::Json => Some(true),
    };
    let sink = if options.detached { SinkKind::File(places.log_file()) } else { SinkKind::Stderr };
    let logging = Arc::new(Logging::start(level.unwrap_or(settings.level), json, &sink)?);
    // Whoever sees the lines may be about to be greeted.
    if !options.detached && std::io::stderr().is_terminal() {
        logging.hold();
    }
    let fd_budget = hardening::fd_budget(hardening::raise_descriptors());
    Ok(Parsed {
        lock,
        places,
        engine,
        logging,
        fd_budget,
        passed,
        environment,
        serve_args: options.to_args(),
        listen: options.listen.clone(),
        verb: if options.detached { "start" } else { "serve" },
    })
}

pub(super) fn sources(options: &ServeOptions, places: &Places, passes_http: bool, level_is_fixed: bool) -> Sources {
    Sources {
        places: places.clone(),
        config: options.config.clone(),
        env_files: options.env_files.clone(),
        demo: options.demo,
        listen_is_fixed: options.listen.is_some() || passes_http,
        listens: match options.listen.as_deref().map(str::parse::<Listen>) {
            Some(Ok(listen)) => Some(listen.at_its_port_here()),
            // What is no address is refused when it is to be bound, and what a service manager bound is looked at then.
            Some(Err(_)) => Some(Vec::new()),
            None => passes_http.then(Vec::new),
        },
        format_is_fixed: options.log_format.is_some(),
        level_is_fixed,
        home: options.environment.path(env::HOME),
        process: options.environment.clone(),
    }
}

/// Reads what a start with these options would read, and keeps nothing of it.
///
/// # Errors
/// What that start would end with before it binds anything.
pub fn check(options: &ServeOptions) -> Result<(), ServeError> {
    let places = Places::of(&options.environment)?;
    check_socket_path(&places.control_socket().path, NamedBy::Rule)?;
    let level = level_of(&options.environment)?;
    if let Some(text) = &options.listen {
        listen_flag(text)?;
    }
    let sources = sources(options, &places, false, level.is_some());
    Engine::first(sources, None).map(drop).map_err(|refused| ServeError::caller(refused.message))
}

/// The settings that a start with these options would go by, and the user's places. Nothing is kept.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn settings(options: &ServeOptions) -> Result<(Places, Config), ServeError> {
    let places = Places::of(&options.environment)?;
    let sources = sources(options, &places, false, true);
    let engine = Engine::first(sources, None).map_err(|refused| ServeError::caller(refused.message))?;
    Ok((places, engine.config().clone()))
}

/// Reads `--listen`.
pub(super) fn listen_flag(text: &str) -> Result<Listen, ServeError> {
    text.parse().map_err(|error| ServeError::caller(format!("`--listen {text}`: {error}")))
}

fn level_of(environment: &Environment) -> Result<Option<Level>, ServeError> {
    let Some(text) = environment.text(env::BITROUTER_LOG) else { return Ok(None) };
    Level::parse(&text.to_ascii_lowercase()).map(Some).ok_or_else(|| {
        ServeError::caller(format!("`BITROUTER_LOG` must be one of {}, not `{text}`", Level::WORDS.join(", ")))
    })
}
