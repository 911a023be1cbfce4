//! `node user`.

use bitrouter_proto::{
    account::{List, Name, NameError, Person, PersonId, folded},
    codes::exit,
    shell,
};
use clap::Subcommand;

use crate::{
    cli::{confirm::confirm, password},
    context::Context,
    exit::{Failure, Status},
    render::{rows_text, when},
};

const LIST: &str = "bitrouter node user list";

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
    /// Give a person another password; all browsers of that person are signed out
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
            let wanted: Name =
                name.parse().map_err(|why: NameError| Failure::caller("invalid_argument", why.to_string()))?;
            if let Some(other) = known(context, wanted.as_str())? {
                return conflict(format!("there is a person called `{}` already", other.name));
            }
            let password =
                password::chosen(context, name, *password_stdin, &format!("node user add {}", shell::quoted(name)))?;
            let row = context.wait(async { Ok(context.connect().await?.add_person(name, &password).await?) })?;
            printer.json(&row)?;
            printer.stdout(&format!("added `{}` ({})", row.name, row.id))?;
        }
        UserVerb::Passwd { name, password_stdin } => {
            let again = format!("node user passwd {}", shell::quoted(name));
            let row = existing(context, name)?;
            let password = password::chosen(context, &row.name, *password_stdin, &again)?;
            let who = row.id.to_string();
            let row = context.wait(async { Ok(context.connect().await?.set_password(&who, &password).await?) })?;
            printer.json(&row)?;
            printer
                .stdout(&format!("`{}` has another password; all browsers of that person are signed out", row.name))?;
        }
        UserVerb::List => list(context)?,
        UserVerb::Remove { name, yes } => {
            let who = if *yes { name.clone() } else { confirmed(context, name)? };
            let row = context.wait(async { Ok(context.connect().await?.remove_person(&who).await?) })?;
            printer.json(&row)?;
            printer.stdout(&format!("removed `{}` ({}), with all namespaces and sessions", row.name, row.id))?;
        }
    }
    Ok(Status(exit::OK))
}

/// The id of the person whom `who` means, once somebody said that this one is to be removed. What cannot be is refused
/// before anybody is asked.
fn confirmed(context: &Context, who: &str) -> Result<String, Failure> {
    let row = existing(context, who)?;
    if row.owner {
        return conflict(format!("`{}` owns the node and cannot be removed", row.name));
    }
    let again = format!("bitrouter node user remove {} --yes", shell::quoted(who));
    confirm(context, false, &format!("removing `{}` with all namespaces and sessions", row.name), &again)?;
    Ok(row.id.to_string())
}

/// Whom `who`, a name or an id, means: asked of the daemon before anybody is asked for more.
fn known(context: &Context, who: &str) -> Result<Option<Person>, Failure> {
    let all = context.wait(async { Ok(context.connect().await?.list_people().await?) })?;
    let id: Option<PersonId> = who.parse().ok();
    let is_meant = |row: &Person| match id {
        Some(id) => row.id == id,
        None => folded(&row.name) == folded(who),
    };
    Ok(all.into_iter().find(is_meant))
}

fn existing(context: &Context, who: &str) -> Result<Person, Failure> {
    let absent = || Failure::caller("not_found", format!("there is no person called `{who}`")).hint(LIST);
    known(context, who)?.ok_or_else(absent)
}

fn conflict<T>(message: String) -> Result<T, Failure> {
    Err(Failure::caller("conflict", message).hint(LIST))
}

fn list(context: &Context) -> Result<(), Failure> {
    let printer = context.printer;
    let data = context.wait(async { Ok(context.connect().await?.list_people().await?) })?;
    let row = |row: &Person| {
        let signs_in = match (row.owner, row.can_sign_in) {
            (true, true) => "owner, password",
            (true, false) => "owner, no password",
            (false, true) => "password",
            (false, false) => "no password",
        };
        [row.id.to_string(), row.name.clone(), signs_in.to_owned(), when(&row.created_at, printer.on_terminal)]
    };
    let rows: Vec<_> = data.iter().map(row).collect();
    printer.json(&List { data })?;
    printer.rows(&rows_text(["ID", "NAME", "SIGN-IN", "CREATED"], &rows, printer.on_terminal), "no people")
}
