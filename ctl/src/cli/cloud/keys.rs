//! `cloud keys`: the API keys of a namespace.

use std::ops::ControlFlow;

use bitrouter_proto::{
    account::{List, keys::NewKey, told::ToldKey},
    client::{Asked, Client, IdempotencyKey},
    clock,
};
use clap::{Args, Subcommand};

use super::{
    policy::flag_text,
    target::{Target, WideFlag},
};
use crate::{
    cli::{
        everyday::{forget, looks_secret},
        expiry::ExpiryFlags,
        key_text::{list_text, shown_once},
        misuse::misused,
    },
    context::Context,
    exit::{Failure, Status},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum KeysVerb {
    /// List the keys of the namespace, those that were revoked too
    List {
        #[command(flatten)]
        wide: WideFlag,
        #[command(flatten)]
        target: Target,
    },
    /// Mint a key, which is shown this once
    Mint(MintArgs),
    /// Revoke a key and all that were minted with it: their next request is refused
    Revoke {
        /// Which: `key_…`
        #[arg(value_name = "KEY")]
        key: String,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Args, Debug)]
pub(in crate::cli) struct MintArgs {
    /// What to call it
    #[arg(long)]
    name: String,

    /// What it may do, like "policy:read usage:read": a part of what you may (repeatable) [default: inference:invoke]
    #[arg(long = "scope", value_name = "SCOPES")]
    scopes: Vec<String>,

    #[command(flatten)]
    expiry: ExpiryFlags,

    #[command(flatten)]
    target: Target,
}

const LIST: &str = "cloud keys list";
const MINT: &str = "cloud keys mint";
const REVOKE: &str = "cloud keys revoke";

/// What a key may do for which nothing is asked.
const USUAL_SCOPE: &str = "inference:invoke";

pub(super) fn run(context: &Context, verb: &KeysVerb) -> Result<Status, Failure> {
    match verb {
        KeysVerb::List { wide, target } => {
            let call = async |client: &Client, asked: &Asked| client.list_keys(asked).await;
            let text = |keys: &List<ToldKey>| list_text(&keys.data, wide.shown(context), clock::wall_now());
            target.list(context, LIST, call, text, "no keys")
        }
        KeysVerb::Mint(args) => mint(context, args),
        KeysVerb::Revoke { key, target } => {
            if looks_secret(key) {
                return Err(misused(REVOKE, "this looks like a key, and not like the id of one: it is sent nowhere"));
            }
            let call = async |client: &Client, asked: &Asked| client.revoke_key(asked, key).await;
            let mut is_revoked = false;
            let text = |revoked: &bool| {
                is_revoked = *revoked;
                flag_text("revoked", *revoked)
            };
            let status = target.show(context, REVOKE, call, text)?;
            if is_revoked {
                forget(context, key);
            }
            Ok(status)
        }
    }
}

fn mint(context: &Context, args: &MintArgs) -> Result<Status, Failure> {
    let new = NewKey {
        display_name: args.name.clone(),
        scopes: scopes(&args.scopes).ok_or_else(|| misused(MINT, "`--scope` names no scope"))?,
        expires_at: args.expiry.expires_at(MINT, clock::wall_now())?,
    };
    let once = IdempotencyKey::new();
    match args.target.ask(context, MINT, async |client, asked| client.mint_key(asked, &new, &once).await)? {
        ControlFlow::Continue(minted) => shown_once(context, &minted),
        ControlFlow::Break(ended) => Ok(ended),
    }
}

/// The words of every `--scope`, each once; the usual one without any. `None` where they name none: an empty variable in a
/// script is no wish for a key that spends.
fn scopes(flags: &[String]) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    for word in flags.iter().flat_map(|flag| flag.split_whitespace()) {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    match (flags, words.as_slice()) {
        ([], _) => Some(vec![USUAL_SCOPE.to_owned()]),
        (_, []) => None,
        _ => Some(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_lists_that_may_be_repeated() {
        let words = |flags: &[&str]| scopes(&flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>());
        let some = |scopes: &[&str]| Some(scopes.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>());
        assert_eq!(words(&[]), some(&["inference:invoke"]));
        assert_eq!((words(&["  "]), words(&["", ""])), (None, None));
        assert_eq!(
            words(&["policy:read  usage:read", "usage:read", "keys:read"]),
            some(&["policy:read", "usage:read", "keys:read"])
        );
    }
}
