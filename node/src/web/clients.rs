//! `/console/namespaces/{id}/clients`: the programs that may ask the people of a namespace for tokens, and a form that registers one.

use std::sync::Arc;

use askama::Template;
use bitrouter_gateway::http::ResponseBody;
use bitrouter_proto::account::{
    NamespaceId, PersonId, Scope, ScopeSet,
    oauth_clients::{ClientType, GrantType, OauthClient, RegisteredOauthClient},
};
use http::{Response, StatusCode};

use super::{
    console::Done,
    guard,
    page::{Answer, Frame, HOME, Refusal, render},
    session::Signed,
    words::{Permission, permissions, sentence},
};
use crate::{
    http::{Call, body::Form},
    oauth::clients::{self, Client, ClientError, Registrar, Wanted},
    people::namespaces::{self, Reached},
};

/// The fields of these forms that come more than once.
pub(super) const MANY: &[&str] = &["scope", "grant"];

#[derive(Template)]
#[template(path = "clients.html")]
struct ClientsPage<'a> {
    frame: Frame,
    csrf: &'a str,
    namespace: &'a str,
    path: String,
    clients: Vec<OauthClient>,
    /// The form, where the person may register one.
    form: Option<Fields>,
    error: Option<&'a str>,
    done: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "client_registered.html")]
struct RegisteredPage<'a> {
    frame: Frame,
    path: String,
    registered: &'a RegisteredOauthClient,
}

/// What a form says of a client.
pub(super) struct Fields {
    pub(super) name: String,
    pub(super) is_public: bool,
    pub(super) redirect_uris: String,
    pub(super) permissions: Vec<Permission>,
    pub(super) grants: Vec<Grant>,
}

/// A way to tokens, as it is ticked.
pub(super) struct Grant {
    pub(super) grant: GrantType,
    pub(super) is_ticked: bool,
}

impl Grant {
    /// What it is, for people.
    pub(super) const fn words(&self) -> &'static str {
        match self.grant {
            GrantType::AuthorizationCode => "A browser that goes back to the program, with PKCE",
            GrantType::RefreshToken => "Renewing what it has",
            GrantType::DeviceCode => "A code that is typed in another browser",
        }
    }
}

impl Fields {
    /// Of a form that lets `offered` be ticked.
    pub(super) fn new(
        name: &str,
        redirect_uris: &[String],
        (offered, ticked): (ScopeSet, ScopeSet),
        grants: &[GrantType],
    ) -> Self {
        Self {
            name: name.to_owned(),
            is_public: false,
            redirect_uris: redirect_uris.join("\n"),
            permissions: permissions(offered, Some(ticked)),
            grants: grants_of(grants),
        }
    }
}

fn grants_of(ticked: &[GrantType]) -> Vec<Grant> {
    GrantType::ALL.iter().map(|grant| Grant { grant: *grant, is_ticked: ticked.contains(grant) }).collect()
}

/// What was filled in.
pub(super) struct Filled {
    pub(super) name: String,
    kind: ClientType,
    pub(super) redirect_uris: Vec<String>,
    pub(super) scopes: ScopeSet,
    pub(super) grants: Vec<GrantType>,
}

impl Filled {
    /// What the form holds; a word that none of its ticks has is none.
    pub(super) fn of(form: &Form) -> Self {
        let scopes: Vec<Scope> = form.all("scope").iter().filter_map(|text| Scope::parse(text)).collect();
        let lines = form.one("redirect_uris").unwrap_or_default().lines().map(str::trim);
        Self {
            name: form.one("name").unwrap_or_default().to_owned(),
            kind: form.one("type").and_then(ClientType::parse).unwrap_or(ClientType::Confidential),
            redirect_uris: lines.filter(|line| !line.is_empty()).map(str::to_owned).collect(),
            scopes: ScopeSet::of(&scopes),
            grants: form.all("grant").iter().filter_map(|text| GrantType::parse(text)).collect(),
        }
    }

    /// The same, to be shown again in a form that lets `offered` be ticked.
    pub(super) fn again(&self, offered: ScopeSet) -> Fields {
        let fields = Fields::new(&self.name, &self.redirect_uris, (offered, self.scopes), &self.grants);
        Fields { is_public: self.kind == ClientType::Public, ..fields }
    }
}

/// A namespace whose clients somebody looks at.
pub(super) struct Place {
    namespace: Reached,
    person: PersonId,
}

impl Place {
    /// The namespace of the path.
    pub(super) async fn of(call: &Call, signed: &Signed) -> Result<Self, Refusal> {
        let id: Option<NamespaceId> = call.params.first().and_then(|id| id.parse().ok());
        let all = namespaces::reached(&call.node, signed.person.id).await?;
        let found = all.into_iter().find(|one| Some(one.row.id) == id);
        match found.filter(|one| one.role.scopes().contains(Scope::ClientsRead)) {
            Some(namespace) => Ok(Self { namespace, person: signed.person.id }),
            None => Err(absent("There is no such namespace", "It was deleted, or you have no part in it.")),
        }
    }

