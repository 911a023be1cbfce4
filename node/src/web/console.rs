//! `/console`: the namespaces that a person reaches, and the person's programs in them. A link of `bitrouter console` leads
//! here; `namespace` has the page of one.

use askama::Template;
use bitrouter_gateway::http::ResponseBody;
use bitrouter_proto::account::{GrantId, NamespaceId, Role};
use http::{Response, StatusCode, header};

use super::{
    console_link, guard,
    namespace::explain,
    page::{Answer, Frame, HOME, Refusal, render, see_other},
    session::{self, Signed},
    words::{Permission, ago, permissions},
};
use crate::{
    Node,
    clock::Moment,
    http::{Call, body::Form},
    keys::RevokedSession,
    oauth::{UserCode, sessions::Session},
    people::namespaces::{self, Reached},
    revocations::Revocation,
    store::{DeviceCodeRow, MadeBy, PersonRow, StoreError, WebSessionRow},
};

#[derive(Template)]
#[template(path = "console.html")]
struct ConsolePage<'a> {
    frame: Frame,
    csrf: &'a str,
    namespaces: Vec<Reached>,
    /// Those of others.
    shared: Vec<Reached>,
    stored_keys: usize,
    /// Where calls without a credential are made.
    first: &'a NamespaceId,
    sessions: Vec<Program>,
    approvals: Vec<Approved>,
    this_browser: Browser,
    other_browsers: Vec<Browser>,
    typed: &'a str,
    error: Option<&'a str>,
    done: Option<&'static str>,
}

/// A browser that is signed in.
struct Browser {
    used: String,
    since: String,
    by: &'static str,
}

impl Browser {
    fn of(row: &WebSessionRow, now: Moment) -> Self {
        let by = match row.made_by {
            MadeBy::Console => "with a link of bitrouter console",
            MadeBy::Password => "with the password",
        };
        Self { used: ago(now.since(row.last_used_at)), since: ago(now.since(row.created_at)), by }
    }
}

/// A program that was approved and has not come for its tokens.
struct Approved {
    name: String,
    namespace: String,
    code: UserCode,
    asked: String,
}

/// A program that is signed in.
pub(super) struct Program {
    pub(super) id: GrantId,
    pub(super) name: String,
    namespace: String,
    pub(super) used: String,
    pub(super) since: String,
    /// What it may do now, of what was granted.
    pub(super) permissions: Vec<Permission>,
    /// How many keys were minted with it and have not ended.
    pub(super) keys: usize,
}

impl Program {
    /// A session in `namespace`, where its person has this role.
    pub(super) fn of(node: &Node, session: Session, namespace: String, role: Role) -> Self {
        let now = node.clock.wall();
        let scopes = session.scopes.intersection(role.scopes());
        Self {
            id: session.id,
            name: client_name(node, session.client_id),
            namespace,
            used: ago(now.since(session.last_used_at)),
            since: ago(now.since(session.created_at)),
            permissions: permissions(scopes, Some(scopes)),
            keys: node.keys.count_of(session.id),
        }
    }

    /// What the tick says that keeps its keys.
    pub(super) fn keeping(&self) -> String {
        match self.keys {
            1 => "Keep the key that was minted with it".to_owned(),
            keys => format!("Keep the {keys} keys that were minted with it"),
        }
    }
}

/// What a form has done. A word in the address chooses one of these sentences, and can say nothing else.
#[derive(Clone, Copy)]
pub(super) enum Done {
    Created,
    Renamed,
    Deleted,
    Ended,
    EndedAlone,
    Withdrawn,
    Browsers,
    Shared,
    Unshared,
    KeyStored,
    KeyDeleted,
    ClientChanged,
    ClientDeleted,
}

