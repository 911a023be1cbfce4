//! What of a request a budget or credit cannot bound, and what it may cost that the provider's tools do.

use bitrouter_proto::{account::MicroUsd, codes::InferenceCode};
use http::{header::USER_AGENT, request::Parts};

use super::{policies::Draft, surface::Surface};
use crate::{
    error::InferenceError,
    meter::ToolsBound,
    protocol::{Judged, TOOL_CALLS, Wanted},
    registry::Provider,
    route::Route,
};

impl Draft {
    /// Bounds what the tools may cost that the provider runs; the name of what has no bound, where a member has none. A model that
    /// costs nothing bounds no other one, and no tool; a server on this machine that takes money for nothing does.
    pub(super) fn bound_cost<'j>(
        &mut self,
        judged: &'j Judged,
        route: &Route<'_>,
        surface: &Surface,
    ) -> Option<&'j str> {
        let provider = route.provider;
        if provider.is_unpriced() {
            self.is_open = judged.brings_more();
            return judged.background.then_some("background");
        }
        let rules = surface.dialect.rules();
        if rules.caps_tool_calls() && !judged.tools.is_empty() && judged.max_tool_calls.is_none() {
            self.max_tool_calls = Some(TOOL_CALLS);
        }
        let unpriced_tool = match price_of_tools(judged, provider, self.max_tool_calls) {
            Ok(tools) => {
                self.tools = tools;
                None
            }
            Err(name) => Some(name),
        };
        let price = provider.price(route.listed).filter(|_| surface.verb.has_output());
        let unpriced = |wanted: &&Wanted| price.is_some_and(|price| !price.prices_output_of(wanted.kind));
        let unpriced_output = || judged.wanted.iter().find(unpriced).map(|wanted| wanted.name.as_str());
        let other = judged.unbounded.as_deref().or(judged.choosing.as_deref());
        other.or(unpriced_tool).or_else(unpriced_output)
    }
}

/// What the provider's tools can bring and cost; the name of the one that nothing bounds.
fn price_of_tools<'j>(judged: &'j Judged, provider: &Provider, calls: Option<u64>) -> Result<ToolsBound, &'j str> {
    let mut bound = ToolsBound::default();
    for tool in &judged.tools {
        let price = provider.manifest().tools.iter().find(|price| price.kind == tool.kind);
        let found = price.and_then(|price| Some((price, price.max_input_tokens?, judged.uses_of(tool, calls)?)));
        let (price, tokens, uses) = found.ok_or(tool.name.as_str())?;
        bound.tokens = bound.tokens.saturating_add(tokens.saturating_mul(uses));
        let each = i128::from(price.usd_per_use.amount().micros());
        let cost = i64::try_from(each * i128::from(uses)).unwrap_or(i64::MAX);
        bound.cost = bound.cost.plus(MicroUsd::new(cost));
    }
    Ok(bound)
}

