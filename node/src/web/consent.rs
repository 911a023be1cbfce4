//! What a signed-in person sees of a program that asks for something, and what the person says to it: the same page for a device
//! code and for a browser that goes back to the program.

use askama::Template;
use bitrouter_gateway::http::ResponseBody;
use bitrouter_proto::account::{NamespaceId, PersonId, Role, ScopeSet};
use http::{Response, StatusCode};

use super::{
    page::{Frame, render},
    session::Signed,
    words::{Permission, permissions},
};
use crate::{
    Node,
    http::body::Form,
    oauth::{Client, approval::CodeRefused, clients::redirect_host},
    people::namespaces::{self, Reached},
    store::{NamespaceRow, PersonRow, StoreError},
};

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage<'a> {
    frame: Frame,
    csrf: &'a str,
    person: &'a str,
    request: &'a Request<'a>,
    redirect_host: Option<String>,
    registered: Option<Registered>,
    namespaces: Vec<Offered>,
    limits: Vec<Limit>,
    usual: Vec<Permission>,
    sensitive: Vec<Permission>,
    needs_own_device: bool,
    own_device: bool,
    error: Option<&'a str>,
}

/// What asks, and how the page comes back to it.
pub(super) struct Request<'a> {
    pub(super) client: &'a Client,
    pub(super) client_id: String,
    pub(super) scopes: ScopeSet,
    /// Where the form goes.
    pub(super) path: &'static str,
    /// The field that says again what is asked for: its name, and its value.
    pub(super) carried: (&'static str, &'a str),
    /// Where the page is.
    pub(super) back: String,
    /// Where the browser goes back to.
    pub(super) redirect_uri: Option<&'a str>,
    pub(super) device: Option<Device>,
}

/// A device that waits.
pub(super) struct Device {
    pub(super) code: String,
    pub(super) asker: String,
    pub(super) age: String,
    pub(super) may_be_others: bool,
}

/// Who vouches for a program, and whom it may ask.
struct Registered {
    by: String,
    /// False where that person has nothing to do with the namespace any more.
    is_member: bool,
    /// Who called it so, or had it lead there, where that is somebody else.
    changed_by: Option<Changer>,
    namespace: String,
}

/// Somebody who has changed a program.
struct Changer {
    name: String,
    /// False where that person has nothing to do with the namespace any more.
    is_member: bool,
}

/// A namespace to choose.
struct Offered {
    id: NamespaceId,
    name: String,
    /// What the person is in it, where it is another's.
    role: Option<Role>,
    is_chosen: bool,
}

/// What is left of what is asked for where the person has this role.
struct Limit {
    role: Role,
    permissions: Vec<Permission>,
}

/// What was chosen on the page before, where it is shown again.
#[derive(Clone, Copy, Default)]
pub(super) struct Choice {
    pub(super) namespace: Option<NamespaceId>,
    pub(super) scopes: Option<ScopeSet>,
    pub(super) own_device: bool,
    pub(super) error: Option<&'static str>,
}

impl Choice {
    /// What is chosen on the page, as far as it can be read.
    pub(super) fn of(form: &Form) -> Self {
        Self {
            namespace: form.one("namespace").and_then(|id| id.parse().ok()),
            scopes: ScopeSet::parse(&form.all("scope").join(" ")).ok(),
            own_device: form.one("own_device").is_some(),
            error: None,
        }
    }

    /// The same, shown again with what is missing.
    pub(super) fn again(self, error: &'static str) -> Self {
        Self { error: Some(error), ..self }
    }
}

/// What is said on the page again to a decision that is none; `None` where there is no such page any more.
pub(super) fn missing(refused: &CodeRefused) -> Option<&'static str> {
    Some(match refused {
        CodeRefused::OwnDevice => "Tick that the code is shown on your own device, or deny the request.",
        CodeRefused::NothingGranted => "Tick at least one permission, or deny the request.",
        CodeRefused::NotInThisRole(Role::Viewer) => {
            "You are viewer in this namespace: it can get none of what is ticked there."
        }
        CodeRefused::NotInThisRole(_) => "Your role in this namespace gives it none of what is ticked there.",
        CodeRefused::NoNamespace => "Choose one of your namespaces.",
        CodeRefused::TooMany { .. } | CodeRefused::Unknown | CodeRefused::Expired | CodeRefused::Decided(_) => {
            return None;
        }
        CodeRefused::Store(_) => return None,
    })
}

