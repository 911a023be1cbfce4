//! Which source supplies a provider's key, and why each other one does not, in words; never a value.

use std::fmt::Write as _;

use super::{
    layers::{KeyCandidate, KeySourceKind},
    names::KeyNames,
    rejection::KeyRejection,
    summary::summary,
};

/// More sources than this are counted, not named.
const NAMED: usize = 8;

/// What `status` says of one provider's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderKeyStatus {
    /// True where a key is held.
    pub active_key: bool,
    /// The kind of source that supplies it.
    pub source: Option<KeySourceKind>,
    /// The variable that supplies it.
    pub variable: Option<String>,
    /// Where exactly it comes from, and why nothing else counts.
    pub detail: String,
    /// The same in a few words; where no key is held, why.
    pub summary: String,
    /// The second half of `detail`: what else is set and does not count, each after `; `.
    pub others: String,
}

impl ProviderKeyStatus {
    /// The status of a provider that was not known when the keys were looked for.
    pub(super) fn of_nobody() -> Self {
        Self {
            active_key: false,
            source: None,
            variable: None,
            detail: "no such provider".to_owned(),
            summary: "no such provider".to_owned(),
            others: String::new(),
        }
    }
}

/// The candidates of one variable.
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) candidates: Vec<KeyCandidate<'a>>,
    /// Hidden by `reload --forget`, wherever it is set.
    pub(super) hidden: bool,
}

/// Describes the choice of `winner` (positions of name and candidate) among everything that was found.
pub(super) fn describe(names: &KeyNames, found: &[Named<'_>], winner: Option<(usize, usize)>) -> ProviderKeyStatus {
    let chosen = winner.and_then(|(name, candidate)| {
        let variable = found.get(name)?;
        Some((variable.name, variable.candidates.get(candidate)?))
    });
    let lead = match chosen {
        Some((name, candidate)) => format!("`{name}` from {candidate}"),
        None if !names.enabled => "switched off in the settings (`enabled = false`)".to_owned(),
        None if !names.needs_key => "needs no key".to_owned(),
        None => {
            let variables: Vec<_> = names.variables.iter().map(|name| format!("`{name}`")).collect();
            format!("no key: set {}", variables.join(" or "))
        }
    };
    let others = found.iter().enumerate().flat_map(|(name, named)| {
        named.candidates.iter().enumerate().map(move |(at, candidate)| ((name, at), named.name, candidate))
    });
    let mut rest = String::new();
    let mut more = 0usize;
    for (index, (at, name, candidate)) in others.filter(|(at, ..)| Some(*at) != winner).enumerate() {
        if index >= NAMED {
            more += 1;
            continue;
        }
        let reason = reason(candidate, at, chosen, winner);
        // Writing to a String cannot fail.
        let _ = write!(rest, "; `{name}` from {candidate} is {reason}");
    }
    if more > 0 {
        let _ = write!(rest, "; and {more} more");
    }
    // Where nothing sets it now, its next value would vanish without a word.
    for named in found.iter().filter(|named| named.hidden && named.candidates.is_empty()) {
        let _ = write!(rest, "; `{}` is {}", named.name, KeyRejection::Forgotten);
    }
    ProviderKeyStatus {
        active_key: chosen.is_some(),
        source: chosen.map(|(_, candidate)| candidate.origin.kind()),
        variable: chosen.map(|(name, _)| name.to_owned()),
        detail: lead + &rest,
        summary: summary(names, found, winner),
        others: rest,
    }
}

fn reason(
    candidate: &KeyCandidate<'_>,
    at: (usize, usize),
    chosen: Option<(&str, &KeyCandidate<'_>)>,
    winner: Option<(usize, usize)>,
) -> String {
    if let Some(rejection) = candidate.rejection {
        return rejection.to_string();
    }
    let Some((name, by)) = chosen else {
        return "not used".to_owned();
    };
    if winner.is_some_and(|winner| winner.0 != at.0) {
        return format!("shadowed: `{name}` comes first");
    }
    match (by.origin.kind(), candidate.origin.kind()) {
        (KeySourceKind::Pushed, KeySourceKind::Pushed) => "shadowed: a newer push comes first".to_owned(),
        (KeySourceKind::EnvFile, KeySourceKind::EnvFile) => format!("shadowed: the later {by} comes first"),
        (KeySourceKind::Pushed, _) => "shadowed: a pushed value comes first".to_owned(),
        _ => "shadowed: an env file comes first".to_owned(),
    }
}
