//! P6: an address that other machines reach is served: whoever comes over it needs a credential, and what would cross the network
//! in clear is told.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use bitrouter_tests::{
    Client, Daemon, MODEL, Provider, World, shared_files,
    sign_in::{Session, flat_error, sign_in},
    wait,
};

/// The address at which other machines would reach this one; `None` on a machine without a network. Nothing is sent.
fn network_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.88.99.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

fn listening_at(world: &World, listen: &str) -> Daemon {
    world.serve().listen_as_configured().args(["--demo", "--listen", listen]).start()
}

/// A caller over the network: of the daemon's own user, for what it is worth there.
fn over_the_network(daemon: &Daemon) -> Option<Client> {
    let address = network_address()?;
    Some(daemon.http().at(SocketAddr::new(address, daemon.port())))
}

#[test]
fn p06_all_addresses_are_served_and_this_machine_goes_on_without_a_key() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let world = World::new();
        if listen.starts_with('[') && std::net::TcpListener::bind("[::1]:0").is_err() {
            return shared_files::lacks("IPv6");
        }
        let daemon = listening_at(&world, listen);
        let port = daemon.port();
        let status = daemon.status();
        let (all, _) = listen.rsplit_once(':').expect("a port");
        assert_eq!(status["listen"][0], format!("{all}:{port}"), "{status:#}");
        let http = world.daemon_file().expect("daemon.json")["http"].clone();
        assert_eq!(http, format!("http://127.0.0.1:{port}"));
        let text = world.cli(["status"]).with_code(0).stdout;
        assert!(text.contains(&format!("http://127.0.0.1:{port}/v1")), "{text}");
        assert_eq!(daemon.http().chat("demo/echo", "hi").send().ok().content(), "hi");
        let localhost = format!("localhost:{port}");
        let elsewhere_on_loopback = daemon.http().at(format!("127.3.2.1:{port}").parse().expect("an address"));
        elsewhere_on_loopback.chat("demo/echo", "hi").host(&localhost).send().ok();
        if listen.starts_with('[') {
            daemon.http().at(format!("[::1]:{port}").parse().expect("an address")).get("/v1/models").send().ok();
        }
        if let Some(foreign) = world.user().foreign() {
            daemon.http().as_user(foreign).get("/v1/models").send().refused(401, "api_key_required");
        }
        let issuer = daemon.http().get("/.well-known/oauth-authorization-server").send().ok().json();
        assert_eq!(issuer["issuer"], format!("http://127.0.0.1:{port}"));
        let link = world.cli(["console", "--no-open", "--json"]).with_code(0).json();
        assert!(
            link["url"].as_str().is_some_and(|url| url.starts_with(&format!("http://127.0.0.1:{port}/"))),
            "{link}"
        );
        world.cli(["auth", "login", "--local"]).expect_code(0);
        daemon.stop();
    }
}

#[test]
fn p06_what_comes_over_a_network_needs_a_credential_whoever_sends_it() {
    let Some(address) = network_address() else { return shared_files::lacks("a network") };
    let world = World::new();
    world.config(&format!("[server]\nallow_hosts = [\"{address}\", \"box.lan\"]\n"));
    let daemon = listening_at(&world, "0.0.0.0:0");
    let Session { access_token, .. } = sign_in(&world, &daemon, &["inference:invoke"]);
    let far = over_the_network(&daemon).expect("a network");
    let port = daemon.port();
    for host in [format!("{address}:{port}"), "box.lan".to_owned(), format!("localhost:{port}")] {
        let chat = || far.chat("demo/echo", "hi").host(&host);
        for call in [chat(), chat().bearer("sk-any"), far.get("/v1/models").host(&host).header("x-api-key", "dummy")] {
            let error = call.send().refused(401, "api_key_required");
            let message = error["message"].as_str().unwrap_or_default();
            assert!(message.contains("over a network") && message.contains("`bitrouter cloud keys mint "), "{message}");
        }
        far.get("/metrics").host(&host).send().refused(401, "api_key_required");
        far.get("/metrics").host(&host).bearer(&access_token).send().refused(403, "peer_not_allowed");
        chat().bearer("brk_0123").send().refused(401, "invalid_api_key");
        for call in [chat().bearer(&access_token), chat().header("x-api-key", &access_token)] {
            assert_eq!(call.send().ok().content(), "hi");
        }
        assert_eq!(flat_error(&far.get("/v1/namespaces").host(&host).send(), 401), "unauthorized");
        far.get("/health").host(&host).send().ok();
    }
    // Nobody passed these on.
    assert_eq!(daemon.warning("untrusted_proxy"), None);
    far.chat("demo/echo", "x").header("x-forwarded-for", "127.0.0.1").send().refused(401, "api_key_required");
}

