//! The names of variables that can hold a provider's key: one rule for the registry, the settings, the daemon and the
//! client. Pure; values are never seen here.

/// The account's variable: inference through the account, never another provider's key.
pub const ACCOUNT: &str = "BITROUTER_API_KEY";

/// The id of the account's own provider.
const ACCOUNT_PROVIDER: &str = "bitrouter";

/// `BITROUTER_<ID>_API_KEY`: the variable that always supplies the provider's key, before every passthrough name; of the
/// account's own provider [`ACCOUNT`].
pub fn own(provider: &str) -> String {
    if provider == ACCOUNT_PROVIDER {
        return ACCOUNT.to_owned();
    }
    format!("BITROUTER_{}_API_KEY", provider.to_ascii_uppercase().replace('-', "_"))
}

/// The provider's id inside a variable that has the form of [`own`], lower case with `-`.
pub fn id_in(name: &str) -> Option<String> {
    let id = name.strip_prefix("BITROUTER_")?.strip_suffix("_API_KEY")?;
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    plain.then(|| id.to_ascii_lowercase().replace('_', "-"))
}

/// Checks that `name` can stand where settings and manifests list the variables of a key.
///
/// # Errors
/// The reason, which never quotes what stands there: people paste the key itself.
pub fn check(name: &str) -> Result<(), &'static str> {
    let starts = name.starts_with(|first: char| first.is_ascii_uppercase() || first == '_');
    if name == ACCOUNT {
        Err("must not hold `BITROUTER_API_KEY`, which is for the account")
    } else if starts && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_') {
        Ok(())
    } else {
        Err("must hold names of variables (upper-case letters, digits and `_`), never a key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_variable_and_the_id_in_it_are_one_rule() {
        assert_eq!(own("my-llm-2"), "BITROUTER_MY_LLM_2_API_KEY");
        assert_eq!(id_in(&own("my-llm-2")).as_deref(), Some("my-llm-2"));
        assert_eq!(own("bitrouter"), ACCOUNT);
        for none in [ACCOUNT, "BITROUTER__API_KEY", "BITROUTER_a b_API_KEY", "OPENAI_API_KEY"] {
            assert_eq!(id_in(none), None, "{none}");
        }
    }

    #[test]
    fn a_key_or_the_accounts_variable_is_no_name() {
        assert!(check("OPENAI_API_KEY").is_ok() && check("_X1").is_ok());
        for bad in [ACCOUNT, "", "1X", "sk-secret", "a", "A B"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
