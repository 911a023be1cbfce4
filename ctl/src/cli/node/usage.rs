//! `node usage`: sums of a window, namespace by namespace.

use bitrouter_proto::{
    client::{NamedNodeUsage, Told},
    codes::exit,
};
use clap::Args;

use crate::{
    cli::window::{WindowFlags, span_text},
    context::Context,
    exit::{Failure, Status},
    render::{Column, Shown, table_text},
};

#[derive(Args, Debug)]
pub(in crate::cli) struct UsageArgs {
    /// The namespaces of every person
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    window: WindowFlags,

    /// Show every column, and shorten nothing
    #[arg(long)]
    wide: bool,
}

/// The columns of namespaces.
const COLUMNS: [Column; 7] = [
    Column::new("NAMESPACE", 29),
    Column::new("NAME", 20).shortened(),
    Column::number("SPEND", 10),
    Column::number("CHARGED", 10).rank(2),
    Column::number("REQUESTS", 8),
    Column::number("PROMPT", 10).rank(1),
    Column::number("COMPLETION", 10).rank(1),
];

pub(super) fn run(context: &Context, args: &UsageArgs) -> Result<Status, Failure> {
    let printer = context.printer;
    let window = args.window.window("node usage")?;
    let told: Told<NamedNodeUsage> =
        context.wait(async { Ok(context.connect().await?.node_usage(args.all, &window).await?) })?;
    printer.document(&told.json)?;
    let usage = &told.read.usage;
    if printer.on_terminal && printer.is_watched {
        printer.stderr(&span_text(&usage.from, &usage.to, context.local_time().as_ref()));
    }
    let text = text(&told.read, printer.table(args.wide));
    printer.rows(&text, "no requests")?;
    Ok(Status(exit::OK))
}

fn text(named: &NamedNodeUsage, shown: Shown) -> String {
    let rows: Vec<Vec<String>> = named
        .usage
        .data
        .iter()
        .zip(&named.names)
        .map(|(row, name)| {
            vec![
                row.namespace_id.to_string(),
                if name.is_empty() { "(deleted)".to_owned() } else { name.clone() },
                row.spend_micro_usd.to_string(),
                row.charged_micro_usd.to_string(),
                row.request_count.to_string(),
                row.prompt_tokens.to_string(),
                row.completion_tokens.to_string(),
            ]
        })
        .collect();
    table_text(&COLUMNS, &rows, shown)
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::account::{
        MicroUsd,
        ledger::{NamespaceUsage, NodeUsage},
    };

    use super::*;

    #[test]
    fn namespaces_are_a_table() {
        let row = |id: &str, spend| NamespaceUsage {
            namespace_id: id.parse().unwrap(),
            spend_micro_usd: MicroUsd::new(spend),
            charged_micro_usd: MicroUsd::ZERO,
            prompt_tokens: 3,
            completion_tokens: 4,
            request_count: 2,
        };
        let data = vec![row("ns_00000000010000000000000002", 1_500_000), row("ns_00000000010000000000000003", 0)];
        let usage = NodeUsage { from: "a".to_owned(), to: "b".to_owned(), data };
        let named = NamedNodeUsage { usage, names: vec!["default".to_owned(), String::new()] };
        let expected = "ns_00000000010000000000000002\tdefault\t$1.50\t$0.00\t2\t3\t4\n\
                        ns_00000000010000000000000003\t(deleted)\t$0.00\t$0.00\t2\t3\t4";
        assert_eq!(text(&named, Shown::Piped { wide: false }), expected);
    }
}
