//! What a start would find: settings, keys, and the port.

use std::net::SocketAddr;

use bitrouter_proto::{client::Client, codes::CheckCode, paths::Places};

use super::{
    check::Check,
    places::{config_file, editing},
};
use crate::{cli::restart, context::Context, exit::Failure, flags::ServeFlags, local_daemon};

/// Settings and port; where no daemon says so itself, the keys too.
pub(super) fn checks(context: &Context, running: Option<&Client>) -> Vec<Check> {
    let status = running.map(Client::status);
    // A daemon of another user, or of a service manager, reads what is not this shell's.
    let flags = match status {
        Some(status) if status.service_managed => return port_of(status.listen.iter()).into_iter().collect(),
        Some(status) => restart::merged(&status.serve_args, &ServeFlags::default()),
        None => ServeFlags::default(),
    };
    // Without a place there is nothing to read, which is said already.
    if Places::of(&context.environment).is_err() {
        return Vec::new();
    }
    let mut checks = Vec::new();
    match local_daemon::check(context, &flags).and_then(|()| local_daemon::examine(context, &flags)) {
        Ok(found) => {
            let path = config_file(context).map(|path| path.display().to_string()).unwrap_or_default();
            let message = match &flags.config {
                Some(path) => format!("`{}` can be read", path.display()),
                None => format!("`{path}` and the env files can be read"),
            };
            checks.push(Check::good(CheckCode::Settings, message));
            match status {
                Some(status) => checks.extend(port_of(status.listen.iter())),
                None => {
                    checks.push(port_for(&found.listen));
                    checks.push(keys(&found.keys));
                    checks.extend(ignored(&found.ignored));
                }
            }
        }
        Err(failure) => {
            checks.push(refused(context, &flags, failure));
            checks.extend(status.and_then(|status| port_of(status.listen.iter())));
        }
    }
    checks
}

fn refused(context: &Context, flags: &ServeFlags, failure: Failure) -> Check {
    let cure = failure.hint.or_else(|| command_in(&failure.message)).or_else(|| file_in(&failure.message));
    let cure = cure.or_else(|| flags.config.clone().or_else(|| config_file(context)).map(|path| editing(&path)));
    Check::error(CheckCode::Settings, failure.message).cure_if(cure)
}

/// The `chmod` or `chown` that a message names.
fn command_in(message: &str) -> Option<String> {
    let commands = message.split('`').skip(1).step_by(2);
    commands.into_iter().find(|quoted| quoted.starts_with("chmod ") || quoted.starts_with("chown ")).map(str::to_owned)
}

/// The file that a message begins with, as in `/a/b:3: what is wrong`, to be edited.
fn file_in(message: &str) -> Option<String> {
    let path = message.split(':').next().map(|lead| lead.trim_matches('`'))?;
    path.starts_with('/').then(|| editing(std::path::Path::new(path)))
}

fn port_for(listen: &[SocketAddr]) -> Check {
    if let Some(held) = listen.iter().find_map(|address| local_daemon::port_holder(*address)) {
        return Check::error(CheckCode::Port, held).cure("bitrouter start --listen 127.0.0.1:0");
    }
    let named: Vec<String> = listen.iter().map(ToString::to_string).collect();
    Check::good(CheckCode::Port, format!("{} can be bound", named.join(" and ")))
}

/// Whether the ports that a daemon of this user names are this user's.
fn port_of<'a>(listen: impl Iterator<Item = &'a String>) -> Option<Check> {
    let mut ports: Vec<u16> = listen.filter_map(|listen| listen.rsplit_once(':')?.1.parse().ok()).collect();
    ports.dedup();
    let first = ports.first()?;
    let stranger = ports.iter().find_map(|port| local_daemon::port_stranger(*port));
    Some(match stranger {
        Some(why) => Check::error(CheckCode::Port, why).cure("bitrouter restart"),
        None => Check::good(CheckCode::Port, format!("port {first} is this user's")),
    })
}

fn keys(found: &[(String, String)]) -> Check {
    if found.is_empty() {
        let message = "no provider has a key: neither this shell nor an env file sets one";
        return Check::warning(CheckCode::Keys, message).cure("bitrouter status --all");
    }
    let named: Vec<String> = found.iter().map(|(id, detail)| format!("{id}: {detail}")).collect();
    Check::good(CheckCode::Keys, named.join("; "))
}

fn ignored(found: &[String]) -> Vec<Check> {
    let variable = |text: &str| text.split('`').nth(1).map(|name| format!("unset {name}"));
    found.iter().map(|text| Check::warning(CheckCode::KeysIgnored, text.clone()).cure_if(variable(text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cure_stands_in_the_message() {
        let exposed = "`/c/env` can be read by others (mode 0644); run `chmod 600 /c/env`";
        assert_eq!(command_in(exposed).as_deref(), Some("chmod 600 /c/env"));
        assert_eq!(command_in("`a` is `b`"), None);
        assert_eq!(file_in("/c/config.toml:3: what").as_deref(), Some("${EDITOR:-vi} /c/config.toml"));
        assert_eq!(file_in("no provider `x`"), None);
    }

    #[test]
    fn what_is_ignored_names_its_variable() {
        let checks = ignored(&["`OPENAI_API_KEY` from this is ignored: why".to_owned()]);
        assert_eq!(checks[0].command.as_deref(), Some("unset OPENAI_API_KEY"));
        assert!(!checks[0].ok && !checks[0].fails());
        assert!(!keys(&[]).ok && !keys(&[]).fails());
    }
}
