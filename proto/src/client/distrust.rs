//! What is believed of a daemon's answer. It chose every name, text and number in it, and may be another user's: root
//! can name anybody's socket, and the system-wide daemon is root's.

use crate::{
    account::{
        Identity, Member, Namespace, Person,
        ledger::{Balance, ToldRequestRow, ToldTransaction, Usage},
    },
    client::ClientError,
    env::is_variable_name,
    status::{IgnoredValue, KeyChange, ProviderChange, PushOutcome, ReloadOutcome, Status},
    terminal::{visible, visible_document, visible_json, visible_line},
    wire,
};

/// More names than this are asked for by no daemon of ours.
const MOST_NAMES: usize = 4096;

/// The names that may be read in our environment and written into shell code. Of a daemon of another user only those
/// that this build ships: it could ask for any other variable of ours.
pub(super) fn names(told: Vec<String>, shipped: Option<&[String]>) -> Result<Vec<String>, ClientError> {
    if let Some(bad) = told.iter().find(|name| !is_variable_name(name)) {
        return Err(ClientError::Suspicious(bad.chars().take(64).collect()));
    }
    let mut names = told;
    names.truncate(MOST_NAMES);
    if let Some(shipped) = shipped {
        names.retain(|name| shipped.contains(name));
    }
    Ok(names)
}

/// The pid, where it is the process that listens, or at least one of the socket's owner: passed sockets are listened on
/// by the service manager.
pub(super) fn pid(told: u32, listener: Option<u32>, owner: u32) -> Option<u32> {
    let plausible = told > 1 && told != std::process::id() && uid_of(told) == Some(owner);
    (Some(told) == listener || plausible).then_some(told)
}

/// Whose process it is. Its directory in `/proc` belongs to root where it cannot be dumped, so its `status` is asked.
fn uid_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    uids.split_whitespace().nth(1)?.parse().ok()
}

/// A status that can be shown on a terminal. What another user's daemon would have us run is left out.
pub(super) fn status(mut status: Status, is_foreign: bool) -> Status {
    let line = |text: &mut String| *text = visible_line(text).into_owned();
    let optional = |text: &mut Option<String>| text.iter_mut().for_each(line);
    for text in
        [&mut status.version, &mut status.started_at, &mut status.socket, &mut status.config, &mut status.program]
    {
        optional(text);
    }
    status.listen.iter_mut().for_each(line);
    for provider in &mut status.providers {
        line(&mut provider.id);
        line(&mut provider.detail);
        line(&mut provider.source);
        optional(&mut provider.key_source);
        optional(&mut provider.variable);
        optional(&mut provider.key_suffix);
    }
    line(&mut status.node.state);
    optional(&mut status.node.database);
    line(&mut status.node.detail);
    optional(&mut status.reloads.last_at);
    optional(&mut status.reloads.last_error);
    for warning in &mut status.warnings {
        for text in [&mut warning.code, &mut warning.message, &mut warning.since] {
            line(text);
        }
        optional(&mut warning.command);
        if is_foreign {
            warning.command = None;
        }
    }
    line(&mut status.log_level);
    let session = &mut status.session;
    line(&mut session.state);
    for text in [&mut session.issuer, &mut session.namespace_id, &mut session.expires_at, &mut session.reason] {
        optional(text);
    }
    optional(&mut session.command);
    if is_foreign {
        session.command = None;
    }
    status
}

/// Who is signed in, as a terminal can show it.
///
/// # Errors
/// Where a word is none of the contract's.
pub(super) fn identity(told: wire::Identity) -> Result<Identity, ClientError> {
    let identity = Identity::try_from(told).map_err(|error| ClientError::Broken(error.to_string()))?;
    let optional = |text: Option<String>| text.map(line);
    Ok(Identity {
        base_url: line(identity.base_url),
        authorization_server: optional(identity.authorization_server),
        client_id: optional(identity.client_id),
        namespace_id: optional(identity.namespace_id),
        subject: optional(identity.subject),
        scope: optional(identity.scope),
        token_id: optional(identity.token_id),
        expires_at: optional(identity.expires_at),
        refresh_token_expires_at: optional(identity.refresh_token_expires_at),
        credentials_path: optional(identity.credentials_path),
        variable: optional(identity.variable),
        ..identity
    })
}

