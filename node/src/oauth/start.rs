//! A device asks for a code (RFC 8628 §3.1–3.2).

use std::{collections::HashMap, net::IpAddr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bitrouter_gateway::http::{ResponseBody, ResponseFuture};
use bitrouter_proto::account::{ScopeSet, oauth_clients::GrantType};
use http::Response;
use serde_json::json;

use super::{UserCode, error::OAuthError, request::ClientRequest};
use crate::{
    Node,
    clock::Moment,
    http::{Call, reply},
    secret::{TokenHash, random_bytes},
    store::{CodeState, DeviceCodeRow, Outstanding, StoreError, Write},
};

/// How many codes one asker may have open.
const OUTSTANDING_OF_ONE: i64 = 20;
/// How many codes may be open in all. A further one makes another give way.
const OUTSTANDING: i64 = 1_000;

/// `POST /oauth/device_authorization`.
pub(super) fn post(call: Call) -> ResponseFuture {
    Box::pin(async move { answer(&call).await.unwrap_or_else(OAuthError::into_response) })
}

async fn answer(call: &Call) -> Result<Response<ResponseBody>, OAuthError> {
    let request = ClientRequest::read(call).await?;
    request.judge_grant(GrantType::DeviceCode)?;
    request.judge_resource(&call.node.settings.load().issuer)?;
    let scopes = request.scopes()?.unwrap_or(ScopeSet::DEFAULT).intersection(request.client.allowed);
    if scopes.is_empty() {
        return Err(OAuthError::invalid_scope("the client is allowed none of these scopes"));
    }
    let (node, asker) = (&call.node, call.visitor.key());
    let wait = node.limits.starts.take(asker, node.clock.monotonic());
    wait.map_err(|wait| OAuthError::too_many(format!("too many codes were asked for by {asker}"), wait))?;

    let settings = node.settings.load();
    // 256 bits; the user code is no piece of it.
    let device_code = URL_SAFE_NO_PAD.encode(random_bytes::<32>());
    let mut write = node.store.write().await?;
    let now = node.clock.wall();
    make_room(node, &mut write, &asker.to_string(), now).await?;
    let code = DeviceCodeRow {
        device: TokenHash::of(device_code.as_bytes()),
        user_code: unused_code(&mut write).await?,
        client_id: request.client.id.to_string(),
        scopes,
        asker_address: call.visitor.address.to_canonical(),
        asker_uid: call.visitor.uid,
        asker_key: asker.to_string(),
        state: CodeState::Pending,
        opened_at: None,
        created_at: now,
        expires_at: now.after(settings.oauth.device_code_ttl),
        approval: None,
        grant: None,
    };
    code.insert(&mut write).await?;
    write.commit().await?;

    let verification_uri = format!("{}/oauth/device", settings.issuer);
    let user_code = code.user_code.to_string();
    let mut document = json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": verification_uri,
        "expires_in": settings.oauth.device_code_ttl.as_secs(),
        "interval": settings.oauth.device_interval.as_secs(),
    });
    if settings.oauth.complete_uri {
        document["verification_uri_complete"] = format!("{verification_uri}?user_code={user_code}").into();
    }
    Ok(reply::json(&document))
}

/// A code that stands nowhere, decided and expired ones included.
async fn unused_code(write: &mut Write) -> Result<UserCode, StoreError> {
    loop {
        let code = UserCode::random();
        if DeviceCodeRow::of_user_code(write, code).await?.is_none() {
            return Ok(code);
        }
    }
}

/// Sees to it that one more code may be open.
async fn make_room(node: &Node, write: &mut Write, asker: &str, now: Moment) -> Result<(), OAuthError> {
    let (own, first_ends) = DeviceCodeRow::outstanding_of(write, asker, now).await?;
    if own >= OUTSTANDING_OF_ONE {
        let wait = first_ends.unwrap_or(now).since(now);
        return Err(OAuthError::too_many(format!("{own} codes that {asker} asked for are still open"), wait));
    }
    if DeviceCodeRow::outstanding_count(write, now).await? >= OUTSTANDING {
        let open = DeviceCodeRow::outstanding(write, now).await?;
        if let Some(gives_way) = gives_way(&open) {
            DeviceCodeRow::expire(write, gives_way, now).await?;
            node.limits.paces.forget(gives_way);
        }
    }
    Ok(())
}

/// Which code gives way: the oldest that nobody has looked at, of the network that has the most. Whoever floods the table
/// pushes out their own.
fn gives_way(open: &[Outstanding]) -> Option<TokenHash> {
    let mut sizes: HashMap<Network, usize> = HashMap::new();
    for code in open {
        *sizes.entry(network(code)).or_default() += 1;
    }
    let size = |code: &&Outstanding| sizes.get(&network(code)).copied().unwrap_or(0);
    // Of equals `max_by_key` takes the last: the oldest, in this order.
    let oldest_of_fullest =
        |is_opened: bool| open.iter().rev().filter(|code| code.is_opened == is_opened).max_by_key(size);
    oldest_of_fullest(false).or_else(|| oldest_of_fullest(true)).map(|code| code.device)
}

/// What counts as one network: a user of this machine, an IPv4 address, an IPv6 /48.
#[derive(PartialEq, Eq, Hash)]
enum Network {
    Uid(u32),
    Address(u128),
}

fn network(code: &Outstanding) -> Network {
    match (code.asker_uid, code.asker_address) {
        (Some(uid), address) if address.is_loopback() => Network::Uid(uid),
        // The upper 48 bits leave no room for an IPv4 address of 32 bits below them.
        (_, IpAddr::V4(address)) => Network::Address(u128::from(address.to_bits())),
        (_, IpAddr::V6(address)) => Network::Address(address.to_bits() >> 80 << 80),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(number: u8, address: &str, is_opened: bool) -> Outstanding {
        let asker_uid = (address == "127.0.0.1").then_some(7);
        let asker_address = address.parse().unwrap();
        Outstanding { device: TokenHash::of(&[number]), asker_address, asker_uid, is_opened }
    }

    fn oldest(open: &[Outstanding]) -> Option<usize> {
        let device = gives_way(open)?;
        open.iter().position(|code| code.device == device)
    }

    #[test]
    fn n07_the_fullest_network_gives_way_with_its_oldest_unopened_code() {
        let flood = [
            code(1, "2001:db8:1:1::1", true),
            code(2, "192.0.2.1", false),
            code(3, "2001:db8:1:2::1", false),
            code(4, "2001:db8:1:3::1", false),
            code(5, "127.0.0.1", false),
        ];
        assert_eq!(oldest(&flood), Some(2));
        let opened: Vec<_> = flood.iter().map(|code| Outstanding { is_opened: true, ..*code }).collect();
        assert_eq!(oldest(&opened), Some(0));
        assert_eq!(oldest(&[]), None);
    }
}
