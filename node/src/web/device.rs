//! `/oauth/device` (RFC 8628 §3.3): a signed-in person enters or confirms the code of a device, sees who asks for what, and
//! approves or denies. Nothing but the posted form of that page decides.

use std::time::Duration;

use askama::Template;
use bitrouter_gateway::http::ResponseBody;
use http::{Method, Response, StatusCode, header};

use super::{
    consent::{self, Choice, Device, Request, missing},
    guard,
    page::{Answer, Frame, Refusal, render, see_other},
    session::Signed,
    words::{Permission, ago, asker, permissions},
};
use crate::{
    http::{Call, body::Form},
    oauth::{
        UserCode,
        approval::{CodeRefused, Decision, PendingCode},
    },
    people::namespaces,
    store::CodeState,
};

const PATH: &str = "/oauth/device";

#[derive(Template)]
#[template(path = "device.html")]
struct CodePage<'a> {
    frame: Frame,
    csrf: &'a str,
    typed: &'a str,
    error: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "decided.html")]
struct DecidedPage<'a> {
    frame: Frame,
    client: &'a str,
    granted: Option<(String, Vec<Permission>)>,
}

/// `GET /oauth/device`: asks for the code, or shows what a code asks for. It decides nothing.
pub(super) async fn show(call: Call) -> Answer {
    let query = Form::parse(call.head.uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let typed = query.one("user_code").unwrap_or_default();
    let signed = guard::signed(&call, &back(typed)).await?;
    // A link on another site must not count wrong codes against whoever follows it: there, the code is confirmed first.
    if typed.is_empty() || call.head.method != Method::GET || !is_own_navigation(&call) {
        return Ok(ask(&signed, typed, StatusCode::OK, None));
    }
    consent(&call, &signed, typed, Choice::default()).await
}

/// `POST /oauth/device`: the code, or a decision.
pub(super) async fn decide(call: Call) -> Answer {
    let form = guard::own_form(&call, &["scope"])?;
    let typed = form.one("user_code").unwrap_or_default();
    let signed = guard::signed_by(&call, &form, &back(typed)).await?;
    if typed.is_empty() {
        let words = "Enter the code that your terminal shows.";
        return Ok(ask(&signed, typed, StatusCode::BAD_REQUEST, Some(words)));
    }
    match form.one("decision") {
        None if form.one("show").is_some() => consent(&call, &signed, typed, Choice::of(&form)).await,
        None => match call.node.find_code(typed, signed.person.id, &call.visitor).await {
            // The page has an address of its own, to which the browser can go back.
            Ok(pending) => Ok(see_other(&back(&pending.user_code.to_string()))),
            Err(refused) => refuse(&signed, typed, refused),
        },
        Some("approve") => approve(&call, &signed, typed, &form).await,
        Some("deny") => {
            let pending = match call.node.find_code(typed, signed.person.id, &call.visitor).await {
                Ok(pending) => pending,
                Err(refused) => return refuse(&signed, typed, refused),
            };
            if let Err(refused) = call.node.deny_code(typed, signed.person.id, &call.visitor).await {
                return refuse(&signed, typed, refused);
            }
            let frame = Frame::of(&signed, "Denied");
            Ok(render(StatusCode::OK, &DecidedPage { frame, client: &pending.client.name, granted: None }))
        }
        Some(_) => Err(Refusal::bad("A decision is to approve or to deny.")),
    }
}

async fn approve(call: &Call, signed: &Signed, typed: &str, form: &Form) -> Answer {
    let (person, choice) = (signed.person.id, Choice::of(form));
    let Some(scopes) = choice.scopes else {
        return consent(call, signed, typed, choice.again("There is no such permission.")).await;
    };
    let Some(namespace) = choice.namespace else {
        return consent(call, signed, typed, choice.again("Choose the namespace that it may use.")).await;
    };
    let pending = match call.node.find_code(typed, person, &call.visitor).await {
        Ok(pending) => pending,
        Err(refused) => return refuse(signed, typed, refused),
    };
    let decision = Decision { namespace, scopes, own_device: choice.own_device };
    let granted = match call.node.approve_code(typed, person, &call.visitor, decision).await {
        Ok(granted) => granted,
        Err(refused) => {
            return match missing(&refused) {
                Some(words) => consent(call, signed, typed, choice.again(words)).await,
                None => refuse(signed, typed, refused),
            };
        }
    };
    let all = namespaces::reached(&call.node, person).await?;
    let name = all.into_iter().find(|one| one.row.id == namespace).map(|one| one.told()).unwrap_or_default();
    let granted = Some((name, permissions(granted, Some(granted))));
    let frame = Frame::of(signed, "Approved");
    Ok(render(StatusCode::OK, &DecidedPage { frame, client: &pending.client.name, granted }))
}

/// Shows what a code asks for.
async fn consent(call: &Call, signed: &Signed, typed: &str, choice: Choice) -> Answer {
    let pending = match call.node.find_code(typed, signed.person.id, &call.visitor).await {
        Ok(pending) => pending,
        Err(refused) => return refuse(signed, typed, refused),
    };
    let PendingCode { user_code, client, scopes, asker_address, asker_uid, age, needs_own_device, .. } = pending;
    let code = user_code.to_string();
    let request = Request {
        client: &client,
        client_id: client.id.to_string(),
        scopes,
        path: PATH,
        carried: ("user_code", &code),
        back: back(&code),
        redirect_uri: None,
        device: Some(Device {
            code: code.clone(),
            asker: asker(asker_address, asker_uid),
            age: ago(age),
            may_be_others: needs_own_device,
        }),
    };
    Ok(consent::show(&call.node, signed, &request, choice).await?)
}

/// Says why nothing is done with a code, and asks for another one.
fn refuse(signed: &Signed, typed: &str, refused: CodeRefused) -> Answer {
    let (status, words) = match refused {
        CodeRefused::Unknown => {
            let words = "There is no such code. Compare it with what your terminal shows.";
            return Ok(ask(signed, "", StatusCode::NOT_FOUND, Some(words)));
        }
        CodeRefused::Expired => {
            (StatusCode::GONE, "This code has expired. Start again in the terminal, and enter the new one.".to_owned())
        }
        CodeRefused::Decided(CodeState::Denied) => {
            let words = "This code was denied, which is final. Start again in the terminal, and enter the new one.";
            (StatusCode::CONFLICT, words.to_owned())
        }
        CodeRefused::Decided(_) => {
            let words = "This code was used already. If that was you, there is nothing left to do here.";
            (StatusCode::CONFLICT, words.to_owned())
        }
        CodeRefused::TooMany { wait } => {
            let minutes = wait.as_secs().div_ceil(60).max(1);
            let unit = if minutes == 1 { "minute" } else { "minutes" };
            let words = format!("Too many codes were tried that do not exist. Try again in {minutes} {unit}.");
            let mut response = ask(signed, "", StatusCode::TOO_MANY_REQUESTS, Some(&words));
            response.headers_mut().insert(header::RETRY_AFTER, seconds(wait).into());
            return Ok(response);
        }
        CodeRefused::OwnDevice
        | CodeRefused::NoNamespace
        | CodeRefused::NothingGranted
        | CodeRefused::NotInThisRole(_) => {
            (StatusCode::BAD_REQUEST, "Something on the page was missing. Enter the code again.".to_owned())
        }
        CodeRefused::Store(error) => return Err(error.into()),
    };
    Ok(ask(signed, typed, status, Some(&words)))
}

fn seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1000).max(1)).unwrap_or(u64::MAX)
}

fn ask(signed: &Signed, typed: &str, status: StatusCode, error: Option<&str>) -> Response<ResponseBody> {
    let typed = UserCode::parse(typed).map_or_else(|| typed.chars().take(32).collect(), |code| code.to_string());
    let frame = Frame::of(signed, "Enter the code").with_error(error);
    render(status, &CodePage { frame, csrf: &signed.csrf, typed: &typed, error })
}

/// Where to come back to after signing in.
fn back(typed: &str) -> String {
    UserCode::parse(typed).map_or_else(|| PATH.to_owned(), |code| format!("{PATH}?user_code={code}"))
}

/// True where no other site has led here.
fn is_own_navigation(call: &Call) -> bool {
    let site = call.head.headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
    matches!(site, None | Some(b"none" | b"same-origin"))
}
