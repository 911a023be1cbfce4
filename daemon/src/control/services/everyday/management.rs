//! `/v1`: with a session, with a key, or at the own node. What it has no word for is none.

use bitrouter_proto::{
    account::{
        Dollars, List, Scope,
        everyday::{Credit, MadeKey, Me, OwnKey, Purchase},
        ledger::Balance,
        told::{ToldCheckout, ToldKey, ToldMintedKey},
    },
    clock,
};
use serde::Deserialize;
use tonic::Status;

use super::{
    super::{
        asking::{Body, Source},
        keys::KEYS,
    },
    Once, REVOKED,
    tokenroute::dollars,
};
use crate::credentials::{RestCall, RestPath};

const ACCOUNT: &str = "/v1/account";
const BALANCE: &str = "/v1/billing/balance";
const CHECKOUT: &str = "/v1/billing/checkout/sessions";

/// `GET /v1/account`, as any server shows it.
#[derive(Default, Deserialize)]
struct Told {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    email: Option<String>,
}

/// A credential may show the one and not the other: what it shows is told.
pub(super) async fn me(source: &Source) -> Result<Me, Status> {
    let ask = RestCall::get(RestPath::new(ACCOUNT));
    let (account, credit) = tokio::join!(source.answered::<Told>(&ask, "account"), balance(source));
    let told = match account {
        Ok(told) => told,
        Err(status) if ["403", "404"].iter().any(|code| super::is_answered(&status, code)) => Told::default(),
        Err(status) => return Err(status),
    };
    let id = match told.id {
        Some(id) => Some(id),
        None => source.subject().await,
    };
    let Told { display_name, email, .. } = told;
    // What a session at the own node is told.
    let is_own = source.own_node().is_some();
    let (logto_sub, status) = (id.clone().filter(|_| is_own), is_own.then(|| ACTIVE.to_owned()));
    super::with_credit(Me { id, display_name, email, logto_sub, status, ..Me::default() }, credit)
}

pub(super) async fn balance(source: &Source) -> Result<Credit, Status> {
    let told: Balance = source.answered(&RestCall::get(RestPath::new(BALANCE)), "balance").await?;
    Ok(Credit { balance_usd: Dollars(told.balance_micro_usd), currency: Some(told.currency.to_ascii_uppercase()) })
}

pub(super) async fn create_key(source: &Source, name: &str, once: Once) -> Result<MadeKey, Status> {
    let scopes = vec![Scope::InferenceInvoke.as_str()];
    let body = Body::default().with("display_name", name).with("scopes", scopes).json();
    let call = RestCall::post(RestPath::in_namespace(KEYS)).with_body(body).once(once);
    let made: ToldMintedKey = source.answered(&call, "key").await?;
    // It is made, whatever else is known of it.
    let listed = match source.own_node() {
        Some(_) => keys(source).await.unwrap_or_default().into_iter().find(|key| key.id == made.id),
        None => None,
    };
    let (balance_usd, created_at) = listed.map(|key| (key.balance_usd, key.created_at)).unwrap_or_default();
    Ok(MadeKey {
        id: made.id,
        name: Some(made.display_name),
        key_prefix: Some(made.key_prefix),
        raw: made.token,
        balance_usd,
        status: Some(ACTIVE.to_owned()),
        created_at,
    })
}

pub(super) async fn keys(source: &Source) -> Result<Vec<OwnKey>, Status> {
    let told: List<ToldKey> = source.answered(&RestCall::get(RestPath::in_namespace(KEYS)), "list of keys").await?;
    // Whose credit pays for a key is known at the own node.
    let (owner, credit) = match source.own_node() {
        Some(_) => tokio::join!(source.subject(), async { Some(balance(source).await.ok()?.balance_usd) }),
        None => (None, None),
    };
    let paid = |key: &ToldKey| credit.filter(|_| owner.is_some() && key.subject == owner);
    Ok(told.data.into_iter().map(|key| OwnKey { balance_usd: paid(&key), ..own_key(key) }).collect())
}

pub(super) async fn end_key(source: &Source, id: &str) -> Result<(), Status> {
    source.call(&RestCall::delete(RestPath::in_namespace(format!("{KEYS}/{id}")))).await.map(drop)
}

pub(super) async fn top_up(source: &Source, cents: i64, once: Once) -> Result<Purchase, Status> {
    let body = Body::default().with("amount_cents", cents).json();
    let call = RestCall::post(RestPath::new(CHECKOUT)).with_body(body).once(once);
    let ToldCheckout { id, url } = source.answered(&call, "payment").await?;
    Ok(Purchase { checkout_url: url, session_id: Some(id), amount_usd: Some(dollars(cents)), expires_at: None })
}

/// What a key is listed as that opens what it should.
const ACTIVE: &str = "active";

fn own_key(key: ToldKey) -> OwnKey {
    let has_expired = |until: &str| clock::parse_rfc3339(until).is_some_and(|until| until <= clock::wall_now());
    let status = if key.revoked_at.is_some() {
        REVOKED
    } else if key.expires_at.as_deref().is_some_and(has_expired) {
        "expired"
    } else if key.suspended_at.is_some() {
        "suspended"
    } else {
        ACTIVE
    };
    OwnKey {
        id: key.id,
        name: Some(key.display_name),
        key_prefix: Some(key.key_prefix),
        status: Some(status.to_owned()),
        balance_usd: None,
        created_at: Some(key.created_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_opens_is_one_word() {
        for (members, expected) in [
            ("", "active"),
            (r#","expires_at":"2001-01-01T00:00:00Z""#, "expired"),
            (r#","expires_at":"2999-01-01T00:00:00Z","suspended_at":"2001-01-01T00:00:00Z""#, "suspended"),
            (r#","expires_at":"2001-01-01T00:00:00Z","revoked_at":"2000-01-01T00:00:00Z""#, "revoked"),
            (r#","expires_at":"soon""#, "active"),
        ] {
            let json = format!(
                r#"{{"id":"7","display_name":"ci","key_prefix":"brk_1","scopes":[],"created_at":"t"{members}}}"#
            );
            let shown = own_key(serde_json::from_str(&json).unwrap());
            assert_eq!((shown.status.as_deref(), shown.balance_usd), (Some(expected), None), "{members}");
            assert_eq!((shown.name.as_deref(), shown.created_at.as_deref()), (Some("ci"), Some("t")));
        }
    }
}
