//! What a start would find, for whoever asks what is wrong: settings, keys, and who holds the ports. Nothing is changed.

use std::net::SocketAddr;

use bitrouter_proto::paths::Places;

use super::{
    ServeError, ServeOptions,
    parse::{listen_flag, sources},
};
use crate::{
    listener::{PortUid, find_port_owner, who_listens},
    reload::Engine,
};

/// What a start with some options would find.
#[derive(Debug)]
pub struct Examined {
    /// The providers for which there is a key, each with where it comes from.
    pub keys: Vec<(String, String)>,
    /// Values that stand where a key should and can be none, each with why.
    pub ignored: Vec<String>,
    /// Where the local endpoint would listen; port 0 is any that is free.
    pub listen: Vec<SocketAddr>,
}

/// Reads what a start with these options would read.
///
/// # Errors
/// What that start would end with before it binds anything.
pub fn examine(options: &ServeOptions) -> Result<Examined, ServeError> {
    let places = Places::of(&options.environment)?;
    let sources = sources(options, &places, false, true);
    let engine = Engine::first(sources, None).map_err(|refused| ServeError::caller(refused.message))?;
    let listen = match &options.listen {
        Some(text) => listen_flag(text)?,
        None => engine.config().server.listen,
    };
    let ids = engine.catalog().providers().map(|provider| provider.id().to_string());
    let keys = ids.filter_map(|id| {
        let status = engine.keys().status(&id);
        status.active_key.then_some((id, status.detail))
    });
    let rejected = engine.keys().rejected().iter().map(ToString::to_string);
    let unknown = engine.keys().unknown_variables().iter().map(ToString::to_string);
    Ok(Examined {
        keys: keys.collect(),
        ignored: rejected.chain(unknown).collect(),
        listen: listen.for_this_machine().into_iter().map(|ip| SocketAddr::new(ip, listen.port())).collect(),
    })
}

/// Who keeps a daemon from listening at `address`, as a fragment.
pub fn port_holder(address: SocketAddr) -> Option<String> {
    let holder = (address.port() != 0).then(|| find_port_owner(address)).flatten()?;
    Some(format!("port {} is held by {holder}", address.port()))
}

/// Why what listens at `port` of this machine may not be a daemon of this user, as a fragment.
pub fn port_stranger(port: u16) -> Option<String> {
    let own = rustix::process::geteuid().as_raw();
    match who_listens(port) {
        PortUid::One(uid, _) if uid == own => None,
        PortUid::One(uid, _) => Some(format!("port {port} belongs to uid {uid}, not to you")),
        PortUid::Nobody => Some(format!("nobody listens at port {port}")),
        PortUid::Several => Some(format!("several users listen at port {port}")),
        // Nothing is known against it.
        PortUid::Unknown => None,
    }
}
