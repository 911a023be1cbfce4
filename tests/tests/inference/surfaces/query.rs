//! What of a caller's query goes to the provider: all but credentials, of Google's paths only `alt`.

use super::{cast::Cast, listed::LIST, voice::Voice};

#[test]
fn a_query_goes_along_as_it_is_written() {
    let cast = Cast::new();
    let queries = [
        "?beta=true",
        "?include[]=reasoning.encrypted_content&include[]=x&stream=true&starting_after=5",
        "?include%5B%5D=a%20b&limit=20&order=desc&after=msg_1",
        "?a=1&a=2&b&c=&=d&%zz",
        "?x=/../y&z=?&keys=2&monkey=3&key2=4&fields=x&alt=proto&callback=f",
    ];
    for line in LIST.iter().filter(|line| line.voice != Voice::Google) {
        for query in queries {
            let (exchange, _) = cast.arrives(line, cast.call_at(line, query));
            assert_eq!(exchange.request.target, format!("{}{query}", line.target), "{}", line.method);
        }
        let (exchange, _) = cast.arrives(line, cast.call_at(line, "?"));
        assert_eq!(exchange.request.target.trim_end_matches('?'), line.target);
    }
}

#[test]
fn p03_credentials_leave_a_query_and_the_rest_stays_in_its_order() {
    let cast = Cast::new();
    for line in LIST.iter().filter(|line| line.voice != Voice::Google) {
        for (query, left) in [
            ("?key=drop-me", ""),
            ("?beta=true&key=drop-me&x=%2F", "?beta=true&x=%2F"),
            ("?key=drop-me&key=drop-me&a=1", "?a=1"),
            ("?KEY=drop-me&k%65y=drop-me&%4B%45%59=drop-me&b=2", "?b=2"),
            ("?api_key=drop-me&access_token=drop-me&c=3", "?c=3"),
        ] {
            let (exchange, _) = cast.arrives(line, cast.call_at(line, query));
            assert_eq!(exchange.request.target, format!("{}{left}", line.target), "{query}");
        }
    }
}

#[test]
fn to_google_goes_nothing_but_alt() {
    let cast = Cast::new();
    for line in LIST.iter().filter(|line| line.voice == Voice::Google) {
        for (query, left) in [
            ("?alt=sse", "?alt=sse"),
            ("?alt=json", "?alt=json"),
            ("?%61lt=%73se", "?alt=sse"),
            ("?key=drop-me&alt=sse", "?alt=sse"),
            ("?alt=sse&alt=sse", "?alt=sse"),
            ("?$alt=proto&alt=sse", "?alt=sse"),
            ("?fields=candidates&callback=x&prettyPrint=false&quotaUser=y&uploadType=z&upload_protocol=w", ""),
            ("?$fields=candidates&access_token=x&oauth_token=y&%24.xgafv=1&beta=true", ""),
            ("?ALT=proto", ""),
            ("?", ""),
        ] {
            let (exchange, _) = cast.arrives(line, cast.call_at(line, query));
            assert_eq!(exchange.request.target, format!("{}{left}", line.target), "{query}");
        }
        let before = cast.arrivals();
        for query in [
            "?alt=proto",
            "?alt=media",
            "?alt=",
            "?alt",
            "?alt=sse&alt=json",
            "?alt=SSE",
            "?alt=sse%26key%3Dx",
            "?%61lt=x",
        ] {
            let answer = cast.call_at(line, query).send();
            assert_eq!(answer.status, 400, "{query}: {}", answer.text());
            line.voice.refused(&answer, 400, "invalid_request");
        }
        assert_eq!(cast.arrivals(), before);
    }
}
