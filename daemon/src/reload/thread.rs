//! The thread that owns the layers. It blocks on files; nothing else ever waits for it but who asked.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use bitrouter_proto::{
    clock,
    codes::Reason,
    status::{PushOutcome, ReloadOutcome, Reloads},
};
use secrecy::SecretString;
use tokio::sync::{mpsc, watch};

use super::{
    AccountNow, Engine, InForce, Loaded, Order, Published, Refused, ReloadObservers, Reloader, Shell, Targets, Trigger,
    apply,
    engine::ring,
    loaded::{env_file_paths, env_files},
    lost_keys::PushedNames,
    outcome, warnings,
};
use crate::{
    config::Config,
    control_peer::ControlPeer,
    environment::{EnvFileWatch, KeyRing, Parent, ParentNow, Pushed, Session, WatchState},
    health::Code,
};

/// Orders that may wait.
const QUEUE: usize = 64;

/// Gives the engine its thread. `state_dir` is where the names of pushed keys are kept; `watch` is told which env
/// files to watch.
///
/// # Errors
/// When the thread cannot be started.
pub fn spawn(
    engine: Engine,
    targets: Targets,
    observers: ReloadObservers,
    state_dir: OwnedFd,
    watch: EnvFileWatch,
) -> std::io::Result<Reloader> {
    let (orders, inbox) = mpsc::channel(QUEUE);
    let published = Arc::new(Published {
        in_force: ArcSwap::from_pointee(InForce::default()),
        reloads: Mutex::default(),
        swaps: watch::Sender::new(()),
        held_back: Mutex::default(),
    });
    let names = PushedNames::open(state_dir, &engine.sources.places);
    let mut running = Running { engine, targets, observers, published: Arc::clone(&published), names, watch };
    running.publish();
    running.follow();
    std::thread::Builder::new().name("reload".to_owned()).spawn(move || running.run(inbox))?;
    Ok(Reloader { orders, published })
}

struct Running {
    engine: Engine,
    targets: Targets,
    observers: ReloadObservers,
    published: Arc<Published>,
    names: PushedNames,
    watch: EnvFileWatch,
}

/// A reading that is whole, with the layers it belongs to.
struct Reading {
    pushed: Pushed,
    parent: Option<Parent>,
    loaded: Loaded,
    forgotten: Vec<String>,
}

