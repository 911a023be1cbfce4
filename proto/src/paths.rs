//! Where things live: a pure function of a captured environment (XDG Base Directory Specification). Only whether the
//! runtime directory can be used is asked of the system.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustix::fs::FileType;

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
    /// `HOME` is a relative path.
    #[error("`HOME` must be an absolute path, not `{0}`")]
    RelativeHome(PathBuf),
    /// The kernel would cut the path.
    #[error("the socket path `{path}` has {length} bytes, the system takes {MAX_SOCKET_PATH}; {}", .named_by.remedy())]
    SocketTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// Who named it.
        named_by: NamedBy,
    },
}

/// Who named the path of a control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// The rules of this module.
    Rule,
    /// The user, with `--socket` or `BITROUTER_SOCKET`.
    User,
}

impl NamedBy {
    fn remedy(self) -> &'static str {
        match self {
            Self::Rule => "set `XDG_RUNTIME_DIR` to a shorter directory",
            Self::User => "change to its directory and name it from there",
        }
    }
}

/// Where the control socket of this user's daemon belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketPlace {
    /// The socket.
    pub path: PathBuf,
    /// Why it does not lie in the runtime directory that `XDG_RUNTIME_DIR` names.
    pub warning: Option<String>,
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
    /// `$XDG_RUNTIME_DIR` as it stands, usable or not.
    runtime_base: Option<PathBuf>,
}

impl Places {
    /// The places that `env` names.
    pub fn of(env: &Environment) -> Result<Self, PathError> {
        Ok(Self {
            config_dir: xdg(env, env::XDG_CONFIG_HOME, ".config", "the configuration")?,
            data_dir: xdg(env, env::XDG_DATA_HOME, ".local/share", "data")?,
            state_dir: xdg(env, env::XDG_STATE_HOME, ".local/state", "the lock and the log")?,
            runtime_base: env.path(env::XDG_RUNTIME_DIR),
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

    /// The control socket: in the runtime directory where that is usable, else below the state directory. A client and
    /// a daemon of one environment find the same place.
    pub fn control_socket(&self) -> SocketPlace {
        let Some(base) = &self.runtime_base else {
            return SocketPlace { path: self.fallback_socket(), warning: None };
        };
        match unusable(base) {
            None => SocketPlace { path: base.join("bitrouter/control.sock"), warning: None },
            Some(why) => SocketPlace {
                path: self.fallback_socket(),
                warning: Some(format!("`XDG_RUNTIME_DIR` {why}; the control socket is below the state directory")),
            },
        }
    }

    /// The control socket where there is no usable runtime directory.
    pub fn fallback_socket(&self) -> PathBuf {
        self.state_dir.join("run/control.sock")
    }
}

/// Why `base` is no runtime directory of ours: what `su` leaves in the environment is somebody else's.
fn unusable(base: &Path) -> Option<String> {
    if base.is_relative() {
        return Some(format!("is not an absolute path (`{}`)", base.display()));
    }
    let me = rustix::process::geteuid().as_raw();
    match rustix::fs::stat(base) {
        Err(error) => Some(format!("cannot be used (`{}`: {})", base.display(), io::Error::from(error))),
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Directory => {
            Some(format!("is not a directory (`{}`)", base.display()))
        }
        Ok(stat) if stat.st_uid != me => {
            Some(format!("belongs to uid {}, not to uid {me} (`{}`)", stat.st_uid, base.display()))
        }
        Ok(_) => None,
    }
}

/// Refuses a socket path that the kernel would not take.
pub fn check_socket_path(path: &Path, named_by: NamedBy) -> Result<(), PathError> {
    let length = path.as_os_str().len();
    if length > MAX_SOCKET_PATH {
        return Err(PathError::SocketTooLong { path: path.to_owned(), length, named_by });
    }
    Ok(())
}

/// The specification: "if an implementation encounters a relative path in any of these variables it should consider the
/// path invalid and ignore it".
fn xdg(env: &Environment, variable: &'static str, below_home: &str, what: &'static str) -> Result<PathBuf, PathError> {
    if let Some(dir) = env.path(variable).filter(|dir| dir.is_absolute()) {
        return Ok(dir.join("bitrouter"));
    }
    match env.path(env::HOME) {
        Some(home) if home.is_relative() => Err(PathError::RelativeHome(home)),
        Some(home) => Ok(home.join(below_home).join("bitrouter")),
        None => Err(PathError::NoHome { what, variable }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xdg_variables_beat_home() {
        let env = Environment::from_iter([("HOME", "/h"), ("XDG_STATE_HOME", "/s")]);
        let places = Places::of(&env).unwrap();
        assert_eq!(places.state_dir, Path::new("/s/bitrouter"));
        assert_eq!(places.config_file(), Path::new("/h/.config/bitrouter/config.toml"));
        assert_eq!(places.fallback_socket(), Path::new("/s/bitrouter/run/control.sock"));
    }

    #[test]
    fn a_relative_xdg_directory_is_ignored() {
        let env = Environment::from_iter([("HOME", "/h"), ("XDG_STATE_HOME", "s"), ("XDG_RUNTIME_DIR", "r")]);
        let places = Places::of(&env).unwrap();
        assert_eq!(places.state_dir, Path::new("/h/.local/state/bitrouter"));
        let socket = places.control_socket();
        assert_eq!(socket.path, places.fallback_socket());
        assert!(socket.warning.unwrap().contains("not an absolute path"));
    }

    #[test]
    fn only_a_runtime_directory_of_ours_holds_the_socket() {
        let root = tempfile::tempdir().unwrap();
        let of = |dir: &Path| {
            let env = Environment::from_iter([("HOME", Path::new("/h")), ("XDG_RUNTIME_DIR", dir)]);
            Places::of(&env).unwrap().control_socket()
        };
        let own = of(root.path());
        assert_eq!((own.path, own.warning), (root.path().join("bitrouter/control.sock"), None));
        let missing = of(&root.path().join("missing"));
        assert!(missing.path.starts_with("/h") && missing.warning.is_some(), "{missing:?}");
    }

    #[test]
    fn no_home_is_named() {
        let error = Places::of(&Environment::default()).unwrap_err().to_string();
        assert!(error.contains("`HOME` is not set"), "{error}");
    }

    #[test]
    fn a_long_socket_path_is_named_with_its_length_and_what_helps() {
        let path = PathBuf::from(format!("/{}", "x".repeat(MAX_SOCKET_PATH)));
        let error = |by| check_socket_path(&path, by).unwrap_err().to_string();
        let ours = error(NamedBy::Rule);
        assert!(ours.contains(&(MAX_SOCKET_PATH + 1).to_string()) && ours.contains("XDG_RUNTIME_DIR"), "{ours}");
        let theirs = error(NamedBy::User);
        assert!(!theirs.contains("XDG_RUNTIME_DIR") && theirs.contains("change to its directory"), "{theirs}");
        check_socket_path(Path::new("/short"), NamedBy::User).unwrap();
    }
}
