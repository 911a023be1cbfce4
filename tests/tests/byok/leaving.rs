//! A person who goes takes the stored keys along, and that is noted as every other end of one is.

use bitrouter_tests::{sign_in::Owner, wait};
use serde_json::json;

use super::place::Place;

#[test]
fn the_keys_of_a_person_who_goes_are_noted_and_told() {
    let place = Place::new("", None);
    let (eve, ada) = (place.person("eve"), place.person("ada"));
    for session in [&eve, &ada] {
        place.set_as(&session.access_token, "sk-of-somebody-else");
    }
    place.world.cli(["node", "user", "remove", "eve", "--yes"]).expect_code(0);
    let browser = Owner::with_password(&place.daemon, "ada", "correct horse battery");
    let page = browser.get("/console").ok().text();
    let csrf = page.split("name=\"csrf-token\" content=\"").nth(1).and_then(|rest| rest.split('"').next());
    let gone = place.http().request("DELETE", "/v1/account").header("cookie", browser.cookie());
    gone.header("x-csrf-token", csrf.expect("a token")).send().ok();
    let audit = place.world.cli(["node", "byok", "audit", "--json"]).with_code(0).json();
    let rows = audit["data"].as_array().expect("a list");
    let told: Vec<_> = rows.iter().map(|row| (row["action"].clone(), row["person_name"].clone())).collect();
    let (submitted, deleted) = (json!("submitted"), json!("deleted"));
    let all = [(&deleted, "ada"), (&deleted, "eve"), (&submitted, "ada"), (&submitted, "eve")];
    assert_eq!(told, all.map(|(action, name)| (action.clone(), json!(name))), "{audit}");
    let credentials: Vec<_> = rows.iter().filter_map(|row| row["credential"].as_str()).collect();
    assert!(credentials[0].starts_with("usr_") && credentials[1] == "socket", "{credentials:?}");
    let warned = wait::until("the warning", || place.daemon.warning("byok_changed"));
    assert!(warned["message"].as_str().is_some_and(|text| text.contains("deleted")), "{warned}");
    place.daemon.stop();
}
