//! What `serve` is asked to do.

use std::path::PathBuf;

use bitrouter_proto::env::Environment;

use crate::{config::LogFormat, service_manager};

/// The flags of `serve`, with absolute paths, and the captured environment.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Add the built-in provider `demo`.
    pub demo: bool,
    /// Beats `[server] listen`.
    pub listen: Option<String>,
    /// Beats the default configuration file; it must exist.
    pub config: Option<PathBuf>,
    /// Read after the configured ones; they must exist.
    pub env_files: Vec<PathBuf>,
    /// Beats `[log] format`.
    pub log_format: Option<LogFormat>,
    /// The environment at our start.
    pub environment: Environment,
    /// The process whose environment is watched on SIGHUP.
    pub parent: Option<u32>,
    /// Log to the file rather than to standard error.
    pub detached: bool,
}

/// How this process came to be the daemon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Launch {
    /// It detached itself.
    pub(super) detached: bool,
    /// A service manager executed what was asked to serve, or to start a daemon (`Type=forking`).
    pub(super) is_service: bool,
}

impl ServeOptions {
    /// How this process is on its way to be the daemon. Asked before it forks: the manager knows the process that it
    /// executed, and not its children.
    pub(super) fn launch(&self) -> Launch {
        let is_service = service_manager::is_service(&self.environment, std::process::id(), self.parent);
        Launch { detached: self.detached, is_service }
    }

    /// The flags again, for `restart`.
    pub fn to_args(&self) -> Vec<String> {
        let mut args = Vec::new();
        if self.demo {
            args.push("--demo".to_owned());
        }
        let mut flag = |name: &str, value: String| args.extend([name.to_owned(), value]);
        if let Some(listen) = &self.listen {
            flag("--listen", listen.clone());
        }
        if let Some(config) = &self.config {
            flag("--config", config.display().to_string());
        }
        for file in &self.env_files {
            flag("--env-file", file.display().to_string());
        }
        if let Some(format) = self.log_format {
            flag("--log-format", format.as_str().to_owned());
        }
        args
    }
}
