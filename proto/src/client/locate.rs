//! Which socket to talk to, and whether it can be trusted before a byte is sent.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use rustix::fs::{FileType, FlockOperation, Stat};

use crate::{
    client::ClientError,
    env::{self, Environment},
    files,
    paths::{NamedBy, Places, SYSTEM_SOCKET, check_socket_path},
    shell,
    status::DaemonJson,
};

/// A socket that passed [`verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Its path.
    pub path: PathBuf,
    /// The uid that owns it.
    pub owner: u32,
}

/// What a search for the daemon's socket gave.
#[derive(Debug)]
pub struct Search {
    /// Sockets that exist and can be trusted, best first.
    pub trusted: Vec<Located>,
    /// Every path that was looked at.
    pub tried: Vec<PathBuf>,
    /// Why the first one that exists cannot be trusted.
    pub refused: Option<ClientError>,
}

/// The path of the one socket to talk to, where the user named one.
pub fn named(env: &Environment, flag: Option<&Path>) -> Option<PathBuf> {
    flag.map(Path::to_owned).or_else(|| env.path(env::BITROUTER_SOCKET))
}

/// The sockets to try, best first: the one that was named alone, else what `daemon.json` says, the runtime directory
/// where it is ours, the fallback below the state directory, the system path.
pub fn candidates(env: &Environment, flag: Option<&Path>) -> Result<Vec<PathBuf>, ClientError> {
    if let Some(path) = named(env, flag) {
        check_socket_path(&path, NamedBy::User)?;
        return Ok(vec![path]);
    }
    let places = Places::of(env)?;
    let mut found = Vec::with_capacity(4);
    found.extend(read_daemon_json(&places).map(|json| PathBuf::from(json.socket)));
    found.push(places.control_socket().path);
    found.push(places.fallback_socket());
    found.push(PathBuf::from(SYSTEM_SOCKET));
    let mut seen = Vec::with_capacity(found.len());
    found.retain(|path| {
        let fresh = !seen.contains(path);
        seen.push(path.clone());
        fresh
    });
    Ok(found)
}

/// What the running daemon wrote about itself; `None` where there is no such file or it does not parse.
pub fn read_daemon_json(places: &Places) -> Option<DaemonJson> {
    serde_json::from_slice(&fs_read(&places.daemon_json())?).ok()
}