impl Done {
    const ALL: [Self; 13] = [
        Self::Created,
        Self::Renamed,
        Self::Deleted,
        Self::Ended,
        Self::EndedAlone,
        Self::Withdrawn,
        Self::Browsers,
        Self::Shared,
        Self::Unshared,
        Self::KeyStored,
        Self::KeyDeleted,
        Self::ClientChanged,
        Self::ClientDeleted,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Renamed => "renamed",
            Self::Deleted => "deleted",
            Self::Ended => "ended",
            Self::EndedAlone => "ended-alone",
            Self::Withdrawn => "withdrawn",
            Self::Browsers => "browsers",
            Self::Shared => "shared",
            Self::Unshared => "unshared",
            Self::KeyStored => "key-stored",
            Self::KeyDeleted => "key-revoked",
            Self::ClientChanged => "client-changed",
            Self::ClientDeleted => "client-deleted",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Created => "The namespace was created.",
            Self::Renamed => "The namespace was renamed.",
            Self::Deleted => "The namespace was deleted.",
            Self::Ended => "The program was signed out.",
            Self::EndedAlone => "The program was signed out; keys that were minted with it open what they did.",
            Self::Withdrawn => "The approval was taken back: the program gets nothing.",
            Self::Browsers => "All other browsers were signed out.",
            Self::Shared => "The namespace is shared so.",
            Self::Unshared => "The member was removed; programs and keys of that person open nothing here any more.",
            Self::KeyStored => "The key was sealed and stored: it pays from the next call on.",
            Self::KeyDeleted => "The key was revoked: calls that run end with it, the next ones go without.",
            Self::ClientChanged => "The OAuth client was changed.",
            Self::ClientDeleted => "The OAuth client was deleted, and its tokens open nothing any more.",
        }
    }

    /// What the address of the page that `call` asks for says was done.
    pub(super) fn told(call: &Call) -> Option<&'static str> {
        let query = Form::parse(call.head.uri.query().unwrap_or_default().as_bytes())?;
        let word = query.one("done")?;
        Self::ALL.into_iter().find(|done| done.word() == word).map(Self::words)
    }

    /// To the console, which says so.
    pub(super) fn go_on(self) -> Response<ResponseBody> {
        self.go_on_to(HOME)
    }

    /// To the page of a namespace, which says so.
    pub(super) fn go_on_at(self, namespace: NamespaceId) -> Response<ResponseBody> {
        self.go_on_to(&format!("{HOME}/namespaces/{namespace}"))
    }

    /// To this page, which says so.
    pub(super) fn go_on_to(self, path: &str) -> Response<ResponseBody> {
        see_other(&format!("{path}?done={}", self.word()))
    }
}

/// What went wrong in the form, and what was typed there.
#[derive(Clone, Copy, Default)]
struct Wrong<'a> {
    typed: &'a str,
    error: Option<&'a str>,
}

