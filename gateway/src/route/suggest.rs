//! The names that are nearest to one that leads nowhere.

use super::{Names, RouteRefusal};
use crate::protocol::routing_fields::LONGEST_MODEL;

/// Below this, two names have nothing to do with each other.
const NEAR: f64 = 0.72;
/// How many names help; more would be a list to read.
const MOST: usize = 3;

/// Up to three names near `name`, those that work now first.
pub fn suggestions(name: &str, names: &Names<'_, '_>) -> Vec<String> {
    if name.len() > LONGEST_MODEL {
        return Vec::new();
    }
    let wanted = name.to_ascii_lowercase();
    let bare = wanted.split_once(['/', ':']).map_or(wanted.as_str(), |(_, model)| model);
    let near = |full: &str, model: &str| {
        let whole = strsim::jaro_winkler(&wanted, &full.to_ascii_lowercase());
        let score = whole.max(strsim::jaro_winkler(bare, &model.to_ascii_lowercase()));
        // What was just refused is never the answer.
        (score >= NEAR && full != name).then_some(score)
    };
    let mut scored: Vec<(bool, f64, String)> = Vec::new();
    for provider in names.catalog.providers().filter(|p| p.enabled() && p.speaks(names.dialects)) {
        let usable = names.usable(provider);
        for model in provider.models().iter().filter(|model| model.id.len() <= LONGEST_MODEL) {
            let full = format!("{}/{}", provider.id(), model.id);
            scored.extend(near(&full, &model.id).map(|score| (usable, score, full)));
        }
    }
    for alias in names.aliases.keys().filter(|alias| alias.len() <= LONGEST_MODEL) {
        let Some(score) = near(alias, alias) else { continue };
        // An alias that leads nowhere is no help; one that lacks a key would be.
        let usable = match names.resolve(alias) {
            Ok(_) => true,
            Err(RouteRefusal::KeyMissing(_)) => false,
            Err(_) => continue,
        };
        scored.push((usable, score, alias.clone()));
    }
    scored.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
    scored.into_iter().take(MOST).map(|(_, _, name)| name).collect()
}
