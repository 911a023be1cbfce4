//! The official SDKs raise an error with our code where a content rule blocks.

use bitrouter_tests::{dialects::Turn, sdk};

use crate::{
    bound::{Bound, Speech, content_rule},
    other_models::reply,
};

#[test]
fn p12_sdks_raise_what_is_blocked() {
    let bound = Bound::new();
    let key = bound.guarded(&content_rule("forbidden-word", "block"));
    bound.acme.always(|request| {
        let (target, body) = (request.target.as_str(), String::from_utf8_lossy(&request.body).into_owned());
        let speech = match target {
            _ if target.starts_with("/v1beta") => Speech::Google,
            _ if target.starts_with("/v1/messages") => Speech::Messages,
            _ if target.starts_with("/v1/responses") => Speech::Responses,
            _ => Speech::Chat,
        };
        let stream = target.contains(":stream") || body.contains("\"stream\":true");
        let asks = |model: &str| target.contains(&format!("/{model}:")) || body.contains(&format!("\"{model}\""));
        let said = match () {
            () if asks("at-once") => "forbidden-word",
            () if asks("later") => "All is well: forbidden-word",
            () => "All is well.",
        };
        let turn = Turn { text: said.split_inclusive(' ').map(str::to_owned).collect(), ..Turn::default() };
        reply(speech, &turn, "m", stream)
    });
    sdk::run(&bound.world, "policy_errors.py", &[&format!("http://{}", bound.daemon.addr()), &key.token]);
}
