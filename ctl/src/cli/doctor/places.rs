//! Directories, sockets, the program itself and the clock: looked at from here, whether a daemon runs or not.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use bitrouter_proto::{
    client, clock as time,
    codes::CheckCode,
    env,
    paths::{NamedBy, PathError, Places, check_socket_path},
    shell,
    status::Status,
};

use super::check::Check;
use crate::context::Context;

/// The clock may differ by so much from what is known of the time.
const SLACK: Duration = Duration::from_mins(5);

/// Whether there is a place for everything.
pub(super) fn home(places: &Result<Places, PathError>) -> Check {
    match places {
        Ok(places) => {
            let message =
                format!("settings in `{}`, data in `{}`", places.config_dir.display(), places.data_dir.display());
            Check::good(CheckCode::Home, message)
        }
        Err(error) => Check::error(CheckCode::Home, error.to_string())
            .cure("export HOME=\"$(getent passwd \"$(id -u)\" | cut -d: -f6)\""),
    }
}

/// Whether `bitrouter`, typed, is this program.
pub(super) fn program(context: &Context) -> Check {
    let Ok(own) = std::env::current_exe().and_then(std::fs::canonicalize) else {
        return Check::good(CheckCode::Program, "the program's own path cannot be told");
    };
    let path = context.environment.path(env::PATH).unwrap_or_default();
    let found = std::env::split_paths(&path).find_map(|dir| std::fs::canonicalize(dir.join("bitrouter")).ok());
    let dir = own.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
    let cure = format!("export PATH={}:\"$PATH\"", shell::quoted(&dir));
    match found {
        Some(found) if found == own => Check::good(CheckCode::Program, format!("`bitrouter` is `{}`", own.display())),
        Some(found) => {
            let message = format!("`bitrouter` is `{}`, and this is `{}`", found.display(), own.display());
            Check::warning(CheckCode::Program, message).cure(cure)
        }
        None => {
            let message = format!("`{}` is in no directory of `PATH`", own.display());
            Check::warning(CheckCode::Program, message).cure(cure)
        }
    }
}

/// The control socket: its path, its directory, whose both are, and who else reaches them.
pub(super) fn control_socket(context: &Context) -> Vec<Check> {
    let mut checks = Vec::new();
    if let (None, Ok(places)) = (context.named_socket(), Places::of(&context.environment)) {
        let place = places.control_socket();
        if let Err(error) = check_socket_path(&place.path, NamedBy::Rule) {
            let cure = "XDG_RUNTIME_DIR=/run/user/\"$(id -u)\" bitrouter start";
            checks.push(Check::error(CheckCode::ControlSocket, error.to_string()).cure(cure));
        }
        if let Some(warning) = place.warning {
            checks.push(
                Check::warning(CheckCode::ControlSocket, warning).cure("export XDG_RUNTIME_DIR=/run/user/\"$(id -u)\""),
            );
        }
    }
    match client::search(&context.environment, context.socket.as_deref()) {
        Ok(found) => {
            if let Some(error) = found.refused {
                let cure = error.hint().unwrap_or_else(|| removal(&error));
                checks.push(Check::error(CheckCode::ControlSocket, error.to_string()).cure(cure));
            }
            let me = rustix::process::geteuid().as_raw();
            let own = found.trusted.iter().filter(|socket| socket.owner == me);
            let open: Vec<Check> = own.filter_map(|socket| open_to_others(&socket.path)).collect();
            checks.extend(open);
            if checks.is_empty() {
                let message = match found.trusted.first() {
                    Some(socket) => format!("`{}` is ours alone", socket.path.display()),
                    None => "none is there".to_owned(),
                };
                checks.push(Check::good(CheckCode::ControlSocket, message));
            }
        }
        // Without `HOME` nobody can look, which is said already.
        Err(client::ClientError::Path(_)) if checks.is_empty() && context.named_socket().is_none() => {}
        Err(_) if !checks.is_empty() => {}
        Err(error) => checks.push(Check::error(CheckCode::ControlSocket, error.to_string()).cure_if(error.hint())),
    }
    checks
}

/// What stands in the place of a socket goes, and the daemon makes another one there.
fn removal(error: &client::ClientError) -> String {
    match error {
        client::ClientError::Unsafe { path, .. } => format!("rm {}", shell::quoted(&path.to_string_lossy())),
        _ => "bitrouter status".to_owned(),
    }
}

