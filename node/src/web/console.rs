//! `/console`: a person's namespaces, and the programs that are signed in to them. A link of `bitrouter console` leads
//! here.

use askama::Template;
use bitrouter_gateway::http::ResponseBody;
use bitrouter_proto::account::{GrantId, NamespaceId};
use http::{Response, StatusCode, header};

use super::{
    console_link, guard,
    page::{Answer, Frame, HOME, Refusal, render, see_other},
    session::{self, Signed},
    words::{Permission, ago, permissions, sentence},
};
use crate::{
    clock::Moment,
    http::{Call, body::Form},
    oauth::{Client, UserCode},
    people::namespaces::{self, NamespaceError},
    revocations::Revocation,
    store::{DeviceCodeRow, MadeBy, NamespaceRow, PersonRow, StoreError, WebSessionRow},
};

#[derive(Template)]
#[template(path = "console.html")]
struct ConsolePage<'a> {
    frame: Frame,
    csrf: &'a str,
    namespaces: Vec<NamespaceRow>,
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
struct Program {
    id: GrantId,
    name: String,
    namespace: String,
    used: String,
    since: String,
    permissions: Vec<Permission>,
}

#[derive(Template)]
#[template(path = "namespace.html")]
struct NamespacePage<'a> {
    frame: Frame,
    csrf: &'a str,
    namespace: NamespaceRow,
    typed: &'a str,
    sessions: usize,
    stays: Option<&'static str>,
    error: Option<&'a str>,
    delete_error: Option<&'a str>,
}

/// What a form has done. A word in the address chooses one of these sentences, and can say nothing else.
#[derive(Clone, Copy)]
enum Done {
    Created,
    Renamed,
    Deleted,
    Ended,
    Withdrawn,
    Browsers,
}

impl Done {
    const ALL: [Self; 6] = [Self::Created, Self::Renamed, Self::Deleted, Self::Ended, Self::Withdrawn, Self::Browsers];

    const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Renamed => "renamed",
            Self::Deleted => "deleted",
            Self::Ended => "ended",
            Self::Withdrawn => "withdrawn",
            Self::Browsers => "browsers",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Created => "The namespace was created.",
            Self::Renamed => "The namespace was renamed.",
            Self::Deleted => "The namespace was deleted.",
            Self::Ended => "The program was signed out.",
            Self::Withdrawn => "The approval was taken back: the program gets nothing.",
            Self::Browsers => "All other browsers were signed out.",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|done| done.word() == word)
    }

    /// To the console, which says so.
    fn go_on(self) -> Response<ResponseBody> {
        see_other(&format!("{HOME}?done={}", self.word()))
    }
}

/// What went wrong in a form, and what was typed there.
#[derive(Clone, Copy, Default)]
struct Wrong<'a> {
    typed: &'a str,
    error: Option<&'a str>,
    delete_error: Option<&'a str>,
}

