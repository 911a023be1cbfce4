//! What policies are bound to, as it is typed.

use bitrouter_proto::{account::policy::PrincipalType, client::PrincipalRef};
use clap::{Args, ValueEnum};

use crate::{
    cli::cloud::{advice::Trouble, local::LocalFlags},
    exit::Failure,
};

/// A kind of principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(in crate::cli) enum TypeWord {
    /// All that happens in the namespace
    Namespace,
    /// A key, and those minted with it
    #[value(alias = "api-key")]
    ApiKey,
    /// A session, and the keys minted with it
    #[value(alias = "oauth-token")]
    OauthToken,
    /// All sessions of an OAuth client
    #[value(alias = "oauth-client")]
    OauthClient,
    /// All that a person does in the namespace
    User,
}

/// `--principal-type`, `--principal-id`.
#[derive(Args, Debug)]
pub(in crate::cli) struct PrincipalFlags {
    /// What kind of principal
    #[arg(long, value_name = "TYPE")]
    principal_type: TypeWord,

    /// Which one
    #[arg(long, value_name = "ID")]
    principal_id: String,
}

/// The same as two words.
#[derive(Args, Debug)]
pub(in crate::cli) struct PrincipalWords {
    /// What kind of principal
    #[arg(value_name = "TYPE")]
    principal_type: TypeWord,

    /// Which one
    #[arg(value_name = "ID")]
    principal_id: String,
}

impl PrincipalFlags {
    pub(super) fn principal(&self) -> PrincipalRef {
        principal(self.principal_type, &self.principal_id)
    }
}

impl PrincipalWords {
    pub(super) fn principal(&self) -> PrincipalRef {
        principal(self.principal_type, &self.principal_id)
    }
}

fn principal(of: TypeWord, id: &str) -> PrincipalRef {
    let kind = match of {
        TypeWord::Namespace => PrincipalType::Namespace,
        TypeWord::ApiKey => PrincipalType::ApiKey,
        TypeWord::OauthToken => PrincipalType::OauthToken,
        TypeWord::OauthClient => PrincipalType::OauthClient,
        TypeWord::User => PrincipalType::User,
    };
    PrincipalRef { kind, id: id.to_owned() }
}

/// The failure of a question about `principal`: where there is none, the command that lists what there is of its kind.
pub(super) fn advised(failure: Failure, principal: &PrincipalRef, local: &LocalFlags) -> Failure {
    if Trouble::of(&failure) != Some(Trouble::Absent) {
        return failure;
    }
    let list = match principal.kind {
        PrincipalType::ApiKey => "cloud keys list",
        PrincipalType::OauthToken => "cloud sessions list",
        PrincipalType::Namespace => "cloud namespace list",
        PrincipalType::OauthClient => "cloud oauth-client list",
        // Nothing here lists those, and a list of something else is no help.
        PrincipalType::User => return Failure { hint: None, ..failure },
    };
    failure.hint(format!("bitrouter {list}{}", local.words()))
}

/// As [`advised`], for a command that is about a policy too: its server says which of the two is not there.
pub(super) fn advised_of_both(failure: Failure, principal: &PrincipalRef, local: &LocalFlags) -> Failure {
    if failure.message.contains("principal") { advised(failure, principal, local) } else { failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_there_is_looked_for_where_such_are_listed() {
        let local = LocalFlags { local: true, namespace: None };
        let absent = |message: &str| Failure::caller("not_found", message).hint("bitrouter cloud policy list");
        let hint = |kind, message: &str| {
            advised_of_both(absent(message), &PrincipalRef { kind, id: "x".to_owned() }, &local).hint
        };
        let keys = Some("bitrouter cloud keys list --local".to_owned());
        assert_eq!(hint(PrincipalType::ApiKey, "there is no such principal"), keys);
        assert_eq!(hint(PrincipalType::User, "there is no such principal"), None);
        let policies = Some("bitrouter cloud policy list".to_owned());
        assert_eq!(hint(PrincipalType::ApiKey, "there is no such policy"), policies);
        let other = advised(Failure::caller("conflict", "x").hint("y"), &principal(TypeWord::User, "u"), &local);
        assert_eq!(other.hint.as_deref(), Some("y"));
    }
}
