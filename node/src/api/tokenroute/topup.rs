//! `POST /api/v1/topup`: begins a purchase of credit, which a person completes at Stripe.

use std::time::Duration;

use bitrouter_proto::account::MicroUsd;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::dollars;
use crate::{
    billing::{self, AMOUNTS, CENT, Purchased},
    http::{
        Call,
        error::{ApiError, Code},
        idempotency::Made,
        members::Members,
    },
};

/// The member that says how much.
const AMOUNT: &str = "amount_usd";

/// How long a session of hosted checkout is open where nobody asks for another time
/// (<https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-expires_at>).
const OPEN: Duration = Duration::from_hours(24);

/// A purchase that was begun.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "TopUp")]
pub(crate) struct TopUp {
    /// Where it is paid.
    checkout_url: String,
    /// Which.
    session_id: String,
    /// How much, in US dollars.
    amount_usd: String,
    /// Until when it can be paid at least; seconds since 1970.
    expires_at: i64,
}

/// Credit that is to be bought.
#[derive(JsonSchema, Deserialize)]
#[expect(
    dead_code,
    reason = "it says what is read; the handler takes the body apart, so that errors can name a member"
)]
pub(crate) struct NewTopUp {
    /// US dollars, to the cent: 0.50 to 1000000, without an exponent.
    amount_usd: Amount,
}

/// How much, as text or as a number.
#[derive(JsonSchema, Deserialize)]
#[serde(untagged)]
#[schemars(inline)]
#[expect(dead_code, reason = "it says what is read")]
enum Amount {
    Text(#[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))] String),
    Number(#[schemars(range(min = 0.5, max = 1_000_000.0))] f64),
}

pub(super) async fn begin(call: Call) -> Result<Made<TopUp>, ApiError> {
    let cents = cents(&call.body)?;
    if !AMOUNTS.contains(&cents) {
        let in_dollars = |cents: &i64| dollars(MicroUsd::new(cents.saturating_mul(CENT)));
        let (least, most) = (in_dollars(AMOUNTS.start()), in_dollars(AMOUNTS.end()));
        let message = format!("`{AMOUNT}` must be from {least} to {most}");
        return Err(ApiError::new(Code::BadRequest, message).about(AMOUNT));
    }
    let made = billing::begin(&call, cents).await?;
    Ok(made.map(|Purchased { session, since }| TopUp {
        checkout_url: session.url,
        session_id: session.id,
        amount_usd: dollars(MicroUsd::new(cents.saturating_mul(CENT))),
        expires_at: since.after(OPEN).millis() / 1_000,
    }))
}

/// An amount as it was written: what is made of a number in binary is another one.
#[derive(Deserialize)]
struct Written<'b> {
    #[serde(borrow)]
    amount_usd: &'b RawValue,
}

/// The cents of a body's `amount_usd`.
fn cents(body: &[u8]) -> Result<i64, ApiError> {
    let mut members = Members::read(body)?;
    let wrong = |why: &str| ApiError::new(Code::BadRequest, format!("`{AMOUNT}` {why}")).about(AMOUNT);
    if members.value(AMOUNT).is_none() {
        return Err(wrong("is missing"));
    }
    members.end()?;
    let shape = "must be an amount of US dollars, such as \"5.00\" or 5";
    let written: Written<'_> = serde_json::from_slice(body).map_err(|_| wrong(shape))?;
    let written = written.amount_usd.get();
    let text = if written.starts_with('"') {
        serde_json::from_str::<String>(written).map_err(|_| wrong(shape))?
    } else {
        written.to_owned()
    };
    exact_cents(&text).map_err(wrong)
}

/// The cents of an amount of dollars as it was written; nothing is rounded.
fn exact_cents(text: &str) -> Result<i64, &'static str> {
    let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if text.starts_with('-') {
        return Err("must be more than 0");
    }
    if !digits(whole) || !digits(places) {
        return Err("must be an amount of US dollars, such as \"5.00\" or 5, without an exponent");
    }
    let (cents, finer) = places.split_at(places.len().min(2));
    if finer.bytes().any(|digit| digit != b'0') {
        return Err("must be whole cents: two digits behind the point");
    }
    let dollars: Option<i64> = whole.parse().ok();
    let cents: Option<i64> = format!("{cents:0<2}").parse().ok();
    let sum = dollars.and_then(|dollars| dollars.checked_mul(100)?.checked_add(cents?));
    sum.ok_or("is more than can be bought at once")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_whole_cents_however_they_are_written() {
        for (sent, expected) in [
            (r#""5.0""#, 500),
            (r#""5""#, 500),
            ("5", 500),
            ("5.0", 500),
            ("5.25", 525),
            (r#""0.500""#, 50),
            (r#""1000000""#, 100_000_000),
            ("19.99", 1_999),
            (r#""\u0035.0""#, 500),
        ] {
            assert_eq!(cents(format!("{{\"amount_usd\":{sent}}}").as_bytes()).unwrap(), expected, "{sent}");
        }
        for sent in [
            "\"5.001\"",
            "5.001",
            "4.999999999999999999999999",
            "-5",
            "\"-5.0\"",
            "-0.0",
            "1e2",
            "1E+2",
            "\"1e2\"",
            "\"1e+16\"",
            "\"\"",
            "\"5.\"",
            "\".5\"",
            "\" 5\"",
            "\"$5\"",
            "\"+5\"",
            "\"5,00\"",
            "\"five\"",
            "\"NaN\"",
            "\"\u{665}\"",
            "\"99999999999999999999\"",
            "true",
            "null",
            "[5]",
            "{\"a\":5}",
        ] {
            let error = cents(format!("{{\"amount_usd\":{sent}}}").as_bytes()).unwrap_err();
            assert_eq!(error.field(), Some(AMOUNT), "{sent}");
            assert!(error.message().contains("`amount_usd`"), "{sent}");
        }
        for body in ["{}", r#"{"amount_usd":5,"amount_usd":5}"#] {
            assert_eq!(cents(body.as_bytes()).unwrap_err().field(), Some(AMOUNT), "{body}");
        }
        assert_eq!(cents(br#"{"amount_usd":5,"more":1}"#).unwrap_err().field(), Some("more"));
    }

    proptest::proptest! {
        #[test]
        fn every_number_of_cents_reads_back(cents in 0..1_000_000_000_i64) {
            let text = format!("{}.{:02}", cents / 100, cents % 100);
            proptest::prop_assert_eq!(exact_cents(&text), Ok(cents));
        }
    }
}
