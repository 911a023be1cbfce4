//! `models`: what can be reached now, and why the rest cannot.

use std::ops::ControlFlow;

use bitrouter_proto::{account::everyday::Model, client::Told, codes::exit, status::ProviderStatus};
use clap::Args;
use serde_json::Value;

use super::{
    endpoint::{Endpoint, KeyFlags, Wanted},
    whom::{Whom, advised},
};
use crate::{
    context::Context,
    exit::{Failure, Status},
    render::{Column, NOTHING, Shown, table_text},
};

#[derive(Args, Debug)]
pub(in crate::cli) struct ModelsArgs {
    /// Only those of this provider
    #[arg(short, long, value_name = "PROVIDER")]
    provider: Option<String>,

    #[command(flatten)]
    key: KeyFlags,

    /// Show every column, and shorten nothing
    #[arg(long)]
    wide: bool,

    #[command(flatten)]
    whom: Whom,
}

/// The columns of models; prices are US dollars for a million tokens.
const COLUMNS: [Column; 7] = [
    Column::new("MODEL", 30),
    Column::number("CONTEXT", 9),
    Column::number("$/M IN", 8),
    Column::number("$/M OUT", 8),
    Column::new("CAPABILITIES", 30).shortened().rank(1),
    Column::number("MAX OUTPUT", 9).only_wide(),
    Column::new("OWNED BY", 12).only_wide(),
];

pub(super) fn run(context: &Context, args: &ModelsArgs) -> Result<Status, Failure> {
    let endpoint =
        match args.key.endpoint(context, &args.whom, Wanted { verb: "models", of_account: false, hands_out: false })? {
            ControlFlow::Continue(endpoint) => endpoint,
            ControlFlow::Break(ended) => return Ok(ended),
        };
    // The address may be elsewhere, but the daemon asks there.
    if let ControlFlow::Break(ended) = args.key.start(context, &args.whom, "models")? {
        return Ok(ended);
    }
    let told = endpoint.call(context, async |client, base_url, key| {
        Ok((client.list_models(base_url, key).await?, client.status().providers.clone()))
    });
    let (Told { mut read, mut json }, providers) =
        told.map_err(|failure| advised(context, failure, "models", &args.whom.local))?;
    let providers = if endpoint.is_own { providers } else { Vec::new() };
    if let Some(provider) = &args.provider {
        json = only_of(&json, &read, provider)?;
        read.retain(|model| is_of(model, provider));
        must_be_known(&read, &providers, provider, &endpoint)?;
    }
    let printer = context.printer;
    printer.document(&json)?;
    printer.rows(&list_text(&read, printer.table(args.wide)), "no models")?;
    if let Some(why) = unreachable(&providers, args.provider.as_deref()) {
        printer.stderr(&why);
    }
    Ok(Status(exit::OK))
}

fn is_of(model: &Model, provider: &str) -> bool {
    let named = model.id.split_once('/').map(|(provider, _)| provider);
    named == Some(provider) || model.owned_by.as_deref() == Some(provider)
}

/// The rows of one provider, as they came.
fn only_of(json: &str, models: &[Model], provider: &str) -> Result<String, Failure> {
    let rows: Vec<Value> =
        serde_json::from_str(json).map_err(|_| Failure::unreachable("connection_broken", "the list is no list"))?;
    // Each row was read as the model at its place.
    let kept = rows.into_iter().zip(models).filter(|(_, model)| is_of(model, provider)).map(|(row, _)| row);
    Ok(format!("{:#}", Value::Array(kept.collect())))
}

/// A name that nobody knows is a slip, and no provider without models.
fn must_be_known(
    models: &[Model],
    providers: &[ProviderStatus],
    provider: &str,
    endpoint: &Endpoint,
) -> Result<(), Failure> {
    if !models.is_empty() || providers.iter().any(|known| known.id == provider) {
        return Ok(());
    }
    let message = format!("at `{}` no model is of a provider `{provider}`", endpoint.base_url);
    let failure = Failure::caller("not_found", message);
    Err(if endpoint.is_own { failure.hint("bitrouter status --all") } else { failure })
}

