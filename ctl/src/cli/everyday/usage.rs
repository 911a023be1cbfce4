//! `usage`: sums of the last days. Only calls that succeeded count.

use std::ops::ControlFlow;

use bitrouter_proto::{account::everyday::UsageOfDays, client::Told, codes::exit};
use clap::Args;

use super::whom::Whom;
use crate::{
    context::Context,
    exit::{Failure, Status},
    render::block_text,
};

#[derive(Args, Debug)]
pub(in crate::cli) struct UsageArgs {
    /// How many days, back from now: 1 to 365
    #[arg(short, long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=365))]
    #[arg(allow_negative_numbers = true)]
    days: u32,

    #[command(flatten)]
    whom: Whom,
}

pub(super) fn run(context: &Context, args: &UsageArgs) -> Result<Status, Failure> {
    let asked = args.whom.ask(context, "usage", async |client, asked| client.show_usage(asked, args.days).await)?;
    let Told { read, json } = match asked {
        ControlFlow::Continue(told) => told,
        ControlFlow::Break(ended) => return Ok(ended),
    };
    context.printer.document(&json)?;
    context.printer.stdout(&text(&read))?;
    Ok(Status(exit::OK))
}

fn text(usage: &UsageOfDays) -> String {
    block_text(&[
        ("days", usage.range_days.to_string()),
        ("requests", usage.total_requests.to_string()),
        ("tokens in", usage.total_tokens_in.to_string()),
        ("tokens out", usage.total_tokens_out.to_string()),
        ("cost", usage.total_cost_usd.0.to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_a_block() {
        let usage = serde_json::from_str(
            r#"{"range_days":7,"total_requests":142,"total_tokens_in":12450,"total_tokens_out":3200,"total_cost_usd":"0.18"}"#,
        );
        let expected = "days:       7\nrequests:   142\ntokens in:  12450\ntokens out: 3200\ncost:       $0.18";
        assert_eq!(text(&usage.unwrap()), expected);
    }
}
