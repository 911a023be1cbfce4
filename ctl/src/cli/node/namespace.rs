//! `node namespace`.

use bitrouter_proto::{
    account::{List, Name, Namespace, NamespaceId},
    codes::exit,
    shell,
};
use clap::Subcommand;

use crate::{
    cli::confirm::confirm,
    context::Context,
    exit::{Failure, Status},
    render::{rows_text, when},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum NamespaceVerb {
    /// List your namespaces, the oldest first
    List {
        /// Those of every person
        #[arg(long)]
        all: bool,
    },
    /// Make a namespace
    Create {
        /// What to call it
        name: String,
    },
    /// Call a namespace by another name
    Rename {
        /// Its id or its name
        #[arg(value_name = "NS")]
        namespace: String,
        /// The new name
        name: String,
    },
    /// Delete a namespace; its tokens end at once
    Delete {
        /// Its id or its name
        #[arg(value_name = "NS")]
        namespace: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

pub(super) fn run(context: &Context, verb: &NamespaceVerb) -> Result<Status, Failure> {
    match verb {
        NamespaceVerb::List { all } => list(context, *all)?,
        NamespaceVerb::Create { name } => {
            let row = context.wait(async { Ok(context.connect().await?.create_namespace(name).await?) })?;
            context.printer.json(&row)?;
            context.printer.stdout(&format!("created `{}` ({})", row.name, row.id))?;
        }
        NamespaceVerb::Rename { namespace, name } => {
            let row = context.wait(async { Ok(context.connect().await?.rename_namespace(namespace, name).await?) })?;
            context.printer.json(&row)?;
            context.printer.stdout(&format!("{} is now `{}`", row.id, row.name))?;
        }
        NamespaceVerb::Delete { namespace, yes } => {
            let which = if *yes { namespace.clone() } else { confirmed(context, namespace)? };
            let row = context.wait(async { Ok(context.connect().await?.delete_namespace(&which).await?) })?;
            context.printer.json(&row)?;
            context.printer.stdout(&format!("deleted `{}` ({}); its tokens have ended", row.name, row.id))?;
        }
    }
    Ok(Status(exit::OK))
}

const LIST: &str = "bitrouter node namespace list";

/// The row of the namespace that `which`, an id or a name, means.
///
/// # Errors
/// Where there is none.
pub(in crate::cli) fn named<'r>(own: &'r [Namespace], which: &str) -> Result<&'r Namespace, Failure> {
    let id: Option<NamespaceId> = which.parse().ok();
    let name: Option<Name> = which.parse().ok();
    let is_meant = |row: &&Namespace| Some(row.id) == id || name.as_ref().is_some_and(|name| row.name == name.as_str());
    own.iter().find(is_meant).ok_or_else(|| {
        Failure::caller("not_found", format!("there is no namespace of yours called `{which}`")).hint(LIST)
    })
}

/// The id of the namespace that `which` means, once somebody said that it is to be deleted. What cannot be is refused
/// before anybody is asked.
fn confirmed(context: &Context, which: &str) -> Result<String, Failure> {
    let own = context.wait(async { Ok(context.connect().await?.list_namespaces(false).await?) })?;
    let row = named(&own, which)?;
    let refused = |code, message: String| Err(Failure::caller(code, message).hint(LIST));
    if row.is_first {
        let message = "it is the node's first namespace, in which calls without a key are made; it can be renamed";
        return refused("conflict", message.to_owned());
    }
    if own.len() == 1 {
        return refused("conflict", "it is the last namespace, and a person keeps one".to_owned());
    }
    let again = format!("bitrouter node namespace delete {} --yes", shell::quoted(which));
    confirm(context, false, &format!("deleting namespace `{}` and ending its tokens", row.name), &again)?;
    Ok(row.id.to_string())
}

fn list(context: &Context, all: bool) -> Result<(), Failure> {
    let printer = context.printer;
    let data = context.wait(async { Ok(context.connect().await?.list_namespaces(all).await?) })?;
    let text = if all {
        let row = |row: &Namespace| {
            let owner = row.owner_name.clone().unwrap_or_default();
            [row.id.to_string(), row.name.clone(), owner, when(&row.created_at, printer.on_terminal)]
        };
        rows_text(["ID", "NAME", "OWNER", "CREATED"], &data.iter().map(row).collect::<Vec<_>>(), printer.on_terminal)
    } else {
        let row = |row: &Namespace| [row.id.to_string(), row.name.clone(), when(&row.created_at, printer.on_terminal)];
        rows_text(["ID", "NAME", "CREATED"], &data.iter().map(row).collect::<Vec<_>>(), printer.on_terminal)
    };
    printer.json(&List { data })?;
    printer.rows(&text, "no namespaces")
}
