//! A provider that repeats the stored key within a reply whose status says that all is well.

use bitrouter_tests::{Reply, canary};

use super::place::Place;

#[test]
fn p03_a_stored_key_that_is_quoted_in_a_good_reply_does_not_reach_the_caller() {
    let place = Place::new("", None);
    let (owner, key) = (place.owner.access_token.clone(), place.world.canary("quoted"));
    place.set(&key, &[]);
    let error = format!(r#"{{"error":{{"message":"bad key {key}","code":"invalid"}}}}"#);
    let json = ("content-type", "application/json");
    for (reply, streamed) in [
        (Reply::json(200, error.clone()), false),
        (Reply::with(200, &[json, ("x-echo", &key)], r#"{"id":"c","object":"chat.completion","choices":[]}"#), false),
        (Reply::stream().token("one ").piece(format!("data: {error}\n\n")).end(), true),
        (Reply::stream().piece(format!("data: {error}\n\n")).end(), true),
    ] {
        place.provider.next(reply);
        let call =
            if streamed { place.http().chat_stream("acme:m", "hello").bearer(&owner) } else { place.chat(&owner) };
        let answer = call.send();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let all = format!("{:?}{}", answer.headers, answer.text());
        assert_eq!(canary::find(std::slice::from_ref(&key), "a reply", all.as_bytes()), Vec::<String>::new());
        if answer.text().contains("error") {
            assert!(answer.text().contains(&"*".repeat(key.len())), "{}", answer.text());
        }
    }
    // What is no error is the caller's, whatever stands in it.
    let said = "a reply of no error";
    place
        .provider
        .next(Reply::json(200, format!(r#"{{"id":"c","object":"chat.completion","choices":[],"x":"{said}"}}"#)));
    assert!(place.chat(&owner).send().ok().text().contains(said));
    place.daemon.stop();
}
