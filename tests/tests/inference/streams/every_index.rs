//! Failure, stall, half an event and orderly close behind every event of a stream, in each dialect.

use std::thread;

use super::{
    counted::counted,
    endings::{exactly, failed, refused},
    surface::{Scene, Surface, until_length},
};
use bitrouter_tests::{
    Answer, Gate, Reply,
    dialects::{Newline, Turn},
    provider::Step,
    wait,
};
use serde_json::Value;

/// How a provider's stream ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    /// Its connection is reset.
    Reset,
    /// Its connection is closed before the framing has ended.
    Close,
    /// Its framing ends, as if it were whole.
    End,
    /// It says nothing more.
    Stall,
}

/// One stream that is cut: behind so many frames, perhaps with a piece of the next one.
#[derive(Clone, Copy, Debug)]
struct Cut<'a> {
    surface: Surface,
    frames: &'a [String],
    after: usize,
    half: bool,
    how: Break,
}

impl Cut<'_> {
    /// The whole frames that come.
    fn before(&self) -> String {
        self.frames[..self.after].concat()
    }

    /// The beginning of one that does not.
    fn half(&self) -> Option<&str> {
        let next = self.frames.get(self.after).map_or("data: {\"more\": 1", String::as_str);
        let mut middle = next.len() / 2;
        while !next.is_char_boundary(middle) {
            middle += 1;
        }
        self.half.then_some(&next[..middle])
    }

    fn reply(&self, gate: &Gate) -> Reply {
        let frames = self.before();
        let mut reply = self.surface.head();
        if !frames.is_empty() {
            reply = reply.piece(frames);
        }
        if let Some(half) = self.half() {
            reply = reply.piece(half);
        }
        match self.how {
            Break::Reset => reply.gate(gate).reset(),
            Break::Close => reply.close(),
            Break::End => reply.end(),
            Break::Stall => reply.stall(),
        }
    }

    fn is_complete(&self) -> bool {
        self.after >= self.surface.complete_after(self.frames.len())
    }

    #[track_caller]
    fn run(&self, scene: &Scene) {
        let gate = Gate::new();
        if self.after == 0 && !self.half {
            // Nothing reaches the caller before the first byte, so nothing can be waited for.
            gate.open();
        }
        let answer = scene.gated(self.surface, self.reply(&gate), &gate, &self.passed());
        self.check(scene, &answer);
    }

    /// What the caller has before the end. The bracket of an array is held until then.
    fn passed(&self) -> String {
        match self.surface {
            Surface::GoogleArray => self.frames[..self.after.min(self.frames.len() - 1)].concat(),
            _ => self.before(),
        }
    }

    #[track_caller]
    fn check(&self, scene: &Scene, answer: &Answer) {
        let code = if self.how == Break::Stall { "upstream_timeout" } else { "upstream_interrupted" };
        let code = self.check_body(answer, code);
        let line = scene.line(answer);
        line.says(answer.status, code, false);
        assert_eq!(line.tokens(), counted(self.surface, &self.frames[..self.after]), "{}", self.name());
    }

    /// Checks what the caller got; the code that was due.
    #[track_caller]
    fn check_body<'c>(&self, answer: &Answer, code: &'c str) -> Option<&'c str> {
        let surface = self.surface;
        if self.after == 0 && !self.half {
            refused(surface, answer, if self.how == Break::Stall { 504 } else { 502 }, code);
            return Some(code);
        }
        // Chat may end behind its reasons to end: many of its providers send no last event.
        let is_chat = matches!(surface, Surface::Chat | Surface::Completions);
        let may_end = is_chat && self.how == Break::End && !self.half && !self.goes_on();
        if !self.is_complete() && !may_end {
            failed(surface, answer, &self.passed(), self.after, code);
            return Some(code);
        }
        let bracket = if surface == Surface::GoogleArray && self.after < self.frames.len() { "]" } else { "" };
        exactly(surface, answer, &(self.before() + bracket));
        None
    }

    /// All replies go on behind the last event that came.
    fn goes_on(&self) -> bool {
        let data = self.frames[..self.after].last().and_then(|frame| frame.trim().strip_prefix("data: "));
        let chunk = data.and_then(|data| serde_json::from_str::<Value>(data).ok()).unwrap_or_default();
        let choices = chunk["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
        !choices.is_empty() && choices.iter().all(|choice| choice["finish_reason"].is_null())
    }

    fn name(&self) -> String {
        format!("{:?} after {} of {}, half: {}, {:?}", self.surface, self.after, self.frames.len(), self.half, self.how)
    }
}

fn cuts(surface: Surface, frames: &[String], half: bool, how: Break) -> impl Iterator<Item = Cut<'_>> {
    // Half of the bracket that ends an array is none, and behind it nothing can come.
    let last = if half && surface == Surface::GoogleArray { frames.len() - 2 } else { frames.len() };
    (0..=last).map(move |after| Cut { surface, frames, after, half, how })
}

/// Each way to break off that needs no waiting, behind each event, in both line ends.
#[track_caller]
fn breaks_off(surface: Surface) {
    let scene = Scene::new("");
    for newline in [Newline::Lf, Newline::CrLf] {
        let frames = surface.frames(&Turn::sample(), newline);
        assert!(frames.len() > 8, "{frames:?}");
        for half in [false, true] {
            for how in [Break::Reset, Break::Close, Break::End] {
                cuts(surface, &frames, half, how).for_each(|cut| cut.run(&scene));
            }
        }
    }
}

