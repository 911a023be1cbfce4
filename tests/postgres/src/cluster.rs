//! Programs of PostgreSQL, as the user that may run them.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Nobody's number, whom root becomes.
const NOBODY: u32 = 65_534;

/// A program of the server's newest installed release.
pub(crate) fn program(name: &str) -> PathBuf {
    let releases = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = releases
        .filter_map(|release| {
            let number = release.file_name().to_str()?.parse().ok()?;
            Some((number, release.path().join("bin").join(name)))
        })
        .filter(|(_, path)| path.exists())
        .collect();
    found.sort();
    match found.pop() {
        Some((_, path)) => path,
        None => panic!(
            "PostgreSQL is not installed, and this test needs it: apt-get install postgresql postgresql-client pgbouncer"
        ),
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Gives what was made to the user who runs the server.
pub(crate) fn give(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// A directory for the server alone, and for root.
pub(crate) fn directory(path: &Path) {
    fs::create_dir_all(path).unwrap();
    rustix::fs::chmod(path, rustix::fs::Mode::from_raw_mode(0o700)).unwrap();
    give(path);
}

/// A server outlives who started it, and must hold nothing open for those.
const CLOSED: &str = r#"for fd in /proc/$$/fd/*; do fd=${fd##*/}; ((fd < 3)) || eval "exec $fd>&-"; done; exec "$@""#;

/// Has `command` done once nobody holds the lock `used` in `root` any more: whoever is killed leaves no server behind.
pub(crate) fn once_unused(root: &Path, script: &str, command: &Command) {
    let mut waiting = Command::new("setsid");
    waiting.args(["-f", "bash", "-c", CLOSED, "once_unused", "sh", "-c", script, "once_unused"]).arg(root);
    waiting.arg(command.get_program()).args(command.get_args());
    waiting.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin").current_dir("/");
    let done = waiting.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(done.success());
}

/// What stops the server of `data`.
pub(crate) fn stopping(data: &Path) -> Command {
    let mut command = as_user(&program("pg_ctl"));
    command.args(["stop", "-w", "-s", "-m", "immediate", "-D"]).arg(data);
    command
}

/// `program` as the user who runs the server, with nothing of ours open.
pub(crate) fn as_user(program: &Path) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", CLOSED, "as_user"]);
    if is_root() {
        let uid = NOBODY.to_string();
        command.args(["setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups", "--"]);
    }
    command.arg(program);
    command
        .stdin(Stdio::null())
        .current_dir("/")
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin")
        .env("LC_ALL", "C.UTF-8");
    command
}

/// Runs it to its end; panics with what it says where it fails.
pub(crate) fn run(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{command:?}: {}\n{out}{err}", done.status);
    out.into_owned()
}

/// Makes the files of a server in `data`.
pub(crate) fn init(data: &Path) {
    directory(data);
    run(as_user(&program("initdb"))
        .args(["--auth=trust", "--no-sync", "--username=ada", "--encoding=UTF8", "--no-instructions"])
        // Other than by bytes, as on most machines.
        .args(["--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8", "-D"])
        .arg(data));
    let path = data.join("postgresql.conf");
    let mut settings = fs::read_to_string(&path).unwrap();
    settings.push_str(
        "listen_addresses = ''\nunix_socket_permissions = 0777\nfsync = off\n\
         full_page_writes = off\nmax_connections = 400\nshared_buffers = 16MB\nmax_wal_size = 64MB\nmin_wal_size = 32MB\n\
         wal_level = minimal\nmax_wal_senders = 0\nautovacuum = off\n",
    );
    replace(&path, &settings);
}

/// Writes a file of the server's user.
pub(crate) fn replace(path: &Path, text: &str) {
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).open(path).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    drop(file);
    give(path);
}

/// Starts the server of `data`, with its socket in `sockets`.
pub(crate) fn start(data: &Path, sockets: &Path) {
    let log = data.join("log");
    // It keeps our standard output open otherwise.
    let done = as_user(&program("pg_ctl"))
        .args(["start", "-w", "-t", "60", "-s", "-l"])
        .arg(&log)
        .arg("-o")
        .arg(format!("-k {}", sockets.display()))
        .arg("-D")
        .arg(data)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(done.success(), "PostgreSQL does not start: {}", fs::read_to_string(&log).unwrap_or_default());
}

/// Stops the server of `data`: `fast`, or `immediate`, as if it had been killed.
pub(crate) fn stop(data: &Path, mode: &str) {
    // One that does not run is stopped.
    let _ = as_user(&program("pg_ctl"))
        .args(["stop", "-w", "-t", "60", "-s", "-m", mode, "-D"])
        .arg(data)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Asks the database `name` of the server with its socket in `sockets`.
pub(crate) fn ask(sockets: &Path, name: &str, sql: &str) -> String {
    let mut command = as_user(Path::new("/usr/bin/psql"));
    command
        .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-U", "ada", "-d", name, "-c", sql, "-h"])
        .arg(sockets);
    run(&mut command).trim_end().to_owned()
}

/// A copy of the database `name`, as `pg_dump` makes it.
pub(crate) fn dump(sockets: &Path, name: &str) -> Vec<u8> {
    let mut command = as_user(&program("pg_dump"));
    let done = command.args(["-Fc", "-U", "ada", "-d", name, "-h"]).arg(sockets).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// Has `pg_restore` put a copy in the place of what stands in the database `name`.
pub(crate) fn put_back(sockets: &Path, name: &str, copy: &[u8]) {
    use std::io::{Seek as _, Write as _};
    // What root holds cannot be opened by whom the programs run as, and can be read when it is open.
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(copy).unwrap();
    file.rewind().unwrap();
    let mut command = as_user(&program("pg_restore"));
    command.args(["--clean", "--if-exists", "--exit-on-error", "-U", "ada", "-d", name, "-h"]).arg(sockets).stdin(file);
    run(&mut command);
}

/// The URL of the database `name` by the socket in `sockets`.
pub(crate) fn url(sockets: &Path, port: u16, name: &str) -> String {
    format!("postgres://ada@localhost/{name}?host={}&port={port}", sockets.display())
}
