//! The names that are nearest to one that leads nowhere.

use super::{Names, Refusal};

/// Below this, two names have nothing to do with each other.
const NEAR: f64 = 0.72;
/// How many names help; more would be a list to read.
const MOST: usize = 3;

/// Up to three names near `name`, those that work now first.
pub fn suggestions(name: &str, names: &Names<'_, '_>) -> Vec<String> {
    let wanted = name.to_ascii_lowercase();
    let bare = wanted.split_once(['/', ':']).map_or(wanted.as_str(), |(_, model)| model);
    let near = |full: &str, model: &str| {
        let whole = strsim::jaro_winkler(&wanted, &full.to_ascii_lowercase());
        whole.max(strsim::jaro_winkler(bare, &model.to_ascii_lowercase()))
    };
    let mut scored: Vec<(bool, f64, String)> = Vec::new();
    for provider in names.catalog.providers().filter(|provider| provider.enabled()) {
        let usable = names.usable(provider);
        for model in provider.models() {
            let full = format!("{}/{}", provider.id(), model.id);
            scored.push((usable, near(&full, &model.id), full));
        }
    }
    for alias in names.aliases.keys() {
        // An alias that leads nowhere is no help; one that lacks a key would be.
        let usable = match names.resolve(alias) {
            Ok(_) => true,
            Err(Refusal::KeyMissing(_)) => false,
            Err(_) => continue,
        };
        scored.push((usable, near(alias, alias), alias.clone()));
    }
    // What was just refused is never the answer.
    scored.retain(|(_, score, full)| *score >= NEAR && full != name);
    scored.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
    scored.into_iter().take(MOST).map(|(_, _, name)| name).collect()
}