/// `GET /console`: what is one's own; with `?link=` a one-time link.
pub(super) async fn show(call: Call) -> Answer {
    let query = Form::parse(call.head.uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    if let Some(token) = query.one("link") {
        return follow(&call, token).await;
    }
    let signed = guard::signed(&call, HOME).await?;
    overview(&call, &signed, StatusCode::OK, Wrong::default(), Done::told(&call)).await
}

async fn overview(
    call: &Call,
    signed: &Signed,
    status: StatusCode,
    wrong: Wrong<'_>,
    done: Option<&'static str>,
) -> Answer {
    let reached = namespaces::reached(&call.node, signed.person.id).await?;
    let mut sessions = Vec::new();
    let now = call.node.clock.wall();
    for namespace in &reached {
        let all = call.node.sessions(namespace.row.id).await?;
        let own = all.into_iter().filter(|session| session.subject == signed.person.id);
        sessions.extend(own.map(|session| Program::of(&call.node, session, namespace.told(), namespace.role)));
    }
    let approvals = approvals(call, signed, &reached).await?;
    let (namespaces, shared) = reached.into_iter().partition(|namespace| namespace.owner_name.is_none());
    let other_browsers = others(call, signed).await?;
    let frame = Frame::of(signed, "Console").with_error(wrong.error);
    let page = ConsolePage {
        frame,
        csrf: &signed.csrf,
        first: &call.node.row.first_namespace,
        approvals,
        namespaces,
        shared,
        stored_keys: call.node.byok.of(signed.person.id).len(),
        sessions,
        this_browser: Browser::of(&signed.session, now),
        other_browsers: other_browsers.iter().map(|row| Browser::of(row, now)).collect(),
        typed: wrong.typed,
        error: wrong.error,
        done,
    };
    Ok(render(status, &page))
}

/// What the person approved and no program has come for.
async fn approvals(call: &Call, signed: &Signed, reached: &[Reached]) -> Result<Vec<Approved>, StoreError> {
    let now = call.node.clock.wall();
    let rows = DeviceCodeRow::approved_by(&mut call.node.store.read().await?, signed.person.id, now).await?;
    let shown = |row: DeviceCodeRow| {
        let namespace = reached.iter().find(|it| Some(it.row.id) == row.approval.map(|it| it.namespace))?;
        Some(Approved {
            name: client_name(&call.node, row.client_id),
            namespace: namespace.told(),
            code: row.user_code,
            asked: ago(now.since(row.created_at)),
        })
    };
    Ok(rows.into_iter().filter_map(shown).collect())
}

fn client_name(node: &Node, id: String) -> String {
    node.clients.find(&id).map_or(id, |client| client.name.clone())
}

/// The person's other sessions that are open.
async fn others(call: &Call, signed: &Signed) -> Result<Vec<WebSessionRow>, StoreError> {
    let now = call.node.clock.wall();
    let mut all = WebSessionRow::of_person(&mut call.node.store.read().await?, signed.person.id).await?;
    all.retain(|row| {
        row.hash != signed.session.hash && session::is_open(row, now) && !call.node.web_session_has_ended(row)
    });
    Ok(all)
}

/// `POST /console/approvals/{code}/end`: takes an approval back that no program has come for.
pub(super) async fn end_approval(call: Call) -> Answer {
    let (signed, _) = guard::signed_form(&call).await?;
    let code = call.params.first().and_then(|code| UserCode::parse(code));
    let mut write = call.node.store.write().await?;
    let is_taken_back = match code {
        Some(code) => DeviceCodeRow::withdraw(&mut write, code, signed.person.id, call.node.clock.wall()).await?,
        None => false,
    };
    write.commit().await?;
    // Where the program was faster, its session stands in the list.
    Ok(if is_taken_back { Done::Withdrawn.go_on() } else { see_other(HOME) })
}

/// `POST /console/browsers/end`: signs the person's other browsers out.
pub(super) async fn end_browsers(call: Call) -> Answer {
    let (signed, _) = guard::signed_form(&call).await?;
    for row in others(&call, &signed).await? {
        let write = call.node.store.write().await?;
        // Also what the database takes later holds from now on.
        let _ = call.node.revoke(write, Revocation::WebSession(row.hash)).await?;
    }
    Ok(Done::Browsers.go_on())
}

/// `POST /console/namespaces`: makes one.
pub(super) async fn create(call: Call) -> Answer {
    let (signed, form) = guard::signed_form(&call).await?;
    let name = form.one("name").unwrap_or_default();
    match namespaces::create(&call.node, signed.person.id, name).await {
        Ok(_) => Ok(Done::Created.go_on()),
        Err(error) => {
            let (status, words) = explain(error)?;
            let wrong = Wrong { typed: name, error: Some(&words) };
            overview(&call, &signed, status, wrong, None).await
        }
    }
}

/// `POST /console/sessions/{id}/revoke`: ends a program's session: one's own, or as admin or owner of its namespace. Keys that
/// were minted with it end too, unless they are ticked to be kept.
pub(super) async fn revoke(call: Call) -> Answer {
    let (signed, form) = guard::signed_form(&call).await?;
    let (node, person) = (&call.node, signed.person.id);
    let id: Option<GrantId> = call.params.first().and_then(|id| id.parse().ok());
    let may_end = |session: &Session| {
        session.subject == person || node.roles.of(person, session.namespace).is_some_and(Role::is_over_others)
    };
    let found = match id {
        Some(id) => node.session(id).await?.filter(may_end),
        None => None,
    };
    // One that has ended meanwhile is what was wanted.
    let mut done = Done::Ended;
    if let Some(session) = found {
        let keeps_keys = form.one("keys") == Some("keep");
        if let RevokedSession::WithoutKeys(1..) = node.revoke_session(session.id, keeps_keys).await? {
            done = Done::EndedAlone;
        }
    }
    let back: Option<NamespaceId> = form.one("namespace").and_then(|id| id.parse().ok());
    Ok(back.map_or_else(|| done.go_on(), |id| done.go_on_at(id)))
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage<'a> {
    frame: Frame,
    token: &'a str,
}

/// Spends a one-time link, where a person follows it.
async fn follow(call: &Call, token: &str) -> Answer {
    if !console_link::is_followed(&call.head.method, &call.head.headers) {
        return Ok(render(StatusCode::OK, &LinkPage { frame: Frame::open("Open the console"), token }));
    }
    if !call.node.web.links.spend(token, &call.visitor, call.node.clock.monotonic()) {
        let words = "This link was used already, is older than a minute, or was made for another user of the machine. \
                     Run `bitrouter console` again.";
        return Err(Refusal::new(StatusCode::GONE, "This link opens nothing", words));
    }
    let mut write = call.node.store.write().await?;
    let Some(owner) = PersonRow::by_id(&mut write, call.node.row.owner).await? else {
        return Err(Refusal::new(StatusCode::GONE, "This link opens nothing", "The node has no owner."));
    };
    let cookie = session::begin(call, &mut write, &owner, MadeBy::Console).await?;
    write.commit().await?;
    let mut response: Response<ResponseBody> = see_other(HOME);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}
