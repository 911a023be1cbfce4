//! `node namespace`.

use bitrouter_proto::{
    account::{List, Namespace},
    codes::exit,
    shell,
};
use clap::Subcommand;

use crate::{
    cli::confirm::confirm,
    context::Context,
    exit::{Failure, Status},
    render::rows_text,
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
            let row = context.block_on(async { Ok(context.connect().await?.create_namespace(name).await?) })?;
            context.printer.json(&row)?;
            context.printer.stdout(&format!("created `{}` ({})", row.name, row.id))?;
        }
        NamespaceVerb::Rename { namespace, name } => {
            let row =
                context.block_on(async { Ok(context.connect().await?.rename_namespace(namespace, name).await?) })?;
            context.printer.json(&row)?;
            context.printer.stdout(&format!("{} is now `{}`", row.id, row.name))?;
        }
        NamespaceVerb::Delete { namespace, yes } => {
            let again = format!("bitrouter node namespace delete {} --yes", shell::quoted(namespace));
            confirm(context, *yes, &format!("deleting namespace `{namespace}` and ending its tokens"), &again)?;
            let row = context.block_on(async { Ok(context.connect().await?.delete_namespace(namespace).await?) })?;
            context.printer.json(&row)?;
            context.printer.stdout(&format!("deleted `{}` ({}); its tokens have ended", row.name, row.id))?;
        }
    }
    Ok(Status(exit::OK))
}

fn list(context: &Context, all: bool) -> Result<(), Failure> {
    let printer = context.printer;
    let data = context.block_on(async { Ok(context.connect().await?.list_namespaces(all).await?) })?;
    let text = if all {
        let row = |row: &Namespace| {
            let owner = row.owner_name.clone().unwrap_or_default();
            [row.id.to_string(), row.name.clone(), owner, row.created_at.clone()]
        };
        rows_text(["ID", "NAME", "OWNER", "CREATED"], &data.iter().map(row).collect::<Vec<_>>(), printer.on_terminal)
    } else {
        let row = |row: &Namespace| [row.id.to_string(), row.name.clone(), row.created_at.clone()];
        rows_text(["ID", "NAME", "CREATED"], &data.iter().map(row).collect::<Vec<_>>(), printer.on_terminal)
    };
    printer.json(&List { data })?;
    printer.rows(&text)
}
