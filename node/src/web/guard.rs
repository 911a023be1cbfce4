//! What a posted form must show before anything is done with it: that it is one, and that one of our own pages sent it.

use http::header;

use super::{
    csrf, page,
    page::Refusal,
    session::{self, Signed},
};
use crate::http::{
    Call, Entrance,
    body::{Form, media_type},
};

/// The fields of a form that one of our pages sent; those in `many` may come more than once.
pub(super) fn own_form(call: &Call, many: &[&str]) -> Result<Form, Refusal> {
    if !is_own_origin(call) {
        return Err(Refusal::foreign());
    }
    if media_type(&call.head.headers).as_deref() != Some("application/x-www-form-urlencoded") {
        return Err(Refusal::unsupported());
    }
    let form = Form::parse(&call.body).ok_or_else(|| Refusal::bad("The form holds text that is no UTF-8."))?;
    if form.repeated_but(many).is_some() {
        return Err(Refusal::bad("The form holds a field twice."));
    }
    Ok(form)
}

/// True where one of our own pages made the call, as the browser says.
pub(crate) fn is_own_origin(call: &Call) -> bool {
    let origin = call.head.headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    origin == Some(&*own_origin(call))
}

/// The origin of our own pages, as the browser that calls names it.
fn own_origin(call: &Call) -> String {
    match &call.visitor.entrance {
        Entrance::Loopback { authority } => {
            let authority = authority.to_ascii_lowercase();
            // Browsers leave the port away where it is the scheme's own.
            format!("http://{}", authority.strip_suffix(":80").unwrap_or(&authority))
        }
        Entrance::Public => {
            let settings = call.node.settings.load();
            let url = settings.public_url.as_deref().unwrap_or_default();
            let (scheme, rest) = url.split_once("://").unwrap_or_default();
            let authority = rest.split('/').next().unwrap_or_default().to_ascii_lowercase();
            let own_port = if scheme == "https" { ":443" } else { ":80" };
            format!("{scheme}://{}", authority.strip_suffix(own_port).unwrap_or(&authority))
        }
    }
}

/// Who is signed in; else they are sent to sign in and come back to `next`.
pub(super) async fn signed(call: &Call, next: &str) -> Result<Signed, Refusal> {
    session::person_of(call).await?.ok_or_else(|| Refusal::sign_in_first(next))
}

/// Who is signed in and has sent this form from one of our pages.
pub(super) async fn signed_by(call: &Call, form: &Form, next: &str) -> Result<Signed, Refusal> {
    let signed = signed(call, next).await?;
    let is_theirs = form.one("csrf").is_some_and(|sent| csrf::same(&signed.csrf, sent));
    if is_theirs { Ok(signed) } else { Err(Refusal::stale()) }
}

/// The form of somebody who is signed in, sent from one of our pages.
pub(super) async fn signed_form(call: &Call) -> Result<(Signed, Form), Refusal> {
    signed_form_of(call, &[]).await
}

/// The same of a form in which the fields in `many` may come more than once.
pub(super) async fn signed_form_of(call: &Call, many: &[&str]) -> Result<(Signed, Form), Refusal> {
    let form = own_form(call, many)?;
    let signed = signed_by(call, &form, page::HOME).await?;
    Ok((signed, form))
}

/// A path of ours to which one may be sent after signing in or out: never another site's.
pub(super) fn own_path(text: Option<&str>) -> &str {
    const PATHS: [&str; 4] = ["/oauth/device", "/oauth/authorize", "/console", "/console/keys"];
    let is_own = |text: &&str| {
        let path = text.split('?').next().unwrap_or_default();
        PATHS.contains(&path) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    text.filter(is_own).unwrap_or(page::HOME)
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for own in ["/console", "/console/keys", "/oauth/device", "/oauth/device?user_code=BCDF-GHJK"] {
            assert_eq!(own_path(Some(own)), own);
        }
        for other in [
            "",
            "/",
            "//evil.example/console",
            "https://evil.example/console",
            "/\\evil.example",
            "/console/../\\evil.example",
            "/console\\x",
            "/console?a\r\nSet-Cookie: x=y",
            "/console?é",
            "/logout",
            "/login",
            "console",
            "/consoles",
        ] {
            assert_eq!(own_path(Some(other)), "/console", "{other:?}");
        }
        assert_eq!(own_path(None), "/console");
    }
}
