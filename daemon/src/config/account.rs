//! `[account]`, and what sign-in falls back on: how a flag, a variable, the settings and a default are combined.
//!
//! A client resolves its flags and its own variables and sends what it has. What it did not say is completed here, from
//! the daemon's own variables, then `[account]`, then the default. Empty is absent everywhere. Pure.

use bitrouter_proto::{
    account::{DEFAULT_CLIENT, DEFAULT_SERVER},
    env::{self, Environment},
};

use super::addresses::server_url;

/// `[account]`, as far as it says something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The authorization server, without a slash at its end.
    pub oauth_as: Option<String>,
    /// The OAuth client to sign in as.
    pub client_id: Option<String>,
    /// The scopes to ask for, with single spaces between them.
    pub scope: Option<String>,
}

/// What sign-in falls back on where whoever signs in does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountDefaults {
    /// The authorization server, without a slash at its end. It is also the server of a key from the environment, where
    /// `BITROUTER_API_URL` says no other.
    pub oauth_as: String,
    /// The OAuth client to sign in as.
    pub client_id: String,
    /// The scopes to ask for; `None`: nobody says any, and the default set is meant.
    pub scope: Option<String>,
}

/// A variable that the daemon was started with cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` {reason}")]
pub struct AccountSettingsError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong, without its value.
    pub reason: &'static str,
}

impl Default for AccountDefaults {
    fn default() -> Self {
        Self { oauth_as: DEFAULT_SERVER.to_owned(), client_id: DEFAULT_CLIENT.to_owned(), scope: None }
    }
}

impl AccountDefaults {
    /// The daemon's own variables before `[account]`, before the defaults.
    ///
    /// # Errors
    /// The variable that holds what it cannot.
    pub fn resolve(process: &Environment, account: &Account) -> Result<Self, AccountSettingsError> {
        let read = |name, check: fn(&str) -> Result<String, &'static str>, setting: &Option<String>| {
            let own = process.text(name).map(check).transpose();
            let own = own.map_err(|reason| AccountSettingsError { name, reason })?;
            Ok(own.or_else(|| setting.clone()))
        };
        let default = Self::default();
        Ok(Self {
            oauth_as: read(env::BITROUTER_OAUTH_AS, server_url, &account.oauth_as)?.unwrap_or(default.oauth_as),
            client_id: read(env::BITROUTER_OAUTH_CLIENT_ID, client_id, &account.client_id)?
                .unwrap_or(default.client_id),
            scope: read(env::BITROUTER_OAUTH_SCOPE, scope, &account.scope)?,
        })
    }
}

/// Checks a client's id (RFC 6749, appendix A.1: visible ASCII and spaces).
pub(super) fn client_id(text: &str) -> Result<String, &'static str> {
    let good = !text.trim().is_empty() && text.len() <= 256 && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if good { Ok(text.to_owned()) } else { Err("must be a client's id: visible ASCII, at most 256 characters") }
}

/// Checks a list of scopes (RFC 6749 §3.3) and puts single spaces between them. Which ones there are is its server's to say.
pub(super) fn scope(text: &str) -> Result<String, &'static str> {
    let good = |word: &&str| word.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'"' && byte != b'\\');
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    if words.is_empty() || !words.iter().all(good) {
        return Err("must be scopes with spaces between them");
    }
    Ok(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(process: &[(&str, &str)], account: &Account) -> Result<AccountDefaults, String> {
        let process: Environment = process.iter().copied().collect();
        AccountDefaults::resolve(&process, account).map_err(|error| error.to_string())
    }

    #[test]
    fn a_variable_beats_the_setting_and_the_setting_the_default_and_empty_is_absent() {
        let none = Account::default();
        assert_eq!(resolve(&[], &none), Ok(AccountDefaults::default()));
        assert_eq!(AccountDefaults::default().oauth_as, "https://api.bitrouter.ai");
        let set = Account {
            oauth_as: Some("https://set.example".to_owned()),
            client_id: Some("brc_set".to_owned()),
            scope: Some("usage:read".to_owned()),
        };
        let from_settings = AccountDefaults {
            oauth_as: "https://set.example".to_owned(),
            client_id: "brc_set".to_owned(),
            scope: Some("usage:read".to_owned()),
        };
        assert_eq!(resolve(&[], &set), Ok(from_settings.clone()));
        let empty = [("BITROUTER_OAUTH_AS", ""), ("BITROUTER_OAUTH_CLIENT_ID", ""), ("BITROUTER_OAUTH_SCOPE", "")];
        assert_eq!(resolve(&empty, &set), Ok(from_settings));
        let own = [
            ("BITROUTER_OAUTH_AS", "http://127.0.0.1:4401//"),
            ("BITROUTER_OAUTH_CLIENT_ID", "brc_own"),
            ("BITROUTER_OAUTH_SCOPE", " keys:read   policy:* "),
        ];
        let from_variables = AccountDefaults {
            oauth_as: "http://127.0.0.1:4401".to_owned(),
            client_id: "brc_own".to_owned(),
            scope: Some("keys:read policy:*".to_owned()),
        };
        assert_eq!(resolve(&own, &set), Ok(from_variables));
    }

    #[test]
    fn a_variable_that_cannot_be_meant_is_named_and_its_value_is_not() {
        for (name, value, part) in [
            ("BITROUTER_OAUTH_AS", "http://canary.example", "must be https"),
            ("BITROUTER_OAUTH_AS", "canary", "must be an http or https URL"),
            ("BITROUTER_OAUTH_AS", "https://me:canary@host", "user name or password"),
            ("BITROUTER_OAUTH_CLIENT_ID", "canary\u{e9}", "visible ASCII"),
            ("BITROUTER_OAUTH_SCOPE", "a \"canary\"", "must be scopes"),
            ("BITROUTER_OAUTH_SCOPE", "  ", "must be scopes"),
        ] {
            let error = resolve(&[(name, value)], &Account::default()).unwrap_err();
            assert!(error.contains(name) && error.contains(part) && !error.contains("canary"), "{value}: {error}");
        }
    }
}
