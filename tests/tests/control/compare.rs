//! What a shell's keys would change, asked without changing it.

use bitrouter_proto::wire::{CompareRequest, CompareResponse, StatusRequest, StatusResponse, Variable};
use bitrouter_tests::{World, control::Control};

fn differing(control: &mut Control, variables: &[(&str, &str)]) -> Vec<String> {
    let variables =
        variables.iter().map(|(name, value)| Variable { name: (*name).into(), value: Some((*value).into()) }).collect();
    let told = control.call::<CompareResponse>("EnvironmentService/Compare", &CompareRequest { variables });
    told.expect("an answer").message.differing
}

#[test]
fn r5_05_what_differs_is_named_and_stays_as_it_is() {
    let world = World::new();
    let daemon = world.serve().env("OPENAI_API_KEY", "sk-one").start();
    let mut control = Control::connect(&daemon.socket());
    assert!(differing(&mut control, &[("OPENAI_API_KEY", "sk-one")]).is_empty());
    let others = [("OPENAI_API_KEY", "sk-two"), ("GROQ_API_KEY", "gsk-x")];
    for _ in 0..2 {
        assert_eq!(differing(&mut control, &others), ["GROQ_API_KEY", "OPENAI_API_KEY"]);
    }
    let status = control.call::<StatusResponse>("DaemonService/Status", &StatusRequest {}).expect("a status").message;
    assert_eq!(status.pushed_variables, 0);
    assert!(status.providers.iter().all(|provider| provider.id != "groq" || !provider.active));
}
