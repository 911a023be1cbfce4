//! A device comes for its tokens (RFC 8628 §3.4–3.5). While nobody has decided nothing is written: the pace is kept in memory.

use std::time::Duration;

use bitrouter_proto::account::GrantId;

use super::{
    error::OAuthError,
    first_pair,
    issue::{self, finish, first_used, judge_repeat},
    reply::Issued,
    request::ClientRequest,
};
use crate::{
    Node,
    clock::Moment,
    secret::{TokenHash, random_ulid},
    store::{CodeState, DeviceCodeRow, EndReason, GrantRow, RefreshTokenRow, Write},
};

/// How long an expired code is told to have expired.
const REMEMBERED: Duration = Duration::from_mins(10);

/// `grant_type=urn:ietf:params:oauth:grant-type:device_code`.
pub(super) async fn answer(node: &Node, request: &ClientRequest) -> Result<Issued, OAuthError> {
    let presented = request.required("device_code")?;
    let device = TokenHash::of(presented.as_bytes());
    let code = DeviceCodeRow::of_device(&mut node.store.read().await?, device).await?;
    let code = code.filter(|code| request.client.id.is(&code.client_id)).ok_or_else(unknown)?;
    match judge(node, &code, node.clock.wall())? {
        Decided::Approved | Decided::Spent => loop {
            // Ending the longest idle session is a change of its own, for which the turn to write is given back.
            match redeem(node, request, presented, device).await? {
                Redeemed::Issued(issued) => return Ok(*issued),
                Redeemed::NoRoom(longest_idle) => {
                    node.end_grant(longest_idle, EndReason::Room).await?;
                }
            }
        },
    }
}

enum Decided {
    Approved,
    Spent,
}

/// What a poll finds. A decided code is answered at any pace.
fn judge(node: &Node, code: &DeviceCodeRow, now: Moment) -> Result<Decided, OAuthError> {
    let is_expired = code.expires_at <= now;
    if code.state != CodeState::Pending || is_expired {
        node.limits.paces.forget(code.device);
    }
    match code.state {
        _ if code.expires_at.after(REMEMBERED) <= now => Err(unknown()),
        CodeState::Denied => Err(OAuthError::access_denied()),
        CodeState::Spent if is_expired => Err(unknown()),
        CodeState::Spent => Ok(Decided::Spent),
        _ if is_expired => Err(OAuthError::expired_token()),
        CodeState::Approved => Ok(Decided::Approved),
        CodeState::Pending => {
            let first = node.settings.load().oauth.device_interval;
            let clocks = (now, node.clock.monotonic());
            let pace = node.limits.paces.poll(code.device, first, code.expires_at, clocks);
            Err(pace.map_or_else(OAuthError::slow_down, |()| OAuthError::authorization_pending()))
        }
    }
}

enum Redeemed {
    Issued(Box<Issued>),
    NoRoom(GrantId),
}

async fn redeem(
    node: &Node,
    request: &ClientRequest,
    presented: &str,
    device: TokenHash,
) -> Result<Redeemed, OAuthError> {
    let mut write = node.store.write().await?;
    let now = node.clock.wall();
    let code = DeviceCodeRow::of_device(&mut write, device).await?.ok_or_else(unknown)?;
    if let Decided::Spent = judge(node, &code, now)? {
        return again(node, write, &code, presented, now).await.map(|issued| Redeemed::Issued(Box::new(issued)));
    }
    let approved = code.approval.ok_or_else(unknown)?;
    let id = GrantId::new(random_ulid(now));
    let (client, left) = first_pair::left_of(node, request.client.id, id, approved).ok_or_else(unknown)?;
    let approval = match left {
        Ok(approval) => approval,
        Err(words) => {
            DeviceCodeRow::spend(&mut write, device, None, now).await?;
            write.commit().await?;
            return Err(OAuthError::invalid_grant(words));
        }
    };
    if let Some(longest_idle) = first_pair::gives_way(node, &mut write, &approval, now).await? {
        return Ok(Redeemed::NoRoom(longest_idle));
    }
    if !DeviceCodeRow::spend(&mut write, device, Some(id), now).await? {
        return Err(unknown());
    }
    let issued = first_pair::make(node, write, &client, id, approval, presented, now).await?;
    Ok(Redeemed::Issued(Box::new(issued)))
}

/// The reply to the first poll was lost: the same refresh token once more, while nothing of the session was used.
async fn again(
    node: &Node,
    mut write: Write,
    code: &DeviceCodeRow,
    presented: &str,
    now: Moment,
) -> Result<Issued, OAuthError> {
    let found = GrantRow::find(&mut write, code.grant.ok_or_else(unknown)?).await?.ok_or_else(unknown)?;
    let grant = found.row;
    let refresh = issue::refresh_token(node, grant.id, 1, presented);
    let row = RefreshTokenRow::find(&mut write, refresh.hash()).await?.ok_or_else(unknown)?;
    if found.has_ended
        || node.is_over(&grant)
        || grant.ends_at() <= now
        || row.spent_at.is_some()
        || first_used(node, &row).is_some()
    {
        return Err(unknown());
    }
    judge_repeat(&row, now)?;
    RefreshTokenRow::count_replay(&mut write, row.hash, now).await?;
    let scopes = grant.scopes;
    finish(node, write, grant, refresh, scopes, now).await
}

fn unknown() -> OAuthError {
    OAuthError::invalid_grant("there is no such device code for this client, or it was used")
}