#[test]
fn p13_a_chat_that_breaks_off_anywhere() {
    breaks_off(Surface::Chat);
}

#[test]
fn p13_a_completion_that_breaks_off_anywhere() {
    breaks_off(Surface::Completions);
}

#[test]
fn p13_a_message_that_breaks_off_anywhere() {
    breaks_off(Surface::Messages);
}

#[test]
fn p13_a_response_that_breaks_off_anywhere() {
    breaks_off(Surface::Responses);
}

#[test]
fn p13_google_events_that_break_off_anywhere() {
    breaks_off(Surface::GoogleEvents);
}

#[test]
fn p13_a_google_array_that_breaks_off_anywhere() {
    breaks_off(Surface::GoogleArray);
}

/// Every index at once: each waits for the same second.
#[test]
fn p13_a_stall_anywhere() {
    let scene = Scene::new("[timeouts]\nfirst_byte = \"2s\"\nbetween_chunks = \"2s\"\n");
    for half in [false, true] {
        let streams = Surface::ALL.map(|surface| (surface, surface.frames(&Turn::sample(), Newline::Lf)));
        thread::scope(|scope| {
            for (surface, frames) in &streams {
                for cut in cuts(*surface, frames, half, Break::Stall) {
                    let scene = &scene;
                    scope.spawn(move || cut.run(scene));
                }
            }
        });
    }
}

#[test]
fn p15_a_forced_stop_anywhere() {
    let mut scene = Scene::new("");
    let streams = Surface::ALL.map(|surface| (surface, surface.frames(&Turn::sample(), Newline::Lf)));
    let cuts = || {
        let all = streams.iter().flat_map(|(surface, frames)| {
            [false, true].into_iter().flat_map(move |half| cuts(*surface, frames, half, Break::Stall))
        });
        all.filter(|cut| cut.after > 0 || cut.half)
    };
    let open: Vec<_> = cuts()
        .map(|cut| {
            let mut open = scene.call(cut.surface, true, cut.reply(&Gate::new())).open();
            let begun = until_length(&mut open, cut.passed().len());
            (cut, open, begun)
        })
        .collect();
    scene.world.cli(["stop", "--timeout", "1"]).expect_code(0);
    assert!(!scene.daemon.is_running());
    for (cut, open, begun) in open {
        let mut answer = open.finish();
        answer.body.splice(..0, begun);
        cut.check_body(&answer, "upstream_interrupted");
    }
}

/// A stream whose end only its connection marks ends where its grammar says, in chat too.
#[test]
fn p13_a_stream_that_ends_with_its_connection() {
    let scene = Scene::new("");
    for surface in Surface::ALL {
        let frames = surface.frames(&Turn::sample(), Newline::Lf);
        for after in 1..=frames.len() {
            let before = frames[..after].concat();
            let answer = scene.call(surface, true, surface.head_until_close().piece(&before).close()).send();
            // In chat the reason to finish announces the end; its chunk, the counts and `[DONE]` stand at the end.
            let complete = match surface {
                Surface::Chat | Surface::Completions => frames.len() - 2,
                _ => surface.complete_after(frames.len()),
            };
            let held = surface == Surface::GoogleArray && after == frames.len() - 1;
            if after < complete {
                failed(surface, &answer, &before, after, "upstream_interrupted");
            } else {
                exactly(surface, &answer, &if held { before + "]" } else { before });
            }
        }
    }
}

/// Behind the last event a second of silence is enough, whatever the limit is.
#[test]
fn a_provider_that_keeps_its_connection_open_behind_the_last_event_holds_nobody() {
    let scene = Scene::new("");
    for surface in Surface::ALL {
        let frames = surface.frames(&Turn::sample(), Newline::Lf);
        if surface == Surface::GoogleEvents {
            // No event says that it was the last one: counts may still follow.
            continue;
        }
        let answer = scene.call(surface, true, surface.head().piece(frames.concat()).stall()).send();
        exactly(surface, &answer, &frames.concat());
        scene.line(&answer).says(200, None, false);
    }
}

/// Bytes that come one at a time, and in other pieces, break nothing and count the same.
#[test]
fn a_stream_in_any_pieces_is_the_same_stream() {
    let scene = Scene::new("");
    for surface in Surface::ALL {
        for newline in [Newline::Lf, Newline::CrLf] {
            let frames = surface.frames(&Turn::sample(), newline);
            let pieces: [Box<dyn Fn(Reply) -> Reply>; 3] = [
                Box::new(|reply| frames.concat().as_bytes().chunks(1).fold(reply, Reply::piece)),
                Box::new(|reply| frames.concat().as_bytes().chunks(7).fold(reply, Reply::piece)),
                Box::new(|reply| {
                    let pause = Step::Pause(std::time::Duration::from_millis(1));
                    let text = frames.concat();
                    text.as_bytes().chunks(97).fold(reply, |reply, piece| reply.piece(piece).then(pause.clone()))
                }),
            ];
            for cut in pieces {
                let answer = scene.call(surface, true, cut(surface.head()).end()).send();
                exactly(surface, &answer, &frames.concat());
                assert_eq!(scene.line(&answer).tokens(), counted(surface, &frames), "{surface:?}");
            }
        }
    }
    wait::holds("every request to end", || {
        scene.daemon.http().get("/metrics").send().ok().text().contains("bitrouter_in_flight 0")
    });
}
