//! `/oauth/authorize` (RFC 6749 §4.1.1): a signed-in person sees which program asks for what and where the browser goes back to,
//! and approves or denies. Nothing but the posted form of that page decides.
//!
//! The answer to the form is a page that goes on to the program by itself: browsers hold a redirect behind a form to the
//! `form-action` of the page that had it, and that is our own.

use askama::Template;
use bitrouter_gateway::http::ResponseBody;
use http::{Response, StatusCode};

use super::{
    consent::{self, Choice, Request},
    guard,
    page::{Answer, Frame, Refusal, render},
    session::Signed,
};
use crate::{
    http::{Call, body::Form},
    oauth::{
        approval::{CodeRefused, Decision},
        authorize::{Asked, Return, Untrusted},
    },
};

pub(super) const PATH: &str = "/oauth/authorize";
/// The field of the form that says again what is asked for.
const REQUEST: &str = "request";

#[derive(Template)]
#[template(path = "onward.html")]
struct OnwardPage<'a> {
    frame: Frame,
    heading: &'a str,
    client: &'a str,
    address: &'a str,
}

/// `GET /oauth/authorize`: shows what is asked for. It decides nothing.
pub(super) async fn show(call: Call) -> Answer {
    let query = call.head.uri.query().unwrap_or_default();
    let form = Form::parse(query.as_bytes()).ok_or(Untrusted::Unreadable)?;
    let to = Return::read(&call.node, &form)?;
    // Nobody is sent anywhere, not even with an error, who has not signed in (RFC 9700 §4.11.2).
    let signed = guard::signed(&call, &back(query)).await?;
    match to.judged(&form) {
        Ok(asked) => consent(&call, &signed, (query, &to, &asked), Choice::default()).await,
        Err(address) => asked_wrongly(&call, &signed, &to, &address).await,
    }
}

/// `POST /oauth/authorize`: the decision.
pub(super) async fn decide(call: Call) -> Answer {
    let fields = guard::own_form(&call, &["scope"])?;
    let query = fields.one(REQUEST).unwrap_or_default();
    let signed = guard::signed_by(&call, &fields, &back(query)).await?;
    let form = Form::parse(query.as_bytes()).ok_or(Untrusted::Unreadable)?;
    let to = Return::read(&call.node, &form)?;
    let asked = match to.judged(&form) {
        Ok(asked) => asked,
        Err(address) => return asked_wrongly(&call, &signed, &to, &address).await,
    };
    let (request, choice) = ((query, &to, &asked), Choice::of(&fields));
    match fields.one("decision") {
        None if fields.one("show").is_some() => consent(&call, &signed, request, choice).await,
        Some("approve") => approve(&call, &signed, request, choice).await,
        Some("deny") => Ok(onward(&signed, &to, "Denied", &to.denied())),
        _ => Err(Refusal::bad("A decision is to approve or to deny.")),
    }
}

async fn approve(call: &Call, signed: &Signed, request: (&str, &Return, &Asked), choice: Choice) -> Answer {
    let (_, to, asked) = request;
    let Some(scopes) = choice.scopes else {
        return consent(call, signed, request, choice.again("There is no such permission.")).await;
    };
    let Some(namespace) = choice.namespace else {
        return consent(call, signed, request, choice.again("Choose the namespace that it may use.")).await;
    };
    let decision = Decision { namespace, scopes, own_device: false };
    match call.node.approve_request(to, asked, signed.person.id, decision).await {
        Ok(code) => Ok(onward(signed, to, "Approved", &to.with_code(&code))),
        Err(refused) => match consent::missing(&refused) {
            Some(words) => consent(call, signed, request, choice.again(words)).await,
            None => match refused {
                CodeRefused::Store(error) => Err(error.into()),
                // It was deleted while the page was open.
                _ => Err(Untrusted::NoClient.into()),
            },
        },
    }
}

async fn consent(call: &Call, signed: &Signed, (query, to, asked): (&str, &Return, &Asked), choice: Choice) -> Answer {
    let request = Request {
        client: &to.client,
        client_id: to.client.id.to_string(),
        scopes: asked.scopes,
        path: PATH,
        carried: (REQUEST, query),
        back: back(query),
        redirect_uri: Some(&to.uri),
        device: None,
    };
    Ok(consent::show(&call.node, signed, &request, choice).await?)
}

/// Goes on to the program with an error. Whom it may not ask, it sends nowhere.
async fn asked_wrongly(call: &Call, signed: &Signed, to: &Return, address: &str) -> Answer {
    if consent::asked(&call.node, signed, &to.client).await?.is_empty() {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "This program cannot sign you in", consent::NOBODY_OF));
    }
    Ok(onward(signed, to, "The program asked wrongly", address))
}

/// A page that goes on to the program.
fn onward(signed: &Signed, to: &Return, heading: &str, address: &str) -> Response<ResponseBody> {
    let page = OnwardPage { frame: Frame::of(signed, heading), heading, client: &to.client.name, address };
    render(StatusCode::OK, &page)
}

fn back(query: &str) -> String {
    format!("{PATH}?{query}")
}

impl From<Untrusted> for Refusal {
    fn from(error: Untrusted) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "This program cannot sign you in",
            super::words::sentence(&error.to_string()),
        )
    }
}
