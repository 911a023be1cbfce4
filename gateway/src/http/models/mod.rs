//! Lists of models, and one of them: what a caller can reach now, in the shape that it reads.
//!
//! `filter` is which models were asked for, `page` which part of their list, `superset` the shape that most readers parse,
//! `google` the one of Google's readers.

mod filter;
mod google;
mod page;
mod superset;

use std::sync::Arc;

use futures_util::future::join_all;
use http::Response;
use serde_json::Value;

use self::{filter::Filter, page::Asked};
use super::{
    account::account_loop,
    context::Caller,
    model_errors::{explain, not_found},
    model_in_path::check_model_in_path,
    own_response::json_response,
    response_body::ResponseBody,
    surface,
};
use crate::{
    Gateway,
    error::InferenceError,
    live_models,
    percent::percent_decoded,
    protocol::Dialect,
    registry::{Model, Provider},
    snapshot::Snapshot,
};

/// How the callers of one dialect read models.
struct Reader {
    /// What they speak: they are shown what can be reached in one of these.
    spoken: &'static [Dialect],
    /// Reads from a query which part of a list they want.
    asked: fn(&str) -> Result<Asked, InferenceError>,
    /// One model.
    entry: fn(&Listed<'_>) -> Value,
    /// A part of a list, whose entries are made; `true`: there is more.
    list: fn(&[Value], &[Listed<'_>], bool) -> Value,
}

impl Reader {
    fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::ChatCompletions | Dialect::Responses => Self {
                spoken: &[Dialect::ChatCompletions, Dialect::Responses],
                asked: page::of_anthropic,
                entry: superset::entry,
                list: superset::list,
            },
            Dialect::Messages => Self {
                spoken: &[Dialect::Messages],
                asked: page::of_anthropic,
                entry: superset::anthropic_entry,
                list: superset::list,
            },
            Dialect::GenerateContent => Self {
                spoken: &[Dialect::GenerateContent],
                asked: page::of_google,
                entry: google::entry,
                list: google::list,
            },
        }
    }

    /// True where a call for `model` can be made of `provider` in what is spoken: not every dialect makes embeddings.
    fn reaches(&self, provider: &Provider, model: &Model) -> bool {
        let embeds = model.can(EMBEDDINGS);
        self.spoken.iter().any(|spoken| provider.target(*spoken).is_some() && (!embeds || surface::embeds(*spoken)))
    }
}

/// What a manifest says of a model that makes embeddings and nothing else.
const EMBEDDINGS: &str = "embeddings";

/// A model of a list.
struct Listed<'a> {
    /// `provider/model`.
    id: String,
    provider: &'a Provider,
    /// What the manifest says of it; `None` where it does not list it.
    model: Option<&'a Model>,
}

impl<'a> Listed<'a> {
    fn new(provider: &'a Provider, name: &str, model: Option<&'a Model>) -> Self {
        Self { id: format!("{}/{name}", provider.id()), provider, model }
    }

    /// The model's name without the provider.
    fn name(&self) -> &str {
        self.id.get(self.provider.id().as_str().len() + 1..).unwrap_or_default()
    }

    /// The name for people.
    fn display_name(&self) -> String {
        format!("{} ({})", self.name(), self.provider.name())
    }

    /// True where the manifest lists the capability.
    fn can(&self, capability: &str) -> bool {
        self.model.is_some_and(|model| model.can(capability))
    }