fn fs_read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    files::open_read(path).ok()?.take(64 * 1024).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Looks at every candidate.
///
/// # Errors
/// Where there is no place to look.
pub fn search(env: &Environment, flag: Option<&Path>) -> Result<Search, ClientError> {
    let tried = candidates(env, flag)?;
    let is_named = named(env, flag).is_some();
    let (mut trusted, mut refused) = (Vec::new(), None);
    for path in &tried {
        match verify(path, flag.is_some()) {
            Ok(found) => trusted.extend(found),
            // A system-wide daemon that this user may not use is no daemon for this user.
            Err(ClientError::Denied { .. }) if !is_named && path == Path::new(SYSTEM_SOCKET) => {}
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Ok(Search { trusted, tried, refused })
}

/// Checks that `path` is a socket in a directory, both of which belong to us (to root at the system path), neither a
/// symlink, neither writable by others. `None` where it does not exist.
///
/// Root may name another user's daemon, but only with `--socket` (`by_flag`): a variable may have been set by that user.
pub fn verify(path: &Path, by_flag: bool) -> Result<Option<Located>, ClientError> {
    let refuse = |why: String| Err(ClientError::Unsafe { path: path.to_owned(), why, cure: None });
    let writable = |what: &Path, why: String| {
        let cure = format!("chmod go-w {}", shell::quoted(&what.to_string_lossy()));
        Err(ClientError::Unsafe { path: path.to_owned(), why, cure: Some(cure) })
    };
    let dir = match path.parent() {
        Some(dir) if dir.as_os_str().is_empty() => Path::new("."),
        Some(dir) => dir,
        None => return refuse("it is not a socket".to_owned()),
    };
    let stat = match rustix::fs::lstat(path) {
        Ok(stat) => stat,
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => return Err(denied(path)),
        Err(error) => return refuse(std::io::Error::from(error).to_string()),
    };
    let dir_stat = match rustix::fs::lstat(dir) {
        Ok(stat) => stat,
        Err(error) => return refuse(std::io::Error::from(error).to_string()),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Socket => {}
        FileType::Symlink => return refuse("it is a symlink".to_owned()),
        _ => return refuse("it is not a socket".to_owned()),
    }
    if FileType::from_raw_mode(dir_stat.st_mode) != FileType::Directory {
        return refuse(format!("`{}` is a symlink", dir.display()));
    }
    let me = rustix::process::geteuid().as_raw();
    let trusted = |stat: &Stat| {
        stat.st_uid == me || (stat.st_uid == 0 && path == Path::new(SYSTEM_SOCKET)) || (me == 0 && by_flag)
    };
    if !trusted(&stat) {
        return refuse(format!("it belongs to uid {}, not to you (uid {me})", stat.st_uid));
    }
    if !trusted(&dir_stat) {
        return refuse(format!("`{}` belongs to uid {}, not to you (uid {me})", dir.display(), dir_stat.st_uid));
    }
    if stat.st_mode & 0o022 != 0 {
        return writable(path, format!("others can write to it (mode {:04o})", stat.st_mode & 0o7777));
    }
    if dir_stat.st_mode & 0o022 != 0 {
        let why = format!("others can write to `{}` (mode {:04o})", dir.display(), dir_stat.st_mode & 0o7777);
        return writable(dir, why);
    }
    Ok(Some(Located { path: path.to_owned(), owner: stat.st_uid }))
}

/// What does not let us reach `path`: the nearest thing on the way that can be looked at, which is the socket itself or
/// the directory that is closed to us.
pub(super) fn denied(path: &Path) -> ClientError {
    let barrier = path.ancestors().find_map(|at| Some((at.to_owned(), rustix::fs::lstat(at).ok()?.st_uid)));
    ClientError::Denied { path: path.to_owned(), barrier }
}

/// True where some process holds the single-instance lock. Asks with a shared lock that is dropped at once.
pub fn lock_is_held(places: &Places) -> bool {
    // What is not ours alone is no lock of a daemon of ours.
    let Ok(fd) = files::open_read(&places.lock_file()) else { return false };
    rustix::fs::flock(&fd, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests set up what others left behind")]
mod tests {
    use super::*;
    use std::os::unix::{fs::PermissionsExt as _, net::UnixListener};

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn why(path: &Path) -> String {
        match verify(path, false) {
            Err(ClientError::Unsafe { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_our_own_private_socket_is_trusted() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("d");
        std::fs::create_dir(&dir).unwrap();
        set_mode(&dir, 0o700);
        let path = dir.join("s");
        assert_eq!(verify(&path, false).unwrap(), None);
        let _listener = UnixListener::bind(&path).unwrap();
        set_mode(&path, 0o600);
        assert!(verify(&path, false).unwrap().is_some());
        set_mode(&path, 0o666);
        assert!(why(&path).contains("others can write to it"));
        set_mode(&path, 0o600);
        set_mode(&dir, 0o777);
        assert!(why(&path).contains("others can write to `"));
        set_mode(&dir, 0o700);
        let link = dir.join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(why(&link), "it is a symlink");
        std::os::unix::fs::symlink(&dir, root.path().join("e")).unwrap();
        assert!(why(&root.path().join("e/s")).ends_with("is a symlink"));
        std::fs::write(dir.join("file"), "").unwrap();
        assert_eq!(why(&dir.join("file")), "it is not a socket");
    }

    #[test]
    fn an_explicit_socket_is_the_only_candidate() {
        let env = Environment::from_iter([("HOME", "/h"), ("BITROUTER_SOCKET", "/b")]);
        assert_eq!(candidates(&env, Some(Path::new("/a"))).unwrap(), [PathBuf::from("/a")]);
        assert_eq!(candidates(&env, None).unwrap(), [PathBuf::from("/b")]);
    }

    #[test]
    fn the_runtime_directory_comes_before_the_system_path() {
        let root = tempfile::tempdir().unwrap();
        let of = |dir: &Path| {
            let env = Environment::from_iter([("HOME", Path::new("/h")), ("XDG_RUNTIME_DIR", dir)]);
            candidates(&env, None).unwrap()
        };
        let rest = ["/h/.local/state/bitrouter/run/control.sock", SYSTEM_SOCKET].map(PathBuf::from);
        assert_eq!(of(root.path())[0], root.path().join("bitrouter/control.sock"));
        assert_eq!(of(root.path())[1..], rest);
        assert_eq!(of(Path::new("/nonexistent")), rest, "what is not ours is not looked at");
    }
}