impl Running {
    fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        while let Some(order) = self.next(&mut inbox) {
            // One order that panics must not be the last that is obeyed. What it had not swapped is as it was.
            let obeyed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.obey(order)));
            match obeyed {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => tracing::error!("a reload failed in an unforeseen way; what was in force stays in force"),
            }
        }
    }

    /// The next order: what found no room in the queue comes when the queue is empty, since all that was in it is older.
    fn next(&self, inbox: &mut mpsc::Receiver<Order>) -> Option<Order> {
        if inbox.is_empty()
            && let Some(trigger) = self.published.take_held_back()
        {
            return Some(Order::Reload { trigger, shell: None, answer: None });
        }
        inbox.blocking_recv()
    }

    /// Does what is asked; false where that is the end.
    fn obey(&mut self, order: Order) -> bool {
        match order {
            Order::Reload { trigger: Trigger::EnvFile, .. } => self.env_files_changed(),
            Order::Reload { trigger, shell, answer } => {
                let announced = self.observers.announce();
                let result = self.reload(trigger, shell);
                drop(announced);
                if let Some(answer) = answer {
                    // Who asked may be gone; the reload holds all the same.
                    let _ = answer.send(result);
                }
            }
            Order::Push { peer, variables, answer } => {
                let _ = answer.send(self.push(peer, variables));
            }
            Order::Compare { peer, variables, answer } => {
                let compared = self.with_delta(peer, variables);
                let _ = answer.send(compared.map(|(_, keys)| outcome::key_changes(&self.engine.keys, &keys)));
            }
            Order::Account { now, answer } => {
                self.show_account(now);
                let _ = answer.send(());
            }
            Order::End => return false,
        }
        true
    }

    /// Everything again, whole or not at all.
    fn reload(&mut self, trigger: Trigger, shell: Option<Shell>) -> Result<ReloadOutcome, Refused> {
        let result = self.read_again(trigger, shell).and_then(|candidate| self.swap(candidate, trigger, None));
        ReloadObservers::log(trigger, result.as_ref());
        match &result {
            Ok(_) => self.targets.gateway.read_certificates_again(),
            Err(refused) => self.refused(refused),
        }
        result
    }

    fn read_again(&self, trigger: Trigger, shell: Option<Shell>) -> Result<Reading, Refused> {
        let engine = &self.engine;
        let loaded = Loaded::read(&engine.sources, &engine.loaded.env_files, engine.listens().as_deref())?;
        self.needs_no_restart(&loaded)?;
        let mut pushed = engine.pushed.clone();
        let mut forgotten = Vec::new();
        if let (Trigger::Command(peer), Some(shell)) = (trigger, shell) {
            pushed.replace_session(session(peer), shell.variables, &loaded.known).map_err(|error| bad_push(&error))?;
            // What is no variable is not repeated: somebody may have pasted a key.
            if shell.forget.iter().any(|name| !loaded.known.admits(name)) {
                return Err(bad_push(&"`--forget` takes the name of a provider's variable, like `OPENAI_API_KEY`"));
            }
            pushed.forget(shell.forget.iter().cloned());
            forgotten = shell.forget;
        }
        let mut parent = engine.parent.clone();
        if let (Trigger::Signal { .. }, Some(parent)) = (trigger, parent.as_mut()) {
            match parent.reread(&loaded.known) {
                ParentNow::Read => {}
                ParentNow::Gone => tracing::debug!(pid = parent.pid(), "the parent is gone; its last values stay"),
                ParentNow::Unreadable => tracing::debug!(pid = parent.pid(), "the parent's environment cannot be read"),
            }
        }
        Ok(Reading { pushed, parent, loaded, forgotten })
    }

    fn needs_no_restart(&self, loaded: &Loaded) -> Result<(), Refused> {
        let sources = &self.engine.sources;
        let mut keys = Config::needs_restart(&self.engine.loaded.config, &loaded.config);
        keys.retain(|key| match *key {
            "server.listen" => !sources.listen_is_fixed,
            "log.format" => !sources.format_is_fixed,
            _ => true,
        });
        if keys.is_empty() {
            return Ok(());
        }
        Err(Refused {
            reason: Reason::RestartNeeded,
            message: format!("`{}` changed, which needs a restart; nothing was reloaded", keys.join("`, `")),
            command: Some("bitrouter restart".to_owned()),
        })
    }

    /// Puts a reading in force. `standing` is what is still wrong with what was not read.
    fn swap(
        &mut self,
        candidate: Reading,
        trigger: Trigger,
        standing: Option<&Refused>,
    ) -> Result<ReloadOutcome, Refused> {
        let Reading { pushed, parent, loaded, forgotten } = candidate;
        let keys = Arc::new(ring(&loaded, &pushed, &self.engine.sources, parent.as_ref()));
        let snapshot = apply::snapshot(&loaded, &keys, &self.engine.account)?;
        let outcome = outcome::between((&self.engine.loaded, &self.engine.keys), (&loaded, &keys));
        self.targets.serve(snapshot);
        let listener = apply::listener_settings(&loaded.config);
        let before = self.targets.listener.swap(Arc::new(listener.clone()));
        if before.trusted_proxies != listener.trusted_proxies || before.allow_hosts != listener.allow_hosts {
            // Whoever is still a stranger raises it again.
            self.observers.health.clear(Code::UntrustedProxy);
        }
        let level = loaded.config.log.level;
        if level != self.engine.loaded.config.log.level && !self.engine.sources.level_is_fixed {
            self.targets.logging.set_level(level);
        }
        self.engine.pushed = pushed;
        self.engine.parent = parent;
        self.engine.loaded = loaded;
        self.engine.keys = keys;
        self.targets.node.set(self.engine.node_settings());
        self.publish();
        if standing.is_none() {
            self.observers.health.clear(Code::ReloadRefused);
        }
        // Last: whoever sees the count sees everything else that came with it.
        {
            let mut reloads = self.published.reloads.lock().unwrap_or_else(PoisonError::into_inner);
            let last_error = standing.map(|refused| refused.message.clone());
            *reloads = Reloads { count: reloads.count + 1, last_at: Some(clock::now_rfc3339()), last_error };
            self.observers.metrics.reloads(reloads.count);
        }
        self.follow();
        self.observers.reloaded(trigger, &outcome, &forgotten);
        Ok(outcome)
    }

    /// An env file changed on disk: only that layer is read again, or everything where the last reload was refused, since
    /// this change may be the cure.
    fn env_files_changed(&mut self) {
        self.follow();
        let had_error = self.published.reloads.lock().unwrap_or_else(PoisonError::into_inner).last_error.is_some();
        let result = match had_error.then(|| self.read_again(Trigger::EnvFile, None)) {
            Some(Ok(candidate)) => self.swap(candidate, Trigger::EnvFile, None).map(Some),
            Some(Err(standing)) => {
                self.refused(&standing);
                self.with_changed_env_files(Some(&standing))
            }
            None => self.with_changed_env_files(None),
        };
        match result {
            Ok(None) => {}
            Ok(Some(outcome)) => ReloadObservers::log(Trigger::EnvFile, Ok(&outcome)),
            Err(refused) => {
                self.refused(&refused);
                ReloadObservers::log(Trigger::EnvFile, Err(&refused));
            }
        }
    }

    /// What changed; `None` where the files say what they said: an editor that only touches one is no reload. A value that
    /// supplies no key now counts too: it may do so later, when a stronger one is withdrawn.
    fn with_changed_env_files(&mut self, standing: Option<&Refused>) -> Result<Option<ReloadOutcome>, Refused> {
        let Engine { sources, loaded: before, pushed, parent, .. } = &self.engine;
        let env_files = env_files(sources, &before.config, &before.env_files)?;
        if env_files.len() == before.env_files.len()
            && env_files.iter().zip(&before.env_files).all(|(now, before)| now.says_the_same(before))
        {
            return Ok(None);
        }
        let loaded = Loaded {
            env_files,
            config: before.config.clone(),
            config_path: before.config_path.clone(),
            account: Arc::clone(&before.account),
            catalog: Arc::clone(&before.catalog),
            key_names: before.key_names.clone(),
            known: before.known.clone(),
        };
        let candidate = Reading { pushed: pushed.clone(), parent: parent.clone(), loaded, forgotten: Vec::new() };
        self.swap(candidate, Trigger::EnvFile, standing).map(Some)
    }

    /// The layers with a delta by name, and the keys that they give: no file is read.
    fn with_delta(
        &self,
        peer: ControlPeer,
        variables: Vec<(String, Option<SecretString>)>,
    ) -> Result<(Pushed, Arc<KeyRing>), Refused> {
        let mut pushed = self.engine.pushed.clone();
        pushed.delta(session(peer), variables, &self.engine.loaded.known).map_err(|error| bad_push(&error))?;
        let keys = Arc::new(ring(&self.engine.loaded, &pushed, &self.engine.sources, self.engine.parent.as_ref()));
        Ok((pushed, keys))
    }

    /// Puts a shell's delta in force.
    fn push(
        &mut self,
        peer: ControlPeer,
        variables: Vec<(String, Option<SecretString>)>,
    ) -> Result<PushOutcome, Refused> {
        let names: Vec<String> = variables.iter().map(|(name, _)| name.clone()).collect();
        let (pushed, keys) = self.with_delta(peer, variables)?;
        let snapshot = apply::snapshot(&self.engine.loaded, &keys, &self.engine.account)?;
        let changed = outcome::key_changes(&self.engine.keys, &keys);
        self.targets.serve(snapshot);
        self.engine.pushed = pushed;
        self.engine.keys = keys;
        self.publish();
        self.observers.pushed(peer, &changed);
        let mut ignored = outcome::ignored(&self.engine.keys);
        ignored.retain(|value| names.contains(&value.name));
        Ok(PushOutcome { changed, ignored })
    }

    /// Puts the account in force as it is now. No file is read, nothing is counted, and what is wrong stays wrong.
    fn show_account(&mut self, now: AccountNow) {
        if now == self.engine.account {
            return;
        }
        match apply::snapshot(&self.engine.loaded, &self.engine.keys, &now) {
            Ok(snapshot) => {
                self.targets.serve(snapshot);
                self.engine.account = now;
                self.publish();
            }
            Err(refused) => tracing::error!(error = refused.message.as_str(), "the account is not shown as it is"),
        }
    }

    /// Publishes what is in force, and what is wrong with it.
    fn publish(&mut self) {
        let engine = &self.engine;
        let mut pushed_names = engine.pushed.names();
        pushed_names.retain(|name| engine.loaded.known.is_listed(name));
        self.published.in_force.store(Arc::new(InForce {
            keys: Arc::clone(&engine.keys),
            account: Arc::clone(&engine.loaded.account),
            signed_in: engine.account.clone(),
            config_path: engine.loaded.config_path.clone(),
            names: engine.loaded.known.listed().map(str::to_owned).collect(),
            pushed_variables: u32::try_from(pushed_names.len()).unwrap_or(u32::MAX),
        }));
        self.names.keep(&pushed_names, |name| engine.keys.supplies(name) || engine.pushed.is_forgotten(name));
        warnings::about_keys(&self.observers.health, engine, &self.names);
        warnings::about_networks(&self.observers.health, engine);
        self.published.swaps.send_replace(());
    }

    /// Watches the env files that the settings name now.
    fn follow(&self) {
        let engine = &self.engine;
        let paths = env_file_paths(&engine.sources, &engine.loaded.config);
        let problem = match self.watch.set(paths.into_iter().map(|(path, _)| path).collect()) {
            WatchState::Watching => None,
            WatchState::Degraded(problem) => {
                Some(format!("changes of env files may go unnoticed until `bitrouter reload`: {problem}"))
            }
        };
        self.observers.health.set(Code::WatchUnavailable, problem, Some("bitrouter reload"));
    }

    /// Shows a refusal until a reload is whole again. A wrong argument is its sender's alone.
    fn refused(&self, refused: &Refused) {
        if refused.reason == Reason::InvalidArgument {
            return;
        }
        let message = format!("the last reload was refused: {}", refused.message);
        let command = refused.command.as_deref().unwrap_or("bitrouter reload");
        self.observers.health.raise(Code::ReloadRefused, message, Some(command));
        let mut reloads = self.published.reloads.lock().unwrap_or_else(PoisonError::into_inner);
        reloads.last_error = Some(refused.message.clone());
    }
}

/// The terminal session of a peer. One that cannot be told is a session of its own kind.
fn session(peer: ControlPeer) -> Session {
    peer.pid.and_then(|pid| Session::of_pid(pid).ok()).unwrap_or(Session::UNKNOWN)
}

fn bad_push(error: &dyn std::fmt::Display) -> Refused {
    Refused { reason: Reason::InvalidArgument, message: error.to_string(), command: None }
}