/// An address of an authorization server that may be shown as a link, be drawn, and be handed to a browser: https, or http of
/// this machine, and nothing that a shell or a terminal obeys.
pub(super) fn server_link(told: &str) -> Option<String> {
    let (is_https, rest) = match told.strip_prefix("https://") {
        Some(rest) => (true, rest),
        None => (false, told.strip_prefix("http://")?),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of a bare IPv6 address is none before a port.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_loopback = matches!(host, "localhost" | "[::1]")
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    let is_host = !host.is_empty() && port.is_none_or(|port| port.parse::<u16>().is_ok());
    // Of what RFC 3986 lets an address hold, without a quote that would end a shell's.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&()*+,;=%".contains(&byte);
    let is_plain = told.len() <= 2048 && told.bytes().all(plain) && !authority.contains('@');
    (is_host && is_plain && (is_https || is_loopback)).then(|| told.to_owned())
}

/// JSON of a server, byte for byte but for what a terminal would obey: it stays the same document.
///
/// # Errors
/// Where it is none.
pub(super) fn document(told: &str) -> Result<String, ClientError> {
    serde_json::from_str::<serde::de::IgnoredAny>(told)
        .map_err(|_| ClientError::Broken("it answered JSON that is none".to_owned()))?;
    Ok(visible_document(told).into_owned())
}

/// Sums that can be shown on a terminal.
pub(super) fn usage(told: wire::Usage) -> Usage {
    let usage = Usage::from(told);
    Usage { from: line(usage.from), to: line(usage.to), ..usage }
}

/// A call that can be shown on a terminal.
pub(super) fn call(told: wire::Call) -> ToldRequestRow {
    let row = ToldRequestRow::from(told);
    let optional = |text: Option<String>| text.map(line);
    ToldRequestRow {
        id: line(row.id),
        request_id: line(row.request_id),
        status: line(row.status),
        model_id: optional(row.model_id),
        provider_id: optional(row.provider_id),
        requested_model: optional(row.requested_model),
        usage_origin: optional(row.usage_origin),
        price_version: optional(row.price_version),
        funding_source: optional(row.funding_source),
        credential_id: optional(row.credential_id),
        error_code: optional(row.error_code),
        flags: row.flags.into_iter().map(line).collect(),
        created_at: line(row.created_at),
        completed_at: optional(row.completed_at),
        ..row
    }
}

/// A balance that can be shown on a terminal.
pub(super) fn balance(told: wire::Balance) -> Balance {
    let balance = Balance::from(told);
    Balance { currency: line(balance.currency), ..balance }
}

/// A change of a credit that can be shown on a terminal.
pub(super) fn transaction(told: wire::Transaction) -> ToldTransaction {
    let row = ToldTransaction::from(told);
    ToldTransaction {
        id: line(row.id),
        kind: line(row.kind),
        request_id: row.request_id.map(line),
        namespace_id: row.namespace_id.map(line),
        created_at: line(row.created_at),
        ..row
    }
}

/// A line, of at most `most` characters.
pub(super) fn short(text: &str, most: usize) -> String {
    visible_line(text).chars().take(most).collect()
}

/// The outcome of a reload that can be shown on a terminal.
pub(super) fn reload(outcome: ReloadOutcome) -> ReloadOutcome {
    let provider = |ProviderChange { id, change }| ProviderChange { id: line(id), change: line(change) };
    ReloadOutcome {
        changed: outcome.changed.into_iter().map(change).collect(),
        ignored: outcome.ignored.into_iter().map(ignored).collect(),
        providers: outcome.providers.into_iter().map(provider).collect(),
        settings: outcome.settings.into_iter().map(line).collect(),
    }
}

/// The outcome of a push that can be shown on a terminal.
pub(super) fn push(outcome: PushOutcome) -> PushOutcome {
    PushOutcome {
        changed: outcome.changed.into_iter().map(change).collect(),
        ignored: outcome.ignored.into_iter().map(ignored).collect(),
    }
}

fn change(change: KeyChange) -> KeyChange {
    KeyChange {
        name: line(change.name),
        provider: line(change.provider),
        change: line(change.change),
        now_from: change.now_from.map(line),
    }
}

fn ignored(value: IgnoredValue) -> IgnoredValue {
    IgnoredValue { name: line(value.name), reason: line(value.reason), origin: line(value.origin) }
}

/// The rows of namespaces that can be shown on a terminal.
///
/// # Errors
/// Where an id is none: it is pasted into commands.
pub(super) fn namespaces(told: Vec<wire::Namespace>) -> Result<Vec<Namespace>, ClientError> {
    told.into_iter().map(namespace).collect()
}

/// One such row.
pub(super) fn namespace(told: wire::Namespace) -> Result<Namespace, ClientError> {
    let row = Namespace::try_from(told).map_err(|error| ClientError::Broken(error.to_string()))?;
    Ok(Namespace {
        name: line(row.name),
        created_at: line(row.created_at),
        owner_name: row.owner_name.map(line),
        ..row
    })
}

/// The rows of people that can be shown on a terminal.
///
/// # Errors
/// Where an id is none: it is pasted into commands.
pub(super) fn people(told: Vec<wire::Person>) -> Result<Vec<Person>, ClientError> {
    told.into_iter().map(person).collect()
}

/// One such row.
pub(super) fn person(told: wire::Person) -> Result<Person, ClientError> {
    let row = Person::try_from(told).map_err(|error| ClientError::Broken(error.to_string()))?;
    Ok(Person { name: line(row.name), created_at: line(row.created_at), ..row })
}

/// A member that can be shown on a terminal.
///
/// # Errors
/// Where the id or the role is none: the id is pasted into commands.
pub(super) fn member(told: wire::Member) -> Result<Member, ClientError> {
    let row = Member::try_from(told).map_err(|why| ClientError::Broken(why.to_owned()))?;
    Ok(Member { name: line(row.name), created_at: line(row.created_at), ..row })
}

/// True for what a shell can be given to put on its command line: it shows what it is, and is one word once it is quoted.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 512
        && !text.contains('\n')
        && matches!(visible(text), std::borrow::Cow::Borrowed(_))
}

