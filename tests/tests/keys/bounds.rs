//! What sessions may push without end is told within bounds.

use bitrouter_proto::wire::{PushRequest, PushResponse, ReloadRequest, ReloadResponse, Variable};
use bitrouter_tests::control::Control;

use super::cast;

#[test]
fn r1_01_a_thousand_variables_of_nobody_make_a_short_warning_and_a_short_log_line() {
    let (world, _provider) = cast();
    let daemon = world.serve().args(["--log-format", "json"]).start();
    let mut control = Control::connect(&daemon.socket());
    let variables = (0..1_000)
        .map(|n| Variable { name: format!("BITROUTER_{}_{n}_API_KEY", "X".repeat(200)), value: Some("v".to_owned()) });
    let push = PushRequest { variables: variables.collect() };
    control.call::<PushResponse>("EnvironmentService/Push", &push).expect("a push");
    let warning = daemon.warned("unknown_key_variable");
    let text = warning["message"].as_str().expect("text");
    assert!(text.len() < 8_000 && text.contains("; and "), "{} bytes", text.len());
    let outcome = control.call::<ReloadResponse>("DaemonService/Reload", &ReloadRequest::default()).expect("a reload");
    assert!(outcome.message.ignored.len() <= 64, "{}", outcome.message.ignored.len());
    let stderr = daemon.stderr().until("the warning", |text| text.contains("unknown_key_variable"));
    for line in stderr.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("whole JSON");
        assert!(line.len() < 16 * 1024, "{} bytes", line.len());
    }
}
