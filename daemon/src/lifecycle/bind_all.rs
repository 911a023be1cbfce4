//! The second step: the inference listeners and the control socket are bound, or taken over from a service manager.
//! Nothing is served yet.

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
    control::ControlListener,
    listener::{adopt, bind},
};

/// Everything bound, nothing served.
pub(super) struct AllBound {
    pub(super) parsed: Parsed,
    pub(super) control: ControlSocket,
    pub(super) http: Vec<TcpListener>,
    pub(super) addresses: Vec<SocketAddr>,
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
    let http = inference_listeners(&mut parsed)?;
    let addresses = http
        .iter()
        .map(TcpListener::local_addr)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| ServeError::failure(format!("cannot tell where we listen: {error}")))?;
    parsed.engine.bound(&addresses).map_err(|refused| ServeError::caller(refused.message))?;
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
    Ok(AllBound { parsed, control, http, addresses })
}

fn inference_listeners(parsed: &mut Parsed) -> Result<Vec<TcpListener>, ServeError> {
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
    bind(SocketAddr::new(listen.address(), listen.port())).map_err(|error| {
        let hint = error.hint().map(|flag| format!("bitrouter {} {flag}", parsed.verb));
        ServeError { hint, ..ServeError::caller(error.to_string()) }
    })
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
