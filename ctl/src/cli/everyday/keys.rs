//! `keys`: API keys for calls. The last one that was made is kept for `env`, `test` and `models`.

use std::ops::ControlFlow;

use bitrouter_proto::{
    account::everyday::{EndedKey, MadeKey, OwnKey},
    client::{IdempotencyKey, Made, Told},
    codes::exit,
};
use clap::{Args, Subcommand};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    key_cache::{KeyCache, forget, is_key, looks_secret},
    whom::{Whom, misused},
};
use crate::{
    context::Context,
    exit::{Failure, Status},
    render::{Column, NOTHING, Shown, block_text, table_text, when},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum KeysVerb {
    /// Create a key, which is shown this once, and keep it as the last key
    Create(CreateArgs),
    /// List your keys; the keys themselves are never shown again
    List {
        #[command(flatten)]
        whom: Whom,
    },
    /// Revoke a key: calls with it are refused from now on
    Revoke {
        /// Which
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        whom: Whom,
    },
}

#[derive(Args, Debug)]
pub(in crate::cli) struct CreateArgs {
    /// What to call it
    #[arg(short, long)]
    name: String,

    /// Do not keep it as the last key, which `env`, `test` and `models` find
    #[arg(long)]
    no_cache: bool,

    #[command(flatten)]
    whom: Whom,
}

/// The columns of keys.
const COLUMNS: [Column; 6] = [
    Column::new("ID", 30),
    Column::new("NAME", 20).shortened(),
    Column::new("PREFIX", 12).rank(2),
    Column::new("STATUS", 9),
    Column::number("BALANCE", 9).rank(1),
    Column::new("CREATED", 10),
];

pub(super) fn run(context: &Context, verb: &KeysVerb) -> Result<Status, Failure> {
    match verb {
        KeysVerb::Create(args) => create(context, args),
        KeysVerb::List { whom } => {
            let asked = whom.ask(context, "keys list", async |client, asked| client.list_own_keys(asked).await)?;
            let Told { read, json } = match asked {
                ControlFlow::Continue(told) => told,
                ControlFlow::Break(ended) => return Ok(ended),
            };
            context.printer.document(&json)?;
            context.printer.rows(&list_text(&read, context.printer.table(false)), "no keys")?;
            Ok(Status(exit::OK))
        }
        KeysVerb::Revoke { id, whom } => revoke(context, id, whom),
    }
}

fn create(context: &Context, args: &CreateArgs) -> Result<Status, Failure> {
    if args.name.trim().is_empty() {
        return Err(misused(context, "keys create", "`--name` is empty"));
    }
    // A place that cannot be used is found out before there is a key.
    let cache = if args.no_cache { None } else { Some(KeyCache::of(context)?) };
    let place = cache.as_ref().map(KeyCache::open).transpose()?;
    let once = IdempotencyKey::new();
    let asked = args.whom.ask(context, "keys create", async |client, asked| {
        let made = client.create_key(asked, &args.name, &once).await?;
        // On a network it is reached without TLS, which the daemon's own word is good for and a server's is not.
        let own = client.status().base_urls().into_iter().next();
        Ok((made, own.filter(|_| args.whom.local.is_meant() && !client.is_foreign())))
    })?;
    let (Made { key, json, base_url }, own) = match asked {
        ControlFlow::Continue(made) => made,
        ControlFlow::Break(ended) => return Ok(ended),
    };
    if !is_key(&key.raw) {
        let message =
            format!("the server says that it made the key `{}`, and answered with none that can be used", key.id);
        return Err(Failure { exit: exit::FAILURE, ..Failure::caller("server_failed", message) });
    }
    let base_url = base_url.or(own);
    let printer = context.printer;
    printer.document(json.expose_secret())?;
    printer.stdout(&made_text(&key, base_url.as_deref()))?;
    let Some(place) = place else {
        printer.stderr("note: the key is shown this once, and kept nowhere");
        return Ok(Status(exit::OK));
    };
    let Some(base_url) = base_url else {
        let message = "the key was made, and is not kept: the server names no address that it opens";
        return Err(Failure { exit: exit::FAILURE, ..Failure::caller("server_failed", message) });
    };
    place.keep(&SecretString::from(key.raw.clone()), &base_url)?;
    printer.stderr(&format!(
        "note: the key is shown this once; `env`, `test` and `models` find it in {}",
        place.path().display()
    ));
    Ok(Status(exit::OK))
}

fn revoke(context: &Context, id: &str, whom: &Whom) -> Result<Status, Failure> {
    if looks_secret(id) {
        return Err(misused(
            context,
            "keys revoke",
            "this looks like a key, and not like the id of one: it is sent nowhere",
        ));
    }
    let asked = whom.ask(context, "keys revoke", async |client, asked| client.end_key(asked, id).await)?;
    let Told { read, json } = match asked {
        ControlFlow::Continue(told) => told,
        ControlFlow::Break(ended) => return Ok(ended),
    };
    let printer = context.printer;
    printer.document(&json)?;
    printer.stdout(&ended_text(&read))?;
    // What opens nothing any more is not handed on.
    forget(context, &read.id);
    Ok(Status(exit::OK))
}

fn known(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| NOTHING.to_owned())
}

fn made_text(key: &MadeKey, base_url: Option<&str>) -> String {
    let mut rows = vec![("id", key.id.clone())];
    rows.extend(key.name.clone().map(|name| ("name", name)));
    rows.extend(key.key_prefix.clone().map(|prefix| ("prefix", prefix)));
    rows.extend(base_url.map(|url| ("opens", url.to_owned())));
    rows.push(("key", key.raw.clone()));
    block_text(&rows)
}

fn ended_text(ended: &EndedKey) -> String {
    block_text(&[("id", ended.id.clone()), ("status", ended.status.clone())])
}

fn list_text(keys: &[OwnKey], shown: Shown) -> String {
    let for_people = matches!(shown, Shown::Terminal { .. });
    let row = |key: &OwnKey| {
        vec![
            key.id.clone(),
            known(key.name.as_ref()),
            known(key.key_prefix.as_ref()),
            known(key.status.as_ref()),
            key.balance_usd.map_or_else(|| NOTHING.to_owned(), |balance| balance.0.to_string()),
            key.created_at.as_ref().map_or_else(|| NOTHING.to_owned(), |at| when(at, for_people)),
        ]
    };
    table_text(&COLUMNS, &keys.iter().map(row).collect::<Vec<_>>(), shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_a_block_that_ends_with_the_key() {
        let key: MadeKey =
            serde_json::from_str(r#"{"id":"key_1","name":"ci","key_prefix":"brk_0","raw":"brk_0.s"}"#).unwrap();
        let expected = "id:     key_1\nname:   ci\nprefix: brk_0\nopens:  https://a.example/v1\nkey:    brk_0.s";
        assert_eq!(made_text(&key, Some("https://a.example/v1")), expected);
        assert!(!made_text(&key, None).contains("opens"));
    }

    #[test]
    fn keys_are_a_table() {
        let keys: Vec<OwnKey> = serde_json::from_str(
            r#"[{"id":"1","name":"ci","key_prefix":"sk-tr-a","status":"active","balance_usd":"5","created_at":"2026-05-01T00:00:00Z"},{"id":"2"}]"#,
        )
        .unwrap();
        let text = list_text(&keys, Shown::Piped { wide: false });
        assert_eq!(text, "1\tci\tsk-tr-a\tactive\t$5.00\t2026-05-01T00:00:00Z\n2\t—\t—\t—\t—\t—");
        assert_eq!(list_text(&[], Shown::Piped { wide: false }), "");
    }
}
