//! `/console/namespaces/{id}`: what a person may do in one, and what its owner does with it: call it something else, share
//! it, delete it.

use askama::Template;
use bitrouter_proto::account::{Member, NamespaceId, PersonId, Role};
use http::StatusCode;

use super::{
    console::{Done, Program},
    guard,
    page::{Answer, Frame, HOME, Refusal, render},
    session::Signed,
    words::{Permission, permissions, sentence},
};
use crate::{
    http::Call,
    oauth::sessions::Session,
    people::{
        MemberError, PeopleError,
        members::{self, Change},
        namespaces::{self, NamespaceError, Reached},
    },
    store::{PersonRow, StoreError},
};

#[derive(Template)]
#[template(path = "namespace.html")]
struct NamespacePage<'a> {
    frame: Frame,
    csrf: &'a str,
    namespace: Reached,
    /// What the person may do in it, where it is another's.
    permissions: Vec<Permission>,
    members: Vec<Member>,
    roles: &'static [Role],
    /// Programs of other people, where the person may end them.
    programs: Vec<(Program, String)>,
    typed: &'a str,
    sessions: usize,
    /// How many OAuth clients are registered in it.
    clients: usize,
    stays: Option<&'static str>,
    wrong: Wrong<'a>,
    done: Option<&'static str>,
}

/// What went wrong in which form, and what was typed there.
#[derive(Clone, Copy, Default)]
struct Wrong<'a> {
    typed: &'a str,
    name_error: Option<&'a str>,
    who: &'a str,
    member_error: Option<&'a str>,
    delete_error: Option<&'a str>,
}

/// `GET /console/namespaces/{id}`.
pub(super) async fn show(call: Call) -> Answer {
    let signed = guard::signed(&call, HOME).await?;
    one(&call, &signed, StatusCode::OK, Wrong::default()).await
}

async fn one(call: &Call, signed: &Signed, status: StatusCode, wrong: Wrong<'_>) -> Answer {
    let (node, person) = (&call.node, signed.person.id);
    let id = named(call)?;
    let all = namespaces::reached(node, person).await?;
    let is_last = all.iter().filter(|one| one.role == Role::Owner).count() == 1;
    let Some(namespace) = all.into_iter().find(|one| one.row.id == id) else { return Err(absent()) };
    let sessions = node.sessions(id).await?;
    let count = sessions.len();
    let programs =
        if namespace.role.is_over_others() { others(call, person, &namespace, sessions).await? } else { Vec::new() };
    let is_own = namespace.role == Role::Owner;
    let stays = if id == node.row.first_namespace {
        Some("It is the namespace in which calls without a key are made, so it cannot be deleted.")
    } else if is_last {
        Some("It is your only namespace, so it cannot be deleted.")
    } else {
        None
    };
    let error = wrong.name_error.or(wrong.member_error).or(wrong.delete_error);
    let typed = if wrong.name_error.is_some() { wrong.typed.to_owned() } else { namespace.row.name.clone() };
    let scopes = namespace.role.scopes();
    let page = NamespacePage {
        frame: Frame::of(signed, format!("Namespace {}", namespace.told())).with_error(error),
        csrf: &signed.csrf,
        permissions: if is_own { Vec::new() } else { permissions(scopes, Some(scopes)) },
        members: if is_own { members::list(node, id).await? } else { Vec::new() },
        roles: Role::GIVEN,
        programs,
        namespace,
        typed: &typed,
        sessions: count,
        clients: node.clients.in_namespace(id).len(),
        stays,
        wrong,
        done: Done::told(call),
    };
    Ok(render(status, &page))
}

/// The programs of other people than `person`, each with the name of its own.
async fn others(
    call: &Call,
    person: PersonId,
    namespace: &Reached,
    sessions: Vec<Session>,
) -> Result<Vec<(Program, String)>, StoreError> {
    let mut read = call.node.store.read().await?;
    let mut programs = Vec::new();
    for session in sessions.into_iter().filter(|session| session.subject != person) {
        let role = call.node.roles.of(session.subject, session.namespace);
        let subject = PersonRow::by_id(&mut read, session.subject).await?;
        // Who is gone meanwhile has no programs.
        let (Some(role), Some(subject)) = (role, subject) else { continue };
        programs.push((Program::of(&call.node, session, namespace.told(), role), subject.name));
    }
    Ok(programs)
}

/// `POST /console/namespaces/{id}/rename`: calls it something else.
pub(super) async fn rename(call: Call) -> Answer {
    let (signed, form) = guard::signed_form(&call).await?;
    let name = form.one("name").unwrap_or_default();
    match namespaces::rename(&call.node, signed.person.id, &named(&call)?.to_string(), name).await {
        Ok(_) => Ok(Done::Renamed.go_on()),
        Err(error) => {
            let (status, words) = explain(error)?;
            let wrong = Wrong { typed: name, name_error: Some(&words), ..Wrong::default() };
            one(&call, &signed, status, wrong).await
        }
    }
}

