//! `cloud usage`: sums of a window.

use bitrouter_proto::{
    account::ledger::Usage,
    client::{Asked, Client},
    local_time::LocalTime,
};
use clap::Args;

use super::target::Target;
use crate::{
    cli::window::{WindowFlags, span_text},
    context::Context,
    exit::{Failure, Status},
    render::block_text,
};

const VERB: &str = "cloud usage";

#[derive(Args, Debug)]
pub(in crate::cli) struct UsageArgs {
    #[command(flatten)]
    window: WindowFlags,
    #[command(flatten)]
    target: Target,
}

pub(super) fn run(context: &Context, args: &UsageArgs) -> Result<Status, Failure> {
    let window = args.window.window(VERB)?;
    let call = async |client: &Client, asked: &Asked| client.usage(asked, &window).await;
    args.target.show(context, VERB, call, |usage| text(usage, context.local_time().as_ref()))
}

fn text(usage: &Usage, for_people: Option<&LocalTime>) -> String {
    let mut rows = vec![
        ("window", span_text(&usage.from, &usage.to, for_people)),
        ("spend", usage.spend_micro_usd.to_string()),
        ("charged", usage.charged_micro_usd.to_string()),
        ("requests", usage.request_count.to_string()),
        ("prompt tokens", usage.prompt_tokens.to_string()),
        ("completion tokens", usage.completion_tokens.to_string()),
    ];
    // Other servers do not say what was charged, and without credit nothing is.
    if usage.charged_micro_usd.micros() == 0 {
        rows.remove(2);
    }
    block_text(&rows)
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::{account::MicroUsd, env::Environment};

    use super::*;

    fn usage(charged: i64) -> Usage {
        Usage {
            from: "2026-05-01T00:00:00.000Z".to_owned(),
            to: "2026-06-01T00:00:00.000Z".to_owned(),
            spend_micro_usd: MicroUsd::new(5_000_000),
            charged_micro_usd: MicroUsd::new(charged),
            prompt_tokens: 1234,
            completion_tokens: 56,
            request_count: 7,
        }
    }

    #[test]
    fn sums_are_a_block() {
        let expected = "window:            2026-05-01T00:00:00.000Z to 2026-06-01T00:00:00.000Z\n\
                        spend:             $5.00\n\
                        requests:          7\n\
                        prompt tokens:     1234\n\
                        completion tokens: 56";
        assert_eq!(text(&usage(0), None), expected);
        assert!(text(&usage(1), None).contains("\ncharged:           $0.000001\n"));
        let local = LocalTime::of(&Environment::from_iter([("TZ", "XYZ-2")]));
        let shown = text(&usage(0), Some(&local));
        let window = shown.lines().next().unwrap();
        assert_eq!(window, "window:            2026-05-01 02:00:00 XYZ to 2026-06-01 02:00:00 XYZ");
    }
}
