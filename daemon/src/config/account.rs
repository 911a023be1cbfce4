//! `[account]`, and what sign-in falls back on: how a flag, a variable, the settings and a default are combined.
//!
//! A client resolves its flags and its own variables and sends what it has. What it did not say is completed here, from
//! `[account]`, then the default: the variables of whatever shell started the daemon are no other shell's. Empty is absent
//! everywhere. Pure.

use bitrouter_proto::account::{DEFAULT_CLIENT, DEFAULT_SERVER};

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

impl Default for AccountDefaults {
    fn default() -> Self {
        Self { oauth_as: DEFAULT_SERVER.to_owned(), client_id: DEFAULT_CLIENT.to_owned(), scope: None }
    }
}

impl AccountDefaults {
    /// `[account]` before the defaults.
    pub fn of(account: &Account) -> Self {
        let default = Self::default();
        Self {
            oauth_as: account.oauth_as.clone().unwrap_or(default.oauth_as),
            client_id: account.client_id.clone().unwrap_or(default.client_id),
            scope: account.scope.clone(),
        }
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

    #[test]
    fn the_setting_beats_the_default() {
        assert_eq!(AccountDefaults::of(&Account::default()), AccountDefaults::default());
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
        assert_eq!(AccountDefaults::of(&set), from_settings);
    }

    #[test]
    fn what_can_be_no_client_and_no_scopes_is_refused() {
        assert_eq!(client_id("brc_x").as_deref(), Ok("brc_x"));
        assert!(client_id("canary\u{e9}").unwrap_err().contains("visible ASCII"));
        assert_eq!(scope(" keys:read   policy:* ").as_deref(), Ok("keys:read policy:*"));
        for text in ["a \"canary\"", "  "] {
            assert!(scope(text).unwrap_err().contains("must be scopes"), "{text}");
        }
    }
}
