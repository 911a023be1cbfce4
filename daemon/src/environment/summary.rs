//! The same as [`super::status`] in a few words, for a table: where a key comes from and over what, or why there is none.

use bitrouter_proto::status::NO_KEY;

use super::{layers::KeyOrigin, names::KeyNames, status::Named};

/// So many places that are passed over are named before the rest is counted.
const NAMED: usize = 2;

/// Sums up the choice of `winner` (positions of name and candidate) among everything that was found.
pub(super) fn summary(names: &KeyNames, found: &[Named<'_>], winner: Option<(usize, usize)>) -> String {
    let Some(chosen) = winner.and_then(|(name, at)| found.get(name)?.candidates.get(at)) else {
        return match (names.enabled, names.needs_key) {
            (false, _) => "switched off".to_owned(),
            (true, false) => "needs no key".to_owned(),
            (true, true) => NO_KEY.to_owned(),
        };
    };
    let all = found.iter().enumerate().flat_map(|(name, named)| {
        named.candidates.iter().enumerate().map(move |(at, candidate)| ((name, at), candidate))
    });
    let mut over: Vec<String> = all
        .filter(|(at, candidate)| Some(*at) != winner && candidate.rejection.is_none())
        .map(|(_, candidate)| possessive(&candidate.origin))
        .collect();
    over.dedup();
    let more = match over.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    over.truncate(NAMED);
    let over = if over.is_empty() { String::new() } else { format!(", over {}{more}", over.join(", ")) };
    format!("{}{over}", place(&chosen.origin))
}

fn place(origin: &KeyOrigin) -> String {
    match origin {
        KeyOrigin::Session(0) => "pushed from an unknown terminal".to_owned(),
        KeyOrigin::Session(sid) => format!("pushed from terminal {sid}"),
        KeyOrigin::File(path) => path.display().to_string(),
        KeyOrigin::Own => "environment".to_owned(),
        KeyOrigin::Parent(pid) => format!("environment of its parent (pid {pid})"),
    }
}

/// Fits after "over", as in "over the environment's".
fn possessive(origin: &KeyOrigin) -> String {
    match origin {
        KeyOrigin::Session(0) => "an unknown terminal's".to_owned(),
        KeyOrigin::Session(sid) => format!("terminal {sid}'s"),
        KeyOrigin::File(path) => format!("that of {}", path.display()),
        KeyOrigin::Own => "the environment's".to_owned(),
        KeyOrigin::Parent(_) => "its parent's".to_owned(),
    }
}
