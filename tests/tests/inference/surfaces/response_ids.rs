//! The id of a stored response in a path: what is none reaches nobody.

use bitrouter_tests::dialects::Vendor;

use super::{cast::Cast, voice::Voice};

/// Every method and place of an id.
const PLACES: [(&str, &str); 4] = [("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")];

#[test]
fn p13_what_is_no_id_is_404() {
    let cast = Cast::new();
    let long = "a".repeat(129);
    let ids = [
        "..",
        ".",
        "resp.1",
        "resp%2E1",
        "%2E%2E",
        "resp_1%2F..%2F..%2Fmodels",
        "..%2Fmodels",
        "resp_1%00",
        "resp_1%0A",
        "resp%20_1",
        "resp_1%3Fx",
        "resp_1%23",
        "resp_1%25",
        "%72esp_1",
        "resp_1;x",
        "resp_1:x",
        "resp_1@x",
        "resp~1",
        "resp+1",
        "r%C3%A9sp",
        "*",
        long.as_str(),
    ];
    for id in ids {
        for (method, behind) in PLACES {
            let path = format!("/v1/responses/{id}{behind}");
            let answer = cast.http().request(method, &path).send();
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
            Voice::OpenAi.refused(&answer, 404, "not_found");
        }
    }
    assert_eq!(cast.arrivals(), 0);
}

#[test]
fn the_longest_and_the_shortest_id_arrive() {
    let cast = Cast::new();
    let longest = format!("{}-_Z9", "a".repeat(124));
    for id in ["a", "_", "-", "input_tokensx", longest.as_str()] {
        for (method, behind) in PLACES {
            let path = format!("/v1/responses/{id}{behind}");
            cast.http().request(method, &path).send().ok();
            let exchange = cast.provider(Vendor::OpenAi).last();
            assert_eq!((exchange.request.method.as_str(), exchange.request.target.as_str()), (method, path.as_str()));
        }
    }
}
