//! The harness itself: what it plays and what it notices is true before a product is judged by it.

mod dialects;

use std::{net::TcpStream, time::Duration};

use bitrouter_tests::{Client, End, Gate, Provider, Reply, World, http::Opened, provider::Exchange, sdk, wait};

fn client(provider: &Provider, world: &World) -> Client {
    Client::new(provider.addr(), world.user()).within(Duration::from_millis(500))
}

#[test]
fn a_scripted_answer_ends_as_the_script_says() {
    let world = World::new();
    let table: [(&str, Reply, u16, End); 11] = [
        ("whole", Reply::json(200, "{}"), 200, End::Complete),
        ("whole stream", Reply::stream().token("a").done().cut_every(1), 200, End::Complete),
        ("close-delimited", Reply::until_close(200, &[]).piece("x").close(), 200, End::Complete),
        ("reset in the body", Reply::stream().token("a").reset(), 200, End::Reset),
        ("closed in the body", Reply::stream().token("a").close(), 200, End::Truncated),
        ("half a chunk", Reply::stream().half_chunk("abcdef").close(), 200, End::Truncated),
        ("stall", Reply::stream().token("a").stall(), 200, End::Stalled),
        ("nothing", Reply::nothing().close(), 0, End::Nothing),
        ("reset at once", Reply::nothing().reset(), 0, End::Nothing),
        ("half a head", Reply::raw("HTTP/1.1 200 O").close(), 0, End::Truncated),
        ("silence", Reply::nothing().stall(), 0, End::Stalled),
    ];
    for (name, reply, status, end) in table {
        let provider = Provider::start();
        provider.next(reply);
        let answer = client(&provider, &world).chat("m", "x").send();
        assert_eq!((answer.status, answer.end), (status, end), "{name}");
    }
}

#[test]
fn requests_are_recorded_byte_for_byte_in_both_framings_and_connections_are_kept() {
    let world = World::new();
    let provider = Provider::start();
    let call = client(&provider, &world).post("/v1/x?q=1").header("X-Odd", "a  b").body("{ \"k\" : 1e5 }");
    let (_, stream) = call.clone().open().finish_keeping();
    call.chunked(3).on(stream).finish();
    let (one, two): (std::sync::Arc<Exchange>, _) = (provider.exchange(0), provider.exchange(1));
    assert_eq!(
        (one.request.body.as_slice(), two.request.body.as_slice()),
        (&b"{ \"k\" : 1e5 }"[..], &b"{ \"k\" : 1e5 }"[..])
    );
    assert_eq!((one.request.target.as_str(), one.request.header("x-odd")), ("/v1/x?q=1", Some("a  b")));
    assert_eq!((one.request.connection, two.request.connection, provider.connections()), (0, 0, 1));
}

#[test]
fn a_caller_that_leaves_is_noticed_and_a_gate_holds_the_script() {
    let world = World::new();
    let provider = Provider::start();
    let gate = Gate::new();
    provider.next(Reply::stream().token("a").gate(&gate).done());
    provider.next(Reply::stream().token("a").gate(&gate).done());
    let mut kept: Opened = client(&provider, &world).within(wait::PATIENCE).chat("m", "x").open();
    kept.until_contains("\"a\"");
    let left: TcpStream = client(&provider, &world).chat("m", "x").fire();
    let exchange = provider.exchange(1);
    drop(left);
    exchange.wait_left();
    assert!(provider.exchange(0).left_at().is_none());
    gate.open();
    assert_eq!(kept.finish().end, End::Complete);
    provider.exchange(0).wait_finished();
}

#[test]
fn a_world_that_leaks_or_calls_out_fails() {
    let leak = std::panic::catch_unwind(|| {
        let world = World::new();
        let secret = world.canary("x");
        world.program("/bin/sh".as_ref(), ["-c", "echo $S > leaked"]).env("S", secret).run().expect_code(0);
    });
    let message = leak.expect_err("the leak was not noticed");
    assert!(message.downcast_ref::<String>().is_some_and(|text| text.contains("`x`")));

    let call = std::panic::catch_unwind(|| {
        let world = World::new();
        let (_, addr) =
            world.network_trap().url().split_once("//").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a url");
        let client = Client::new(addr.parse().expect("an address"), world.user());
        client.raw("CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n");
        wait::holds("the hit", || world.network_trap().is_sprung());
        // What a test took note of is no failure; what comes after it is.
        world.network_trap().take();
        client.raw("CONNECT again.example:443 HTTP/1.1\r\n\r\n");
        wait::holds("the second hit", || world.network_trap().is_sprung());
    });
    let message = call.expect_err("the call was not noticed");
    assert!(message.downcast_ref::<String>().is_some_and(|text| text.contains("again.example")));
}

#[test]
fn a_world_is_private_and_its_processes_are_ordinary() {
    let world = World::new();
    let shown = world.program("/bin/sh".as_ref(), ["-c", "id -u; stat -c '%a %u' . $XDG_RUNTIME_DIR; id -G"]).run();
    let uid = world.user().uid();
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert_eq!(lines[..3], [uid.to_string(), format!("700 {uid}"), format!("700 {uid}")]);
    assert!(uid != 0 && uid != 65_534, "{uid}");
    assert!(world.socket().as_os_str().len() < 100);
}

#[test]
fn python_finds_its_packages() {
    let world = World::new();
    sdk::run(&world, "packages.py", &[]);
}
