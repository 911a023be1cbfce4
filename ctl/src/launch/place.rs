//! Where a daemon that we start would listen: its place follows from the environment, so a socket that was named
//! (`--socket`, `BITROUTER_SOCKET`) can be talked to, never chosen.

use std::path::Path;

use bitrouter_proto::{client, paths::Places, shell};

use crate::{context::Context, exit::Failure, local_daemon};

/// Refuses to start a daemon while another socket is named than the one it would bind: whoever named it would never
/// reach it.
pub(super) fn can_start(context: &Context, verb: &str) -> Result<(), Failure> {
    let Some(named) = context.named_socket() else { return Ok(()) };
    let places = Places::of(&context.environment)?;
    if named != places.control_socket().path {
        return Err(cannot_choose(verb, &named));
    }
    // One that runs under our lock and listens elsewhere would win every race against the one to be started.
    match client::read_daemon_json(&places) {
        Some(running)
            if Path::new(&running.socket) != named
                && client::lock_is_held(&places)
                && local_daemon::lock_holder(&places) == Some(running.pid) =>
        {
            let message = format!("a daemon already runs (pid {}), at `{}`", running.pid, running.socket);
            let hint = format!("bitrouter {verb} --socket {}", shell::quoted(&running.socket));
            Err(Failure::caller("already_running", message).hint(hint))
        }
        _ => Ok(()),
    }
}

/// Refuses to end a daemon that could not be started again at its place.
pub(crate) fn can_restart(context: &Context, socket: Option<&str>) -> Result<(), Failure> {
    let Some(named) = context.named_socket() else { return Ok(()) };
    let same = socket.is_some_and(|socket| {
        Places::of(&context.environment).is_ok_and(|places| places.control_socket().path == Path::new(socket))
    });
    if same {
        return Ok(());
    }
    let message =
        format!("the new daemon would not listen at `{}` again; stop this one, then start another", named.display());
    let hint = format!("bitrouter stop --socket {}", shell::quoted(&named.to_string_lossy()));
    Err(Failure::caller("socket_not_chosen", message).hint(hint))
}

/// The failure of a verb that starts a daemon and was told where to listen.
pub(crate) fn cannot_choose(verb: &str, named: &Path) -> Failure {
    let command = format!("bitrouter {verb}");
    let shown = named.display();
    // Where the path ends as ours do, the directory that gives exactly it.
    let dir = named.ancestors().nth(if named.ends_with("bitrouter/control.sock") { 2 } else { 1 });
    let dir = shell::quoted(&dir.unwrap_or(named).to_string_lossy());
    let message = format!(
        "no daemon is at `{shown}`, and `{command}` cannot choose the socket: it lies where `XDG_RUNTIME_DIR` says"
    );
    Failure::caller("socket_not_chosen", message).hint(format!("XDG_RUNTIME_DIR={dir} {command}"))
}
