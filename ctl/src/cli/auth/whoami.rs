//! `auth whoami`: the session on this machine.

use std::time::SystemTime;

use bitrouter_proto::{
    account::{Authentication, Identity, TokenState},
    clock,
    codes::exit,
};

use crate::{
    cli::identity::{identity, note_end},
    context::Context,
    exit::{Failure, Status},
    render::block_text,
};

pub(super) fn run(context: &Context) -> Result<Status, Failure> {
    let identity = identity(context)?;
    context.printer.json(&identity.session_json())?;
    context.printer.stdout(&text(&identity, clock::wall_now()))?;
    note_end(context, &identity);
    Ok(Status(exit::OK))
}

fn text(identity: &Identity, now: SystemTime) -> String {
    let or = |text: &Option<String>, otherwise: &str| text.clone().unwrap_or_else(|| otherwise.to_owned());
    if identity.authentication == Authentication::ApiKey {
        let from = match (&identity.variable, &identity.credentials_path) {
            (Some(variable), _) => format!("key in `{variable}`"),
            (None, Some(_)) => "stored key".to_owned(),
            (None, None) => "key".to_owned(),
        };
        let mut rows = vec![("authentication", from), ("server", identity.base_url.clone())];
        let known = [
            ("namespace", &identity.namespace_id),
            ("subject", &identity.subject),
            ("scope", &identity.scope),
            ("credentials file", &identity.credentials_path),
        ];
        rows.extend(known.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        return block_text(&rows);
    }
    let mut rows = vec![
        ("authorization server", or(&identity.authorization_server, "(unknown)")),
        ("client id", or(&identity.client_id, "(unknown)")),
        ("scope", or(&identity.scope, "(none)")),
        ("namespace", or(&identity.namespace_id, "(none)")),
        ("subject", or(&identity.subject, "(unknown)")),
        ("access token", access_token(identity, now)),
        ("expires at (UTC)", or(&identity.expires_at, "(unknown)")),
    ];
    rows.extend(identity.refresh_token_expires_at.clone().map(|at| ("refresh expires (UTC)", at)));
    rows.push(("credentials file", or(&identity.credentials_path, "(unknown)")));
    block_text(&rows)
}

fn access_token(identity: &Identity, now: SystemTime) -> String {
    let expires_at = identity.expires_at.as_deref().unwrap_or_default();
    match identity.token_state {
        TokenState::Ended => "ended".to_owned(),
        TokenState::Expired => match clock::age(expires_at, now) {
            Some(age) => format!("EXPIRED ({}s ago)", age.as_secs()),
            None => "EXPIRED".to_owned(),
        },
        TokenState::Valid => match clock::ahead(expires_at, now) {
            Some(left) => format!("valid ({}s remaining)", left.as_secs()),
            None => "valid".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn session(token_state: TokenState) -> Identity {
        Identity {
            authentication: Authentication::Oauth,
            authorization_server: Some("https://api.example".to_owned()),
            client_id: Some("bitrouter-cli".to_owned()),
            scope: Some("usage:read keys:read".to_owned()),
            namespace_id: None,
            subject: None,
            token_state,
            expires_at: Some("1970-01-01T00:16:40.000Z".to_owned()),
            refresh_token_expires_at: Some("1970-01-02T00:00:00.000Z".to_owned()),
            credentials_path: Some("/d/account-credentials.json".to_owned()),
            ..Identity::of_variable("V", "https://api.example")
        }
    }

    #[test]
    fn a_session_is_a_block_of_keys_and_values() {
        let expected = "\
authorization server:  https://api.example
client id:             bitrouter-cli
scope:                 usage:read keys:read
namespace:             (none)
subject:               (unknown)
access token:          valid (600s remaining)
expires at (UTC):      1970-01-01T00:16:40.000Z
refresh expires (UTC): 1970-01-02T00:00:00.000Z
credentials file:      /d/account-credentials.json";
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(text(&session(TokenState::Valid), at(400)), expected);
        for (state, now, token) in [
            (TokenState::Expired, at(1_042), "EXPIRED (42s ago)"),
            (TokenState::Ended, at(400), "ended"),
            (TokenState::Valid, at(2_000), "valid (0s remaining)"),
        ] {
            let shown = text(&session(state), now);
            assert!(shown.contains(&format!("access token:          {token}\n")), "{shown}");
        }
    }

    #[test]
    fn a_key_says_where_it_is() {
        let key = Identity::of_variable("BITROUTER_API_KEY", "https://api.example");
        let expected = "authentication: key in `BITROUTER_API_KEY`\nserver:         https://api.example";
        assert_eq!(text(&key, UNIX_EPOCH), expected);
        let stored = Identity { variable: None, credentials_path: Some("/d/f".to_owned()), ..key };
        assert!(text(&stored, UNIX_EPOCH).contains("stored key\n"));
    }
}
