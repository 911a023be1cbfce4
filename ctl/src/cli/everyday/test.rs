//! `test`: one small call, to see that address, key and model work end to end.

use std::ops::ControlFlow;

use bitrouter_proto::{
    account::everyday::{Model, TriedModel},
    client::Told,
    codes::exit,
};
use clap::Args;

use super::{
    endpoint::{KeyFlags, Wanted},
    whom::{Whom, advised},
};
use crate::{
    context::Context,
    exit::{Failure, Status},
};

/// What is tried where nothing else is said and it can be reached.
const USUAL: &str = "openai/gpt-4o-mini";

/// What a model can do that answers with no text.
const WITHOUT_TEXT: [&str; 8] = [
    "embeddings",
    "image_generation",
    "video_generation",
    "audio_generation",
    "audio_transcription",
    "speech",
    "moderation",
    "rerank",
];

#[derive(Args, Debug)]
pub(in crate::cli) struct TestArgs {
    /// The model [default: openai/gpt-4o-mini where it can be reached, else the first that can]
    #[arg(short, long, value_name = "MODEL")]
    model: Option<String>,

    #[command(flatten)]
    key: KeyFlags,

    #[command(flatten)]
    whom: Whom,
}

pub(super) fn run(context: &Context, args: &TestArgs) -> Result<Status, Failure> {
    let endpoint =
        match args.key.endpoint(context, &args.whom, Wanted { verb: "test", of_account: false, hands_out: false })? {
            ControlFlow::Continue(endpoint) => endpoint,
            ControlFlow::Break(ended) => return Ok(ended),
        };
    // The address may be elsewhere, but the daemon makes the call.
    if let ControlFlow::Break(ended) = args.key.start(context, &args.whom, "test")? {
        return Ok(ended);
    }
    let tried = endpoint.call(context, async |client, base_url, key| {
        let model = match &args.model {
            Some(model) => Some(model.clone()),
            None => usual(&client.list_models(base_url, key).await?.read),
        };
        match model {
            Some(model) => Ok(Some((client.try_model(base_url, key, &model).await?, model))),
            None => Ok(None),
        }
    });
    let tried = tried.map_err(|failure| advised(context, failure, "test", &args.whom.local))?;
    let Some((Told { read, json }, model)) = tried else {
        let failure = Failure::caller("no_model", format!("no model can be reached at `{}`", endpoint.base_url));
        return Err(if endpoint.is_own { failure.hint("bitrouter status") } else { failure });
    };
    context.printer.document(&json)?;
    context.printer.stdout(&text(&read, &model))?;
    if !read.ok {
        return Err(Failure { exit: exit::FAILURE, ..Failure::caller("server_failed", "the call failed") });
    }
    Ok(Status(exit::OK))
}

/// The model that is tried where none is named: one that answers with text.
fn usual(models: &[Model]) -> Option<String> {
    let talks =
        |model: &&Model| !model.capabilities.iter().any(|capability| WITHOUT_TEXT.contains(&capability.as_str()));
    let usual = models.iter().find(|model| model.id == USUAL);
    usual.or_else(|| models.iter().find(talks)).map(|model| model.id.clone())
}

/// The first two lines are those that tokenroute prints.
fn text(tried: &TriedModel, model: &str) -> String {
    let mut lines = vec![format!("OK connected ({model})"), format!("  reply: {}", tried.reply.trim())];
    lines.push(format!("  latency: {} ms", tried.latency_ms));
    lines.extend(tried.provider.as_ref().map(|provider| format!("  provider: {provider}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(id: &str, capabilities: &[&str]) -> Model {
        let capabilities = capabilities.iter().map(|one| (*one).to_owned()).collect();
        Model { id: id.to_owned(), capabilities, ..Model::default() }
    }

    #[test]
    fn the_usual_model_is_tried_where_it_can_be_reached() {
        let others = [model("demo/embed", &["embeddings"]), model("demo/echo", &[]), model("demo/lorem", &[])];
        assert_eq!(usual(&others).as_deref(), Some("demo/echo"));
        assert_eq!(usual(&[model("a", &[]), model(USUAL, &["tools"])]).as_deref(), Some(USUAL));
        assert_eq!(usual(&[model("e", &["embeddings"]), model("i", &["image_generation"])]), None);
        assert_eq!(usual(&[]), None);
    }

    #[test]
    fn two_lines_are_as_tokenroute_prints_them() {
        let tried = TriedModel {
            ok: true,
            model: "gpt-4o-mini-2024-07-18".to_owned(),
            reply: "OK".to_owned(),
            latency_ms: 312,
            provider: Some("openai".to_owned()),
        };
        let expected = "OK connected (openai/gpt-4o-mini)\n  reply: OK\n  latency: 312 ms\n  provider: openai";
        assert_eq!(text(&tried, USUAL), expected);
    }
}
