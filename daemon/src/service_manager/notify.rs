//! What a service manager is told (sd_notify(3)): readiness, reloads, status, the watchdog. Silent without one.

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bitrouter_proto::env::{self, Environment};
use sd_notify::NotifyState;

/// How long a manager may take to make room for a line: one that hangs must not hold up what it is told of, the end least of
/// all.
const PATIENCE: Duration = Duration::from_millis(100);

/// The line to the service manager.
#[derive(Clone, Debug, Default)]
pub struct Notifier {
    socket: Option<Arc<OsStr>>,
}

impl Notifier {
    /// The manager that `NOTIFY_SOCKET` names. A daemon that detached itself is nobody's service: a variable that it
    /// inherited speaks of the shell that started it.
    pub fn new(environment: &Environment, detached: bool) -> Self {
        let socket = environment.path(env::NOTIFY_SOCKET).filter(|_| !detached);
        Self { socket: socket.map(PathBuf::into_os_string).map(Arc::from) }
    }

    /// True where somebody may listen.
    pub fn speaks(&self) -> bool {
        self.socket.is_some()
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = send(socket, states) {
            tracing::debug!(%error, "the service manager was not told");
        }
    }

    /// Both sockets answer.
    pub fn ready(&self, status: &str) {
        self.send(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
    }

    /// A reload begins; [`Notifier::reloaded`] ends it.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.send(&[NotifyState::Reloading, now]),
            Err(_) => self.send(&[NotifyState::Reloading]),
        }
    }

    /// A reload ended, well or not.
    pub fn reloaded(&self) {
        self.send(&[NotifyState::Ready]);
    }

    /// One line for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.send(&[NotifyState::Status(&one_line(status))]);
    }

    /// The drain begins.
    pub fn stopping(&self) {
        self.send(&[NotifyState::Stopping]);
    }

    /// Still alive.
    pub fn alive(&self) {
        self.send(&[NotifyState::Watchdog]);
    }

    /// How often [`Notifier::alive`] is wanted: half the watchdog's limit. `None` without a watchdog.
    pub fn watchdog_period(&self) -> Option<Duration> {
        self.socket.as_ref()?;
        sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|period| !period.is_zero())
    }
}

fn send(socket: &OsStr, states: &[NotifyState<'_>]) -> io::Result<()> {
    let text: String = states.iter().flat_map(|state| [state.to_string(), "\n".to_owned()]).collect();
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    sender.set_write_timeout(Some(PATIENCE))?;
    sender.send_to_addr(text.as_bytes(), &address).map(drop)
}

/// A line is an assignment to the manager: what a message quotes must not become one.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notifier(socket: &str, detached: bool) -> Notifier {
        Notifier::new(&Environment::from_iter([("NOTIFY_SOCKET", socket)]), detached)
    }

    #[test]
    fn an_abstract_name_is_spoken_to_and_a_status_stays_one_line() {
        let name = format!("bitrouter-notify-{}", std::process::id());
        let listener = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notifier = notifier(&format!("@{name}"), false);
        notifier.status("running\nWATCHDOG=trigger");
        let mut buffer = [0; 256];
        let length = listener.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"STATUS=running WATCHDOG=trigger\n");
    }

    #[test]
    fn r1_13_a_manager_that_takes_nothing_holds_nobody_up() {
        let name = format!("bitrouter-deaf-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let _deaf = UnixDatagram::bind_addr(&address).unwrap();
        let to = format!("@{name}");
        // Until its queue is full; without a bound the next one never returns.
        let refused = (0..100_000).find_map(|_| send(to.as_ref(), &[NotifyState::Stopping]).err());
        assert_eq!(refused.unwrap().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_detached_daemon_is_nobodys_service() {
        assert!(notifier("/n", false).speaks());
        assert!(!notifier("/n", true).speaks() && !notifier("", false).speaks());
    }
}
