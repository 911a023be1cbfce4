//! Where everything is read from; fixed for the life of one daemon.

use std::{net::SocketAddr, path::PathBuf};

use bitrouter_proto::{env::Environment, paths::Places};

/// The files and flags that a reload reads again.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The user's places.
    pub places: Places,
    /// `--config`: must exist.
    pub config: Option<PathBuf>,
    /// `--env-file`: must exist; they win over the configured ones.
    pub env_files: Vec<PathBuf>,
    /// `--demo`.
    pub demo: bool,
    /// `--listen` was given, or a service manager bound the sockets: the configured address does not matter.
    pub listen_is_fixed: bool,
    /// Where we will listen, as far as that is known, and whatever the settings say; `None` where they decide.
    pub listens: Option<Vec<SocketAddr>>,
    /// `--log-format`: where given, the configured format does not matter.
    pub format_is_fixed: bool,
    /// `BITROUTER_LOG`: where given, the configured level does not matter.
    pub level_is_fixed: bool,
    /// The environment at our start.
    pub process: Environment,
    /// The home directory.
    pub home: Option<PathBuf>,
}

impl Sources {
    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| self.places.config_file())
    }
}
