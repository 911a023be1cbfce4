//! Sockets that a service manager bound for us (sd_listen_fds(3)), told apart by their family.

use std::{net::TcpListener, os::fd::OwnedFd};

use bitrouter_proto::env::{self, Environment};

use crate::lifecycle::ServeError;

/// What was passed. Nothing of it is ever unlinked, changed or bound again.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// The control socket.
    pub(super) control: Option<OwnedFd>,
    /// Inference listeners.
    pub(super) http: Vec<TcpListener>,
}

/// Takes every passed socket; none where `LISTEN_PID` is not us. Where it is missing the descriptors are not ours either:
/// the numbers from 3 on then belong to whatever was opened first.
pub(super) fn take(environment: &Environment) -> Result<Passed, ServeError> {
    let for_us = environment.text(env::LISTEN_PID).and_then(|pid| pid.parse().ok()) == Some(std::process::id());
    if !for_us {
        return Ok(Passed::default());
    }
    let mut fds = listenfd::ListenFd::from_env();
    let mut passed = Passed::default();
    for index in 0..fds.len() {
        if let Ok(Some(listener)) = fds.take_tcp_listener(index) {
            passed.http.push(listener);
        } else if let Ok(Some(listener)) = fds.take_unix_listener(index) {
            if passed.control.replace(listener.into()).is_some() {
                return Err(ServeError::caller("two Unix sockets were passed; one control socket is wanted"));
            }
        } else {
            let number = index + 3;
            return Err(ServeError::caller(format!(
                "passed descriptor {number} is neither a Unix nor a TCP stream socket; use `ListenStream=` in the \
                 socket unit"
            )));
        }
    }
    Ok(passed)
}
