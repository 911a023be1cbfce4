//! Where things live: a pure function of a captured environment (XDG Base Directory Specification).

use std::path::{Path, PathBuf};

use crate::env::{self, Environment};

/// The longest path a Unix socket may have here, without the final NUL (`sun_path` of `unix(7)`).
#[cfg(target_os = "linux")]
pub const MAX_SOCKET_PATH: usize = 107;
/// The longest path a Unix socket may have here, without the final NUL.
#[cfg(not(target_os = "linux"))]
pub const MAX_SOCKET_PATH: usize = 103;

/// Where the control socket of a system-wide daemon is.
pub const SYSTEM_SOCKET: &str = "/run/bitrouter/control.sock";

/// Why no place can be named.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// `HOME` and an XDG variable are missing.
    #[error("`HOME` is not set, so there is no place for {what}; set `HOME` or `{variable}`")]
    NoHome {
        /// What has no place.
        what: &'static str,
        /// The variable that would also do.
        variable: &'static str,
    },
    /// A variable holds a relative path.
    #[error("`{variable}` must be an absolute path, not `{value}`")]
    Relative {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: PathBuf,
    },
    /// The kernel would cut the path.
    #[error(
        "the socket path `{path}` has {length} bytes, the system takes {MAX_SOCKET_PATH}; set `XDG_RUNTIME_DIR` to a \
         shorter directory"
    )]
    SocketTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
}

/// Every place of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// `$XDG_CONFIG_HOME/bitrouter`.
    pub config_dir: PathBuf,
    /// `$XDG_DATA_HOME/bitrouter`.
    pub data_dir: PathBuf,
    /// `$XDG_STATE_HOME/bitrouter`.
    pub state_dir: PathBuf,
    /// `$XDG_RUNTIME_DIR/bitrouter`, or `None` where the variable is unset.
    pub runtime_dir: Option<PathBuf>,
}

impl Places {
    /// The places that `env` names.
    pub fn of(env: &Environment) -> Result<Self, PathError> {
        Ok(Self {
            config_dir: xdg(env, env::XDG_CONFIG_HOME, ".config", "the configuration")?,
            data_dir: xdg(env, env::XDG_DATA_HOME, ".local/share", "data")?,
            state_dir: xdg(env, env::XDG_STATE_HOME, ".local/state", "the lock and the log")?,
            runtime_dir: absolute(env, env::XDG_RUNTIME_DIR)?.map(|dir| dir.join("bitrouter")),
        })
    }

    /// The configuration file where `--config` names no other.
    pub fn config_file(&self) -> PathBuf {
        self.config_dir.join("config.toml")
    }

    /// The env file that is always read where it exists.
    pub fn env_file(&self) -> PathBuf {
        self.config_dir.join("env")
    }

    /// The directory of the user's own manifests.
    pub fn registry_dir(&self) -> PathBuf {
        self.config_dir.join("registry")
    }

    /// The single-instance lock, held for the daemon's life.
    pub fn lock_file(&self) -> PathBuf {
        self.state_dir.join("daemon.lock")
    }

    /// Where the running daemon says where it listens.
    pub fn daemon_json(&self) -> PathBuf {
        self.state_dir.join("daemon.json")
    }

    /// The log of a detached daemon.
    pub fn log_file(&self) -> PathBuf {
        self.state_dir.join("daemon.log")
    }

    /// The control socket where the runtime directory is usable.
    pub fn runtime_socket(&self) -> Option<PathBuf> {
        self.runtime_dir.as_ref().map(|dir| dir.join("control.sock"))
    }

    /// The control socket where there is no usable runtime directory.
    pub fn fallback_socket(&self) -> PathBuf {
        self.state_dir.join("run/control.sock")
    }
}

/// Refuses a socket path that the kernel would not take.
pub fn check_socket_path(path: &Path) -> Result<(), PathError> {
    let length = path.as_os_str().len();
    if length > MAX_SOCKET_PATH {
        return Err(PathError::SocketTooLong { path: path.to_owned(), length });
    }
    Ok(())
}

fn absolute(env: &Environment, variable: &'static str) -> Result<Option<PathBuf>, PathError> {
    match env.path(variable) {
        Some(value) if value.is_relative() => Err(PathError::Relative { variable, value }),
        other => Ok(other),
    }
}

fn xdg(env: &Environment, variable: &'static str, below_home: &str, what: &'static str) -> Result<PathBuf, PathError> {
    if let Some(dir) = absolute(env, variable)? {
        return Ok(dir.join("bitrouter"));
    }
    match absolute(env, env::HOME)? {
        Some(home) => Ok(home.join(below_home).join("bitrouter")),
        None => Err(PathError::NoHome { what, variable }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xdg_variables_beat_home() {
        let env = Environment::from_iter([("HOME", "/h"), ("XDG_STATE_HOME", "/s"), ("XDG_RUNTIME_DIR", "/r")]);
        let places = Places::of(&env).unwrap();
        assert_eq!(places.state_dir, Path::new("/s/bitrouter"));
        assert_eq!(places.config_file(), Path::new("/h/.config/bitrouter/config.toml"));
        assert_eq!(places.runtime_socket().unwrap(), Path::new("/r/bitrouter/control.sock"));
        assert_eq!(places.fallback_socket(), Path::new("/s/bitrouter/run/control.sock"));
    }

    #[test]
    fn no_home_is_named() {
        let error = Places::of(&Environment::default()).unwrap_err().to_string();
        assert!(error.contains("`HOME` is not set"), "{error}");
    }

    #[test]
    fn a_long_socket_path_is_named_with_its_length() {
        let path = PathBuf::from(format!("/{}", "x".repeat(MAX_SOCKET_PATH)));
        let error = check_socket_path(&path).unwrap_err().to_string();
        assert!(error.contains(&(MAX_SOCKET_PATH + 1).to_string()) && error.contains("XDG_RUNTIME_DIR"), "{error}");
        check_socket_path(Path::new("/short")).unwrap();
    }
}