    /// The same, for somebody who may change its clients.
    pub(super) fn writable(self) -> Result<Self, Refusal> {
        if self.may_write() {
            return Ok(self);
        }
        let words = "Only its owner and its admins say which programs may ask the people of a namespace.";
        Err(Refusal::new(StatusCode::FORBIDDEN, "Nothing was done", words))
    }

    /// True where the person may change its clients.
    pub(super) fn may_write(&self) -> bool {
        self.namespace.role.scopes().contains(Scope::ClientsWrite)
    }

    /// The client of the path.
    pub(super) fn client(&self, call: &Call) -> Result<Arc<Client>, Refusal> {
        let id = call.params.get(1).and_then(|id| id.parse().ok());
        let found = id.and_then(|id| call.node.clients.registered(id));
        let found = found.filter(|client| client.asks_in(self.namespace.row.id));
        found.ok_or_else(|| absent("There is no such OAuth client", "It was deleted, or belongs to another namespace."))
    }

    /// What the namespace is called for the person.
    pub(super) fn told(&self) -> String {
        self.namespace.told()
    }

    /// Where its page of clients is.
    pub(super) fn path(&self) -> String {
        format!("{HOME}/namespaces/{}/clients", self.namespace.row.id)
    }

    /// What the person can give a client here.
    pub(super) fn grantable(&self) -> ScopeSet {
        self.namespace.role.scopes().without(clients::NEVER)
    }

    /// Who registers or changes.
    pub(super) fn registrar(&self) -> Registrar {
        let Reached { row, role, .. } = &self.namespace;
        Registrar { person: self.person, namespace: row.id, scopes: role.scopes() }
    }
}

fn absent(title: &'static str, words: &str) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, title, words)
}

/// `GET /console/namespaces/{id}/clients`.
pub(super) async fn show(call: Call) -> Answer {
    let signed = guard::signed(&call, HOME).await?;
    let place = Place::of(&call, &signed).await?;
    let usual = ScopeSet::of(&[Scope::InferenceInvoke]);
    let grants = [GrantType::AuthorizationCode, GrantType::RefreshToken];
    let form = Fields::new("", &[], (place.grantable(), usual), &grants);
    Ok(all(&call, &signed, &place, (StatusCode::OK, form, None)))
}

fn all(
    call: &Call,
    signed: &Signed,
    place: &Place,
    (status, form, error): (StatusCode, Fields, Option<&str>),
) -> Response<ResponseBody> {
    let told = place.told();
    let page = ClientsPage {
        frame: Frame::of(signed, format!("OAuth clients of {told}")).with_error(error),
        csrf: &signed.csrf,
        namespace: &told,
        path: place.path(),
        clients: call.node.clients.in_namespace(place.namespace.row.id).iter().filter_map(|it| it.told()).collect(),
        form: place.may_write().then_some(form),
        error,
        done: Done::told(call),
    };
    render(status, &page)
}

/// `POST /console/namespaces/{id}/clients`: registers one. The answer is the only page that shows its secret.
pub(super) async fn register(call: Call) -> Answer {
    let (signed, form) = guard::signed_form_of(&call, MANY).await?;
    let place = Place::of(&call, &signed).await?.writable()?;
    let filled = Filled::of(&form);
    match made(&call, &place, &filled).await {
        Ok(registered) => {
            let frame = Frame::of(&signed, format!("Registered {}", registered.client_name));
            let page = RegisteredPage { frame, path: place.path(), registered: &registered };
            Ok(render(StatusCode::OK, &page))
        }
        Err(error) => {
            let (status, words) = explain(error)?;
            Ok(all(&call, &signed, &place, (status, filled.again(place.grantable()), Some(&words))))
        }
    }
}

async fn made(call: &Call, place: &Place, filled: &Filled) -> Result<RegisteredOauthClient, ClientError> {
    let wanted = Wanted {
        name: filled.name.clone(),
        kind: filled.kind,
        redirect_uris: filled.redirect_uris.clone(),
        scopes: filled.scopes,
        grants: filled.grants.clone(),
    };
    let mut write = call.node.store.write().await?;
    let (registered, row) = clients::register(&call.node, &mut write, &place.registrar(), wanted).await?;
    let told = registered.told()?;
    call.node.commit_client(write, row).await?;
    Ok(told)
}

/// What a form says of an error; what has no place in it becomes a page of its own.
pub(super) fn explain(error: ClientError) -> Result<(StatusCode, String), Refusal> {
    let words = sentence(&error.to_string());
    let status = match error {
        ClientError::Wrong { .. } => StatusCode::BAD_REQUEST,
        ClientError::Exceeds(_) | ClientError::Never(_) => StatusCode::FORBIDDEN,
        ClientError::NameTaken
        | ClientError::TooMany
        | ClientError::Made(_)
        | ClientError::MadeAndEnded(_)
        | ClientError::Claimed(_) => StatusCode::CONFLICT,
        ClientError::Absent => {
            return Err(absent("There is no such OAuth client", "It was deleted, or you have no part in it."));
        }
        ClientError::Store(error) => return Err(error.into()),
    };
    Ok((status, words))
}
