//! One server for all tests of a run, whatever process they are in: the first one that needs it starts it, and it ends a
//! little after the last one has.
//!
//! Each process that uses it holds a lock for life; a shell in the background waits until nobody does.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use rustix::fs::{FlockOperation, flock};

use crate::cluster;

/// A database on the shared server. It goes with this.
#[derive(Debug)]
pub struct Database {
    name: String,
}

/// An empty database.
pub fn database() -> Database {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let sockets = &shared().sockets;
    let name = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    // A process before with this number may have been killed.
    cluster::ask(sockets, "postgres", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    cluster::ask(sockets, "postgres", &format!("CREATE DATABASE {name}"));
    Database { name }
}

impl Database {
    /// Where it is.
    pub fn url(&self) -> String {
        cluster::url(&shared().sockets, 5432, &self.name)
    }

    /// What a statement answers, columns parted by `|`.
    pub fn ask(&self, sql: &str) -> String {
        cluster::ask(&shared().sockets, &self.name, sql)
    }

    /// A copy of it by `pg_dump`.
    pub fn dump(&self) -> Vec<u8> {
        cluster::dump(&shared().sockets, &self.name)
    }

    /// Puts a copy in the place of what stands in it, by `pg_restore`.
    pub fn put_back(&self, copy: &[u8]) {
        cluster::put_back(&shared().sockets, &self.name, copy);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let sockets = &shared().sockets;
        if !std::thread::panicking() {
            cluster::ask(sockets, "postgres", &sql);
        }
    }
}

#[derive(Debug)]
struct Shared {
    sockets: PathBuf,
    /// Held until this process ends.
    _used: File,
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let uid = rustix::process::geteuid().as_raw();
        // Not below the place of a test, which is gone before the next test begins.
        let root = PathBuf::from(format!("/tmp/pg-of-tests-{uid}"));
        fs::create_dir_all(&root).unwrap();
        rustix::fs::chmod(&root, rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
        let lock = |name: &str| {
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(root.join(name)).unwrap()
        };
        let (starting, used) = (lock("starting"), lock("used"));
        // In this order: nobody stops it between the two.
        flock(&starting, FlockOperation::LockExclusive).unwrap();
        flock(&used, FlockOperation::LockShared).unwrap();
        let (data, sockets) = (root.join("data"), root.join("sockets"));
        if !data.join("postmaster.pid").exists() || !answers(&sockets) {
            let _ = fs::remove_dir_all(&data);
            cluster::init(&data);
            cluster::directory(&sockets);
            rustix::fs::chmod(&sockets, rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
            cluster::start(&data, &sockets);
            cluster::once_unused(&root, STOPPER, &cluster::stopping(&data));
        }
        flock(&starting, FlockOperation::Unlock).unwrap();
        Shared { sockets, _used: used }
    })
}

fn answers(sockets: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(sockets.join(".s.PGSQL.5432")).is_ok()
}

/// Between two tests there may be a moment without one.
const STOPPER: &str = r#"
while :; do
    flock -x "$1/used" true
    sleep 5
    if flock -x "$1/starting" flock -x -n "$1/used" sh -c '"$@"; rm -rf "$0/data" "$0/sockets"' "$@"; then exit; fi
done
"#;
