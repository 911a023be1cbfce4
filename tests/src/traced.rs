//! A daemon whose system calls are recorded from its first on. Its memory stays closed to `strace` too (it lets nobody
//! read it), so that addresses are not shown; families, descriptors and lengths are, and the kernel's tables say the rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use crate::{daemon::Daemon, process::Process, shared_files, world::World};

/// A daemon under `strace`, and what it wrote.
#[derive(Debug)]
pub struct Traced {
    /// The daemon.
    pub daemon: Daemon,
    file: PathBuf,
    _strace: Process,
}

/// What a daemon did with sockets since its start.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// TCP sockets that listen: it made them listen, and still has a descriptor of them.
    pub tcp_listening: usize,
    /// Names that it gave to Unix sockets, automatic ones included.
    pub unix_binds: usize,
    /// Sockets of which the kernel would name those without a name, in the abstract namespace, once they send.
    pub named_by_sending: usize,
}

impl Traced {
    /// Starts `bitrouter serve ARGS…` and waits until it answers.
    #[track_caller]
    pub fn start(world: &World, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let file = world.path("home/trace");
        let (trace, binary) =
            (file.to_string_lossy().into_owned(), shared_files::binary().to_string_lossy().into_owned());
        let strace = [
            "-f",
            "-qq",
            "-o",
            &trace,
            "-e",
            "trace=socket,bind,listen,setsockopt,close,dup,dup2,dup3,fcntl",
            &binary,
            "serve",
        ];
        let run = world.program("/usr/bin/strace".as_ref(), strace.iter().chain(args));
        let strace = environment.iter().fold(run, |run, (name, value)| run.env(name, value)).spawn();
        Self { daemon: world.detached(), file, _strace: strace }
    }

    /// What it did so far.
    #[track_caller]
    pub fn sockets(&self) -> Sockets {
        sockets(&std::fs::read_to_string(&self.file).expect("a trace"))
    }
}

/// A socket behind one descriptor or more.
#[derive(Clone, Debug)]
struct Socket {
    number: usize,
    family: String,
    listens: bool,
}

fn sockets(trace: &str) -> Sockets {
    let mut found = Sockets::default();
    let mut open: BTreeMap<String, Socket> = BTreeMap::new();
    for (number, call) in calls(trace).iter().enumerate() {
        let Some((name, arguments)) = call.split_once('(') else { continue };
        let Some((arguments, result)) = arguments.rsplit_once(") ") else { continue };
        let result = result.trim_start_matches(['=', ' ']).split(' ').next().unwrap_or_default().to_owned();
        if result.starts_with('-') {
            continue;
        }
        let first = arguments.split(',').next().unwrap_or_default().trim();
        let family = open.get(first).map_or("", |socket| socket.family.as_str());
        match (name, family) {
            ("socket", _) => {
                open.insert(result, Socket { number, family: first.to_owned(), listens: false });
            }
            ("close", _) => drop(open.remove(first)),
            ("dup" | "dup2" | "dup3" | "fcntl", _) if name != "fcntl" || arguments.contains("F_DUPFD") => {
                if let Some(socket) = open.get(first).cloned() {
                    open.insert(result, socket);
                }
            }
            ("listen", "AF_INET" | "AF_INET6") => {
                let number = open.get(first).map(|socket| socket.number);
                open.values_mut().filter(|one| Some(one.number) == number).for_each(|one| one.listens = true);
            }
            ("bind", "AF_UNIX") => found.unix_binds += 1,
            ("setsockopt", _) if arguments.contains("SO_PASSCRED") => found.named_by_sending += 1,
            _ => {}
        }
    }
    let listening: BTreeSet<usize> = open.values().filter(|one| one.listens).map(|one| one.number).collect();
    found.tcp_listening = listening.len();
    found
}

/// The calls of a trace, each whole: one that another thread's line interrupts stands in two lines, which belong
/// together by thread.
fn calls(trace: &str) -> Vec<String> {
    let mut interrupted: BTreeMap<&str, &str> = BTreeMap::new();
    let mut whole = Vec::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            interrupted.insert(thread, begun);
        } else if rest.starts_with("<...") {
            let end = rest.split_once("resumed>").map_or("", |(_, end)| end);
            whole.push(format!("{}{end}", interrupted.remove(thread).unwrap_or_default()));
        } else {
            whole.push(rest.to_owned());
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_whole_refusals_aside() {
        let trace = "\
10 socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0) = 7
10 bind(7, 0x7ffc, 40)     = 0
10 listen(7, 1024) = 0
11 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP <unfinished ...>
10 setsockopt(7, SOL_SOCKET, SO_PASSCRED, 0x7ffc, 4) = 0
11 <... socket resumed>) = 8
11 listen(8, 128 <unfinished ...>
10 socket(AF_INET6, SOCK_STREAM, IPPROTO_IP) = 9
11 <... listen resumed>)      = 0
10 listen(9, 128) = -1 EADDRINUSE (Address already in use)
10 fcntl(8, F_DUPFD_CLOEXEC, 3) = 12
10 close(8)                                = 0
10 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 8
10 listen(8, 128)                          = 0
10 close(8 <unfinished ...>
11 fcntl(12, F_GETFL)                      = 0x2 (flags O_RDWR)
10 <... close resumed>)                    = 0
";
        assert_eq!(sockets(trace), Sockets { tcp_listening: 1, unix_binds: 1, named_by_sending: 1 });
    }
}