/// What is said to somebody whom the program may not ask.
pub(super) const NOBODY_OF: &str = "This program asks only the people of the namespace in which it was registered, and you are none of \
                         them. You can give it nothing.";

/// The namespaces of the person in which the client asks; none: it may not ask this person.
pub(super) async fn asked(node: &Node, signed: &Signed, client: &Client) -> Result<Vec<Reached>, StoreError> {
    let mut reached = namespaces::reached(node, signed.person.id).await?;
    reached.retain(|namespace| client.asks_in(namespace.row.id));
    Ok(reached)
}

/// The page.
pub(super) async fn show(
    node: &Node,
    signed: &Signed,
    request: &Request<'_>,
    choice: Choice,
) -> Result<Response<ResponseBody>, StoreError> {
    let client = request.client;
    let offered = |namespace: Reached| Offered {
        is_chosen: choice.namespace == Some(namespace.row.id),
        id: namespace.row.id,
        name: namespace.told(),
        role: Some(namespace.role).filter(|role| *role != Role::Owner),
    };
    let namespaces: Vec<Offered> = asked(node, signed, client).await?.into_iter().map(offered).collect();
    let is_foreign = namespaces.is_empty();
    let error = if is_foreign { Some(NOBODY_OF) } else { choice.error };
    let (sensitive, usual) =
        permissions(request.scopes, choice.scopes).into_iter().partition(|permission| permission.is_sensitive);
    let status = match (is_foreign, error) {
        (true, _) => StatusCode::FORBIDDEN,
        (false, Some(_)) => StatusCode::BAD_REQUEST,
        (false, None) => StatusCode::OK,
    };
    let page = ConsentPage {
        frame: Frame::of(signed, format!("Sign in {}", client.name)).with_error(error),
        csrf: &signed.csrf,
        person: &signed.person.name,
        request,
        redirect_host: request.redirect_uri.and_then(redirect_host),
        // Whom it does not ask, it tells nothing of its namespace.
        registered: if is_foreign { None } else { registered(node, client, signed.person.id).await? },
        limits: limits(&namespaces, request.scopes),
        namespaces,
        usual,
        sensitive,
        needs_own_device: request.device.as_ref().is_some_and(|device| device.may_be_others),
        own_device: choice.own_device,
        error,
    };
    Ok(render(status, &page))
}

/// Who registered a client, and where, as `reader` knows it: two people may have a namespace of the same name.
async fn registered(node: &Node, client: &Client, reader: PersonId) -> Result<Option<Registered>, StoreError> {
    let Some(known) = &client.registration else { return Ok(None) };
    let mut read = node.store.read().await?;
    let by = PersonRow::by_id(&mut read, known.person).await?;
    let namespace = NamespaceRow::find(&mut read, known.namespace).await?;
    let owner = match &namespace {
        Some(row) if row.owner != reader => PersonRow::by_id(&mut read, row.owner).await?,
        _ => None,
    };
    let changed_by = match known.changed_by {
        Some(id) => Some(Changer {
            name: PersonRow::by_id(&mut read, id).await?.map_or_else(|| id.to_string(), |person| person.name),
            is_member: node.roles.of(id, known.namespace).is_some(),
        }),
        None => None,
    };
    Ok(Some(Registered {
        changed_by,
        by: by.map_or_else(|| known.person.to_string(), |person| person.name),
        is_member: node.roles.of(known.person, known.namespace).is_some(),
        namespace: match (namespace, owner) {
            (Some(row), Some(owner)) => format!("{} of {}", row.name, owner.name),
            (Some(row), None) => row.name,
            (None, _) => known.namespace.to_string(),
        },
    }))
}

/// What each role that the person has in a namespace of another's leaves of `asked`, the greatest first.
fn limits(namespaces: &[Offered], asked: ScopeSet) -> Vec<Limit> {
    let is_held = |role: &&Role| namespaces.iter().any(|namespace| namespace.role == Some(**role));
    let limit = |role: &Role| {
        let left = asked.intersection(role.scopes());
        Limit { role: *role, permissions: permissions(left, Some(left)) }
    };
    Role::GIVEN.iter().filter(is_held).map(limit).collect()
}
