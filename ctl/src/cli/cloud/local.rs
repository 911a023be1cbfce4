//! `cloud … --local`: the own node, as its owner, in the place of the account that is signed in.

use bitrouter_proto::{
    account::{List, Namespace, ScopeSet},
    client::{Asked, Client},
    codes::exit,
    shell,
};
use clap::Args;
use serde_json::json;

use super::namespace::{NONE, rows_with_active};
use crate::{
    cli::{identity::exported_key, node::named},
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
    launch,
    render::block_text,
};

#[derive(Args, Debug, Default)]
pub(in crate::cli) struct LocalFlags {
    /// Ask this daemon's own node, as its owner, instead of the account that is signed in
    #[arg(long)]
    pub(super) local: bool,

    /// The namespace of the own node, by id or name [default: its first one]
    #[arg(long, value_name = "NAMESPACE", requires = "local")]
    pub(super) namespace: Option<String>,
}

impl LocalFlags {
    /// Whether the own node is meant.
    pub(in crate::cli) fn is_meant(&self) -> bool {
        self.local
    }

    /// The namespace of the own node that is meant, where one is named.
    pub(in crate::cli) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The flags as they are typed, with a space before each.
    pub(in crate::cli) fn words(&self) -> String {
        let namespace = self.namespace.as_deref().map(|which| format!(" --namespace {}", shell::quoted(which)));
        let local = if self.local { " --local" } else { "" };
        format!("{local}{}", namespace.unwrap_or_default())
    }
}

/// What is known of the own node: its namespaces, and which of them is meant.
struct OwnNode {
    console: String,
    subject: Option<String>,
    rows: Vec<Namespace>,
    meant: Namespace,
}

impl LocalFlags {
    /// Whom a command asks: the own node, or the account that is signed in, with the key that the environment holds.
    pub(in crate::cli) fn asked(&self, context: &Context) -> Asked {
        if self.local {
            Asked::Node { namespace: self.namespace.clone() }
        } else {
            Asked::Account(exported_key(context))
        }
    }

    /// Lists the owner's namespaces.
    pub(super) fn list(&self, context: &Context, daemon: &ServeFlags) -> Result<Status, Failure> {
        if let Some(ended) = launch::ensure_daemon(context, daemon, "cloud namespace list")? {
            return Ok(ended);
        }
        let OwnNode { rows, meant, .. } = self.node(context)?;
        let named = rows.iter().map(|row| (row.id.to_string(), row.name.clone()));
        let text = rows_with_active(context.printer, named, Some(&meant.id.to_string()));
        context.printer.json(&List { data: rows })?;
        context.printer.rows(&text, NONE)?;
        Ok(Status(exit::OK))
    }

    /// Shows the namespace that is meant.
    pub(super) fn current(&self, context: &Context) -> Result<Status, Failure> {
        let id = self.node(context)?.meant.id;
        context.printer.json(&json!({ "namespace_id": id }))?;
        context.printer.stdout(&id.to_string())?;
        Ok(Status(exit::OK))
    }

    /// Shows as whom the node is asked.
    pub(super) fn whoami(&self, context: &Context) -> Result<Status, Failure> {
        let OwnNode { console, subject, meant, .. } = self.node(context)?;
        let base_url = console.trim_end_matches("/console");
        let scope = ScopeSet::GRANTABLE.to_string();
        context.printer.json(&json!({
            "signed_in": true, "authentication": "local", "base_url": base_url, "namespace_id": meant.id, "scope": scope,
            "subject": subject, "credentials_path": null,
        }))?;
        let rows = [
            ("base url", base_url.to_owned()),
            ("authentication", "local (as the owner of this daemon's node)".to_owned()),
            ("namespace", meant.id.to_string()),
            ("subject", subject.unwrap_or_default()),
            ("scope", scope),
        ];
        context.printer.stdout(&block_text(&rows))?;
        Ok(Status(exit::OK))
    }

    fn node(&self, context: &Context) -> Result<OwnNode, Failure> {
        context.wait(async {
            let client: Client = context.connect().await?;
            let rows = client.list_namespaces(false).await?;
            let people = client.list_people().await?;
            let meant = self.meant(&rows)?;
            let subject = people.into_iter().find(|person| person.owner).map(|person| person.id.to_string());
            Ok(OwnNode { console: client.status().node.detail.clone(), subject, rows, meant })
        })
    }

    fn meant(&self, rows: &[Namespace]) -> Result<Namespace, Failure> {
        let Some(which) = &self.namespace else {
            let first = rows.iter().find(|row| row.is_first).cloned();
            return first.ok_or_else(|| Failure::caller("not_found", "the node has no first namespace"));
        };
        named(rows, which).cloned()
    }
}
