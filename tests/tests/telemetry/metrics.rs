//! `/metrics`: the names that dashboards are built on, and labels that a caller cannot blow up.

use bitrouter_tests::{Gate, InferenceFixture, MODEL, Reply, wait};

fn metrics(fixture: &InferenceFixture) -> String {
    fixture.http().get("/metrics").send().ok().text()
}

/// The value of the first sample whose line starts with `name` and contains all `labels`.
fn value(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let line = text.lines().find(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn every_promised_metric_is_there() {
    let fixture = InferenceFixture::new();
    fixture.http().chat(MODEL, "x").send().ok();
    fixture.http().chat("nope", "x").send();
    wait::holds("the count", || {
        let text = metrics(&fixture);
        let labels = ["provider=\"openai\"", "model=\"other\"", "status=\"200\""];
        value(&text, "bitrouter_requests_total", &labels) == Some(1.0)
    });
    let text = metrics(&fixture);
    for name in ["bitrouter_request_seconds_count", "bitrouter_first_byte_seconds_count"] {
        assert!(value(&text, name, &[]).is_some_and(|count| count >= 1.0), "{name}:\n{text}");
    }
    let tokens: f64 = text
        .lines()
        .filter(|line| line.starts_with("bitrouter_tokens_total{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    assert!((tokens - 7.0).abs() < 0.5, "{text}");
    assert_eq!(value(&text, "bitrouter_refused_total", &["reason=\"model_not_found\""]), Some(1.0), "{text}");
    assert_eq!(value(&text, "bitrouter_in_flight", &[]), Some(0.0), "{text}");
}

#[test]
fn requests_in_flight_are_counted_up_and_down() {
    let fixture = InferenceFixture::new();
    let gate = Gate::new();
    fixture.provider.next(Reply::stream().token("first").gate(&gate).done());
    let mut open = fixture.stream();
    open.until_contains("\"first\"");
    assert_eq!(value(&metrics(&fixture), "bitrouter_in_flight", &[]), Some(1.0));
    drop(open);
    wait::holds("zero", || value(&metrics(&fixture), "bitrouter_in_flight", &[]) == Some(0.0));
}

#[test]
fn a_model_that_no_registry_lists_is_labelled_other() {
    let fixture = InferenceFixture::new();
    for number in 0..20 {
        fixture.http().chat(&format!("openai:made-up-{number}"), "x").send().ok();
    }
    let text = metrics(&fixture);
    assert!(!text.contains("made-up"), "{text}");
    assert_eq!(value(&text, "bitrouter_requests_total", &["model=\"other\""]), Some(20.0), "{text}");
}
