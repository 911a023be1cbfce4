//! What people are told of the session: warnings, the command that helps, the status.

use bitrouter_proto::{
    account::{credential::Credential, sign_in_command},
    clock,
    status::SessionStatus,
};

use super::{Credentials, Session, SessionState, held::Held, issuer::same_issuer, schedule::Moment};
use crate::health::Code;

/// The command that signs in again to where `session` was signed in.
pub(crate) fn login_command(session: &Session, default_server: &str) -> String {
    let server = session.credential.as_deref().map(Credential::server);
    command(session.own_login.as_deref(), server, default_server)
}

/// The command that signs in to `server`, or to the own node with the flags `own_login`.
pub(super) fn command(own_login: Option<&str>, server: Option<&str>, default_server: &str) -> String {
    sign_in_command(own_login, server.filter(|server| !same_issuer(server, default_server)))
}

/// Every warning about the session, raised or not: code, message, command.
pub(super) fn warnings(
    held: &Held,
    own_login: Option<&str>,
    now: Moment,
    default_server: &str,
    is_beaten: bool,
) -> [(Code, Option<String>, Option<String>); 3] {
    let server = held.credential.as_deref().map(Credential::server);
    let login = command(own_login, server, default_server);
    let shown = server.unwrap_or_default();
    let ended = held.ended.as_ref().map(|reason| format!("the session at `{shown}` has ended: {reason}"));
    let unusable = held.problem.as_ref().map(|problem| {
        format!("the stored credential is not used: {problem} (`bitrouter auth login` puts a broken file aside)")
    });
    let is_stuck = held.ended.is_none() && held.pause.is_failing() && held.is_over(now);
    let failing = held.trouble.as_ref().filter(|_| is_stuck);
    let failing = failing.map(|reason| format!("the session at `{shown}` cannot be renewed now: {reason}"));
    // A key of the environment beats the session: signing in would change nothing.
    let command = (ended.is_some() && !is_beaten).then_some(login);
    [
        (Code::SessionEnded, ended, command),
        (Code::CredentialUnusable, unusable, None),
        (Code::AccountUnreachable, failing, None),
    ]
}

impl Credentials {
    /// The stored session as `bitrouter status` shows it, where no key of the environment comes before it.
    pub(crate) fn status(&self) -> SessionStatus {
        let session = self.session();
        let default_server = self.0.default_server.load();
        let mut status = SessionStatus { reason: session.problem.clone(), ..SessionStatus::default() };
        match session.credential.as_deref() {
            None => {
                status.command = session.problem.is_some().then(|| "bitrouter auth login".to_owned());
            }
            Some(Credential::ApiKey(key)) => {
                "api_key".clone_into(&mut status.state);
                status.issuer = Some(key.base_url.clone());
            }
            Some(Credential::Oauth(oauth)) => {
                status.issuer = Some(oauth.authorization_server.clone());
                status.namespace_id.clone_from(&oauth.namespace_id);
                status.expires_at = Some(clock::rfc3339(oauth.expires_at));
                match &session.state {
                    SessionState::Ended(reason) => {
                        "ended".clone_into(&mut status.state);
                        status.reason = Some(reason.clone());
                        status.command = Some(login_command(&session, &default_server));
                    }
                    SessionState::None | SessionState::Active => "active".clone_into(&mut status.state),
                }
            }
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_the_server_unless_it_is_the_default() {
        for (own, server, expected) in [
            (None, None, "bitrouter auth login"),
            (None, Some("https://api.bitrouter.ai"), "bitrouter auth login"),
            (None, Some("https://node.example"), "bitrouter auth login --oauth-as https://node.example"),
            (None, Some("https://x.example/a b"), "bitrouter auth login --oauth-as 'https://x.example/a b'"),
            (Some(" --local"), Some("http://127.0.0.1:4356"), "bitrouter auth login --local"),
        ] {
            assert_eq!(command(own, server, bitrouter_proto::account::DEFAULT_SERVER), expected);
        }
    }
}
