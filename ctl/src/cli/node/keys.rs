//! `node keys`: the operator's reading keys. They are of no namespace, and read what every namespace has used, and the metrics.

use bitrouter_proto::{client::IdempotencyKey, clock, codes::exit};
use clap::Subcommand;
use serde_json::json;

use crate::{
    cli::key_text::{list_text, shown_once},
    context::Context,
    exit::{Failure, Status},
    render::block_text,
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum KeysVerb {
    /// Mint a key, which is shown this once
    Mint {
        /// What to call it
        #[arg(long)]
        name: String,
    },
    /// List the keys, those that were revoked too
    List {
        /// Show every column, and shorten nothing
        #[arg(long)]
        wide: bool,
    },
    /// Revoke a key: its next request is refused
    Revoke {
        /// Which: `key_…`
        #[arg(value_name = "KEY")]
        key: String,
        /// Nobody is asked anyway: a key that leaked is to go at once, and another is minted as fast.
        #[arg(short, long, hide = true)]
        yes: bool,
    },
    /// Say that API keys hold which a restore without `revoked.log` has disabled
    Confirm {
        /// Which: `key_…`; without it all of them, of every namespace
        #[arg(value_name = "KEY")]
        key: Option<String>,
    },
}

const LIST: &str = "bitrouter node keys list";

/// What such a key is for.
const OPENS: &str = "note: it reads usage and requests of every namespace (`/v1/namespaces/NAMESPACE/usage`, `/requests`), `/v1/node/usage` and `/metrics`, and opens nothing else";

pub(super) fn run(context: &Context, verb: &KeysVerb) -> Result<Status, Failure> {
    let printer = context.printer;
    match verb {
        KeysVerb::Mint { name } => {
            let once = IdempotencyKey::new();
            let minted = context.wait(async { Ok(context.connect().await?.mint_operator_key(name, &once).await?) })?;
            let shown = shown_once(context, &minted)?;
            printer.stderr(OPENS);
            return Ok(shown);
        }
        KeysVerb::List { wide } => {
            let told = context.wait(async { Ok(context.connect().await?.list_operator_keys().await?) })?;
            printer.document(&told.json)?;
            printer.rows(&list_text(&told.read.data, printer.table(*wide), clock::wall_now()), "no keys")?;
        }
        KeysVerb::Confirm { key } => confirm(context, key.as_deref())?,
        KeysVerb::Revoke { key, .. } => {
            let told = context.wait(async { Ok(context.connect().await?.revoke_operator_key(key).await?) });
            let told = told.map_err(|failure| if failure.hint.is_none() { failure.hint(LIST) } else { failure })?;
            printer.document(&told.json)?;
            printer.stdout(&block_text(&[("revoked", told.read.to_string())]))?;
        }
    }
    Ok(Status(exit::OK))
}

fn confirm(context: &Context, key: Option<&str>) -> Result<(), Failure> {
    let count = context.wait(async { Ok(context.connect().await?.confirm_keys(key).await?) })?;
    if let (0, Some(key)) = (count, key) {
        return Err(Failure::caller("not_found", format!("there is no disabled key `{key}`")).hint(LIST));
    }
    context.printer.json(&json!({ "confirmed": count }))?;
    context.printer.stdout(&block_text(&[("confirmed", count.to_string())]))
}