/// `POST /console/namespaces/{id}/delete`: deletes it, where that was confirmed.
pub(super) async fn delete(call: Call) -> Answer {
    let (signed, form) = guard::signed_form(&call).await?;
    let (status, words) = if form.one("confirm") == Some("yes") {
        match namespaces::delete(&call.node, signed.person.id, &named(&call)?.to_string()).await {
            Ok(_) => return Ok(Done::Deleted.go_on()),
            Err(error) => explain(error)?,
        }
    } else {
        (StatusCode::BAD_REQUEST, "Tick that you mean it; nothing was deleted.".to_owned())
    };
    one(&call, &signed, status, Wrong { delete_error: Some(&words), ..Wrong::default() }).await
}

/// `POST /console/namespaces/{id}/members`: makes `name`, a person's name or `usr_…`, a member, or gives a member another
/// role.
pub(super) async fn share(call: Call) -> Answer {
    let (signed, form) = guard::signed_form(&call).await?;
    let id = owned(&call, &signed)?;
    let who = form.one("name").unwrap_or_default();
    let (status, words) = match form.one("role").and_then(Role::parse_given) {
        Some(role) => match set(&call, id, who, role).await {
            Ok(_) => return Ok(Done::Shared.go_on_at(id)),
            Err(error) => explain_member(error)?,
        },
        None => (StatusCode::BAD_REQUEST, "Choose what the person may do.".to_owned()),
    };
    one(&call, &signed, status, Wrong { who, member_error: Some(&words), ..Wrong::default() }).await
}

async fn set(call: &Call, id: NamespaceId, who: &str, role: Role) -> Result<Change, MemberError> {
    let mut write = call.node.store.write().await?;
    let change = members::change_in(&call.node, &mut write, id, who, role).await?;
    members::finish(&call.node, write, &change).await?;
    Ok(change)
}

/// `POST /console/namespaces/{id}/members/{person}/remove`: shares it with that person no more.
pub(super) async fn remove_member(call: Call) -> Answer {
    let (signed, _) = guard::signed_form(&call).await?;
    let id = owned(&call, &signed)?;
    let who: Option<PersonId> = call.params.get(1).and_then(|id| id.parse().ok());
    let Some(who) = who else { return Err(absent()) };
    match members::remove(&call.node, id, &who.to_string()).await {
        // One who is none any more is what was wanted.
        Ok(_) | Err(MemberError::NoMember(_)) => Ok(Done::Unshared.go_on_at(id)),
        Err(error) => {
            let (status, words) = explain_member(error)?;
            one(&call, &signed, status, Wrong { member_error: Some(&words), ..Wrong::default() }).await
        }
    }
}

/// The id in the path. A name is none here: what stands in the address of a page goes on to mean the same thing.
fn named(call: &Call) -> Result<NamespaceId, Refusal> {
    call.params.first().and_then(|id| id.parse().ok()).ok_or_else(absent)
}

/// The same, where it is the person's own.
fn owned(call: &Call, signed: &Signed) -> Result<NamespaceId, Refusal> {
    let id = named(call)?;
    match call.node.roles.of(signed.person.id, id) {
        Some(Role::Owner) => Ok(id),
        Some(_) => {
            let words = "Only its owner says with whom a namespace is shared.";
            Err(Refusal::new(StatusCode::FORBIDDEN, "Nothing was done", words))
        }
        None => Err(absent()),
    }
}

fn absent() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "There is no such namespace", "It was deleted, or you have no part in it.")
}

/// What a form says of an error; what has no place in one becomes a page of its own.
pub(super) fn explain(error: NamespaceError) -> Result<(StatusCode, String), Refusal> {
    let words = sentence(&error.to_string());
    let status = match error {
        NamespaceError::Name(_) => StatusCode::BAD_REQUEST,
        NamespaceError::Taken(_) | NamespaceError::Limit | NamespaceError::Last | NamespaceError::First => {
            StatusCode::CONFLICT
        }
        NamespaceError::Absent(_) => return Err(absent()),
        NamespaceError::Store(error) => return Err(error.into()),
    };
    Ok((status, words))
}

fn explain_member(error: MemberError) -> Result<(StatusCode, String), Refusal> {
    let words = sentence(&error.to_string());
    match error {
        MemberError::Namespace(error) => explain(error),
        MemberError::Store(error) | MemberError::Person(PeopleError::Store(error)) => Err(error.into()),
        MemberError::Owner(_) | MemberError::NoMember(_) => Ok((StatusCode::CONFLICT, words)),
        MemberError::Person(_) => Ok((StatusCode::BAD_REQUEST, words)),
    }
}