/// An address that may be handed to a browser: of this machine, over http, and nothing that a shell or a terminal obeys.
///
/// # Errors
/// Where it is another one.
pub(super) fn loopback_url(told: String) -> Result<String, ClientError> {
    let authority =
        told.strip_prefix("http://").and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let (host, port) = authority.rsplit_once(':').unwrap_or_default();
    let is_own = matches!(host, "127.0.0.1" | "[::1]" | "localhost") && port.parse::<u16>().is_ok();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/?=&._-~[]".contains(&byte);
    if is_own && told.bytes().all(plain) {
        return Ok(told);
    }
    Err(ClientError::Broken("it answered a link that leads to no loopback address".to_owned()))
}

pub(super) fn line(text: String) -> String {
    match visible_line(&text) {
        std::borrow::Cow::Borrowed(_) => text,
        std::borrow::Cow::Owned(shown) => shown,
    }
}

/// A log line that can be shown on a terminal.
pub(super) fn log_line(text: String) -> String {
    let shown = if text.starts_with('{') { visible_json(&text) } else { visible(&text) };
    match shown {
        std::borrow::Cow::Borrowed(_) => text,
        std::borrow::Cow::Owned(shown) => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_are_names_and_of_another_users_daemon_only_the_shipped_ones() {
        let told = strings(&["OPENAI_API_KEY", "MY_KEY"]);
        assert_eq!(names(told.clone(), None).unwrap(), told);
        assert_eq!(names(told, Some(&strings(&["OPENAI_API_KEY"]))).unwrap(), ["OPENAI_API_KEY"]);
        for bad in ["A; touch /tmp/x", "$(id)", "A B", ""] {
            assert!(names(strings(&["OPENAI_API_KEY", bad]), None).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_link_leads_to_this_machine_or_nowhere() {
        for good in ["http://127.0.0.1:4356/console?link=aB-_1", "http://[::1]:1/", "http://localhost:80/console"] {
            assert_eq!(loopback_url(good.to_owned()).unwrap(), good);
        }
        for bad in [
            "",
            "https://127.0.0.1:1/",
            "http://127.0.0.1/",
            "http://127.0.0.1:1@evil.example:80/",
            "http://evil.example:80/",
            "http://127.0.0.1:1/;x",
            "http://127.0.0.1:1/ x",
            "http://127.0.0.1:1/\u{1b}",
            "file:///etc/passwd",
        ] {
            assert!(loopback_url(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_link_of_a_server_is_https_or_of_this_machine() {
        for good in [
            "https://cloud.example/oauth/device?user_code=ABCD-EFGH",
            "https://cloud.example:8443/a%20b;c=(d)",
            "http://127.0.0.1:4356/oauth/device",
            "http://127.9.9.9/x",
            "http://localhost/x",
            "http://[::1]:1/x",
            "http://[::1]/x",
            "https://[2001:db8::1]/x",
        ] {
            assert_eq!(server_link(good).as_deref(), Some(good));
        }
        for bad in [
            "",
            "https://",
            "https:///x",
            "http://cloud.example/x",
            "http://127.0.0.1.cloud.example/x",
            "http://128.0.0.1/x",
            "http://localhost@cloud.example/x",
            "https://a@cloud.example/x",
            "https://cloud.example:x/",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "HTTPS://cloud.example/x",
            "https://cloud.example/\u{1b}[2J",
            "https://cloud.example/ x",
            "https://cloud.example/'x",
            "https://cloud.example/\u{202e}",
        ] {
            assert_eq!(server_link(bad), None, "{bad:?}");
        }
        assert_eq!(server_link(&format!("https://cloud.example/{}", "a".repeat(2048))), None);
    }

    #[test]
    fn a_document_of_a_server_stays_what_it_is_and_is_no_command_to_a_terminal() {
        let told = "{\r\n\t\"data\": [{\"name\": \"a\u{9b}2J\u{202e}b\"}]\n}";
        assert_eq!(document(told).unwrap(), "{\r\n\t\"data\": [{\"name\": \"a\\u009b2J\\u202eb\"}]\n}");
        assert!(document("<html>").is_err());
    }

    #[test]
    fn a_pid_is_believed_only_of_the_listener_or_its_owner() {
        let me = rustix::process::geteuid().as_raw();
        let parent = std::os::unix::process::parent_id();
        assert_eq!(pid(7, Some(7), me), Some(7));
        assert_eq!(pid(1, Some(7), me), None);
        assert_eq!(pid(0, None, me), None);
        assert_eq!(pid(std::process::id(), Some(7), me), None);
        assert_eq!(pid(parent, Some(7), me.wrapping_add(1)), None);
    }
}
