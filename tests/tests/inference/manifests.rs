//! A user's own manifests: what may be left out, and what is refused when they are read.

use bitrouter_tests::{Provider, World};

#[test]
fn r1_20_a_manifest_of_an_id_and_an_address_serves() {
    let (world, provider) = (World::new(), Provider::start());
    let manifest = format!("id = \"mine\"\nendpoint = \"{}\"\n", provider.base_url());
    world.write("config/bitrouter/registry/mine.toml", manifest);
    let key = world.canary("mine");
    let daemon = world.serve().env("BITROUTER_MINE_API_KEY", &key).start();
    daemon.http().chat("mine/anything", "x").send().ok();
    let request = &provider.exchange(0).request;
    assert_eq!((request.target.as_str(), request.key()), ("/v1/chat/completions", Some(key.as_str())));
    assert_eq!(request.model(), "anything");
}

#[test]
fn r1_16_headers_that_frame_a_message_are_refused_by_name() {
    for name in ["Host", "content-length", "Transfer-Encoding", "connection", "proxy-connection", "TE", "Upgrade"] {
        for line in [format!("header = \"{name}\""), format!("extra_headers = {{ \"{name}\" = \"1\" }}")] {
            let world = World::new();
            let manifest = format!("id = \"mine\"\nendpoint = \"https://mine.example/v1\"\n[auth]\n{line}\n");
            world.write("config/bitrouter/registry/mine.toml", manifest);
            let said = world.serve().refused();
            let wanted = format!("`{}`", name.to_ascii_lowercase());
            assert!(said.contains("mine.toml:4: ") && said.contains(&wanted), "{line}: {said}");
        }
    }
}

#[test]
fn r1_20_an_address_that_is_a_whole_path_is_refused_in_words() {
    let world = World::new();
    world.write(
        "config/bitrouter/registry/mine.toml",
        "id = \"mine\"\nendpoint = \"https://mine.example/v1/chat/completions\"\n",
    );
    let said = world.serve().refused();
    assert!(said.contains("mine.toml:2: `endpoint` must end before `/chat/completions`"), "{said}");
}
