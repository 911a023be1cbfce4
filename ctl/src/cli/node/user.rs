//! `node user`.

use bitrouter_proto::{
    account::{List, Person},
    codes::exit,
    shell,
};
use clap::Subcommand;

use crate::{
    cli::{confirm::confirm, password},
    context::Context,
    exit::{Failure, Status},
    render::rows_text,
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum UserVerb {
    /// Add a person who signs in with a name and a password
    Add {
        /// What the person signs in with
        name: String,
        /// Read the password from standard input, one line
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give a person another password; other browsers of that person are signed out
    Passwd {
        /// The name, or the id
        name: String,
        /// Read the password from standard input, one line
        #[arg(long)]
        password_stdin: bool,
    },
    /// List everybody, the oldest first
    List,
    /// Remove a person, with the namespaces that the person owns and every session
    Remove {
        /// The name, or the id
        name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

pub(super) fn run(context: &Context, verb: &UserVerb) -> Result<Status, Failure> {
    let printer = context.printer;
    match verb {
        UserVerb::Add { name, password_stdin } => {
            let password =
                password::chosen(context, name, *password_stdin, &format!("node user add {}", shell::quoted(name)))?;
            let row = context.block_on(async { Ok(context.connect().await?.add_person(name, &password).await?) })?;
            printer.json(&row)?;
            printer.stdout(&format!("added `{}` ({})", row.name, row.id))?;
        }
        UserVerb::Passwd { name, password_stdin } => {
            let again = format!("node user passwd {}", shell::quoted(name));
            let password = password::chosen(context, name, *password_stdin, &again)?;
            let row = context.block_on(async { Ok(context.connect().await?.set_password(name, &password).await?) })?;
            printer.json(&row)?;
            printer.stdout(&format!("`{}` has another password; other browsers are signed out", row.name))?;
        }
        UserVerb::List => list(context)?,
        UserVerb::Remove { name, yes } => {
            let again = format!("bitrouter node user remove {} --yes", shell::quoted(name));
            confirm(context, *yes, &format!("removing `{name}` with all namespaces and sessions"), &again)?;
            let row = context.block_on(async { Ok(context.connect().await?.remove_person(name).await?) })?;
            printer.json(&row)?;
            printer.stdout(&format!("removed `{}` ({}), with all namespaces and sessions", row.name, row.id))?;
        }
    }
    Ok(Status(exit::OK))
}

fn list(context: &Context) -> Result<(), Failure> {
    let printer = context.printer;
    let data = context.block_on(async { Ok(context.connect().await?.list_people().await?) })?;
    let row = |row: &Person| {
        let signs_in = match (row.owner, row.can_sign_in) {
            (true, _) => "owner",
            (false, true) => "password",
            (false, false) => "no",
        };
        [row.id.to_string(), row.name.clone(), signs_in.to_owned(), row.created_at.clone()]
    };
    let rows: Vec<_> = data.iter().map(row).collect();
    printer.json(&List { data })?;
    printer.rows(&rows_text(["ID", "NAME", "SIGN-IN", "CREATED"], &rows, printer.on_terminal))
}
