//! What is told of a run in the end: on standard error, since standard output is the command's.

use bitrouter_proto::account::{RunModel, RunSummary};
use serde_json::{Value, json};
use signal_hook::low_level::signal_name;

use super::{
    Wanted,
    command::Ended,
    grant::{Grant, Used},
};
use crate::context::Context;

/// Tells it: lines for people, or one document.
pub(super) fn tell(context: &Context, grant: &Grant, wanted: &Wanted, used: &Used, ended: Ended) {
    if context.printer.json {
        context.printer.stderr_json(&document(grant, wanted, used, ended));
        return;
    }
    if let Some(summary) = &used.summary {
        context.printer.stderr(&text(summary));
    }
    match &used.trouble {
        Some(trouble) => context.printer.stderr(&format!("note: {trouble}")),
        None => context.printer.stderr("exec: the key is revoked"),
    }
}

/// `requests`, `models` and so on are null where nobody knows.
fn document(grant: &Grant, wanted: &Wanted, used: &Used, ended: Ended) -> Value {
    let signal = match ended {
        Ended::Signal(number) => signal_name(number),
        Ended::Code(_) | Ended::Unknown => None,
    };
    let mut document = json!({
        "exit_code": ended.exit(),
        "signal": signal,
        "key_id": grant.id(),
        "namespace_id": grant.namespace(),
        "budget_micro_usd": wanted.budget,
        "model_allow": wanted.models,
        "expires_at": grant.expires_at(),
        "revoked": used.is_revoked,
        "trouble": used.trouble,
    });
    let known = used.summary.as_ref().and_then(|summary| serde_json::to_value(summary).ok());
    for member in ["requests", "input_tokens", "output_tokens", "cost_micro_usd", "models", "refused"] {
        document[member] = known.as_ref().map_or(Value::Null, |known| known[member].clone());
    }
    document
}

fn text(summary: &RunSummary) -> String {
    let requests = counted(summary.requests, "request");
    let mut lines = vec![format!(
        "exec: {requests}, {} tokens in, {} out, {}",
        summary.input_tokens, summary.output_tokens, summary.cost_micro_usd
    )];
    let width = summary.models.iter().map(|model| model.model.chars().count()).max().unwrap_or_default();
    lines.extend(summary.models.iter().map(|model| {
        let RunModel { model, requests, input_tokens, output_tokens, cost_micro_usd } = model;
        let requests = counted(*requests, "request");
        format!("  {model:<width$}  {requests}, {input_tokens} in, {output_tokens} out, {cost_micro_usd}")
    }));
    if !summary.refused.is_empty() {
        let codes = summary.refused.iter().map(|refusals| format!("{} ({})", refusals.code, refusals.count));
        lines.push(format!("  refused: {}", codes.collect::<Vec<_>>().join(", ")));
    }
    lines.join("\n")
}

fn counted(count: i64, what: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {what}{end}")
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::account::{MicroUsd, RunRefusals};

    use super::*;

    #[test]
    fn a_run_is_told_model_by_model_with_what_was_refused() {
        let model = |name: &str, cost| RunModel {
            model: name.to_owned(),
            requests: 1,
            input_tokens: 10,
            output_tokens: 2,
            cost_micro_usd: MicroUsd::new(cost),
        };
        let summary = RunSummary {
            requests: 2,
            input_tokens: 20,
            output_tokens: 4,
            cost_micro_usd: MicroUsd::new(1_500_000),
            models: vec![model("openai/gpt-6-luna", 1_400_000), model("demo/echo", 100_000)],
            refused: vec![RunRefusals { code: "budget_exceeded".to_owned(), count: 3 }],
        };
        let expected = "exec: 2 requests, 20 tokens in, 4 out, $1.50\n  openai/gpt-6-luna  1 request, 10 in, 2 out, $1.40\n  demo/echo          1 request, 10 in, 2 out, $0.10\n  refused: budget_exceeded (3)";
        assert_eq!(text(&summary), expected);
        assert_eq!(text(&RunSummary::default()), "exec: 0 requests, 0 tokens in, 0 out, $0.00");
    }
}
