//! One isolated place to run the product in, and the checks that every test makes without asking for them.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, PoisonError},
};

use bitrouter_test_postgres::{Database, wanted};
use tempfile::TempDir;

use crate::{
    canary,
    command::{Output, Run},
    daemon::Daemon,
    leftovers,
    network_trap::NetworkTrap,
    procfs,
    serve::Serve,
    shared_files,
    user::{Claim, User},
    wait,
};

/// Private directories, a private environment, an ordinary uid, a trapped network, and secrets that must not leak.
/// Cloning shares the world.
#[derive(Clone, Debug)]
pub struct World {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: TempDir,
    user: User,
    _claim: Claim,
    network_trap: NetworkTrap,
    canaries: Mutex<Vec<String>>,
    written: Mutex<Vec<PathBuf>>,
    transcripts: Mutex<Vec<(String, Vec<u8>)>>,
    /// Where the node is, unless that is the file of its directory. It goes when every process of the world has ended.
    database: Option<Database>,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A new world with empty directories. In a test that runs once more on PostgreSQL the settings lead the node to an empty
    /// database there.
    pub fn new() -> Self {
        let (user, claim) = User::claim();
        let private = std::fs::Permissions::from_mode(0o700);
        let place = shared_files::temporary();
        let root = tempfile::Builder::new().prefix("br").permissions(private).tempdir_in(place).expect("a world");
        user.own_path(root.path());
        let world = Self {
            inner: Arc::new(Inner {
                root,
                user,
                _claim: claim,
                network_trap: NetworkTrap::set(),
                canaries: Mutex::default(),
                written: Mutex::default(),
                transcripts: Mutex::default(),
                database: wanted(),
            }),
        };
        for dir in ["home", "config", "data", "state", "run"] {
            world.directory(dir);
        }
        if world.inner.database.is_some() {
            world.config("");
        }
        world
    }

    /// The directory that holds everything.
    pub fn root(&self) -> &Path {
        self.inner.root.path()
    }

    /// A path below the root, such as `state/bitrouter/daemon.json`.
    pub fn path(&self, below: &str) -> PathBuf {
        self.root().join(below)
    }

    /// Where the control socket is when the daemon was given no other place.
    pub fn socket(&self) -> PathBuf {
        self.path("run/bitrouter/control.sock")
    }

    /// Where the running daemon says where it listens.
    pub fn daemon_json(&self) -> PathBuf {
        self.path("state/bitrouter/daemon.json")
    }

    /// Whose world it is.
    pub fn user(&self) -> User {
        self.inner.user
    }

    /// The network trap.
    pub fn network_trap(&self) -> &NetworkTrap {
        &self.inner.network_trap
    }

    /// A new secret that looks like a key of `name` and must turn up in no file, output or argument list.
    pub fn canary(&self, name: &str) -> String {
        let secret = canary::secret(name);
        lock(&self.inner.canaries).push(secret.clone());
        secret
    }

    /// Also watches for `secret`.
    pub fn watch(&self, secret: &str) {
        lock(&self.inner.canaries).push(secret.to_owned());
    }

    /// Makes a directory of mode 0700 below the root, parents too.
    pub fn directory(&self, below: &str) -> PathBuf {
        let mut path = self.root().to_owned();
        for part in Path::new(below).components() {
            path.push(part);
            if !path.is_dir() {
                std::fs::DirBuilder::new().mode(0o700).create(&path).expect("a directory");
                self.user().own_path(&path);
            }
        }
        path
    }

    /// Writes a file of mode 0600 below the root, in place of what stands there.
    pub fn write(&self, below: &str, text: impl AsRef<[u8]>) -> PathBuf {
        self.write_mode(below, text, 0o600)
    }

