//! `cloud namespace`.

use bitrouter_proto::codes::exit;
use clap::Subcommand;
use serde_json::json;

use super::local::LocalFlags;
use crate::{
    cli::identity::{exported_key, identity, trusted},
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
    launch,
    render::{Printer, rows_text},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum NamespaceVerb {
    /// List the namespaces that the account can see
    List {
        #[command(flatten)]
        local: LocalFlags,
        #[command(flatten)]
        daemon: ServeFlags,
    },
    /// Show the one that the session is bound to: no network, and no daemon needed
    Current {
        #[command(flatten)]
        local: LocalFlags,
    },
}

pub(super) fn run(context: &Context, verb: &NamespaceVerb) -> Result<Status, Failure> {
    match verb {
        NamespaceVerb::List { local, daemon } if local.local => local.list(context, daemon),
        NamespaceVerb::List { daemon, .. } => list(context, daemon),
        NamespaceVerb::Current { local } if local.local => local.current(context),
        NamespaceVerb::Current { .. } => current(context),
    }
}

fn list(context: &Context, flags: &ServeFlags) -> Result<Status, Failure> {
    let printer = context.printer;
    if let Some(ended) = launch::ensure_daemon(context, flags, "cloud namespace list")? {
        return Ok(ended);
    }
    let key = exported_key(context);
    let told = context.wait(async {
        let client = trusted(context, key.is_some()).await?;
        Ok(client.list_account_namespaces(key.as_ref()).await?)
    })?;
    printer.document(&told.json)?;
    printer.rows(&rows_with_active(printer, told.rows.into_iter(), told.active_id.as_deref()), NONE)?;
    Ok(Status(exit::OK))
}

/// What is said of a credential that does not name its namespace: a key of another machine's account.
const UNKNOWN: &str = "(no namespace: only its server knows which one the key is bound to)";

/// What is said of a list without rows.
pub(super) const NONE: &str = "no namespaces";

/// The text of namespaces, each an id and a name, with the active one marked.
pub(super) fn rows_with_active(
    printer: Printer,
    rows: impl Iterator<Item = (String, String)>,
    active: Option<&str>,
) -> String {
    let row = |(id, name): (String, String)| {
        let mark = if active == Some(id.as_str()) { "(active)" } else { "" };
        [id, name, mark.to_owned()]
    };
    rows_text(["ID", "NAME", ""], &rows.map(row).collect::<Vec<_>>(), printer.on_terminal)
}

fn current(context: &Context) -> Result<Status, Failure> {
    let identity = identity(context)?;
    context.printer.json(&json!({ "namespace_id": identity.namespace_id }))?;
    context.printer.stdout(identity.namespace_id.as_deref().unwrap_or(UNKNOWN))?;
    Ok(Status(exit::OK))
}