#[test]
fn p06_an_address_is_a_host_only_where_the_settings_name_it() {
    let Some(address) = network_address() else { return shared_files::lacks("a network") };
    let world = World::new();
    // Programs of this machine find the local endpoint where it always is.
    let daemon = listening_at(&world, &format!("{address}:0"));
    let port = daemon.port();
    let listen = daemon.status()["listen"].clone();
    let listen: Vec<_> = listen.as_array().expect("addresses").iter().filter_map(|at| at.as_str()).collect();
    assert_eq!(listen.first(), Some(&format!("127.0.0.1:{port}").as_str()), "{listen:?}");
    assert_eq!(listen.last(), Some(&format!("{address}:{port}").as_str()), "{listen:?}");
    daemon.http().chat("demo/echo", "x").send().ok();
    let far = over_the_network(&daemon).expect("a network");
    let error = far.get("/health").send().refused(403, "host_not_allowed");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("`[server] allow_hosts`")), "{error}");
    far.get("/health").host(&format!("localhost:{port}")).send().ok();
}

#[test]
fn keys_that_would_cross_a_network_in_clear_are_told() {
    let world = World::new();
    assert_eq!(world.demo().warning("keys_in_clear"), None, "loopback is no network");
    let world = World::new();
    world.config("[node]\npublic_url = \"https://node.example\"\n");
    let daemon = listening_at(&world, "0.0.0.0:0");
    let told = daemon.warned("keys_in_clear");
    let message = told["message"].as_str().unwrap_or_default();
    assert_eq!(told["severity"], "warning");
    assert!(message.contains(&format!("`[server] listen` (0.0.0.0:{})", daemon.port())), "{message}");
    assert!(message.contains("in clear") && message.contains("trusted_proxies"), "{message}");
    // A proxy that speaks https in front is what is meant.
    world.config("[node]\npublic_url = \"https://node.example\"\ntrusted_proxies = [\"127.0.0.1\"]\n");
    world.cli(["reload"]).expect_code(0);
    wait::holds("the warning to go", || daemon.warning("keys_in_clear").is_none());
}

#[test]
fn what_cannot_be_listened_at_is_named() {
    let world = World::new();
    let refused = |listen: &str| world.serve().listen_as_configured().args(["--demo", "--listen", listen]).refused();
    let text = refused("203.0.113.9:0");
    assert!(text.contains("203.0.113.9 is no address of this machine"), "{text}");
    for name in ["box.lan:0", "example.com:80"] {
        assert!(refused(name).contains("IP address"), "{name}");
    }
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = holder.local_addr().expect("an address").port();
    for listen in [format!("0.0.0.0:{port}"), format!("127.0.0.1:{port}")] {
        let text = refused(&listen);
        assert!(text.contains(&format!("port {port} is held by ")), "{text}");
    }
}

#[test]
fn p06_a_listener_on_every_address_is_no_provider() {
    let world = World::new();
    let provider = Provider::start();
    let key = world.canary("openai");
    world.config(&provider.as_openai());
    let serve = world.serve().env("OPENAI_API_KEY", &key).listen_as_configured();
    let daemon = serve.args(["--listen", "0.0.0.0:0"]).start();
    daemon.http().chat(MODEL, "x").send().ok();
    let own = format!("http://127.0.0.1:{}/v1", daemon.port());
    world.config(&format!("[providers.openai]\nbase_url = \"{own}\"\n"));
    let text = world.cli(["reload"]).with_code(1).text();
    assert!(text.contains("leads back to bitrouter itself"), "{text}");
}
