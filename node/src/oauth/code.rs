//! A client comes for its tokens with the code that a browser brought it (RFC 6749 §4.1.3), and the verifier of the challenge that
//! it began with (RFC 7636 §4.6). A code is good once: whoever shows one again may have stolen it, and what came of it ends.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bitrouter_proto::account::GrantId;

use super::{error::OAuthError, first_pair, reply::Issued, request::ClientRequest};
use crate::{
    Node,
    secret::{TokenHash, random_ulid},
    store::{AuthorizationCodeRow, EndReason},
};

/// `grant_type=authorization_code`.
pub(super) async fn answer(node: &Node, request: &ClientRequest) -> Result<Issued, OAuthError> {
    let presented = request.required("code")?;
    loop {
        // Ending a session is a change of its own, for which the turn to write is given back.
        match redeem(node, request, presented).await? {
            Redeemed::Issued(issued) => return Ok(*issued),
            Redeemed::NoRoom(longest_idle) => {
                node.end_grant(longest_idle, EndReason::Room).await?;
            }
            Redeemed::Spent(grant) => {
                if let Some(grant) = grant {
                    tracing::warn!(session = %grant, client = %request.client.id, "a code came again; its session was ended");
                    // Durable before the reply is sent.
                    node.end_grant(grant, EndReason::Replay).await?;
                    node.note_keys_of_replayed_sessions().await;
                }
                let words = "this code was used before, so the session that came of it was ended; ask for another code";
                return Err(OAuthError::invalid_grant(words));
            }
        }
    }
}

enum Redeemed {
    Issued(Box<Issued>),
    NoRoom(GrantId),
    /// The session that came of it.
    Spent(Option<GrantId>),
}

async fn redeem(node: &Node, request: &ClientRequest, presented: &str) -> Result<Redeemed, OAuthError> {
    let hash = TokenHash::of(presented.as_bytes());
    let mut write = node.store.write().await?;
    let now = node.clock.wall();
    let unknown = || OAuthError::invalid_grant("there is no such code");
    let code = AuthorizationCodeRow::find(&mut write, hash).await?.ok_or_else(unknown)?;
    // Before anything else: another client's attempt changes nothing.
    if !request.client.id.is(&code.client_id) {
        return Err(OAuthError::invalid_grant("this code was given to another client"));
    }
    if code.spent_at.is_some() {
        return Ok(Redeemed::Spent(code.grant));
    }
    if code.withdrawn_at.is_some() {
        return Err(OAuthError::invalid_grant("what was approved was taken back"));
    }
    if code.expires_at <= now {
        return Err(OAuthError::invalid_grant("the code has expired: it lives 60 seconds; ask for another one"));
    }
    judge_redirect(request, &code)?;
    judge_verifier(request, &code)?;
    let id = GrantId::new(random_ulid(now));
    let (client, left) = first_pair::left_of(node, request.client.id, id, code.approval).ok_or_else(unknown)?;
    let approval = match left {
        Ok(approval) => approval,
        Err(words) => {
            AuthorizationCodeRow::spend(&mut write, hash, None, now).await?;
            write.commit().await?;
            return Err(OAuthError::invalid_grant(words));
        }
    };
    if let Some(longest_idle) = first_pair::gives_way(node, &mut write, &approval, now).await? {
        return Ok(Redeemed::NoRoom(longest_idle));
    }
    if !AuthorizationCodeRow::spend(&mut write, hash, Some(id), now).await? {
        return Err(unknown());
    }
    let issued = first_pair::make(node, write, &client, id, approval, presented, now).await?;
    Ok(Redeemed::Issued(Box::new(issued)))
}

/// The redirect URI is named as it was when the code was asked for (RFC 6749 §4.1.3).
fn judge_redirect(request: &ClientRequest, code: &AuthorizationCodeRow) -> Result<(), OAuthError> {
    match request.form.one("redirect_uri") {
        Some(named) if named != code.redirect_uri => {
            Err(OAuthError::invalid_grant("`redirect_uri` is not the one that the code was asked for with"))
        }
        None if code.names_redirect => {
            Err(OAuthError::invalid_request("`redirect_uri` is missing: the code was asked for with one"))
        }
        _ => Ok(()),
    }
}

/// Only who began it knows the verifier.
fn judge_verifier(request: &ClientRequest, code: &AuthorizationCodeRow) -> Result<(), OAuthError> {
    let verifier = request.required("code_verifier")?;
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(is_one) {
        return Err(OAuthError::invalid_request("`code_verifier` must be 43 to 128 unreserved characters"));
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
    // What is compared is a hash that went through the browser: how long it takes tells nothing.
    if URL_SAFE_NO_PAD.encode(digest) == code.challenge {
        Ok(())
    } else {
        Err(OAuthError::invalid_grant(
            "`code_verifier` is not that of the `code_challenge` that the code was asked for with",
        ))
    }
}
