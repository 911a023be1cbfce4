//! How long, and how often: what the person who runs the soak may say.

use std::time::Duration;

use bitrouter_proto::env::Environment;

fn setting(name: &str, default: f64) -> f64 {
    let environment = Environment::of_process();
    let Some(text) = environment.text(name) else { return default };
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.unwrap_or_else(|| panic!("`{name}` is `{text}`; set it to a number above 0"))
}

/// `BITROUTER_SOAK_MINUTES`, 2 where it is not set.
pub(crate) fn length() -> Duration {
    Duration::from_secs_f64(setting("BITROUTER_SOAK_MINUTES", 2.0) * 60.0)
}

/// `BITROUTER_SOAK_KILLS`, 1,000 where it is not set.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of rounds")]
pub(crate) fn kills() -> u32 {
    setting("BITROUTER_SOAK_KILLS", 1000.0) as u32
}
