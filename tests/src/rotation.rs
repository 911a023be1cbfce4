//! Keys that change under load: callers that never stop, streams that are open all the while, and the bounds between
//! which each call's key must lie. A call may use what was in force when it started or anything newer that was on its
//! way; never something older, never a mixture, and it never fails.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use crate::{
    daemon::Daemon,
    http::{End, Opened},
    openai::{self, KEY_HEADER},
    parked_provider::{PARKED, ParkedProvider},
    wait,
    world::World,
};

/// The keys in the order in which they come into force, and where we are in it.
#[derive(Debug)]
pub struct Rotation {
    keys: Vec<String>,
    numbers: BTreeMap<String, usize>,
    announced: AtomicUsize,
    in_force: AtomicUsize,
    /// Streams that were opened under a key and stay open: the number of their key, and the stream.
    held: std::sync::Mutex<Vec<(usize, Opened)>>,
    calls: AtomicUsize,
}

impl Rotation {
    /// `count` keys that must turn up nowhere; number 0 is in force from the start.
    pub fn new(world: &World, count: usize) -> Self {
        let keys: Vec<String> = (0..count).map(|number| world.canary(&format!("key{number}"))).collect();
        let numbers = keys.iter().enumerate().map(|(number, key)| (openai::fingerprint(key), number)).collect();
        Self {
            keys,
            numbers,
            announced: AtomicUsize::new(0),
            in_force: AtomicUsize::new(0),
            held: std::sync::Mutex::default(),
            calls: AtomicUsize::new(0),
        }
    }

    /// The key with this number.
    pub fn key(&self, number: usize) -> &str {
        &self.keys[number]
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many calls were checked.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Puts key `number` in force: `put` returns when it is, and the first call after that must use it.
    #[track_caller]
    pub fn turn(&self, daemon: &Daemon, number: usize, put: impl FnOnce(&str)) {
        self.announced.store(number, Ordering::SeqCst);
        put(self.key(number));
        self.in_force.store(number, Ordering::SeqCst);
        assert_eq!(self.call(daemon), number, "the first call after the answer used another key");
    }

    /// One call, streamed every other time; the number of the key it used.
    #[track_caller]
    pub fn call(&self, daemon: &Daemon) -> usize {
        let earliest = self.in_force.load(Ordering::SeqCst);
        let streamed = self.calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        let http = daemon.http();
        let call = if streamed { http.chat_stream("openai:m", "x") } else { http.chat("openai:m", "x") };
        let answer = call.send();
        let latest = self.announced.load(Ordering::SeqCst);
        assert_eq!((answer.status, answer.end), (200, End::Complete), "a call failed: {}", answer.text());
        let print = answer.header(KEY_HEADER).expect("a fingerprint");
        let said = if streamed { answer.streamed_text() } else { answer.content() };
        assert!(said.ends_with(&format!("key {print}")), "two keys in one answer: {said}");
        let number = self.number_of(print);
        assert!((earliest..=latest).contains(&number), "key {number} outside {earliest}..={latest}");
        number
    }

    #[track_caller]
    fn number_of(&self, print: &str) -> usize {
        *self.numbers.get(print).unwrap_or_else(|| panic!("`{print}` is the fingerprint of no key of this test"))
    }

    /// Opens `count` streams that stay open until [`Rotation::finish`]; each got its first token when this returns.
    #[track_caller]
    pub fn hold(&self, daemon: &Daemon, provider: &ParkedProvider, count: usize) {
        let before = provider.parked();
        let number = self.in_force.load(Ordering::SeqCst);
        for _ in 0..count {
            let mut open = daemon.http().chat_stream(PARKED, "x").open();
            assert_eq!(open.status, 200, "a held stream was refused");
            open.until_contains("before ");
            self.held.lock().expect("held").push((number, open));
        }
        wait::holds("the held streams to reach the provider", || provider.parked() >= before + count);
    }

    /// Lets every held stream end: each is whole and used the key of its own time.
    #[track_caller]
    pub fn finish(&self, provider: &ParkedProvider) -> usize {
        provider.release();
        let held = std::mem::take(&mut *self.held.lock().expect("held"));
        let count = held.len();
        for (number, open) in held {
            let print = open.header(KEY_HEADER).expect("a fingerprint").to_owned();
            assert_eq!(self.number_of(&print), number, "a held stream used the key of another time");
            let answer = open.finish();
            let text = answer.text();
            assert_eq!(answer.end, End::Complete, "a held stream was cut: {text}");
            assert!(text.contains(&format!("key {print}")) && text.ends_with("data: [DONE]\n\n"), "{text}");
        }
        count
    }

    /// Runs `turns` while `callers` threads call without a pause.
    #[track_caller]
    pub fn under_load(&self, daemon: &Daemon, callers: usize, turns: impl FnOnce()) {
        let running = AtomicBool::new(true);
        thread::scope(|scope| {
            let threads: Vec<_> = (0..callers)
                .map(|_| {
                    scope.spawn(|| {
                        while running.load(Ordering::Relaxed) {
                            self.call(daemon);
                        }
                    })
                })
                .collect();
            let stop = Stop(&running);
            turns();
            drop(stop);
            for caller in threads {
                caller.join().expect("a caller");
            }
        });
    }
}

/// Ends the callers also where a turn panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
