//! A key for calls and the address that it opens: neither is handed on without the other.
//!
//! The key is the one of a flag, else of the variable, else the last that was made. A server that the variable names is its
//! address; the last key has its own; of another the daemon says whether its own node minted it. Without any key it is this
//! machine's own listener, which needs none.
//!
//! A key that the own node minted is handed out with none but an address of the own node, whatever else is said.
//!
//! Long because every way to a key ends at one of few ways to an address, and they are checked together.

use std::{net::SocketAddr, ops::ControlFlow};

use bitrouter_proto::{
    account::{Identity, Namespace, everyday::MODEL_KEY},
    client::{AccountKey, Client, ClientError},
    codes::exit,
    env,
};
use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    address::{is_address, is_safe, loopback, same_server, with_version},
    key_cache::{CachedKey, KeyCache, is_key},
    whom::{Whom, server},
};
use crate::{
    cli::{identity::identity, node::named, secret_line},
    context::Context,
    exit::{Failure, Status},
    local_daemon::{self, Listener},
    name::Name,
};

#[derive(Args, Debug)]
pub(super) struct KeyFlags {
    /// Use this key. Other programs see it in the list of processes: `--key-stdin` and the variable are private
    #[arg(short, long, value_name = "KEY", value_parser = key, conflicts_with = "key_stdin")]
    key: Option<SecretString>,

    /// Use the key that is one line of standard input
    #[arg(long)]
    key_stdin: bool,
}

/// What an endpoint is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// The command.
    pub(super) verb: &'static str,
    /// Nothing but the account's address will do.
    pub(super) of_account: bool,
    /// It is shown, rather than called by the daemon, which finds out itself who listens there.
    pub(super) hands_out: bool,
}

/// What the keys of a node begin with.
const NODE_KEY: &str = "brk_";

/// What the daemon knows of a key, and of its own node.
struct Known {
    whose: Identity,
    /// Addresses of the own node.
    addresses: Vec<String>,
    /// Whether the own node is on, so that it knows its keys.
    has_node: bool,
}

impl Known {
    fn is_at(&self, address: &str) -> bool {
        self.addresses.iter().any(|own| same_server(own, address))
    }
}

/// An address and the key that opens it.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// With the version segment.
    pub(super) base_url: String,
    /// `None` where none is needed.
    pub(super) key: Option<SecretString>,
    /// The daemon's own listener.
    pub(super) is_own: bool,
}

impl Endpoint {
    /// Has the daemon make a call there.
    pub(super) fn call<T>(
        &self,
        context: &Context,
        call: impl AsyncFnOnce(&Client, Option<&str>, Option<&SecretString>) -> Result<T, ClientError>,
    ) -> Result<T, Failure> {
        context.wait(async {
            let client = own_daemon(context).await?;
            let base_url = (!self.is_own).then_some(self.base_url.as_str());
            Ok(call(&client, base_url, self.key.as_ref()).await?)
        })
    }
}

/// Where a key was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Given,
    Variable,
}

/// What is asked of.
struct Search<'s> {
    context: &'s Context,
    flags: &'s KeyFlags,
    whom: &'s Whom,
    wanted: Wanted,
}

impl KeyFlags {
    /// The endpoint that is meant. [`ControlFlow::Break`] in a process that became the daemon.
    pub(super) fn endpoint(
        &self,
        context: &Context,
        whom: &Whom,
        wanted: Wanted,
    ) -> Result<ControlFlow<Status, Endpoint>, Failure> {
        let search = Search { context, flags: self, whom, wanted };
        let variable = context.name().key_variable();
        let exported = context.environment.secret(variable).filter(|_| !whom.local.is_meant());
        match (self.given(context)?, exported) {
            (Some(key), _) => search.of_key(key, Origin::Given),
            (None, Some(key)) if is_key(key.expose_secret()) => search.of_key(key, Origin::Variable),
            (None, Some(_)) => Err(Failure::caller("bad_key", format!("`{variable}` holds no key"))),
            (None, None) => search.of_last_key(),
        }
    }

