//! Stripe's events, as far as they mean credit (<https://docs.stripe.com/api/events/types>). Which version of the API an
//! endpoint's events have is set at Stripe: what newer and older ones write is read.

use bitrouter_proto::account::MicroUsd;
use serde_json::Value;

use super::stripe::CENT;

/// An event that arrived, whole and signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// Whether money moved.
    pub(super) livemode: Option<bool>,
    /// The same, as what it is about has it.
    pub(super) of_object: Option<bool>,
    /// What happened.
    pub(super) what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Something about a session of checkout.
    Session(Session),
    /// Money went back, or came back after all.
    Reversals(Vec<Reversal>),
    /// Something of this payment was refunded, and the event does not say what.
    RefundsOf(String),
    /// Nothing that concerns credit.
    Nothing,
}

/// A session of checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// Stripe's id of it.
    pub(super) id: String,
    /// True once the money is there: with some methods that is days after the session is completed.
    pub(super) is_paid: bool,
    /// The payment that refunds and disputes name.
    pub(super) payment_intent: Option<String>,
    /// What was paid in all, in cents, as Stripe has it, and in which currency.
    pub(super) total: (Option<i64>, String),
    /// What we signed, where it is ours.
    pub(super) metadata: Value,
}

/// What took money back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reversed {
    /// The seller.
    Refund,
    /// The buyer's bank.
    Dispute,
}

impl Reversed {
    /// What the transaction is called: of what is taken, or of what is given back.
    pub(super) fn word(self, is_over: bool) -> &'static str {
        match (self, is_over) {
            (Self::Refund, false) => "refund",
            (Self::Refund, true) => "refund_failed",
            (Self::Dispute, false) => "dispute",
            (Self::Dispute, true) => "dispute_won",
        }
    }

    /// The word of a row.
    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::Refund, Self::Dispute].into_iter().find(|kind| kind.word(false) == word)
    }
}

/// A refund or a dispute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reversal {
    /// Stripe's id of it.
    pub(super) id: String,
    /// Which of the two.
    pub(super) kind: Reversed,
    /// Of which payment.
    pub(super) payment_intent: String,
    /// How much of it.
    pub(super) amount: MicroUsd,
    /// True where the money came back: the refund failed, the dispute was won. It is final.
    pub(super) is_over: bool,
}

impl Event {
    /// Reads an event; `None` where it is none.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let event: Value = serde_json::from_slice(body).ok()?;
        let kind = event.get("type")?.as_str()?;
        let object = event.get("data")?.get("object")?;
        let livemode = event.get("livemode").and_then(Value::as_bool);
        let of_object = object.get("livemode").and_then(Value::as_bool);
        Some(Self { livemode, of_object, what: what(kind, object) })
    }
}

fn what(kind: &str, object: &Value) -> What {
    match kind {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            session(object).map_or(What::Nothing, What::Session)
        }
        "charge.refunded" => of_charge(object),
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            let refund = refund(object, None)
                .map(|refund| Reversal { is_over: refund.is_over || kind == "refund.failed", ..refund });
            refund.map_or(What::Nothing, |refund| What::Reversals(vec![refund]))
        }
        _ => match kind.strip_prefix("charge.dispute.") {
            Some(step) => dispute(step, object).map_or(What::Nothing, |dispute| What::Reversals(vec![dispute])),
            None => What::Nothing,
        },
    }
}

/// An id, or what it is of, where that was expanded.
pub(super) fn id_of(value: &Value) -> Option<String> {
    let id = value.as_str().or_else(|| value.get("id")?.as_str())?;
    (!id.is_empty()).then(|| id.to_owned())
}

fn word<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn session(object: &Value) -> Option<Session> {
    Some(Session {
        id: id_of(object)?,
        is_paid: word(object, "payment_status") == "paid",
        payment_intent: object.get("payment_intent").and_then(id_of),
        total: (object.get("amount_total").and_then(Value::as_i64), word(object, "currency").to_owned()),
        metadata: object.get("metadata").cloned().unwrap_or_default(),
    })
}

/// A charge holds its refunds, or, since 2022, does not: what it then says is their sum, of which nobody knows what it counts.
fn of_charge(charge: &Value) -> What {
    let payment_intent = charge.get("payment_intent").and_then(id_of);
    let list = charge.get("refunds").and_then(|refunds| refunds.get("data")).and_then(Value::as_array);
    match (list, payment_intent) {
        (Some(refunds), of) if !refunds.is_empty() => {
            What::Reversals(refunds.iter().filter_map(|one| refund(one, of.as_deref())).collect())
        }
        (_, Some(payment_intent)) => What::RefundsOf(payment_intent),
        (_, None) => What::Nothing,
    }
}

/// Reads a refund (<https://docs.stripe.com/api/refunds/object>); `of` is the payment, where it does not say. `None` where it took
/// nothing that we could know of.
pub(super) fn refund(object: &Value, of: Option<&str>) -> Option<Reversal> {
    let is_over = matches!(word(object, "status"), "failed" | "canceled");
    reversal(object, Reversed::Refund, of, is_over)
}

/// Reads a dispute (<https://docs.stripe.com/api/disputes/object>). An inquiry takes nothing.
fn dispute(step: &str, object: &Value) -> Option<Reversal> {
    let status = word(object, "status");
    let is_over = status == "won" || step == "funds_reinstated";
    let took_nothing = status.starts_with("warning_") || status == "prevented";
    if took_nothing && !is_over && step != "funds_withdrawn" {
        return None;
    }
    reversal(object, Reversed::Dispute, None, is_over)
}

