//! `/console`: a person's namespaces and sessions. A link of `bitrouter console` leads here.

use askama::Template;
use http::{StatusCode, header};

use super::{
    console_link, guard,
    page::{Answer, Frame, HOME, Refusal, render, see_other},
    session::{self, Signed},
};
use crate::{
    http::{Call, body::Form},
    store::{MadeBy, NamespaceRow, PersonRow},
};

#[derive(Template)]
#[template(path = "console.html")]
struct ConsolePage {
    frame: Frame,
    csrf: String,
    namespaces: Vec<NamespaceRow>,
}

/// `GET /console`: what is one's own; with `?link=` a one-time link.
pub(super) async fn show(call: Call) -> Answer {
    let query = Form::parse(call.head.uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    if let Some(token) = query.one("link") {
        return follow(&call, token).await;
    }
    let signed = guard::signed(&call, HOME).await?;
    page(&call, &signed).await
}

async fn page(call: &Call, signed: &Signed) -> Answer {
    let namespaces = NamespaceRow::of_owner(&mut call.node.store.read().await?, signed.person.id).await?;
    let frame = Frame::of(signed, "Console");
    Ok(render(StatusCode::OK, &ConsolePage { frame, csrf: signed.csrf.clone(), namespaces }))
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
    let mut response = see_other(HOME);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}
