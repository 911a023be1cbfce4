//! A loopback issuer is spoken to only while its listener belongs to the uid that was seen at sign-in.

use std::time::Duration;

use bitrouter_tests::{User, issuer::Issuer, wait};
use serde_json::json;

use crate::far::{FILE, Far, call, session};

#[test]
fn a_port_that_somebody_else_took_gets_no_token() {
    let far = Far::stored(3_600, 15);
    let Some(foreign) = far.world.user().foreign() else { return };
    let (world, port, content) = (far.world.clone(), far.issuer.port(), far.file());
    drop(far);
    let thief = Issuer::start_at(foreign, port, 3_600);
    world.config("[node]\nenabled = false\n");
    let daemon = world.demo();
    let answer = call(&daemon).send();
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(answer.text().contains(&format!("uid {}", foreign.uid())), "{}", answer.text());
    let got_a_token = |thief: &Issuer| {
        thief.provider().count() > 0
            && (0..thief.provider().count()).any(|number| {
                let request = &thief.provider().exchange(number).request;
                let body = String::from_utf8_lossy(&request.body).into_owned();
                request.key().is_some() || body.contains("brr_") || body.contains("bra_")
            })
    };
    wait::stays("no token leaves", Duration::from_secs(3), || !got_a_token(&thief));
    assert_eq!(session(&daemon)["state"], "active");
    // The uid that was seen at sign-in may be another one than ours.
    let mut other = content;
    other["issuer_uid"] = json!(foreign.uid());
    let pair = thief.session();
    other["access_token"] = json!(pair.access);
    other["refresh_token"] = json!(pair.refresh);
    world.write(FILE, other.to_string());
    wait::until("the call to be served", || (call(&daemon).send().status == 200).then_some(()));
    daemon.stop();
}

#[test]
fn a_sign_in_remembers_whose_listener_it_was() {
    let world = bitrouter_tests::World::new();
    world.config("[node]\nenabled = false\n");
    let foreign = world.user().foreign().unwrap_or(world.user());
    let issuer = Issuer::start(foreign, 3_600);
    issuer.approve();
    let daemon = world.demo();
    world.cli(["auth", "login", "--oauth-as", &issuer.url()]).expect_code(0);
    assert_eq!(crate::far::file(&world)["issuer_uid"], foreign.uid());
    call(&daemon).send().ok();
    let _: User = foreign;
    daemon.stop();
}
