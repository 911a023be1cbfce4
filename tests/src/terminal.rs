//! A terminal window: a program with a controlling terminal of its own, somebody who types, and a close button.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
    process::{Child, ExitStatus},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
    pty::OpenptFlags,
};

use crate::{
    wait::{self, PATIENCE},
    world::World,
};

/// How often the reader looks whether the window was closed, nanoseconds.
const LOOK: i64 = 20_000_000;

/// A terminal and the program in it.
#[derive(Debug)]
pub struct Terminal {
    screen: Arc<Mutex<Vec<u8>>>,
    closing: Arc<AtomicBool>,
    keyboard: Option<File>,
    reader: Option<JoinHandle<()>>,
    child: Child,
}

impl Terminal {
    /// Opens a terminal and runs `program` in it as its session leader.
    #[track_caller]
    pub fn open(world: &World, program: &Path, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let (keyboard, window) = pair();
        world.user().own(&window);
        let mut command = world.bare_command("/usr/bin/setsid");
        // A window's program is hung up on when it closes, also where these tests were started with `nohup`.
        command
            .args(["--ctty", "/usr/bin/env", "--default-signal=HUP"])
            .arg(program)
            .args(args)
            .env("TERM", "dumb")
            .envs(environment.iter().copied());
        let end = || window.try_clone().expect("dup");
        command.stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().expect("a program in a terminal");
        drop((window, command));
        let (screen, closing) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let source = keyboard.try_clone().expect("dup");
        let (shown, stop) = (Arc::clone(&screen), Arc::clone(&closing));
        let reader = thread::spawn(move || read(source, &shown, &stop));
        Self { screen, closing, keyboard: Some(keyboard), reader: Some(reader), child }
    }

    /// The session leader.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types a line.
    #[track_caller]
    pub fn enter(&self, line: &str) {
        let mut keyboard = self.keyboard.as_ref().expect("an open window");
        keyboard.write_all(format!("{line}\n").as_bytes()).expect("type");
    }

    /// What was shown so far, typed lines included where the program echoes them.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// What was shown, once nothing more is: for a program that has ended, whose last words may still be on their way.
    pub fn until_quiet(&self) -> String {
        let mut before = None;
        loop {
            let now = self.text();
            if before.as_ref() == Some(&now) {
                return now;
            }
            before = Some(now);
            wait::pass(Duration::from_millis(60));
        }
    }

    /// Waits until `needle` was shown.
    #[track_caller]
    pub fn until_contains(&self, needle: &str) {
        let until = wait::Deadline::after(PATIENCE);
        while !self.text().contains(needle) {
            assert!(!until.is_over(), "`{needle}` was never shown; the screen:\n{}", self.text());
            wait::pass(Duration::from_millis(2));
        }
    }

    /// Runs a line in the shell of this terminal and waits until everything it started has ended, its prompt
    /// included: a second line is answered only after the first one's prompt.
    #[track_caller]
    pub fn run(&self, line: &str) {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(100);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.enter(line);
        // The quotes keep the typed line apart from what it prints.
        self.enter(&format!("echo 'do''ne'-{number}"));
        self.until_contains(&format!("done-{number}"));
    }

    /// Closes the window, as the close button does: the kernel hangs up on the session.
    pub fn close(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            reader.join().ok();
        }
        self.keyboard = None;
    }

    /// Waits for the end of the session leader.
    #[track_caller]
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        wait::until_within("the program in the terminal to end", patience, || {
            self.child.try_wait().expect("wait for a child")
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        self.close();
    }
}

/// The two ends: ours, and the program's.
fn pair() -> (File, OwnedFd) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = rustix::pty::openpt(flags).expect("a terminal");
    rustix::pty::grantpt(&ours).expect("grantpt");
    rustix::pty::unlockpt(&ours).expect("unlockpt");
    let name = rustix::pty::ptsname(&ours, Vec::new()).expect("ptsname");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let theirs = rustix::fs::open(name, flags, Mode::empty()).expect("the other end of a terminal");
    let size = rustix::termios::Winsize { ws_row: 50, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&ours, size).expect("a size");
    (File::from(ours), theirs)
}

fn read(mut source: File, screen: &Mutex<Vec<u8>>, closing: &AtomicBool) {
    let mut buffer = [0; 4096];
    while !closing.load(Ordering::Relaxed) {
        let timeout = Timespec { tv_sec: 0, tv_nsec: LOOK };
        if !matches!(poll(&mut [PollFd::new(&source.as_fd(), PollFlags::IN)], Some(&timeout)), Ok(1..)) {
            continue;
        }
        // An error means that no program holds the other end any more; another one may.
        match source.read(&mut buffer) {
            Ok(length) if length > 0 => {
                screen.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..length]);
            }
            _ => wait::pass(Duration::from_millis(20)),
        }
    }
}
