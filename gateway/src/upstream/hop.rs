//! `x-bitrouter-hop`: through which agents a call went, so that one that comes back to where it was is noticed.
//!
//! An agent writes its own id behind those that are there when it calls an address that a user named. A call that brings
//! the id of the agent that reads it, or more ids than any sensible chain has, goes in a circle.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    sync::OnceLock,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header: a list of ids with commas.
pub(crate) static HOP: HeaderName = HeaderName::from_static("x-bitrouter-hop");

/// The most ids that a call may bring.
const MOST_HOPS: usize = 8;

/// The id of one running agent: its node's, or one that it drew at its start where it has no node.
#[derive(Clone, Debug)]
pub(crate) struct HopId {
    drawn: HeaderValue,
    node: OnceLock<HeaderValue>,
}

impl HopId {
    /// An id that no other agent has.
    pub(crate) fn draw() -> Self {
        // The standard library seeds each of these from the system's source of randomness.
        let word = || RandomState::new().build_hasher().finish();
        let id = format!("{:016x}{:016x}", word(), word());
        // Hexadecimal digits are a header value.
        let drawn = HeaderValue::from_maybe_shared(Bytes::from(id));
        Self { drawn: drawn.unwrap_or_else(|_| HeaderValue::from_static("agent")), node: OnceLock::new() }
    }

    /// From now on the agent goes by the id of its node.
    pub(crate) fn set_node(&self, id: &str) {
        if let Ok(id) = HeaderValue::from_str(id) {
            // The first one counts: a node keeps its id.
            let _ = self.node.set(id);
        }
    }

    fn current(&self) -> &HeaderValue {
        self.node.get().unwrap_or(&self.drawn)
    }

    /// True for the id, also for the one that calls went out with before the node was open.
    fn is_ours(&self, hop: &[u8]) -> bool {
        hop.eq_ignore_ascii_case(self.current().as_bytes()) || hop.eq_ignore_ascii_case(self.drawn.as_bytes())
    }

    /// True where a call with these headers has been here before, or has been everywhere.
    pub(crate) fn is_loop(&self, headers: &HeaderMap) -> bool {
        let mut hops = 0;
        headers.get_all(&HOP).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).any(|hop| {
            let hop = hop.trim_ascii();
            hops += usize::from(!hop.is_empty());
            hops > MOST_HOPS || self.is_ours(hop)
        })
    }

    /// Makes the header of a call to a provider: the ids that came with it and ours. A shipped address gets none; but one
    /// on this machine is handed on what came, since another agent may stand there, which knows its own id again.
    pub(crate) fn append(&self, headers: &mut HeaderMap, user_set: bool, on_this_machine: bool) {
        if !user_set {
            if !on_this_machine {
                headers.remove(&HOP);
            }
            return;
        }
        if !headers.contains_key(&HOP) {
            headers.insert(&HOP, self.current().clone());
            return;
        }
        let mut list = Vec::new();
        for value in headers.get_all(&HOP) {
            for hop in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                if !hop.is_empty() {
                    list.extend_from_slice(hop);
                    list.extend_from_slice(b", ");
                }
            }
        }
        list.extend_from_slice(self.current().as_bytes());
        // Pieces of header values make a header value.
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(list)) {
            headers.insert(&HOP, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&HOP, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn our_own_id_or_too_many_are_a_loop() {
        let ours = HopId::draw();
        let id = ours.drawn.to_str().unwrap();
        assert!(id.len() == 32 && id != HopId::draw().drawn && ours.drawn != "agent");
        assert!(!ours.is_loop(&HeaderMap::new()));
        assert!(!ours.is_loop(&map(&["a, b", "c"])));
        assert!(!ours.is_loop(&map(&["1,2,3,4,5,6,7,8", " ,, "])));
        assert!(ours.is_loop(&map(&["1,2,3,4,5,6,7,8", "9"])));
        assert!(ours.is_loop(&map(&[&format!("a,{id} , b")])));
        assert!(ours.is_loop(&map(&["a", id])));
    }

    #[test]
    fn ours_goes_behind_the_others_and_never_to_a_shipped_address() {
        let ours = HopId::draw();
        let mut headers = map(&["a,b", "c,"]);
        ours.append(&mut headers, true, false);
        assert_eq!(headers[&HOP], format!("a, b, c, {}", ours.drawn.to_str().unwrap()).as_str());
        assert_eq!(headers.get_all(&HOP).iter().count(), 1);
        assert!(ours.is_loop(&headers) && !HopId::draw().is_loop(&headers));
        let mut alone = HeaderMap::new();
        ours.append(&mut alone, true, false);
        assert_eq!(alone[&HOP], ours.drawn);
        ours.append(&mut headers, false, false);
        assert!(headers.get(&HOP).is_none());
    }

    #[test]
    fn a_node_lends_its_id_and_the_one_before_is_still_known() {
        let hop = HopId::draw();
        let mut before = map(&["a"]);
        hop.append(&mut before, true, false);
        hop.set_node("node_1");
        hop.set_node("node_2");
        let mut headers = map(&["a"]);
        hop.append(&mut headers, true, false);
        assert_eq!(headers[&HOP], "a, node_1");
        assert!(hop.is_loop(&headers) && hop.is_loop(&before) && !HopId::draw().is_loop(&headers));
    }

    #[test]
    fn r1_02_what_came_is_handed_on_to_this_machine_without_ours() {
        let hop = HopId::draw();
        let mut headers = map(&["a, b"]);
        hop.append(&mut headers, false, true);
        assert_eq!(headers.get(&HOP).map(HeaderValue::as_bytes), Some(&b"a, b"[..]));
        hop.append(&mut headers, false, false);
        assert!(!headers.contains_key(&HOP));
    }
}
