//! What a provider answers comes back byte for byte, whole and streamed, in every dialect, wherever it is cut.

use bitrouter_tests::{
    Answer, Reply,
    dialects::{Event, Newline, Turn, chat, google, messages, responses},
};

use super::{
    cast::Cast,
    listed::{LIST, Line},
};

/// How a stream is written.
#[derive(Clone, Copy)]
enum Form {
    Events(Newline),
    /// The same, with comments, empty lines and fields that nobody knows between them.
    Garnished(Newline),
}

fn written(events: &[Event], form: Form) -> String {
    match form {
        Form::Events(newline) => events.iter().map(|event| event.frame(newline)).collect(),
        Form::Garnished(newline) => {
            let end = if matches!(newline, Newline::CrLf) { "\r\n" } else { "\n" };
            let garnish = |number: usize| match number % 4 {
                0 => format!(": keep-alive{end}{end}"),
                1 => format!("retry: 300{end}{end}"),
                2 => format!(":{end}id: {number}{end}"),
                _ => end.to_owned(),
            };
            let framed = |(number, event): (usize, &Event)| garnish(number) + &event.frame(newline);
            events.iter().enumerate().map(framed).collect()
        }
    }
}

fn line(path: &str) -> &'static Line {
    LIST.iter().find(|line| line.path == path).expect("a line")
}

struct Streamed {
    line: &'static Line,
    query: &'static str,
    body: &'static str,
    events: Vec<Event>,
}

/// A stream of each dialect, in which nothing is withheld.
fn streams(turn: &Turn) -> Vec<Streamed> {
    let streamed = |path, query, body, events| Streamed { line: line(path), query, body, events };
    vec![
        streamed(
            "/v1/chat/completions",
            "",
            r#"{"model":"openai:m","stream":true,"stream_options":{"include_usage":true}}"#,
            chat::events(turn, "m", true),
        ),
        streamed("/v1/responses", "", r#"{"model":"openai:m","stream":true}"#, responses::events(turn, "m", "resp_s")),
        streamed("/v1/messages", "?beta=true", r#"{"model":"anthropic:m","stream":true}"#, messages::events(turn, "m")),
        streamed("/v1beta/models/google:m:streamGenerateContent", "?alt=sse", "{}", google::events(turn, "m")),
    ]
}

#[track_caller]
fn answered(cast: &Cast, streamed: &Streamed, reply: Reply) -> Answer {
    cast.provider(streamed.line.vendor).next(reply);
    let path = format!("{}{}", streamed.line.path, streamed.query);
    cast.http().post(&path).json(streamed.body).send().ok()
}

#[test]
fn streams_come_back_byte_for_byte_wherever_they_are_cut() {
    let cast = Cast::new();
    for streamed in streams(&Turn::sample()) {
        for newline in [Newline::Lf, Newline::CrLf] {
            for form in [Form::Events(newline), Form::Garnished(newline)] {
                let text = written(&streamed.events, form);
                for cut in [usize::MAX, 97] {
                    let reply = Reply::stream().piece(&text).end().cut_every(cut);
                    let answer = answered(&cast, &streamed, reply);
                    assert_eq!(answer.text(), text, "{} cut every {cut}", streamed.line.path);
                    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
                }
            }
        }
    }
}

#[test]
fn streams_in_small_pieces_come_back_byte_for_byte() {
    let cast = Cast::new();
    for streamed in streams(&Turn::saying("«é»🧠")) {
        let text = written(&streamed.events, Form::Garnished(Newline::CrLf));
        let answer = answered(&cast, &streamed, Reply::stream().piece(&text).end().cut_every(5));
        assert_eq!(answer.text(), text, "{}", streamed.line.path);
    }
}

#[test]
fn a_stream_that_is_not_called_one_comes_back_byte_for_byte() {
    let cast = Cast::new();
    for streamed in streams(&Turn::saying("one two")) {
        let text = written(&streamed.events, Form::Events(Newline::Lf));
        for head in
            [&[][..], &[("content-type", "text/plain")], &[("content-type", "text/event-stream; charset=utf-8")]]
        {
            let reply = Reply::stream_with(200, head).piece(&text).end().cut_every(50);
            assert_eq!(answered(&cast, &streamed, reply).text(), text, "{} {head:?}", streamed.line.path);
        }
    }
}

#[test]
fn an_array_comes_back_byte_for_byte_wherever_it_is_cut() {
    let cast = Cast::new();
    let line = line("/v1beta/models/google:m:streamGenerateContent");
    let answers = google::answers(&Turn::saying("«é»🧠 two"), "m");
    let plain = google::array(&answers).concat();
    let pretty = format!("{}\n", serde_json::to_string_pretty(&answers).expect("JSON"));
    let odd = plain.replacen("\"usageMetadata\"", "\"x\" : 1e5 , \"usageMetadata\"", 1);
    for text in [plain, pretty, odd] {
        for query in ["", "?alt=json"] {
            for cut in [usize::MAX, 3, 100] {
                let head = [("content-type", "application/json; charset=UTF-8")];
                let reply = Reply::stream_with(200, &head).piece(&text).end().cut_every(cut);
                cast.provider(line.vendor).next(reply);
                let answer = cast.http().post(&format!("{}{query}", line.path)).json("{}").send().ok();
                assert_eq!(answer.text(), text, "cut every {cut}");
            }
        }
    }
}

#[test]
fn whole_replies_come_back_byte_for_byte_in_every_line() {
    let cast = Cast::new();
    let odd = "{ \"odd\" : 1e5 ,\"id\":\"resp_odd\",\r\n\t\"usage\":{\"input_tokens\":1.0,\"x\":[{}]},\"dup\":1,\"dup\":2,\
               \"text\":\"ä😀 \\ud83d\\ude00 \\/ \\u00e9 \\\"usage\\\":{}\" , \"usageMetadata\" : null }\n";
    for line in &LIST {
        for body in [odd, "[]", "\"text\"", "{}", "null", " 5 "] {
            for (cut, chunked) in [(usize::MAX, false), (40, false), (usize::MAX, true), (33, true)] {
                let head = [("content-type", "application/json")];
                let reply = if chunked {
                    Reply::stream_with(200, &head).piece(body).end()
                } else {
                    Reply::with(200, &head, body)
                };
                // An array is what a stream of Google's is: an empty one has no end.
                if line.path.contains("stream") && body == "[]" {
                    continue;
                }
                cast.provider(line.vendor).next(reply.cut_every(cut));
                let answer = cast.call(line).send().ok();
                assert_eq!(answer.text(), body, "{} {}", line.method, line.path);
            }
        }
    }
}

#[test]
fn statuses_of_success_come_back_with_their_bodies() {
    // Where nothing is metered: what is empty tells nobody what it used.
    let cast = Cast::with("[node]\nenabled = false\n");
    for line in &LIST {
        for (status, body) in [(201, "{}"), (202, "{\"a\":1e5}"), (200, ""), (204, "")] {
            let reply = if status == 204 {
                Reply::raw("HTTP/1.1 204 No Content\r\n\r\n")
            } else {
                Reply::with(status, &[("content-type", "application/json")], body)
            };
            cast.provider(line.vendor).next(reply);
            let answer = cast.call(line).send();
            assert_eq!((answer.status, answer.text().as_str()), (status, body), "{} {}", line.method, line.path);
        }
    }
}
