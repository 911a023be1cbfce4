//! The second step: the local endpoint, a team's listener and the control socket are bound, or taken over from a service
//! manager. Nothing is served yet.

use std::{
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::PathBuf,
};

use super::{
    ServeError,
    parse::{Parsed, listen_flag},
    socket,
};
use crate::{
    config::Listen,
    control::ControlListener,
    listener::{adopt, bind, in_the_way, reached_at},
};

/// Everything bound, nothing served.
pub(super) struct AllBound {
    pub(super) parsed: Parsed,
    pub(super) control: ControlSocket,
    pub(super) http: Listeners,
}

/// The bound inference listeners.
pub(super) struct Listeners {
    /// The local endpoint's; never empty.
    pub(super) here: Vec<TcpListener>,
    /// A team's, where there is one.
    pub(super) team: Vec<TcpListener>,
}

impl Listeners {
    /// Where programs of this machine reach the local endpoint.
    pub(super) fn reached_at(&self) -> Result<SocketAddr, ServeError> {
        let first = self.here.first().ok_or_else(|| ServeError::failure("no listener was bound"))?;
        reached_at(first).map_err(|error| ServeError::failure(format!("cannot tell where we listen: {error}")))
    }

    /// Where the local endpoint is, then where a team's listener is.
    pub(super) fn addresses(&self) -> Result<[Vec<SocketAddr>; 2], ServeError> {
        let addresses = |listeners: &[TcpListener]| {
            let all = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>();
            all.map_err(|error| ServeError::failure(format!("cannot tell where we listen: {error}")))
        };
        Ok([addresses(&self.here)?, addresses(&self.team)?])
    }
}

/// The bound control socket.
pub(super) struct ControlSocket {
    pub(super) path: PathBuf,
    pub(super) listener: ControlListener,
    /// `None` where a service manager owns the socket.
    pub(super) identity: Option<socket::Identity>,
    /// Why it is not where it would be.
    pub(super) warning: Option<String>,
}

/// Binds what was not passed.
pub(super) fn bind_all(mut parsed: Parsed) -> Result<AllBound, ServeError> {
    let here = local_endpoint(&mut parsed)?;
    let mut http = Listeners { here, team: Vec::new() };
    if let Some(listen) = parsed.engine.config().node.listens().copied() {
        let [here, _] = http.addresses()?;
        http.team = for_a_team(listen, &here)?;
    }
    let [here, team] = http.addresses()?;
    parsed.engine.bound(here, team).map_err(|refused| ServeError::caller(refused.message))?;
    let control = match parsed.passed.control.take() {
        Some(fd) => passed_control(fd)?,
        None => {
            let chosen = parsed.places.control_socket();
            let bound = socket::bind(&chosen.path)?;
            ControlSocket {
                path: chosen.path,
                listener: bound.listener,
                identity: Some(bound.identity),
                warning: chosen.warning,
            }
        }
    };
    Ok(AllBound { parsed, control, http })
}

fn local_endpoint(parsed: &mut Parsed) -> Result<Vec<TcpListener>, ServeError> {
    if !parsed.passed.http.is_empty() {
        return std::mem::take(&mut parsed.passed.http)
            .into_iter()
            .map(|listener| adopt(listener).map_err(|error| ServeError::caller(error.to_string())))
            .collect();
    }
    let listen = match &parsed.listen {
        Some(text) => listen_flag(text)?,
        None => parsed.engine.config().server.listen,
    };
    bind(&listen.for_this_machine(), listen.port()).map_err(|error| {
        let hint = error.hint().map(|flag| format!("bitrouter {} {flag}", parsed.verb));
        ServeError { hint, ..ServeError::caller(error.to_string()) }
    })
}

/// Binds `[node] listen` besides the local endpoint, which is `here`.
fn for_a_team(listen: Listen, here: &[SocketAddr]) -> Result<Vec<TcpListener>, ServeError> {
    let wanted = listen.for_a_team();
    if let Some(own) =
        here.iter().find(|own| own.port() == listen.port() && wanted.iter().any(|ip| in_the_way(own.ip(), *ip)))
    {
        return Err(ServeError::caller(format!(
            "`[node] listen` is `{listen}`, where the local endpoint listens already ({own}); give it another port"
        )));
    }
    bind(&wanted, listen.port()).map_err(|error| ServeError::caller(format!("`[node] listen`: {error}")))
}

fn passed_control(fd: OwnedFd) -> Result<ControlSocket, ServeError> {
    let address = rustix::net::getsockname(&fd).ok().and_then(|address| address.try_into().ok());
    let path = address.and_then(|address: rustix::net::SocketAddrUnix| {
        address.path_bytes().map(|bytes| PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
    });
    let Some(path) = path else {
        return Err(ServeError::caller(
            "the passed control socket has no path; abstract names are not served, so use a path in `ListenStream=`",
        ));
    };
    let listener = ControlListener::adopt(fd)
        .map_err(|error| ServeError::caller(format!("cannot serve the passed control socket: {error}")))?;
    Ok(ControlSocket { path, listener, identity: None, warning: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_teams_listener_on_the_local_endpoints_port_is_named() {
        let here = ["127.0.0.1:4356".parse().unwrap(), "[::1]:4356".parse().unwrap()];
        for listen in ["127.0.0.1:4356", "localhost:4356", "0.0.0.0:4356", "[::]:4356", "[::1]:4356"] {
            let error = for_a_team(listen.parse().unwrap(), &here).unwrap_err();
            assert!(error.message.contains("`[node] listen`") && error.message.contains("another port"), "{error:?}");
        }
        assert!(for_a_team("127.0.0.1:0".parse().unwrap(), &here).is_ok());
        let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let held = TcpListener::bind(taken).unwrap();
        let error = for_a_team(taken.to_string().parse().unwrap(), &here).unwrap_err();
        let expected = format!("`[node] listen`: port {} is held by ", taken.port());
        assert!(error.message.starts_with(&expected) && error.hint.is_none(), "{error:?}");
        drop(held);
    }
}