/// Why the models of some providers are not there, one line a reason.
fn unreachable(providers: &[ProviderStatus], only: Option<&str>) -> Option<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    let away = providers.iter().filter(|provider| !provider.active && only.is_none_or(|only| only == provider.id));
    for provider in away {
        let why = if provider.source.is_empty() { &provider.detail } else { &provider.source };
        match reasons.iter_mut().find(|(known, _)| *known == why.as_str()) {
            Some((_, ids)) => ids.push(&provider.id),
            None => reasons.push((why, vec![&provider.id])),
        }
    }
    let lines: Vec<String> =
        reasons.iter().map(|(why, ids)| format!("not reachable, {why}: {}", ids.join(", "))).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn list_text(models: &[Model], shown: Shown) -> String {
    let count = |count: Option<u64>| count.map_or_else(|| NOTHING.to_owned(), |count| count.to_string());
    let row = |model: &Model| {
        let price = |price: Option<bitrouter_proto::account::MicroUsd>| {
            price.map_or_else(|| NOTHING.to_owned(), |price| price.to_string().trim_start_matches('$').to_owned())
        };
        vec![
            model.id.clone(),
            count(model.max_input_tokens),
            price(model.input_per_million),
            price(model.output_per_million),
            model.capabilities.join(" "),
            count(model.max_output_tokens),
            model.owned_by.clone().unwrap_or_else(|| NOTHING.to_owned()),
        ]
    };
    table_text(&COLUMNS, &models.iter().map(row).collect::<Vec<_>>(), shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(json: &str) -> Vec<Model> {
        serde_json::from_str(json).unwrap()
    }

    const LIST: &str = r#"[{"id":"openai/x","owned_by":"openai","max_input_tokens":128000,"capabilities":["tools","reasoning"],
        "pricing":{"input_tokens":{"no_cache":0.15},"output_tokens":{"text":0.6}},"later":1},{"id":"y"}]"#;

    #[test]
    fn models_are_a_table_with_prices_for_a_million() {
        let text = list_text(&models(LIST), Shown::Piped { wide: false });
        assert_eq!(text, "openai/x\t128000\t0.15\t0.60\ttools reasoning\ny\t—\t—\t—\t");
        let wide = list_text(&models(LIST), Shown::Piped { wide: true });
        assert!(wide.starts_with("openai/x\t128000\t0.15\t0.60\ttools reasoning\t—\topenai\n"), "{wide}");
    }

    #[test]
    fn those_of_a_provider_are_shown_as_they_came() {
        let all = models(LIST);
        let json: Value = serde_json::from_str(&only_of(LIST, &all, "openai").unwrap()).unwrap();
        assert_eq!((json.as_array().map(Vec::len), &json[0]["later"]), (Some(1), &Value::from(1)));
        assert_eq!(only_of(LIST, &all, "groq").unwrap(), "[]");
    }

    #[test]
    fn what_cannot_be_reached_says_why() {
        let provider = |id: &str, active, source: &str| ProviderStatus {
            id: id.to_owned(),
            active,
            key_source: None,
            variable: None,
            key_suffix: None,
            detail: "long".to_owned(),
            source: source.to_owned(),
        };
        let all = [
            provider("openai", true, "pushed"),
            provider("groq", false, "no key"),
            provider("mistral", false, "no key"),
            provider("ollama", false, "not configured"),
        ];
        let expected = "not reachable, no key: groq, mistral\nnot reachable, not configured: ollama";
        assert_eq!(unreachable(&all, None).as_deref(), Some(expected));
        assert_eq!(unreachable(&all, Some("groq")).as_deref(), Some("not reachable, no key: groq"));
        assert_eq!(unreachable(&all[..1], None), None);
    }
}