fn reversal(object: &Value, kind: Reversed, of: Option<&str>, is_over: bool) -> Option<Reversal> {
    let payment_intent = object.get("payment_intent").and_then(id_of).or_else(|| of.map(str::to_owned));
    let cents = object.get("amount").and_then(Value::as_i64).filter(|cents| *cents > 0)?;
    let Some(payment_intent) = payment_intent else {
        tracing::info!(id = word(object, "id"), "a refund or dispute at Stripe is of no payment of ours");
        return None;
    };
    if !matches!(word(object, "currency"), "" | "usd") {
        tracing::warn!(
            id = word(object, "id"),
            "a refund or dispute at Stripe is not in dollars, as all that we sell is"
        );
        return None;
    }
    let amount = MicroUsd::new(cents.saturating_mul(CENT));
    Some(Reversal { id: id_of(object)?, kind, payment_intent, amount, is_over })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "what is read is written where it is read")]
    fn read(kind: &str, object: Value) -> What {
        let event =
            json!({"id": "evt_1", "object": "event", "type": kind, "livemode": false, "data": {"object": object}});
        let event = Event::read(event.to_string().as_bytes()).unwrap();
        assert_eq!(event.livemode, Some(false));
        event.what
    }

    #[test]
    fn n48_completed_is_not_paid() {
        for (kind, status, is_paid) in [
            ("checkout.session.completed", "paid", true),
            ("checkout.session.completed", "unpaid", false),
            ("checkout.session.completed", "no_payment_required", false),
            ("checkout.session.async_payment_succeeded", "paid", true),
        ] {
            let object = json!({"id": "cs_1", "payment_status": status, "payment_intent": {"id": "pi_1"}, "metadata": {"a": "b"}});
            let What::Session(session) = read(kind, object) else { panic!("{kind}") };
            assert_eq!(
                (session.is_paid, session.payment_intent.as_deref()),
                (is_paid, Some("pi_1")),
                "{kind} {status}"
            );
            assert_eq!(session.metadata, json!({"a": "b"}));
        }
        for kind in ["checkout.session.expired", "checkout.session.async_payment_failed", "invoice.paid", ""] {
            assert_eq!(read(kind, json!({"id": "cs_1", "payment_status": "paid"})), What::Nothing, "{kind}");
        }
        assert_eq!(read("checkout.session.completed", json!({})), What::Nothing);
        for text in ["", "[]", "{}", r#"{"type":1}"#, r#"{"type":"x"}"#, r#"{"type":"x","data":{}}"#] {
            assert_eq!(Event::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn refunds_are_read_by_their_own_id() {
        let one = |kind: &str, object: Value| match read(kind, object) {
            What::Reversals(list) => list.into_iter().map(|one| (one.id, one.amount.micros(), one.is_over)).collect(),
            What::Nothing => Vec::new(),
            other => panic!("{other:?}"),
        };
        let refund = |status: &str| json!({"id": "re_1", "amount": 500, "payment_intent": "pi_1", "status": status, "currency": "usd"});
        let took = vec![("re_1".to_owned(), 5_000_000, false)];
        let failed = vec![("re_1".to_owned(), 5_000_000, true)];
        assert_eq!(one("refund.created", refund("pending")), took);
        assert_eq!(one("refund.updated", refund("succeeded")), took);
        assert_eq!(one("charge.refund.updated", refund("failed")), failed);
        assert_eq!(one("refund.failed", refund("")), failed);
        assert_eq!(one("refund.updated", refund("canceled")), failed);
        let listed = json!({"id": "ch_1", "payment_intent": "pi_1", "amount_refunded": 700, "refunds": {"data": [{"id": "re_1", "amount": 500}]}});
        assert_eq!(one("charge.refunded", listed), took);
        let sum = json!({"id": "ch_1", "payment_intent": "pi_1", "amount_refunded": 700});
        assert_eq!(read("charge.refunded", sum), What::RefundsOf("pi_1".to_owned()));
        for nothing in [
            json!({}),
            json!({"id": "re_1", "amount": 0, "payment_intent": "pi_1"}),
            json!({"id": "re_1", "amount": 5}),
        ] {
            assert!(one("refund.created", nothing).is_empty());
        }
    }

    #[test]
    fn a_dispute_takes_until_it_is_won_and_an_inquiry_takes_nothing() {
        let one = |step: &str, status: &str| {
            let object =
                json!({"id": "du_1", "amount": 500, "payment_intent": "pi_1", "charge": "ch_1", "status": status});
            match read(&format!("charge.dispute.{step}"), object) {
                What::Reversals(list) => Some(list[0].is_over),
                _ => None,
            }
        };
        assert_eq!(one("created", "needs_response"), Some(false));
        assert_eq!(one("created", "warning_needs_response"), None);
        assert_eq!(one("funds_withdrawn", "needs_response"), Some(false));
        assert_eq!(one("updated", "under_review"), Some(false));
        assert_eq!(one("closed", "lost"), Some(false));
        assert_eq!(one("closed", "won"), Some(true));
        assert_eq!(one("closed", "warning_closed"), None);
        assert_eq!(one("funds_reinstated", "won"), Some(true));
    }
}
