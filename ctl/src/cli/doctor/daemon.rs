//! The running daemon, and what it says of itself.

use bitrouter_proto::{
    PROTOCOL, VERSION,
    client::{Client, ClientError},
    codes::CheckCode,
    status::{Severity, State, Status, Warning},
};

use super::check::Check;
use crate::{cli::start as start_verb, context::Context};

/// Whether one answers.
pub(super) fn answers(found: &Result<Client, ClientError>) -> Check {
    match found {
        Ok(client) => {
            let status = client.status();
            let pid = status.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
            match status.state {
                State::Running => Check::good(CheckCode::Daemon, format!("a daemon runs{pid}")),
                state => {
                    let message = format!("the daemon{pid} is {}", state.as_str());
                    Check::warning(CheckCode::Daemon, message).cure("bitrouter status")
                }
            }
        }
        Err(error) => {
            let cure = error.hint().unwrap_or_else(|| "bitrouter start".to_owned());
            Check::error(CheckCode::Daemon, error.to_string()).cure(cure)
        }
    }
}

/// What it says of itself, each of its warnings included.
pub(super) fn told(client: &Client) -> Vec<Check> {
    let status = client.status();
    let mut checks = vec![version(status), program(status), keys(status), node(status)];
    checks.extend(session(status));
    checks.extend(status.warnings.iter().map(warning));
    checks
}

fn version(status: &Status) -> Check {
    let theirs = status.version.as_deref().unwrap_or("unknown");
    if theirs == VERSION && status.protocol == Some(PROTOCOL) {
        return Check::good(CheckCode::DaemonVersion, format!("client and daemon are of release {VERSION}"));
    }
    let message = format!("the daemon is of release {theirs}, this client of {VERSION}");
    let check = if status.protocol == Some(PROTOCOL) { Check::warning } else { Check::error };
    check(CheckCode::DaemonVersion, message).cure("bitrouter restart")
}

fn program(status: &Status) -> Check {
    let path = status.program.as_deref().unwrap_or("a file that cannot be told");
    if status.program_replaced {
        let message = format!("`{path}` was replaced or removed since the daemon was started from it");
        return Check::warning(CheckCode::DaemonProgram, message).cure("bitrouter restart");
    }
    Check::good(CheckCode::DaemonProgram, format!("it runs `{path}`"))
}

/// The keys that it holds; that there is none is a warning of its own.
fn keys(status: &Status) -> Check {
    let held = status.providers.iter().filter(|provider| provider.key_source.is_some());
    let named: Vec<String> = held.map(|provider| format!("{} ({})", provider.id, provider.source)).collect();
    Check::good(CheckCode::Keys, if named.is_empty() { "no provider has a key".to_owned() } else { named.join(", ") })
}

/// Whether the node is on; why it is off against the settings is a warning of its own.
fn node(status: &Status) -> Check {
    let node = &status.node;
    let database = node.database.as_deref().map(|database| format!(" ({database})")).unwrap_or_default();
    let detail = if node.detail.is_empty() { String::new() } else { format!(": {}", node.detail) };
    Check::good(CheckCode::Node, format!("the node is {}{database}{detail}", node.state))
}

/// Where the session has ended and no warning says so.
fn session(status: &Status) -> Option<Check> {
    let session = &status.session;
    let issuer = session.issuer.as_deref().unwrap_or("an unknown server");
    match session.state.as_str() {
        "ended" if status.warnings.iter().any(|warning| warning.code == "session_ended") => None,
        "ended" => {
            let cure = session.command.clone().unwrap_or_else(|| "bitrouter auth login".to_owned());
            Some(Check::error(CheckCode::Session, format!("the session at {issuer} has ended")).cure(cure))
        }
        "active" => {
            let until = session.expires_at.as_deref().map(|at| format!(", its token until {at}")).unwrap_or_default();
            Some(Check::good(CheckCode::Session, format!("signed in at {issuer}{until}")))
        }
        "api_key" => Some(Check::good(CheckCode::Session, format!("an API key for {issuer}"))),
        _ => Some(Check::good(
            CheckCode::Session,
            session.reason.clone().unwrap_or_else(|| "nobody is signed in".to_owned()),
        )),
    }
}