    /// What it reads.
    fn input_modalities(&self) -> Vec<&'static str> {
        self.modalities(&[
            ("image_input", "image"),
            ("audio_input", "audio"),
            ("video_input", "video"),
            ("file_input", "file"),
        ])
    }

    /// What it makes.
    fn output_modalities(&self) -> Vec<&'static str> {
        if self.can(EMBEDDINGS) {
            return vec!["embeddings"];
        }
        self.modalities(&[("image_output", "image"), ("audio_output", "audio")])
    }

    /// Text, and the second of each pair whose first it can do.
    fn modalities(&self, pairs: &[(&str, &'static str)]) -> Vec<&'static str> {
        let more = pairs.iter().filter(|(capability, _)| self.can(capability)).map(|(_, name)| *name);
        std::iter::once("text").chain(more).collect()
    }
}

/// The part that `query` asks for of what callers in `dialect` can reach now.
pub(super) async fn list(
    gateway: &Arc<Gateway>,
    caller: Caller,
    dialect: Dialect,
    query: &str,
) -> Result<Response<ResponseBody>, InferenceError> {
    let reader = Reader::of(dialect);
    let (filter, asked) = (Filter::of(query)?, (reader.asked)(query)?);
    let snapshot = gateway.snapshot();
    let mut all = reachable(gateway, caller, &snapshot, &reader).await;
    all.retain(|listed| filter.shows(listed));
    let (part, more) = asked.of(&all, |listed| &listed.id)?;
    let entries: Vec<Value> = part.iter().map(reader.entry).collect();
    Ok(json_response((reader.list)(&entries, part, more).to_string().into_bytes()))
}

/// Every model of every provider that can be reached now. Who lists none in the manifest is asked for them.
async fn reachable<'a>(
    gateway: &Arc<Gateway>,
    caller: Caller,
    snapshot: &'a Arc<Snapshot>,
    reader: &Reader,
) -> Vec<Listed<'a>> {
    let usable = |provider: &&Provider| provider.speaks(reader.spoken) && snapshot.usable(caller, provider);
    let lists = snapshot.catalog.providers().filter(usable).map(async |provider| -> Vec<Listed<'_>> {
        if !gateway.local_active(provider).await {
            return Vec::new();
        }
        if provider.is_account() {
            gateway.look_at_account_models();
        }
        if provider.models().is_empty() && !provider.is_account() {
            let names = live_models::names(gateway, snapshot, caller, provider).await;
            return names.iter().map(|name| Listed::new(provider, name, None)).collect();
        }
        let reached = provider.models().iter().filter(|model| reader.reaches(provider, model));
        reached.map(|model| Listed::new(provider, &model.id, Some(model))).collect()
    });
    let mut all: Vec<Listed<'_>> = join_all(lists).await.into_iter().flatten().collect();
    if let Some(account) = snapshot.own_node(caller) {
        // What the own node serves is what is served here.
        let own: Vec<_> = all.iter().map(|listed| Listed::new(account, &listed.id, listed.model)).collect();
        all.extend(own);
    }
    all
}

/// One model, by any name that a call in `dialect` would take: a provider that is named explicitly is asked for what it
/// does not list too, but for the demo, which knows all it has.
pub(super) async fn retrieve(
    gateway: &Arc<Gateway>,
    caller: Caller,
    dialect: Dialect,
    raw: &str,
) -> Result<Response<ResponseBody>, InferenceError> {
    let Reader { spoken, entry, .. } = Reader::of(dialect);
    let snapshot = gateway.snapshot();
    let name = String::from_utf8_lossy(&percent_decoded(raw)).into_owned();
    check_model_in_path(&name)?;
    let resolve = |name| {
        snapshot.resolve(caller, name, spoken).map_err(|refusal| explain(caller, name, refusal, &snapshot, spoken))
    };
    let route = resolve(&name)?;
    if let Some(account) = snapshot.own_node(caller).filter(|account| account.id() == route.provider.id()) {
        let here = resolve(route.model)?;
        if here.provider.is_account() {
            return Err(account_loop());
        }
        let id = format!("{}/{}", here.provider.id(), here.model);
        return Ok(json_response(entry(&Listed::new(account, &id, here.listed)).to_string().into_bytes()));
    }
    let provider = route.provider;
    if route.listed.is_none() && provider.is_demo() {
        return Err(not_found(caller, &name, &snapshot, spoken, &format!("`{}` does not list it", provider.id())));
    }
    if !gateway.local_active(provider).await {
        return Err(not_found(caller, &name, &snapshot, spoken, &format!("`{}` is not running", provider.id())));
    }
    Ok(json_response(entry(&Listed::new(provider, route.model, route.listed)).to_string().into_bytes()))
}
