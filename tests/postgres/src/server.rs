//! A server of a test's own.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::cluster;

/// Where it was stopped in order there is nothing left to do.
const STOPPER: &str = r#"flock -x "$1/used" true; root=$1; shift; [ -d "$root/d" ] || exit; "$@"; rm -rf "$root""#;

/// A server with one database, `node`. It ends with this.
#[derive(Debug)]
pub struct Server {
    root: TempDir,
    /// Held until this process ends, however that is.
    _used: File,
}

impl Server {
    /// Makes a server and starts it.
    pub fn start() -> Self {
        let root = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        // Whoever runs the server must get in.
        rustix::fs::chmod(root.path(), rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
        let used = File::create_new(root.path().join("used")).unwrap();
        flock(&used, FlockOperation::LockExclusive).unwrap();
        let server = Self { root, _used: used };
        cluster::init(&server.data());
        cluster::directory(&server.sockets());
        rustix::fs::chmod(server.sockets(), rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
        cluster::once_unused(server.root(), STOPPER, &cluster::stopping(&server.data()));
        cluster::start(&server.data(), &server.sockets());
        cluster::ask(&server.sockets(), "postgres", "CREATE DATABASE node");
        server
    }

    fn data(&self) -> PathBuf {
        self.root.path().join("d")
    }

    /// Where its socket is.
    pub fn sockets(&self) -> PathBuf {
        self.root.path().join("s")
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// Where the database is.
    pub fn url(&self) -> String {
        cluster::url(&self.sockets(), 5432, "node")
    }

    /// What a statement answers, columns parted by `|`.
    pub fn ask(&self, sql: &str) -> String {
        cluster::ask(&self.sockets(), "node", sql)
    }

    /// Ends it in order: whoever is connected is cut off.
    pub fn stop(&self) {
        cluster::stop(&self.data(), "fast");
    }

    /// Ends it as a failure does.
    pub fn kill(&self) {
        cluster::stop(&self.data(), "immediate");
    }

    /// Starts it again.
    pub fn start_again(&self) {
        cluster::start(&self.data(), &self.sockets());
    }

    /// Has every process of the server stand still, or go on: it is there and does not answer.
    pub fn signal(&self, signal: &str) {
        let Ok(pid) = std::fs::read_to_string(self.data().join("postmaster.pid")) else { return };
        let pid = pid.lines().next().unwrap().to_owned();
        let children = Command::new("pgrep").args(["-P", &pid]).output().unwrap().stdout;
        let children = String::from_utf8(children).unwrap();
        for pid in children.lines().chain([pid.as_str()]) {
            let _ = Command::new("kill").args([&format!("-{signal}"), pid]).status();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that stands still does not end.
        self.signal("CONT");
        cluster::stop(&self.data(), "immediate");
    }
}
