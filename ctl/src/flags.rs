//! The flags of whatever becomes a daemon: `serve`, `start` and `restart`.

use std::path::PathBuf;

use clap::Args;

/// The flags of `serve`, `start` and `restart`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ServeFlags {
    /// Add the built-in provider `demo`: everything can be tried without a key and without a network
    #[arg(long)]
    pub(crate) demo: bool,

    /// Listen here: an IP address of this machine and a port (0 takes a free one) [default: `[server] listen`, else 127.0.0.1:4356]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,

    /// Read this configuration file [default: ~/.config/bitrouter/config.toml]
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,

    /// Read this env file too, besides ~/.config/bitrouter/env (repeatable; a later one wins)
    #[arg(long = "env-file", value_name = "PATH")]
    pub(crate) env_files: Vec<PathBuf>,

    /// How log lines look [default: `[log] format`, else auto: for people on a terminal, JSON elsewhere]
    #[arg(long, value_name = "FORMAT", value_parser = ["auto", "human", "json"])]
    pub(crate) log_format: Option<String>,
}
