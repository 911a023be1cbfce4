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
        PrincipalType::OauthClient | PrincipalType::User => return failure,
    };
    failure.hint(format!("bitrouter {list}{}", local.words()))
}