    /// As [`Whom::start`]. A daemon would show the arguments that it was started with for as long as it lives: with a key among
    /// them none is started.
    pub(super) fn start(&self, context: &Context, whom: &Whom, verb: &str) -> Result<ControlFlow<Status>, Failure> {
        if self.key.is_none() {
            return whom.start(context, verb);
        }
        match context.block_on(async { Ok(context.connect().await) })? {
            Ok(_) => Ok(ControlFlow::Continue(())),
            Err(ClientError::NotRunning { .. }) if context.named_socket().is_none() => {
                let message = "no daemon is running, and none is started by a command whose arguments hold a key";
                Err(Failure::unreachable("not_running", message).hint("bitrouter start"))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn given(&self, context: &Context) -> Result<Option<SecretString>, Failure> {
        if !self.key_stdin {
            return Ok(self.key.clone());
        }
        let line = secret_line::read(context, "Key: ")?;
        let text = String::from_utf8(line).ok().filter(|text| is_key(text));
        text.map(|text| Some(SecretString::from(text))).ok_or_else(|| {
            let message = "the first line of standard input is no key: one is plain text without spaces";
            Failure::caller("bad_key", message)
        })
    }
}

/// Reads a key. What is none is not repeated.
fn key(text: &str) -> Result<SecretString, String> {
    if is_key(text) { Ok(SecretString::from(text)) } else { Err("a key is plain text without spaces".to_owned()) }
}

/// The flow of what may end with the process that became the daemon.
type Found = Result<ControlFlow<Status, Endpoint>, Failure>;

impl Search<'_> {
    fn of_key(&self, key: SecretString, origin: Origin) -> Found {
        if self.whom.local.is_meant() {
            return self.local_with(key);
        }
        let is_last = |cached: &CachedKey| cached.key.expose_secret() == key.expose_secret();
        // A file that cannot be read says nothing of a key that was found elsewhere.
        let cached = KeyCache::of(self.context).and_then(|cache| cache.read()).ok().flatten().filter(is_last);
        if let Some(base_url) = cached.and_then(|cached| cached.base_url) {
            self.must_be_meant(&base_url)?;
            return self.kept(key, base_url);
        }
        match self.server()? {
            Some(server) => self.at(&server, key),
            None => self.by_form(key, origin),
        }
    }

    fn of_last_key(&self) -> Found {
        let cached = KeyCache::of(self.context)?.read()?;
        if self.whom.local.is_meant() {
            return self.local_with_last(cached.map(|cached| cached.key));
        }
        match cached {
            Some(CachedKey { key, base_url: Some(base_url) }) => {
                self.must_be_meant(&base_url)?;
                self.kept(key, base_url)
            }
            Some(CachedKey { key, base_url: None }) => match self.server()? {
                Some(server) => self.at(&server, key),
                None => self.by_form(key, Origin::Given),
            },
            None => match self.server()? {
                Some(server) => Err(self.no_key(format!("there is no key for `{server}`"))),
                None => self.own(None),
            },
        }
    }

    /// The server that is meant, where that is said; `None`: this machine's own listener is.
    fn server(&self) -> Result<Option<String>, Failure> {
        match server(self.context) {
            Some(server) if !is_address(&server) => {
                let variable = self.context.name().url_variable();
                let message = format!("`{variable}` is no address of a server; one looks like `https://api.example`");
                Err(Failure::caller("bad_url", message))
            }
            Some(server) if !is_safe(&server) => Err(unsafe_address(&server)),
            Some(server) => Ok(Some(server)),
            None if self.wanted.of_account => Ok(Some(identity(self.context)?.base_url)),
            None => Ok(None),
        }
    }

    /// Whether the variable names a server.
    fn is_chosen(&self) -> bool {
        self.context.environment.text(self.context.name().url_variable()).is_some()
    }

    /// Refuses to take a key to another server than the one that it is for.
    fn must_be_meant(&self, base_url: &str) -> Result<(), Failure> {
        let meant = if self.is_chosen() || self.wanted.of_account { self.server()? } else { None };
        match meant {
            Some(server) if !same_server(&server, base_url) => {
                Err(self.no_key(format!("there is no key for `{server}`; the last one is for `{base_url}`")))
            }
            _ => Ok(()),
        }
    }

    fn no_key(&self, message: String) -> Failure {
        let (name, local) = (self.context.name().as_str(), self.whom.local.words());
        Failure::caller("no_key", message).hint(format!("{name} keys create --name NAME{local}"))
    }

    /// The last key, and what it opens.
    fn kept(&self, key: SecretString, base_url: String) -> Found {
        let is_chosen = self.is_chosen();
        let places = loopback(&base_url);
        let checked = places.as_deref().filter(|_| !is_chosen || self.wanted.hands_out);
        if let Some(Listener::Others(whose)) = checked.map(taker) {
            return Err(foreign(&base_url, &whose));
        }
        // What was kept for a server elsewhere was kept together: a daemon is asked of it, and none is started.
        if is_nodes(&key) && (places.is_some() || self.is_running()?) {
            if let ControlFlow::Break(ended) = self.flags.start(self.context, self.whom, self.wanted.verb)? {
                return Ok(ControlFlow::Break(ended));
            }
            if let Some(known) = self.known(&key)? {
                match (known.whose.is_own_node, known.is_at(&base_url)) {
                    (true, true) if is_safe(&base_url) => {}
                    // The daemon listens at a network, or elsewhere by now.
                    (true, is_here) if is_here || (places.is_some() && !is_chosen) => return self.own(Some(key)),
                    (true, _) => return Err(not_there(&known, &base_url)),
                    (false, true) => return Err(self.opens_nothing(&key, &known, &base_url)),
                    (false, false) => {}
                }
            }
        }
        if !is_safe(&base_url) {
            return Err(unsafe_address(&base_url));
        }
        if let Some(Listener::Nobodys) = checked.map(taker) {
            return Err(nothing_listens(&base_url));
        }
        Ok(ControlFlow::Continue(Endpoint { base_url, key: Some(key), is_own: false }))
    }

    /// The server that was named, with a key that is not known to be another's.
    fn at(&self, server: &str, key: SecretString) -> Found {
        if is_nodes(&key) {
            if let ControlFlow::Break(ended) = self.flags.start(self.context, self.whom, self.wanted.verb)? {
                return Ok(ControlFlow::Break(ended));
            }
            if let Some(known) = self.known(&key)? {
                match (known.whose.is_own_node, known.is_at(server)) {
                    (true, false) => return Err(not_there(&known, server)),
                    (false, true) => return Err(self.opens_nothing(&key, &known, server)),
                    (true, true) | (false, false) => {}
                }
            }
        }
        let base_url = with_version(server);
        if self.wanted.hands_out
            && let Some(places) = loopback(&base_url)
        {
            match taker(&places) {
                Listener::Ours => {}
                Listener::Others(whose) => return Err(foreign(&base_url, &whose)),
                Listener::Nobodys => return Err(nothing_listens(&base_url)),
            }
        }
        Ok(ControlFlow::Continue(Endpoint { base_url, key: Some(key), is_own: false }))
    }

    /// The failure for a key that opens nothing at the own node, which is there. As the last key it is forgotten.
    fn opens_nothing(&self, key: &SecretString, known: &Known, base_url: &str) -> Failure {
        if !known.has_node {
            let message = format!("this key opens nothing at `{base_url}`: the own node is off");
            return Failure::caller("no_key", message).hint("bitrouter status");
        }
        // That it cannot be removed is no other answer.
        if KeyCache::of(self.context).and_then(|cache| cache.forget_key(key)).is_ok_and(|was_last| was_last) {
            self.context.printer.stderr("note: it was the last key, which is forgotten here");
        }
        self.no_key(format!("this key opens nothing at `{base_url}`: the own node did not make it, or it has ended"))
    }

    /// Of a key that nothing else is known of.
    fn by_form(&self, key: SecretString, origin: Origin) -> Found {
        let text = key.expose_secret();
        if text.starts_with(MODEL_KEY) {
            return match Name::Tokenroute.usual_server() {
                Some(server) => self.at(server, key),
                None => self.own(Some(key)),
            };
        }
        // Any other string is none to our listener.
        if !is_nodes(&key) {
            return self.own(Some(key));
        }
        if let ControlFlow::Break(ended) = self.flags.start(self.context, self.whom, self.wanted.verb)? {
            return Ok(ControlFlow::Break(ended));
        }
        let identity = self.whose(&key)?;
        match origin {
            _ if identity.is_own_node => self.own(Some(key)),
            Origin::Variable => self.at(&identity.base_url, key),
            Origin::Given => {
                let variable = self.context.name().url_variable();
                let message = format!(
                    "this key is none of the own node's, and nothing says which server it is for; set `{variable}`"
                );
                Err(Failure::caller("unknown_server", message))
            }
        }
    }

    fn whose(&self, key: &SecretString) -> Result<Identity, Failure> {
        let known = self.known(key)?.ok_or_else(foreign_daemon)?;
        Ok(known.whose)
    }

    /// What the daemon knows of a key; `None` where it is another user's, which is told none.
    fn known(&self, key: &SecretString) -> Result<Option<Known>, Failure> {
        let url = self.context.environment.text(env::BITROUTER_OAUTH_AS).map(str::to_owned);
        let key = AccountKey { key: key.clone(), url };
        self.context.wait(async {
            let client = self.context.connect().await?;
            if client.is_foreign() {
                return Ok(None);
            }
            let told = client.who_am_i(Some(&key)).await?;
            let whose = told
                .identity
                .ok_or_else(|| Failure::caller("bad_key", "the daemon does not know whose key this is"))?;
            let status = client.status();
            let has_node = status.node.state == "on";
            let mut addresses = status.base_urls();
            addresses.extend(whose.is_own_node.then(|| whose.base_url.clone()));
            let console = has_node.then(|| status.node.detail.strip_suffix("/console")).flatten();
            addresses.extend(console.map(str::to_owned));
            Ok(Some(Known { whose, addresses, has_node }))
        })
    }

    fn is_running(&self) -> Result<bool, Failure> {
        self.context.block_on(async { Ok(self.context.connect().await.is_ok()) })
    }

    /// This machine's own listener, with a key that was given: one of the own node's, or a string that is none to it.
    fn local_with(&self, key: SecretString) -> Found {
        if !is_nodes(&key) {
            return self.own(Some(key));
        }
        if let ControlFlow::Break(ended) = self.flags.start(self.context, self.whom, self.wanted.verb)? {
            return Ok(ControlFlow::Break(ended));
        }
        let meant = self.namespace()?;
        let whose = self.whose(&key)?;
        if !whose.is_own_node {
            return Err(self.no_key("the own node did not make this key, or it has ended".to_owned()));
        }
        must_be_in(meant.as_ref(), &whose).map_err(|message| self.no_key(message))?;
        self.own(Some(key))
    }

    /// This machine's own listener, with the last key where the own node made it.
    fn local_with_last(&self, last: Option<SecretString>) -> Found {
        if let ControlFlow::Break(ended) = self.flags.start(self.context, self.whom, self.wanted.verb)? {
            return Ok(ControlFlow::Break(ended));
        }
        let meant = self.namespace()?;
        if let Some(key) = last.filter(is_nodes) {
            let whose = self.whose(&key)?;
            if whose.is_own_node {
                must_be_in(meant.as_ref(), &whose).map_err(|message| self.no_key(message))?;
                return self.own(Some(key));
            }
        }
        match meant {
            // Without a key a call is one of the first.
            Some(meant) if !meant.is_first => {
                Err(self.no_key(format!("there is no key of the namespace `{}`", meant.name)))
            }
            _ => self.own(None),
        }
    }

    /// The namespace of the own node that is named.
    fn namespace(&self) -> Result<Option<Namespace>, Failure> {
        let Some(which) = self.whom.local.namespace() else { return Ok(None) };
        self.context.wait(async {
            let rows = own_daemon(self.context).await?.list_namespaces(false).await?;
            named(&rows, which).cloned().map(Some)
        })
    }

    /// Refuses to hand out a pair that opens nothing, where the daemon serves nobody without a key. One of the own node's was
    /// looked at before.
    fn must_be_open(&self, key: Option<&SecretString>) -> Result<(), Failure> {
        if !self.wanted.hands_out || key.is_some_and(is_nodes) {
            return Ok(());
        }
        let listed = self.context.wait(async { Ok(own_daemon(self.context).await?.list_models(None, None).await?) });
        match listed {
            Err(failure) if failure.said.as_ref().and_then(|said| said.status) == Some(401) => {
                let name = self.context.name().as_str();
                let message = "the daemon serves nobody without a key of its node, and there is none";
                Err(Failure::caller("no_key", message).hint(format!("{name} keys create --name NAME --local")))
            }
            // What else is wrong there is for `test` to say.
            _ => Ok(()),
        }
    }

    /// This machine's own listener, which is checked to be one of our own daemon.
    fn own(&self, key: Option<SecretString>) -> Found {
        if let ControlFlow::Break(ended) = self.flags.start(self.context, self.whom, self.wanted.verb)? {
            return Ok(ControlFlow::Break(ended));
        }
        let base_url = self.context.block_on(async {
            let client = own_daemon(self.context).await?;
            let told = client.status().base_urls().into_iter().next();
            told.ok_or_else(|| {
                Failure::unreachable("not_listening", "the daemon listens nowhere").hint("bitrouter status")
            })
        })?;
        match listeners(&base_url).map_or(Listener::Ours, |listeners| taker(&listeners)) {
            Listener::Ours => {
                self.must_be_open(key.as_ref())?;
                Ok(ControlFlow::Continue(Endpoint { base_url, key, is_own: true }))
            }
            Listener::Others(whose) => Err(foreign(&base_url, &whose)),
            Listener::Nobodys => {
                let message =
                    format!("the daemon says that it listens at `{base_url}`, and nothing does on this machine");
                Err(Failure::unreachable("nothing_listens", message).hint("bitrouter status"))
            }
        }
    }
}

/// Whether a key is one of a node's, by its form.
fn is_nodes(key: &SecretString) -> bool {
    key.expose_secret().starts_with(NODE_KEY)
}

/// Says why a key is not used in the namespace that is named.
fn must_be_in(meant: Option<&Namespace>, whose: &Identity) -> Result<(), String> {
    match meant {
        Some(meant) if whose.namespace_id.as_deref() != Some(meant.id.to_string().as_str()) => {
            Err(format!("the key is one of another namespace than `{}`", meant.name))
        }
        _ => Ok(()),
    }
}

/// Where an address of the daemon leads, whatever network it is of.
fn listeners(base_url: &str) -> Option<Vec<SocketAddr>> {
    let authority = base_url.strip_prefix("http://")?.split('/').next()?;
    authority.parse().ok().map(|at| vec![at])
}

/// Whose all of these are.
fn taker(listeners: &[SocketAddr]) -> Listener {
    let mut found = Listener::Nobodys;
    for at in listeners {
        match local_daemon::listener(*at) {
            Listener::Nobodys => {}
            Listener::Ours => found = Listener::Ours,
            others @ Listener::Others(_) => return others,
        }
    }
    found
}

/// The failure for a key of the own node that would be taken to another server.
fn not_there(known: &Known, server: &str) -> Failure {
    let own = &known.whose.base_url;
    let message =
        format!("this key is one of the own node, `{own}`, and `{server}` is another server: it is told no key");
    Failure::caller("other_server", message)
}

fn unsafe_address(address: &str) -> Failure {
    let message = format!("`{address}` is neither https nor http to this machine, and no key is sent there");
    Failure::caller("bad_url", message)
}

fn nothing_listens(base_url: &str) -> Failure {
    Failure::unreachable("nothing_listens", format!("nothing listens at `{base_url}`"))
}

fn foreign_daemon() -> Failure {
    let message = "this daemon is another user's: it is told no key, and its address serves that user";
    Failure::caller("foreign_daemon", message)
}

fn foreign(base_url: &str, whose: &str) -> Failure {
    let message =
        format!("at `{base_url}` listens {whose}, and not your daemon; it is told no key, and nobody is sent there");
    Failure { exit: exit::CALLER, ..Failure::caller("foreign_listener", message) }.hint("bitrouter status")
}

/// The daemon, where it is our own: another user's is told no key, and its listener serves that user.
async fn own_daemon(context: &Context) -> Result<Client, Failure> {
    let client = context.connect().await?;
    if client.is_foreign() {
        return Err(foreign_daemon());
    }
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_not_repeated() {
        assert!(key("sk-tr-abc").is_ok() && key("brk_01.s").is_ok());
        for text in ["", "canary canary", "canary$(id)", "canary\n", "'canary'"] {
            assert!(!key(text).unwrap_err().contains("canary"), "{text}");
        }
    }

    #[test]
    fn the_daemons_own_address_is_one_of_any_network() {
        let one = |text: &str| vec![text.parse::<SocketAddr>().unwrap()];
        assert_eq!(listeners("http://127.0.0.1:4356/v1"), Some(one("127.0.0.1:4356")));
        assert_eq!(listeners("http://[::1]:1/v1"), Some(one("[::1]:1")));
        assert_eq!(listeners("http://192.0.2.7:80/v1"), Some(one("192.0.2.7:80")));
        assert_eq!(listeners("https://a.example/v1"), None);
    }
}
