//! `topup`: the page on which credit is paid. This command pays nothing.

use std::{
    io::{IsTerminal as _, stderr},
    ops::ControlFlow,
    time::{Duration, UNIX_EPOCH},
};

use bitrouter_proto::{
    account::MicroUsd,
    client::{Begun, IdempotencyKey, Told},
    clock,
    codes::exit,
    local_time::LocalTime,
};
use clap::Args;

use super::whom::Whom;
use crate::{
    browser,
    context::Context,
    exit::{Failure, Status},
    render::{block_text, moment},
};

#[derive(Args, Debug)]
pub(in crate::cli) struct TopupArgs {
    /// How much, in US dollars: `5` or `12.50`
    #[arg(short, long, value_name = "USD", value_parser = cents, allow_negative_numbers = true)]
    amount: i64,

    /// Open the page in the browser, where this is a terminal: what is done anyway
    #[arg(long, conflicts_with = "no_open")]
    open: bool,

    /// Only show the URL
    #[arg(long)]
    no_open: bool,

    #[command(flatten)]
    whom: Whom,
}

/// Micro-USD in a cent.
const CENT: i64 = 10_000;

/// Reads an amount of dollars as whole cents.
fn cents(text: &str) -> Result<i64, String> {
    let micros = MicroUsd::parse_dollars(text).map_err(|error| error.to_string())?.micros();
    if micros % CENT == 0 { Ok(micros / CENT) } else { Err("it has parts of a cent, which cannot be paid".to_owned()) }
}

pub(super) fn run(context: &Context, args: &TopupArgs) -> Result<Status, Failure> {
    let once = IdempotencyKey::new();
    let asked = args.whom.ask(context, "topup", async |client, asked| {
        Ok((client.top_up(asked, args.amount, &once).await?, client.is_foreign()))
    })?;
    let (Told { read, json }, is_foreign) = match asked {
        ControlFlow::Continue(told) => told,
        ControlFlow::Break(ended) => return Ok(ended),
    };
    let asked_for = MicroUsd::new(args.amount.saturating_mul(CENT));
    let link = payable(&read, asked_for)?;
    let printer = context.printer;
    printer.document(&json)?;
    printer.stdout(&text(&read, link, context.local_time().as_ref()))?;
    if printer.json {
        return Ok(Status(exit::OK));
    }
    let is_watched = printer.on_terminal && stderr().is_terminal() && !is_foreign && !args.no_open;
    let was_opened = is_watched && browser::open(&context.environment, link);
    let what =
        if was_opened { "the page opens in your browser" } else { "open the page to pay, or hand it to whoever pays" };
    printer.stderr(&format!("note: nothing is paid yet; {what}"));
    Ok(Status(exit::OK))
}

/// The page, where it is one that may be opened and sells what was asked for.
fn payable(begun: &Begun, asked_for: MicroUsd) -> Result<&str, Failure> {
    let failed = |message: String| Failure { exit: exit::FAILURE, ..Failure::caller("server_failed", message) };
    if let Some(sold) = begun.purchase.amount_usd.filter(|sold| sold.0 != asked_for) {
        return Err(failed(format!("the server's page sells {}, and {asked_for} was asked for", sold.0)));
    }
    begun.link.as_deref().ok_or_else(|| {
        failed("the server's page is neither https nor http to this machine, and is not shown".to_owned())
    })
}

fn text(begun: &Begun, link: &str, for_people: Option<&LocalTime>) -> String {
    let purchase = &begun.purchase;
    let expires_at = purchase.expires_at.and_then(|seconds| u64::try_from(seconds).ok());
    let expires_at = expires_at.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    let mut rows = vec![("checkout url", link.to_owned())];
    rows.extend(purchase.amount_usd.map(|amount| ("amount", amount.0.to_string())));
    rows.extend(purchase.session_id.clone().map(|id| ("session id", id)));
    rows.extend(expires_at.map(|at| ("expires", moment(&clock::rfc3339(at), for_people))));
    block_text(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_dollars_to_the_cent() {
        for (text, amount) in [("5", Some(500)), ("5.0", Some(500)), ("$0.5", Some(50)), ("12.340000", Some(1234))] {
            assert_eq!(cents(text).ok(), amount, "{text}");
        }
        for (text, part) in
            [("0.001", "parts of a cent"), ("-5", "more than 0"), ("0", "more than 0"), ("5e1", "amount")]
        {
            let said = cents(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
    }

    #[test]
    fn a_purchase_is_a_block_and_a_strange_one_is_refused() {
        let purchase = serde_json::from_str(
            r#"{"checkout_url":"https://checkout.stripe.com/c/pay/x","session_id":"cs_1","amount_usd":"5","expires_at":1700000000}"#,
        )
        .unwrap();
        let begun = Begun { purchase, link: Some("https://checkout.stripe.com/c/pay/x".to_owned()) };
        let expected = "checkout url: https://checkout.stripe.com/c/pay/x\namount:       $5.00\n\
                        session id:   cs_1\nexpires:      2023-11-14T22:13:20.000Z";
        let five = MicroUsd::new(5_000_000);
        assert_eq!(text(&begun, payable(&begun, five).unwrap(), None), expected);
        let other = payable(&begun, MicroUsd::new(4_000_000)).unwrap_err();
        assert!(other.exit == exit::FAILURE && other.message.contains("$5.00") && other.message.contains("$4.00"));
        let strange = payable(&Begun { link: None, ..begun }, five).unwrap_err();
        assert!(strange.exit == exit::FAILURE && !strange.message.contains("stripe"), "{strange}");
    }
}