/// A warning as it is; what is only worth knowing is nothing wrong.
fn warning(told: &Warning) -> Check {
    Check {
        code: told.code.clone(),
        ok: told.severity == Severity::Info,
        severity: told.severity,
        message: told.message.clone(),
        command: told.command.clone(),
    }
}

/// Keys of this shell that it does not use.
pub(super) async fn shell_keys(context: &Context, client: &Client) -> Option<Check> {
    if client.is_foreign() {
        return None;
    }
    // A daemon of another protocol cannot be asked; that is said already.
    let unused = start_verb::unused_keys(context, client).await.ok()?;
    if unused.is_empty() {
        return Some(Check::good(CheckCode::ShellKeys, "the daemon uses every key of this shell"));
    }
    let message = format!("the daemon does not use {} of this shell", unused.join(", "));
    Some(Check::warning(CheckCode::ShellKeys, message).cure("bitrouter reload"))
}

/// Every provider in use, asked now.
pub(super) async fn providers(client: &Client) -> Vec<Check> {
    let asked = match client.check_providers().await {
        Ok(asked) => asked,
        Err(error) => return vec![Check::error(CheckCode::Provider, error.to_string()).cure_if(error.hint())],
    };
    if asked.is_empty() {
        return vec![Check::good(CheckCode::Provider, "no provider is in use that could be asked")];
    }
    let variable = |id: &str| {
        let provider = client.status().providers.iter().find(|provider| provider.id == id);
        provider.and_then(|provider| provider.variable.clone())
    };
    let check = |one: bitrouter_proto::client::CheckedProvider| match (one.ok, one.key_refused) {
        (true, _) => Check::good(CheckCode::Provider, one.message),
        (false, true) => {
            let cure = match variable(&one.id) {
                Some(name) => format!("export {name}=… && bitrouter reload"),
                None => format!("bitrouter cloud byok set --provider {} --local", one.id),
            };
            Check::error(CheckCode::Provider, one.message).cure(cure)
        }
        (false, false) => Check::error(CheckCode::Provider, one.message).cure("bitrouter logs"),
    };
    asked.into_iter().map(check).collect()
}

/// Nobody can be asked to try.
pub(super) fn cannot_ask() -> Check {
    let message = "providers are asked by the daemon, and none answers";
    Check::warning(CheckCode::Provider, message).cure("bitrouter start && bitrouter doctor --online")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_release_is_a_warning_and_another_protocol_an_error() {
        let mut status = Status::silent(State::Running);
        (status.version, status.protocol) = (Some(VERSION.to_owned()), Some(PROTOCOL));
        assert!(version(&status).ok);
        status.version = Some("0.0.1".to_owned());
        let check = version(&status);
        assert_eq!((check.fails(), check.command.as_deref()), (false, Some("bitrouter restart")));
        assert!(!check.ok);
        status.protocol = Some(PROTOCOL + 1);
        assert!(version(&status).fails());
        status.program_replaced = true;
        assert!(!program(&status).ok && !program(&status).fails());
    }

    #[test]
    fn a_warning_is_a_check_as_it_is() {
        let mut told = Warning {
            code: "node_off".to_owned(),
            severity: Severity::Warning,
            message: "m".to_owned(),
            since: String::new(),
            command: Some("c".to_owned()),
        };
        let check = warning(&told);
        assert_eq!((check.code.as_str(), check.ok, check.command.as_deref()), ("node_off", false, Some("c")));
        told.severity = Severity::Info;
        assert!(warning(&told).ok);
        told.severity = Severity::Error;
        assert!(warning(&told).fails());
    }

    #[test]
    fn a_session_that_has_ended_is_said_once() {
        let mut status = Status::silent(State::Running);
        assert!(session(&status).unwrap().ok);
        status.session.state = "ended".to_owned();
        assert!(session(&status).unwrap().fails());
        status.warnings.push(Warning {
            code: "session_ended".to_owned(),
            severity: Severity::Error,
            message: String::new(),
            since: String::new(),
            command: None,
        });
        assert_eq!(session(&status), None);
    }
}