    /// Writes a file with the given mode, keeping the inode of what stands there (as an editor that truncates does).
    pub fn write_mode(&self, below: &str, text: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.place_for(below);
        // Between truncation and content nothing else happens to a file that is already there: who watches it should
        // meet an editor, not one that stops to change owners.
        let known = path.exists();
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&path).expect("a file");
        let dress = |file: &std::fs::File| {
            self.user().own(file);
            rustix::fs::fchmod(file, mode.into()).expect("fchmod");
        };
        if !known {
            dress(&file);
        }
        file.write_all(text.as_ref()).expect("write");
        if known {
            dress(&file);
        }
        path
    }

    /// Replaces a file by renaming a new one over it, as most editors do.
    pub fn rename_over(&self, below: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let draft = self.write(&format!("{below}.draft~"), text);
        let path = self.place_for(below);
        std::fs::rename(draft, &path).expect("rename");
        path
    }

    fn place_for(&self, below: &str) -> PathBuf {
        if let Some(parent) = Path::new(below).parent() {
            self.directory(parent.to_str().expect("a UTF-8 path"));
        }
        let path = self.path(below);
        lock(&self.inner.written).push(path.clone());
        path
    }

    /// Writes `config.toml`, with the database of the world.
    pub fn config(&self, text: &str) -> PathBuf {
        let Some(database) = &self.inner.database else { return self.write("config/bitrouter/config.toml", text) };
        let node = format!("[node]\ndatabase_url = \"{}\"\n", database.url());
        let text = match text.split_once("[node]\n") {
            Some((before, behind)) => format!("{before}{node}{behind}"),
            None => format!("{text}\n{node}"),
        };
        self.write("config/bitrouter/config.toml", text)
    }

    /// The database of the node, where the world is on PostgreSQL.
    pub fn database(&self) -> Option<&Database> {
        self.inner.database.as_ref()
    }

    /// Writes the env file that is always read.
    pub fn env_file(&self, text: &str) -> PathBuf {
        self.write("config/bitrouter/env", text)
    }

    /// Secrets may stand in the file below the root: it is there to hold them.
    pub fn holds_secrets(&self, below: &str) {
        lock(&self.inner.written).push(self.path(below));
    }

    /// The environment that every process of this world starts with.
    pub fn environment(&self) -> BTreeMap<OsString, OsString> {
        let path = |name: &str| self.path(name).into_os_string();
        let text = |value: &str| OsString::from(value);
        let proxy = OsString::from(self.inner.network_trap.url());
        BTreeMap::from([
            (text("HOME"), path("home")),
            (text("XDG_CONFIG_HOME"), path("config")),
            (text("XDG_DATA_HOME"), path("data")),
            (text("XDG_STATE_HOME"), path("state")),
            (text("XDG_RUNTIME_DIR"), path("run")),
            (text("PATH"), text("/usr/local/bin:/usr/bin:/bin")),
            (text("LANG"), text("C.UTF-8")),
            (text("HTTPS_PROXY"), proxy.clone()),
            (text("https_proxy"), proxy),
            (text("NO_PROXY"), text("127.0.0.1,localhost,::1")),
            (text("no_proxy"), text("127.0.0.1,localhost,::1")),
        ])
    }

    /// A bare command of this world: right user, right environment, working directory `home`.
    pub fn bare_command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment()).current_dir(self.path("home"));
        self.user().apply(&mut command);
        command
    }

    /// Runs `bitrouter ARGS…` to its end.
    #[track_caller]
    pub fn cli<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Output {
        self.command(args).run()
    }

    /// A `bitrouter ARGS…` that can be changed before it runs.
    pub fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Run {
        Run::new(self.clone(), shared_files::binary(), args)
    }

    /// A `bitrouter ARGS…` as another terminal would run it: in a session of its own, whose leader this machine's
    /// processes can name, whatever started the tests.
    pub fn command_of_another_terminal<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Run {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        let all = ["--wait".into(), shared_files::binary().as_os_str().to_owned()].into_iter().chain(args);
        self.program(Path::new("/usr/bin/setsid"), all)
    }

    /// Any other program in this world, such as `sh`.
    pub fn program<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, program: &Path, args: I) -> Run {
        Run::new(self.clone(), program, args)
    }

    /// A daemon in the foreground, to be described and started.
    pub fn serve(&self) -> Serve {
        Serve::new(self.clone())
    }

    /// A started `serve --demo`.
    #[track_caller]
    pub fn demo(&self) -> Daemon {
        self.serve().arg("--demo").start()
    }

    /// The daemon that runs detached in this world, as `daemon.json` names it.
    #[track_caller]
    pub fn detached(&self) -> Daemon {
        Daemon::detached(self.clone())
    }

    /// `status --json` of this world's daemon, once it says that it runs: one that still starts answers too.
    #[track_caller]
    pub fn until_running(&self) -> serde_json::Value {
        wait::until("a running daemon", || {
            let status: serde_json::Value = serde_json::from_str(&self.cli(["status", "--json"]).stdout).ok()?;
            (status["state"] == "running").then_some(status)
        })
    }

    /// The content of `daemon.json`, where it can be read.
    pub fn daemon_file(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&std::fs::read(self.daemon_json()).ok()?).ok()
    }

    /// Keeps `bytes` for the search for secrets at the end.
    pub fn keep(&self, what: impl Into<String>, bytes: Vec<u8>) {
        lock(&self.inner.transcripts).push((what.into(), bytes));
    }

    /// The running processes of this world: as root all of its uid, otherwise those that can be told to be its own.
    pub fn processes(&self) -> Vec<u32> {
        self.inner.processes()
    }

    /// Searches for secrets now: in what was kept, in files, in argument lists.
    pub fn leaks(&self) -> Vec<String> {
        self.inner.leaks()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn processes(&self) -> Vec<u32> {
        if self.user.is_exclusive() {
            return procfs::of_user(self.user.uid());
        }
        leftovers::processes_of(self.root.path(), self.user.uid())
    }

    fn leaks(&self) -> Vec<String> {
        let secrets = lock(&self.canaries).clone();
        if secrets.is_empty() {
            return Vec::new();
        }
        let mut found = canary::find_in_files(&secrets, self.root.path(), &lock(&self.written));
        for (what, bytes) in lock(&self.transcripts).iter() {
            found.extend(canary::find(&secrets, what, bytes));
        }
        for pid in self.processes() {
            let line = procfs::cmdline(pid).unwrap_or_default();
            found.extend(canary::find(&secrets, &format!("the arguments of pid {pid}"), line.as_bytes()));
        }
        found
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let leaks = self.leaks();
        leftovers::end(&self.processes());
        let removed = leftovers::remove(self.root.path());
        if std::thread::panicking() {
            return;
        }
        removed.unwrap_or_else(|e| panic!("`{}` stays behind: {e}", self.root.path().display()));
        assert!(leaks.is_empty(), "a secret leaked:\n{}", leaks.join("\n"));
        let hits = self.network_trap.take();
        assert!(hits.is_empty(), "something tried to leave the machine:\n{}", hits.join("\n"));
    }
}
