//! What every verb is given: the captured environment, which socket was named, where to print.

use std::path::PathBuf;

use bitrouter_proto::{
    client::{self, Client, ClientError},
    env::Environment,
    local_time::LocalTime,
};

use crate::{
    exit::Failure,
    name::Name,
    render::{Printer, spinner},
};

/// What every verb is given.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) environment: Environment,
    /// The word that this program was called by.
    pub(crate) program: PathBuf,
    pub(crate) socket: Option<PathBuf>,
    /// No daemon is started by a command that only needs one.
    pub(crate) no_autostart: bool,
    pub(crate) printer: Printer,
}

impl Context {
    /// The name that the program goes by.
    pub(crate) fn name(&self) -> Name {
        Name::of(&self.program)
    }

    /// Connects to the running daemon and asks for its status.
    pub(crate) async fn connect(&self) -> Result<Client, ClientError> {
        Client::connect(&self.environment, self.socket.as_deref()).await
    }

    /// The one socket to talk to, where `--socket` or `BITROUTER_SOCKET` names it.
    pub(crate) fn named_socket(&self) -> Option<PathBuf> {
        client::named(&self.environment, self.socket.as_deref())
    }

    /// The clock by which times are shown, where people read them: standard output is a terminal.
    pub(crate) fn local_time(&self) -> Option<LocalTime> {
        self.printer.on_terminal.then(|| LocalTime::of(&self.environment))
    }

    /// As [`Self::block_on`], for a call that somebody waits for: it shows that it goes on, and can be interrupted.
    pub(crate) fn wait<T>(&self, call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        self.block_on(spinner::beside(self.printer, call))
    }

    /// Runs one asynchronous verb. The runtime has no threads, so that `start` may fork afterwards.
    #[expect(clippy::unused_self, reason = "verbs reach the runtime through their context")]
    pub(crate) fn block_on<T>(&self, verb: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?.block_on(verb)
    }
}
