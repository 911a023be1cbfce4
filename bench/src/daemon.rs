//! The process under test: the real binary, `serve`, in a home of its own.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bitrouter_proto::{client, clock, env::Environment, files, paths::Places};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{dialect::SETTINGS, error::BenchError, sse::KEY_PREFIX, valgrind::Valgrind};

/// How long a start or an end may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same for one that runs fifty times slower, on a machine that may be busy.
const PATIENCE_UNDER_VALGRIND: Duration = Duration::from_mins(2);
/// How long between two looks at something that is about to happen.
const LOOK: Duration = Duration::from_micros(200);
/// The variable that the env file of a run sets; it beats the one in the daemon's environment.
pub(crate) const KEY_VARIABLE: &str = "BITROUTER_OPENAI_API_KEY";

/// A running daemon. Dropping it ends the process and removes its home.
#[derive(Debug)]
pub(crate) struct Daemon {
    binary: PathBuf,
    child: Child,
    variables: Vec<(&'static str, PathBuf)>,
    places: Places,
    config: OwnedFd,
    address: SocketAddr,
    start: Duration,
    _home: TempDir,
}

impl Daemon {
    /// Starts `binary` with a provider of each dialect at `provider`, and waits until both sockets answer.
    pub(crate) fn start(binary: &Path, provider: SocketAddr) -> Result<Self, BenchError> {
        Self::start_as(Command::new(binary), binary, provider, "", PATIENCE)
    }

    /// The same with more settings, and with its instructions counted into `log`.
    pub(crate) fn start_under(
        valgrind: &Valgrind,
        log: &Path,
        binary: &Path,
        provider: SocketAddr,
        settings: &str,
    ) -> Result<Self, BenchError> {
        Self::start_as(valgrind.command(binary, log), binary, provider, settings, PATIENCE_UNDER_VALGRIND)
    }

    fn start_as(
        mut command: Command,
        binary: &Path,
        provider: SocketAddr,
        settings: &str,
        patience: Duration,
    ) -> Result<Self, BenchError> {
        let home = tempfile::tempdir().map_err(BenchError::io("make a temporary directory"))?;
        let below = |name: &str| home.path().join(name);
        let variables = vec![
            ("HOME", below("home")),
            ("XDG_CONFIG_HOME", below("config")),
            ("XDG_DATA_HOME", below("data")),
            ("XDG_STATE_HOME", below("state")),
            ("XDG_RUNTIME_DIR", below("run")),
        ];
        for (_, dir) in &variables {
            files::private_dir(dir)?;
        }
        let places = Places::of(&Environment::from_iter(variables.clone()))
            .map_err(|error| BenchError::Unexpected(error.to_string()))?;
        let config = files::private_dir(&places.config_dir)?;
        let section = |(id, path): (&str, &str)| format!("[providers.{id}]\nbase_url = \"http://{provider}{path}\"\n");
        let text = SETTINGS.into_iter().map(section).collect::<String>() + settings;
        files::replace(&config, "config.toml", text.as_bytes(), &places.config_file())?;
        command.args(["serve", "--listen", "127.0.0.1:0"]).env_clear().envs(variables.iter().cloned());
        for variable in ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY"] {
            command.env(variable, format!("{KEY_PREFIX}0"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log(&below("log"))?);
        let started = clock::monotonic_now();
        let child = command.spawn().map_err(BenchError::io("start `bitrouter` (is it built?)"))?;
        let mut daemon = Self {
            binary: binary.to_owned(),
            child,
            variables,
            places,
            config,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            start: Duration::ZERO,
            _home: home,
        };
        daemon.address = daemon.answers(started, patience)?;
        daemon.start = clock::monotonic_now().saturating_duration_since(started);
        Ok(daemon)
    }

    fn answers(&mut self, started: Instant, patience: Duration) -> Result<SocketAddr, BenchError> {
        let pid = self.pid();
        loop {
            if let Some(json) = client::read_daemon_json(&self.places).filter(|json| json.pid == pid) {
                let address = json.http.strip_prefix("http://").and_then(|text| text.parse().ok());
                let address =
                    address.ok_or_else(|| BenchError::Unexpected("`daemon.json` names no address".to_owned()))?;
                return health(address).map(|()| address).map_err(BenchError::io("ask `/health`"));
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(BenchError::Unexpected(format!("the daemon ended at its start ({status})")));
            }
            if started.elapsed() > patience {
                return Err(BenchError::Late("the start of the daemon"));
            }
            std::thread::park_timeout(LOOK);
        }
    }

    /// From the start of the process until it said that both sockets answer, and `/health` did.
    pub(crate) fn start_time(&self) -> Duration {
        self.start
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it serves inference.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The environment of a client that finds this daemon.
    pub(crate) fn environment(&self) -> Environment {
        Environment::from_iter(self.variables.clone())
    }

    /// A run of the binary as a client of this daemon, silent.
    pub(crate) fn client(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args).env_clear().envs(self.variables.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Writes the env file so that the key ends in `end`.
    pub(crate) fn write_key(&self, end: &str) -> Result<(), BenchError> {
        let text = format!("{KEY_VARIABLE}={KEY_PREFIX}{end}\n");
        Ok(files::replace(&self.config, "env", text.as_bytes(), &self.places.env_file())?)
    }

    /// Ends it as a service manager does, and waits for that.
    pub(crate) fn end(mut self) -> Result<(), BenchError> {
        self.signal(Signal::TERM);
        let until = clock::monotonic_now() + PATIENCE_UNDER_VALGRIND;
        while clock::monotonic_now() < until {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return Ok(());
            }
            std::thread::park_timeout(LOOK);
        }
        Err(BenchError::Late("the end of the daemon"))
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            kill_process(pid, signal).ok();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        let until = clock::monotonic_now() + Duration::from_secs(3);
        while matches!(self.child.try_wait(), Ok(None)) && clock::monotonic_now() < until {
            std::thread::park_timeout(LOOK);
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn log(path: &Path) -> Result<File, BenchError> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path).map_err(BenchError::io("make a log file"))
}

fn health(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(std::io::Error::other("it did not answer 200")) }
}
