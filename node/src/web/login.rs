//! Signing in with a name and a password, and signing out.

use askama::Template;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bitrouter_gateway::http::ResponseBody;
use http::{HeaderValue, Response, StatusCode, header};
use secrecy::SecretString;

use super::{
    cookie::{self, CookieNames},
    csrf, guard,
    page::{Answer, Frame, Refusal, render, see_other},
    session,
};
use crate::{
    http::{Call, Entrance, body::Form},
    people::{Password, sign_in::SignInError},
    revocations::Revocation,
    secret::random_bytes,
    store::{MadeBy, PersonRow},
};

const LOGIN: &str = "/login";

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    frame: Frame,
    csrf: String,
    next: &'a str,
    username: &'a str,
    error: Option<&'a str>,
    done: Option<&'static str>,
    on_this_machine: bool,
}

/// `GET /login`: the form.
pub(super) async fn show(call: Call) -> Answer {
    let query = Form::parse(call.head.uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let next = guard::own_path(query.one("next"));
    if session::person_of(&call).await?.is_some() {
        return Ok(see_other(next));
    }
    Ok(form(&call, StatusCode::OK, next, "", None))
}

#[derive(Template)]
#[template(path = "logout.html")]
struct LogoutPage<'a> {
    frame: Frame,
    csrf: &'a str,
    person: &'a str,
}

/// `GET /logout`: the button. Nothing but the posted form signs anybody out.
pub(super) async fn ask_to_sign_out(call: Call) -> Answer {
    let Some(signed) = session::person_of(&call).await? else { return Ok(see_other(LOGIN)) };
    let page = LogoutPage { frame: Frame::of(&signed, "Sign out"), csrf: &signed.csrf, person: &signed.person.name };
    Ok(render(StatusCode::OK, &page))
}

/// The form with what was typed, but for the password.
fn form(call: &Call, status: StatusCode, next: &str, username: &str, error: Option<&str>) -> Response<ResponseBody> {
    let names = CookieNames::at(&call.visitor.entrance, &call.node.settings.load());
    // A second window of the same browser has the same cookie, so that the form of the first one stays good.
    let sent = cookie::sent(&call.head.headers, &names.form).first().map(|value| (*value).to_owned());
    let (value, is_new) = match sent.filter(|value| value.len() == 43) {
        Some(value) => (value, false),
        None => (URL_SAFE_NO_PAD.encode(random_bytes::<32>()), true),
    };
    let query = Form::parse(call.head.uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let done = (query.one("done") == Some("signed-out")).then_some("You are signed out in this browser.");
    let page = LoginPage {
        frame: Frame::open("Sign in").with_error(error),
        csrf: csrf::of_form(&call.node.key, &value),
        next,
        username,
        error,
        done: done.filter(|_| error.is_none()),
        on_this_machine: call.visitor.entrance != Entrance::Public,
    };
    let mut response = render(status, &page);
    if is_new {
        response.headers_mut().append(header::SET_COOKIE, names.set(&names.form, Some(&value)));
    }
    response
}

/// `POST /login`: the form, filled in.
pub(super) async fn sign_in(call: Call) -> Answer {
    let fields = guard::own_form(&call, &[])?;
    let next = guard::own_path(fields.one("next"));
    let names = CookieNames::at(&call.visitor.entrance, &call.node.settings.load());
    let is_ours =
        |cookie: &&str| fields.one("csrf").is_some_and(|sent| csrf::same(&csrf::of_form(&call.node.key, cookie), sent));
    let username = fields.one("username").unwrap_or_default();
    if !cookie::sent(&call.head.headers, &names.form).iter().any(is_ours) {
        let words = "The form was out of date, or your browser keeps no cookies for this page. Try again.";
        return Ok(form(&call, StatusCode::FORBIDDEN, next, username, Some(words)));
    }
    let refused = |status, words: &str| Ok(form(&call, status, next, username, Some(words)));
    let password = fields.one("password").unwrap_or_default();
    if username.is_empty() || password.is_empty() {
        return refused(StatusCode::BAD_REQUEST, "Enter your name and your password.");
    }
    if password.len() > Password::MAX_BYTES {
        return refused(StatusCode::BAD_REQUEST, "No password is as long as this one.");
    }
    let password = SecretString::from(password);
    let shown = match call.node.judge_password(username, password, call.visitor.key()).await {
        Ok(shown) => shown,
        Err(SignInError::Wrong) => return Ok(wrong(&call, next, username)),
        Err(SignInError::Locked(locked)) => {
            // Rounded up: who comes back after that long is let in.
            let seconds = locked.wait.as_millis().div_ceil(1000).max(1);
            let unit = if seconds == 1 { "second" } else { "seconds" };
            let words = format!("Too many attempts have failed. Try again in {seconds} {unit}.");
            let mut response = form(&call, StatusCode::TOO_MANY_REQUESTS, next, username, Some(&words));
            let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            return Ok(response);
        }
        Err(SignInError::Busy(busy)) => return Err(busy.into()),
        Err(SignInError::Store(error)) => return Err(error.into()),
    };
    let mut write = call.node.store.write().await?;
    // The password may have been changed, or the person removed, while it was being hashed.
    if PersonRow::password_hash(&mut write, shown.person.id).await? != Some(shown.password_hash) {
        return Ok(wrong(&call, next, username));
    }
    crate::store::sign_in_addresses::note(&mut write, shown.person.id, call.visitor.key(), call.node.clock.wall())
        .await?;
    let cookie = session::begin(&call, &mut write, &shown.person, MadeBy::Password).await?;
    write.commit().await?;
    let mut response = see_other(next);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response.headers_mut().append(header::SET_COOKIE, names.set(&names.form, None));
    Ok(response)
}

fn wrong(call: &Call, next: &str, username: &str) -> Response<ResponseBody> {
    let words = "This name and this password do not belong together.";
    let mut response = form(call, StatusCode::UNAUTHORIZED, next, username, Some(words));
    let challenge = HeaderValue::from_static("Bearer realm=\"bitrouter\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// `POST /logout`: ends the session. Whoever has none is signed out already.
pub(super) async fn sign_out(call: Call) -> Answer {
    let (signed, fields) = guard::signed_form(&call).await?;
    let write = call.node.store.write().await?;
    // Also what the database takes later holds from now on.
    let _ = call.node.revoke(write, Revocation::WebSession(signed.session.hash)).await?;
    let names = CookieNames::at(&call.visitor.entrance, &call.node.settings.load());
    let to = match fields.one("next") {
        Some(next) => Refusal::login_url(guard::own_path(Some(next))),
        None => format!("{LOGIN}?done=signed-out"),
    };
    let mut response = see_other(&to);
    response.headers_mut().append(header::SET_COOKIE, names.set(&names.session, None));
    Ok(response)
}
