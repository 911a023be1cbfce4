//! `node member`: who else may do what in a namespace.

use bitrouter_proto::{
    account::{List, Member, PersonId, Role, folded},
    codes::exit,
    shell,
};
use clap::{Subcommand, ValueEnum};

use crate::{
    cli::confirm::confirm,
    context::Context,
    exit::{Failure, Status},
    render::{rows_text, when},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum MemberVerb {
    /// Give a person a role in a namespace, or another role
    Add {
        /// The namespace, by id or name
        #[arg(value_name = "NS")]
        namespace: String,
        /// The person, by name or id
        #[arg(value_name = "NAME")]
        person: String,
        /// What the person may do there
        #[arg(long)]
        role: RoleWord,
    },
    /// List everybody with a role in a namespace, its owner too
    List {
        /// The namespace, by id or name
        #[arg(value_name = "NS")]
        namespace: String,
    },
    /// Take a person's role away; that person's sessions there, and the keys minted with them, end at once
    Remove {
        /// The namespace, by id or name
        #[arg(value_name = "NS")]
        namespace: String,
        /// The person, by name or id
        #[arg(value_name = "NAME")]
        person: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// A role that can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum RoleWord {
    /// Uses models, makes keys, sets the rules
    Admin,
    /// Uses models and makes keys
    Member,
    /// Looks at everything but the money
    Viewer,
}

impl RoleWord {
    fn role(self) -> Role {
        match self {
            Self::Admin => Role::Admin,
            Self::Member => Role::Member,
            Self::Viewer => Role::Viewer,
        }
    }
}

pub(super) fn run(context: &Context, verb: &MemberVerb) -> Result<Status, Failure> {
    let printer = context.printer;
    match verb {
        MemberVerb::Add { namespace, person, role } => {
            let role = role.role();
            let row =
                context.wait(async { Ok(context.connect().await?.add_member(namespace, person, role).await?) })?;
            printer.json(&row)?;
            printer.stdout(&format!("`{}` ({}) is {} now", row.name, row.person_id, titled(row.role)))?;
        }
        MemberVerb::List { namespace } => {
            let data = members(context, namespace)?;
            let text = list_text(&data, printer.on_terminal);
            printer.json(&List { data })?;
            printer.rows(&text, "no members")?;
        }
        MemberVerb::Remove { namespace, person, yes } => {
            let who = if *yes { person.clone() } else { confirmed(context, namespace, person)? };
            let row = context.wait(async { Ok(context.connect().await?.remove_member(namespace, &who).await?) })?;
            printer.json(&row)?;
            let what = "; that person's sessions there, and the keys minted with them, have ended";
            printer.stdout(&format!("removed `{}` ({}){what}", row.name, row.person_id))?;
        }
    }
    Ok(Status(exit::OK))
}

fn members(context: &Context, namespace: &str) -> Result<Vec<Member>, Failure> {
    context.wait(async { Ok(context.connect().await?.list_members(namespace).await?) })
}

/// The role with its article.
fn titled(role: Role) -> String {
    let article = if matches!(role, Role::Admin | Role::Owner) { "an" } else { "a" };
    format!("{article} {}", role.as_str())
}

/// The id of the person whom `who` means, once somebody said that this one is to be removed. What cannot be is refused
/// before anybody is asked.
fn confirmed(context: &Context, namespace: &str, who: &str) -> Result<String, Failure> {
    let list = format!("bitrouter node member list {}", shell::quoted(namespace));
    let all = members(context, namespace)?;
    let row = named(&all, who).ok_or_else(|| {
        Failure::caller("not_found", format!("`{who}` has no role in `{namespace}`")).hint(list.clone())
    })?;
    if row.role == Role::Owner {
        let message = format!("`{}` owns the namespace, and stays", row.name);
        return Err(Failure::caller("conflict", message).hint(list));
    }
    let again = format!("bitrouter node member remove {} {} --yes", shell::quoted(namespace), shell::quoted(who));
    let what =
        format!("removing `{}` from `{namespace}` and ending what that person has signed in or minted there", row.name);
    confirm(context, false, &what, &again)?;
    Ok(row.person_id.to_string())
}

fn named<'r>(all: &'r [Member], who: &str) -> Option<&'r Member> {
    let id: Option<PersonId> = who.parse().ok();
    all.iter().find(|row| match id {
        Some(id) => row.person_id == id,
        None => folded(&row.name) == folded(who),
    })
}

fn list_text(members: &[Member], on_terminal: bool) -> String {
    let row = |row: &Member| {
        [row.person_id.to_string(), row.name.clone(), row.role.as_str().to_owned(), when(&row.created_at, on_terminal)]
    };
    rows_text(["PERSON", "NAME", "ROLE", "SINCE"], &members.iter().map(row).collect::<Vec<_>>(), on_terminal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Vec<Member> {
        let text = r#"[
            {"person_id":"usr_00000000010000000000000001","name":"ann","role":"owner","created_at":"2026-05-01T00:00:00.000Z"},
            {"person_id":"usr_00000000010000000000000002","name":"Bob","role":"viewer","created_at":"2026-05-02T00:00:00.000Z"}]"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn members_are_a_table() {
        let expected = "usr_00000000010000000000000001\tann\towner\t2026-05-01T00:00:00.000Z\n\
                        usr_00000000010000000000000002\tBob\tviewer\t2026-05-02T00:00:00.000Z";
        assert_eq!(list_text(&members(), false), expected);
    }

    #[test]
    fn people_are_meant_by_name_or_id() {
        let all = members();
        let name = |who| named(&all, who).map(|row| row.name.as_str());
        assert_eq!(
            (name("bob"), name("USR_00000000010000000000000001"), name("eve")),
            (Some("Bob"), Some("ann"), None)
        );
    }

    #[test]
    fn roles_have_their_article_and_ownership_is_not_given() {
        assert_eq!((titled(Role::Admin), titled(Role::Viewer)), ("an admin".to_owned(), "a viewer".to_owned()));
        let given: Vec<Role> = RoleWord::value_variants().iter().map(|word| word.role()).collect();
        assert_eq!(given, Role::GIVEN);
    }
}
