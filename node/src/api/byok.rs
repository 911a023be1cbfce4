//! `/v1/byok`: the provider keys of the person behind the credential, in whichever namespace that is.

use bitrouter_gateway::http::ResponseBody;
use bitrouter_proto::account::{
    List,
    byok::{StoredKey, SubmittedKey},
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::namespaces::Deleted;
use crate::{
    byok::{Submission, SubmitError},
    http::{
        Call,
        error::{ApiError, Code},
        granted::Actor,
        idempotency::{Claim, Made},
        members::Members,
        reply,
    },
};

/// How long what keys are sealed against may be kept.
const KEPT: HeaderValue = HeaderValue::from_static("private, max-age=300");

/// What keys are sealed against now; 304 for who knows it (RFC 9110 §13.1.2).
pub(super) fn encryption_key(call: &Call) -> Response<ResponseBody> {
    let key = call.node.byok.ring.current();
    let tag = format!("\"{}\"", key.kek_id);
    let mut response = reply::json(&key);
    if knows(&call.head.headers, &tag) {
        *response.body_mut() = ResponseBody::from(String::new());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, KEPT);
    // It is made of hexadecimal digits.
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// True where one of the tags is `tag`, weak or strong.
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// The person's keys, each without itself.
pub(super) fn list(call: &Call) -> Result<List<StoredKey>, ApiError> {
    Ok(List { data: call.node.byok.of(call.granted.person()?) })
}

/// Stores one, in the place of what there was for its provider.
pub(super) async fn submit(call: Call) -> Result<Made<SubmittedKey>, ApiError> {
    let submission = submission(&call)?;
    let node = &call.node;
    let mut write = node.store.write().await?;
    let free = match Claim::of(&call, &mut write).await? {
        Claim::Free(free) => free,
        Claim::Used(used) => {
            let is_there = node.byok.has(submission.person, &used.resource_id);
            return used.replayed(is_there, "deleted");
        }
    };
    let accepted = node.submit_key(&mut write, submission).await?;
    let told = accepted.told();
    if let Some(free) = free {
        free.keep(&mut write, &told.provider_name, Some(&told)).await?;
    }
    node.commit_key_of_owner(write, accepted).await?;
    Ok(Made::New(told))
}

fn submission(call: &Call) -> Result<Submission, ApiError> {
    let mut members = Members::read(&call.body)?;
    let (provider, ciphertext) = (members.text("provider_name")?, members.text("ciphertext_b64")?);
    // What a caller says of the beginning of a key may be all of it: what is shown is found when it is opened.
    let (kek_id, _) = (members.text("kek_id")?, members.text("key_prefix")?);
    let api_base = members.optional_text("api_base")?;
    members.end()?;
    let granted = &call.granted;
    let may_move = matches!(granted.actor, Actor::Person(_) | Actor::Socket(_));
    let (person, credential) = (granted.person()?, granted.actor.idempotency_name()?);
    Ok(Submission { person, credential, may_move, provider, ciphertext, kek_id, api_base })
}

/// Deletes one: calls that run end with it.
pub(super) async fn delete(call: Call) -> Result<Deleted, ApiError> {
    let (granted, provider) = (&call.granted, call.params.first().map(String::as_str).unwrap_or_default());
    let (person, credential) = (granted.person()?, granted.actor.idempotency_name()?);
    if call.node.delete_key_of_owner(person, provider, credential).await? {
        return Ok(Deleted::YES);
    }
    Err(absent())
}

/// The person has no key for the provider of the path.
pub(crate) fn absent() -> ApiError {
    ApiError::new(Code::NotFound, "there is no such stored key")
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        let message = error.to_string();
        match error {
            SubmitError::Provider(_) => Self::new(Code::BadRequest, message).about("provider_name"),
            SubmitError::NotCurrent(current) => {
                Self::new(Code::Conflict, message).about("kek_id").with_fact("current_kek_id", current)
            }
            SubmitError::Ciphertext(_) => Self::new(Code::BadRequest, message).about("ciphertext_b64"),
            SubmitError::Replayed => Self::new(Code::Conflict, message).about("ciphertext_b64"),
            SubmitError::ApiBase(_) => Self::new(Code::BadRequest, message).about("api_base"),
            SubmitError::NotByToken => Self::new(Code::Forbidden, message).about("api_base"),
            SubmitError::TooMany => Self::new(Code::Conflict, message),
            SubmitError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_however_it_is_listed() {
        let known = |sent: &str| {
            let headers = [(header::IF_NONE_MATCH, sent.parse().unwrap())].into_iter().collect();
            knows(&headers, "\"kek_1\"")
        };
        for sent in ["\"kek_1\"", "W/\"kek_1\"", "\"kek_0\" , \"kek_1\"", "*"] {
            assert!(known(sent), "{sent}");
        }
        for sent in ["kek_1", "\"kek_10\"", "\"kek_0\"", ""] {
            assert!(!known(sent), "{sent}");
        }
    }
}
