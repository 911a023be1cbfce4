//! `/console/namespaces/{id}/clients/{client}`: one OAuth client, changed or deleted.

use askama::Template;
use bitrouter_gateway::http::ResponseBody;
use bitrouter_proto::account::oauth_clients::OauthClient;
use http::{Response, StatusCode};

use super::{
    clients::{Fields, Filled, MANY, Place, explain},
    console::Done,
    guard,
    page::{Answer, Frame, HOME, Refusal, render},
    session::Signed,
};
use crate::{
    http::Call,
    oauth::clients::{Change, Client, ClientError},
};

#[derive(Template)]
#[template(path = "client.html")]
struct ClientPage<'a> {
    frame: Frame,
    csrf: &'a str,
    namespace: &'a str,
    path: String,
    client: OauthClient,
    form: Fields,
    /// How many keys were minted through it and have not ended.
    keys: usize,
    change_error: Option<&'a str>,
    delete_error: Option<&'a str>,
}

/// What went wrong in which form.
#[derive(Clone, Copy, Default)]
struct Wrong<'a> {
    change: Option<&'a str>,
    delete: Option<&'a str>,
}

/// `GET /console/namespaces/{id}/clients/{client}`.
pub(super) async fn show(call: Call) -> Answer {
    let signed = guard::signed(&call, HOME).await?;
    let place = Place::of(&call, &signed).await?.writable()?;
    let client = place.client(&call)?;
    one(&call, &signed, &place, &client, (StatusCode::OK, as_it_is(&place, &client), Wrong::default()))
}

fn one(
    call: &Call,
    signed: &Signed,
    place: &Place,
    client: &Client,
    (status, form, wrong): (StatusCode, Fields, Wrong<'_>),
) -> Answer {
    let told = client.told().ok_or_else(gone)?;
    let namespace = place.told();
    let page = ClientPage {
        frame: Frame::of(signed, told.client_name.clone()).with_error(wrong.change.or(wrong.delete)),
        csrf: &signed.csrf,
        namespace: &namespace,
        path: place.path(),
        keys: call.node.keys.count_of_client(told.id),
        client: told,
        form,
        change_error: wrong.change,
        delete_error: wrong.delete,
    };
    let response: Response<ResponseBody> = render(status, &page);
    Ok(response)
}

/// The form as the client is. What it holds beyond what the person can give can be left as it is, or taken away.
fn as_it_is(place: &Place, client: &Client) -> Fields {
    let uris = client.registration.as_ref().map(|known| known.redirect_uris.as_slice()).unwrap_or_default();
    let offered = place.grantable().union(client.allowed);
    Fields::new(&client.name, uris, (offered, client.allowed), &client.grants)
}

/// `POST /console/namespaces/{id}/clients/{client}`: it is as the form says from now on.
pub(super) async fn change(call: Call) -> Answer {
    let (signed, form) = guard::signed_form_of(&call, MANY).await?;
    let place = Place::of(&call, &signed).await?.writable()?;
    let client = place.client(&call)?;
    let id = client.registration.as_ref().ok_or_else(gone)?.id;
    let filled = Filled::of(&form);
    let change = Change {
        name: Some(filled.name.clone()),
        redirect_uris: Some(filled.redirect_uris.clone()),
        scopes: Some(filled.scopes),
        grants: Some(filled.grants.clone()),
    };
    match call.node.change_client(&place.registrar(), id, change).await {
        Ok(_) => Ok(Done::ClientChanged.go_on_to(&place.path())),
        Err(error) => {
            let (status, words) = explain(error)?;
            let form = filled.again(place.grantable().union(client.allowed));
            let wrong = Wrong { change: Some(&words), ..Wrong::default() };
            one(&call, &signed, &place, &client, (status, form, wrong))
        }
    }
}

/// `POST /console/namespaces/{id}/clients/{client}/delete`: deletes it, where that was confirmed.
pub(super) async fn delete(call: Call) -> Answer {
    let (signed, form) = guard::signed_form(&call).await?;
    let place = Place::of(&call, &signed).await?.writable()?;
    let client = place.client(&call)?;
    if form.one("confirm") != Some("yes") {
        let wrong = Wrong { delete: Some("Tick that you mean it; nothing was deleted."), ..Wrong::default() };
        let form = as_it_is(&place, &client);
        return one(&call, &signed, &place, &client, (StatusCode::BAD_REQUEST, form, wrong));
    }
    let id = client.registration.as_ref().ok_or_else(gone)?.id;
    call.node.delete_client(id, place.registrar().person, form.one("keys") == Some("keep")).await?;
    Ok(Done::ClientDeleted.go_on_to(&place.path()))
}

fn gone() -> Refusal {
    match explain(ClientError::Absent) {
        Err(refusal) => refusal,
        Ok((status, words)) => Refusal::new(status, "This did not work", words),
    }
}