/// Others get no further than the directory; that they could is worth a word.
fn open_to_others(socket: &Path) -> Option<Check> {
    let dir = socket.parent()?;
    let mode = |path: &Path| std::fs::symlink_metadata(path).ok().map(|meta| meta.mode() & 0o777);
    for (path, wanted) in [(dir, "700"), (socket, "600")] {
        if mode(path).is_some_and(|mode| mode & 0o077 != 0) {
            let message =
                format!("`{}` is open to others (mode {:04o})", path.display(), mode(path).unwrap_or_default());
            let cure = format!("chmod {wanted} {}", shell::quoted(&path.to_string_lossy()));
            return Some(Check::warning(CheckCode::ControlSocket, message).cure(cure));
        }
    }
    None
}

/// The directories that are there: whose they are, and who else can write.
pub(super) fn directories(places: &Places) -> Check {
    let me = rustix::process::geteuid().as_raw();
    for dir in [&places.state_dir, &places.data_dir, &places.config_dir] {
        let Ok(meta) = std::fs::symlink_metadata(dir) else { continue };
        let (shown, quoted) = (dir.display(), shell::quoted(&dir.to_string_lossy()));
        let is_config = dir == &places.config_dir;
        if meta.is_symlink() && !is_config {
            let message = format!("`{shown}` is a symlink, which no daemon writes below");
            return Check::error(CheckCode::Directories, message).cure(format!("rm {quoted}"));
        }
        // What is followed is looked at behind the link.
        let Ok(meta) = std::fs::metadata(dir) else { continue };
        if !meta.is_dir() {
            let message = format!("`{shown}` is no directory");
            return Check::error(CheckCode::Directories, message).cure(format!("mv {quoted} {quoted}.aside"));
        }
        // The settings may be root's, as a machine's owner lays them down.
        if meta.uid() != me && !(is_config && meta.uid() == 0) {
            let message = format!("`{shown}` belongs to uid {}, not to you (uid {me})", meta.uid());
            return Check::error(CheckCode::Directories, message).cure(format!("sudo chown -R {me} {quoted}"));
        }
        if meta.mode() & 0o022 != 0 {
            let message = format!("others can write to `{shown}` (mode {:04o})", meta.mode() & 0o7777);
            return Check::error(CheckCode::Directories, message).cure(format!("chmod go-w {quoted}"));
        }
    }
    Check::good(CheckCode::Directories, "those of state, data and settings are ours".to_owned())
}

/// The clock cannot be before this program was made, and goes as the daemon's does.
pub(super) fn clock(daemon: Option<&Status>) -> Check {
    let now = time::wall_now();
    let made = std::env::current_exe().and_then(std::fs::metadata).and_then(|meta| meta.modified()).ok();
    let wrong = before_its_program(now, made).or_else(|| daemon.and_then(|status| stepped(now, status)));
    match wrong {
        Some(message) => Check::error(CheckCode::Clock, message).cure("sudo timedatectl set-ntp true"),
        None => Check::good(CheckCode::Clock, format!("it is {}", time::now_rfc3339())),
    }
}

fn before_its_program(now: SystemTime, made: Option<SystemTime>) -> Option<String> {
    let ahead = made?.duration_since(now).ok()?;
    (ahead > SLACK).then(|| "the clock is set to before this program was written to the disk".to_owned())
}

/// By how much the wall clock moved beside the time that passed since the daemon's start.
fn stepped(now: SystemTime, status: &Status) -> Option<String> {
    let started = time::parse_rfc3339(status.started_at.as_deref()?)?;
    let expected = started + Duration::from_secs(status.uptime_s?);
    let by = now.duration_since(expected).unwrap_or_else(|error| error.duration());
    // A machine that slept has not counted that time.
    let is_back = now < expected;
    (is_back && by > SLACK)
        .then(|| format!("the clock was set back by {} min since the daemon was started", by.as_secs() / 60))
}

/// Where somebody looks for a path that is not told.
pub(super) fn editing(path: &Path) -> String {
    format!("${{EDITOR:-vi}} {}", shell::quoted(&path.to_string_lossy()))
}

/// The configuration that a start would read.
pub(super) fn config_file(context: &Context) -> Option<PathBuf> {
    Places::of(&context.environment).ok().map(|places| places.config_file())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use bitrouter_proto::status::State;

    use super::*;

    #[test]
    fn a_clock_that_cannot_be_is_told() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(before_its_program(at(1_000), Some(at(2_000))).is_some());
        assert_eq!(before_its_program(at(1_000), Some(at(1_200))), None);
        assert_eq!(before_its_program(at(3_000), Some(at(2_000))), None);
        let mut status = Status::silent(State::Running);
        (status.started_at, status.uptime_s) = (Some("1970-01-01T01:00:00Z".to_owned()), Some(60));
        assert_eq!(stepped(at(3_660), &status), None);
        assert_eq!(stepped(at(99_999), &status), None, "it may have slept");
        assert!(stepped(at(3_000), &status).unwrap().contains("11 min"));
    }
}
