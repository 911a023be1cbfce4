//! The ids by which a provider stores a response, the items in it and the containers in which its code runs.
//!
//! Source: OpenAI API reference, object "response", `output`.

use crate::protocol::{json_read, routing_fields::string, stored_ids::StoredIds};

/// The id of a response, then those of its output.
pub(super) fn of_response(response: &str) -> Vec<String> {
    let Some([id, output]) = json_read::values(response, ["id", "output"]) else { return Vec::new() };
    let mut ids = StoredIds::default();
    // Without an id of its own it is not stored, and what it holds is known by nothing.
    let Some(id) = id.and_then(string) else { return Vec::new() };
    ids.add(&id);
    for item in output.and_then(json_read::elements_of).unwrap_or_default() {
        add_of_item(item, &mut ids);
    }
    ids.take()
}

/// Adds the id of an item, and that of its container.
pub(super) fn add_of_item(item: &str, ids: &mut StoredIds) {
    let found = json_read::values(item, ["id", "container_id"]);
    found.into_iter().flatten().flatten().filter_map(string).for_each(|id| ids.add(&id));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_responses_own_id_comes_first() {
        let response = r#"{"object":"response","output":[{"id":"rs_1","type":"reasoning","summary":[{"id":"no"}]},
            {"id":"ci_1","type":"code_interpreter_call","container_id":"cntr_1","outputs":[{"container_id":"no"}]},
            {"id":"ci_2","container_id":"cntr_1"},{"id":7}],"id":"resp_1"}"#;
        assert_eq!(of_response(response), ["resp_1", "rs_1", "ci_1", "cntr_1", "ci_2"]);
        for odd in
            ["[]", "{}", r#"{"id":null,"output":{}}"#, r#"{"output":[1]}"#, r#"{"output":[{"id":"rs_1"}],"id":null}"#]
        {
            assert_eq!(of_response(odd), Vec::<String>::new(), "{odd}");
        }
    }
}