/// 402: a budget or credit applies, and what `name` costs has no bound.
pub(super) fn unbounded(name: &str, head: &Parts) -> InferenceError {
    let is_search = name.contains("web_search") || name.starts_with("tools");
    let agent = head.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let hint = if is_search && agent.to_ascii_lowercase().contains("codex") {
        "; Codex sends none with `-c 'web_search=\"disabled\"'`"
    } else {
        ""
    };
    let message = format!(
        "what `{name}` may cost is not known, and a budget or credit applies; leave it out{hint}, or have a manifest state what it \
         costs"
    );
    InferenceError::new(InferenceCode::PriceUnknown, message).with("member", name)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use super::*;
    use crate::{
        http::surface::Place,
        protocol::{Dialect, Verb},
        registry::{Catalog, Manifest},
    };

    /// A provider with a model `m`.
    fn provider(kind: &str, more: &str) -> Catalog {
        let text = format!(
            "id = \"acme\"\nkind = \"{kind}\"\nendpoint = \"http://127.0.0.1:9/v1\"\nprotocol = [\"chat_completions\"]\n{more}"
        );
        let manifest = Manifest::parse(&text, Path::new("x.toml")).unwrap();
        Catalog::build(vec![manifest], vec![], BTreeMap::new(), false).unwrap()
    }

    fn priced(id: &str, input: u32, output: &str) -> String {
        format!(
            "[[models]]\nid = \"{id}\"\nmax_output_tokens = 9\n[models.pricing.input_tokens]\nno_cache = {input}\n\
             [models.pricing.output_tokens]\n{output}\n"
        )
    }

    /// What a budget makes of a body for `m`, and the member that it cannot bound.
    fn bounded(catalog: &Catalog, dialect: Dialect, verb: Verb, body: &str) -> (Draft, Option<String>) {
        let provider = catalog.find("acme").unwrap();
        let route = Route { provider, model: "m", listed: provider.model("m") };
        let surface = Surface { method: http::Method::POST, path: Place::At("/"), dialect, verb };
        let (mut draft, judged) = (Draft::default(), dialect.rules().judge(body));
        let name = draft.bound_cost(&judged, &route, &surface).map(str::to_owned);
        (draft, name)
    }

    #[test]
    fn a_model_that_costs_nothing_bounds_no_other_one_and_no_tool() {
        let (free, dear) = (priced("m", 0, "text = 0"), priced("dear", 5, "text = 9"));
        let tool = "[[tools]]\ntype = \"web_search\"\nusd_per_use = 0.01\nmax_input_tokens = 1000\n";
        let unpriced = "[[models]]\nid = \"m\"\n";
        let hosts = [
            provider("first_party", &free),
            provider("local", &free),
            provider("local", &format!("{unpriced}{dear}")),
            provider("local", &format!("{tool}{unpriced}")),
        ];
        let local = provider("local", unpriced);
        let (chat, responses) = (Dialect::ChatCompletions, Dialect::Responses);
        for (dialect, body, member) in [
            (chat, r#"{"models":["acme:dear"]}"#, "models"),
            (chat, r#"{"fallbacks":[{"model":"dear"}]}"#, "fallbacks"),
            (chat, r#"{"service_tier":"priority"}"#, "service_tier"),
            (chat, r#"{"plugins":[{"id":"web"}]}"#, "plugins"),
            (chat, r#"{"web_search_options":{}}"#, "web_search_options"),
            (responses, r#"{"tools":[{"type":"image_generation"}]}"#, "tools[0]"),
            (Dialect::Messages, r#"{"tools":[{"type":"web_search_20250305"}]}"#, "tools[0]"),
            (responses, r#"{"background":true}"#, "background"),
        ] {
            for host in &hosts {
                assert_eq!(bounded(host, dialect, Verb::Generate, body).1.as_deref(), Some(member), "{body}");
            }
            let (draft, name) = bounded(&local, dialect, Verb::Generate, body);
            assert_eq!(name.as_deref(), Some(member).filter(|name| *name == "background"), "{body}");
            assert_eq!((draft.tools, draft.max_tool_calls), (ToolsBound::default(), None), "{body}");
        }
        for host in hosts.iter().chain([&local]) {
            let body = r#"{"tools":[{"type":"function","name":"f"}],"service_tier":"auto","background":false}"#;
            let (draft, name) = bounded(host, responses, Verb::Generate, body);
            assert_eq!((name, draft.is_open), (None, false));
        }
        // What a manifest prices is bounded, and costs, whatever the tokens do.
        let search = r#"{"tools":[{"type":"web_search"}]}"#;
        let (draft, name) =
            bounded(&provider("first_party", &format!("{tool}{free}")), responses, Verb::Generate, search);
        let tools = ToolsBound { tokens: 8_000, cost: MicroUsd::new(80_000) };
        assert_eq!((name, draft.tools, draft.max_tool_calls, draft.is_open), (None, tools, Some(8), false));
        assert!(bounded(&local, responses, Verb::Generate, search).0.is_open);
    }

    #[test]
    fn sound_and_pictures_of_a_reply_need_a_price() {
        let silent = provider("first_party", &priced("m", 1, "text = 1"));
        let sings = provider("first_party", &priced("m", 1, "text = 1\naudio = 5"));
        let free = provider("first_party", &priced("m", 0, "text = 0"));
        let local = provider("local", "[[models]]\nid = \"m\"\n");
        let (chat, google) = (Dialect::ChatCompletions, Dialect::GenerateContent);
        let spoken = "generationConfig.responseModalities";
        for (dialect, body, of_silent, of_singing) in [
            (chat, r#"{"modalities":["text"]}"#, None, None),
            (chat, r#"{"modalities":["text","audio"]}"#, Some("modalities"), None),
            (chat, r#"{"audio":{"voice":"x"}}"#, Some("audio"), None),
            (chat, r#"{"modalities":["image"]}"#, Some("modalities"), Some("modalities")),
            (chat, r#"{"modalities":["smell"]}"#, Some("modalities"), Some("modalities")),
            (google, r#"{"generationConfig":{"responseModalities":["AUDIO"]}}"#, Some(spoken), None),
            (google, r#"{"generationConfig":{"responseModalities":["TEXT","IMAGE"]}}"#, Some(spoken), Some(spoken)),
        ] {
            for (host, expected) in [(&silent, of_silent), (&free, of_silent), (&sings, of_singing), (&local, None)] {
                assert_eq!(bounded(host, dialect, Verb::Generate, body).1.as_deref(), expected, "{body}");
            }
            assert_eq!(bounded(&silent, dialect, Verb::Embed, body).1, None, "nothing comes out: {body}");
        }
    }
}