/// `GET /console`: what is one's own; with `?link=` a one-time link.
pub(super) async fn show(call: Call) -> Answer {
    let query = Form::parse(call.head.uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    if let Some(token) = query.one("link") {
        return follow(&call, token).await;
    }
    let signed = guard::signed(&call, HOME).await?;
    let done = query.one("done").and_then(Done::parse).map(Done::words);
    overview(&call, &signed, StatusCode::OK, Wrong::default(), done).await
}

async fn overview(
    call: &Call,
    signed: &Signed,
    status: StatusCode,
    wrong: Wrong<'_>,
    done: Option<&'static str>,
) -> Answer {
    let own = NamespaceRow::of_owner(&mut call.node.store.read().await?, signed.person.id).await?;
    let mut sessions = Vec::new();
    let now = call.node.clock.wall();
    for namespace in &own {
        for session in call.node.sessions(namespace.id).await? {
            if session.subject != signed.person.id {
                continue;
            }
            sessions.push(Program {
                id: session.id,
                name: client_name(session.client_id),
                namespace: namespace.name.clone(),
                used: ago(now.since(session.last_used_at)),
                since: ago(now.since(session.created_at)),
                permissions: permissions(session.scopes, Some(session.scopes)),
            });
        }
    }
    let other_browsers = others(call, signed).await?;
    let frame = Frame::of(signed, "Console").with_error(wrong.error);
    let page = ConsolePage {
        frame,
        csrf: &signed.csrf,
        first: &call.node.row.first_namespace,
        approvals: approvals(call, signed, &own).await?,
        namespaces: own,
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
async fn approvals(call: &Call, signed: &Signed, own: &[NamespaceRow]) -> Result<Vec<Approved>, StoreError> {
    let now = call.node.clock.wall();
    let rows = DeviceCodeRow::approved_by(&mut call.node.store.read().await?, signed.person.id, now).await?;
    let shown = |row: DeviceCodeRow| {
        let namespace = own.iter().find(|namespace| Some(namespace.id) == row.approval.map(|it| it.namespace))?;
        Some(Approved {
            name: client_name(row.client_id),
            namespace: namespace.name.clone(),
            code: row.user_code,
            asked: ago(now.since(row.created_at)),
        })
    };
    Ok(rows.into_iter().filter_map(shown).collect())
}

fn client_name(id: String) -> String {
    Client::find(&id).map_or(id, |client| client.name.to_owned())
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
            let wrong = Wrong { typed: name, error: Some(&words), ..Wrong::default() };
            overview(&call, &signed, status, wrong, None).await
        }
    }
}

/// `GET /console/namespaces/{id}`: one of them.
pub(super) async fn show_namespace(call: Call) -> Answer {
    let signed = guard::signed(&call, HOME).await?;
    one(&call, &signed, StatusCode::OK, Wrong::default()).await
}

async fn one(call: &Call, signed: &Signed, status: StatusCode, wrong: Wrong<'_>) -> Answer {
    let own = NamespaceRow::of_owner(&mut call.node.store.read().await?, signed.person.id).await?;
    let is_last = own.len() == 1;
    let id: Option<NamespaceId> = call.params.first().and_then(|id| id.parse().ok());
    let Some(namespace) = own.into_iter().find(|row| Some(row.id) == id) else { return Err(absent()) };
    let sessions = call.node.sessions(namespace.id).await?.len();
    let stays = if namespace.id == call.node.row.first_namespace {
        Some("It is the namespace in which calls without a key are made, so it cannot be deleted.")
    } else if is_last {
        Some("It is your only namespace, so it cannot be deleted.")
    } else {
        None
    };
    let Wrong { typed, error, delete_error } = wrong;
    let typed = if error.is_some() { typed.to_owned() } else { namespace.name.clone() };
    let frame = Frame::of(signed, format!("Namespace {}", namespace.name)).with_error(error.or(delete_error));
    let csrf = &signed.csrf;
    let page = NamespacePage { frame, csrf, namespace, typed: &typed, sessions, stays, error, delete_error };
    Ok(render(status, &page))
}

/// `POST /console/namespaces/{id}/rename`: calls it something else.
pub(super) async fn rename(call: Call) -> Answer {
    let (signed, form) = guard::signed_form(&call).await?;
    let name = form.one("name").unwrap_or_default();
    match namespaces::rename(&call.node, signed.person.id, named(&call)?, name).await {
        Ok(_) => Ok(Done::Renamed.go_on()),
        Err(error) => {
            let (status, words) = explain(error)?;
            let wrong = Wrong { typed: name, error: Some(&words), ..Wrong::default() };
            one(&call, &signed, status, wrong).await
        }
    }
}

/// `POST /console/namespaces/{id}/delete`: deletes it, where that was confirmed.
pub(super) async fn delete(call: Call) -> Answer {
    let (signed, form) = guard::signed_form(&call).await?;
    let (status, words) = if form.one("confirm") == Some("yes") {
        match namespaces::delete(&call.node, signed.person.id, named(&call)?).await {
            Ok(_) => return Ok(Done::Deleted.go_on()),
            Err(error) => explain(error)?,
        }
    } else {
        (StatusCode::BAD_REQUEST, "Tick that you mean it; nothing was deleted.".to_owned())
    };
    one(&call, &signed, status, Wrong { delete_error: Some(&words), ..Wrong::default() }).await
}

/// The id in the path. A name is none here: what stands in the address of a page goes on to mean the same thing.
fn named(call: &Call) -> Result<&str, Refusal> {
    let text = call.params.first().map(String::as_str).unwrap_or_default();
    if text.parse::<NamespaceId>().is_ok() { Ok(text) } else { Err(absent()) }
}

/// `POST /console/sessions/{id}/revoke`: ends a program's session.
pub(super) async fn revoke(call: Call) -> Answer {
    let (signed, _) = guard::signed_form(&call).await?;
    let id: Option<GrantId> = call.params.first().and_then(|id| id.parse().ok());
    let found = match id {
        Some(id) => call.node.session(id).await?.filter(|session| session.subject == signed.person.id),
        None => None,
    };
    // One that has ended meanwhile is what was wanted.
    if let Some(session) = found {
        call.node.end_grant(session.id, crate::store::EndReason::RevokedByPerson).await?;
    }
    Ok(Done::Ended.go_on())
}

fn absent() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "There is no such namespace", "It was deleted, or it was never yours.")
}

/// What a form says of an error; what has no place in one becomes a page of its own.
fn explain(error: NamespaceError) -> Result<(StatusCode, String), Refusal> {
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
