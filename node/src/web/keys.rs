//! `/console/keys`: the provider keys that a person has stored. One that is pasted there is sealed by the page's script before the
//! form goes: what comes here is what comes by REST.

use askama::Template;
use bitrouter_proto::account::byok::{EncryptionKey, StoredKey, StoredKeyChange};
use http::StatusCode;

use super::{
    assets,
    console::Done,
    guard,
    page::{Answer, Frame, Refusal, render_with_script},
    session::Signed,
    words::sentence,
};
use crate::{
    byok::{Submission, SubmitError},
    http::Call,
};

/// The page.
pub(super) const PATH: &str = "/console/keys";

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage<'a> {
    frame: Frame,
    csrf: &'a str,
    script: String,
    keys: Vec<StoredKey>,
    providers: Vec<String>,
    /// What keys are sealed against now.
    sealing: EncryptionKey,
    changes: Vec<Change>,
    wrong: Wrong<'a>,
    done: Option<&'static str>,
}

/// A submission or a deletion.
struct Change {
    told: StoredKeyChange,
}

impl Change {
    /// With what it was done.
    fn by(&self) -> String {
        match self.told.credential.as_str() {
            "socket" => "at the machine of the node".to_owned(),
            person if person.starts_with("usr_") => "in a browser".to_owned(),
            token => format!("with {token}"),
        }
    }
}

/// What went wrong in the form, and what was chosen there.
#[derive(Clone, Copy, Default)]
struct Wrong<'a> {
    provider: &'a str,
    api_base: &'a str,
    error: Option<&'a str>,
}

/// `GET /console/keys`.
pub(super) async fn show(call: Call) -> Answer {
    let signed = guard::signed(&call, PATH).await?;
    all(&call, &signed, StatusCode::OK, Wrong::default()).await
}

async fn all(call: &Call, signed: &Signed, status: StatusCode, wrong: Wrong<'_>) -> Answer {
    let (node, person) = (&call.node, signed.person.id);
    let changes = node.stored_key_changes_of(person).await?;
    let page = KeysPage {
        frame: Frame::of(signed, "Provider keys").with_error(wrong.error),
        csrf: &signed.csrf,
        script: assets::seal_url(),
        keys: node.byok.of(person),
        providers: node.settings.load().byok.providers.iter().cloned().collect(),
        sealing: node.byok.ring.current(),
        changes: changes.into_iter().map(|told| Change { told }).collect(),
        wrong,
        done: Done::told(call),
    };
    Ok(render_with_script(status, &page))
}

/// `POST /console/keys`: stores a sealed key, in the place of what there was for its provider.
pub(super) async fn submit(call: Call) -> Answer {
    let (signed, form) = guard::signed_form(&call).await?;
    let text = |name: &str| form.one(name).unwrap_or_default().to_owned();
    let (provider, api_base) = (text("provider_name"), form.one("api_base").map(str::trim).unwrap_or_default());
    let submission = Submission {
        person: signed.person.id,
        credential: signed.person.id.to_string(),
        may_move: true,
        provider: provider.clone(),
        ciphertext: text("ciphertext_b64"),
        kek_id: text("kek_id"),
        api_base: Some(api_base.to_owned()).filter(|base| !base.is_empty()),
    };
    let mut write = call.node.store.write().await?;
    match call.node.submit_key(&mut write, submission).await {
        Ok(accepted) => {
            call.node.commit_key_of_owner(write, accepted).await?;
            Ok(Done::KeyStored.go_on_to(PATH))
        }
        Err(error) => {
            drop(write);
            let (status, words) = explain(error)?;
            let wrong = Wrong { provider: &provider, api_base, error: Some(&words) };
            all(&call, &signed, status, wrong).await
        }
    }
}

/// `POST /console/keys/{provider}/delete`: calls that run end with it.
pub(super) async fn delete(call: Call) -> Answer {
    let (signed, _) = guard::signed_form(&call).await?;
    let (person, provider) = (signed.person.id, call.params.first().map(String::as_str).unwrap_or_default());
    // One that is gone meanwhile is what was wanted.
    let _ = call.node.delete_key_of_owner(person, provider, person.to_string()).await?;
    Ok(Done::KeyDeleted.go_on_to(PATH))
}

/// What the form says of an error; what has no place in it becomes a page of its own.
fn explain(error: SubmitError) -> Result<(StatusCode, String), Refusal> {
    let words = sentence(&error.to_string());
    Ok(match error {
        SubmitError::NotCurrent(_) => {
            let words = "What keys are sealed against was replaced since this page was opened. Nothing was stored: paste the key again.";
            (StatusCode::CONFLICT, words.to_owned())
        }
        SubmitError::Provider(_) | SubmitError::Ciphertext(_) | SubmitError::ApiBase(_) => {
            (StatusCode::BAD_REQUEST, words)
        }
        SubmitError::Replayed | SubmitError::TooMany => (StatusCode::CONFLICT, words),
        SubmitError::NotByToken => (StatusCode::FORBIDDEN, words),
        SubmitError::Store(error) => return Err(error.into()),
    })
}
