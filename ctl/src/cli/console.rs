//! `console`: a link that signs the node's owner in, and the browser that follows it.

use std::{
    io::{IsTerminal as _, stderr},
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use bitrouter_proto::{
    codes::exit,
    env::{self, Environment},
};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::{
    context::Context,
    exit::{Failure, Status},
};

pub(super) fn run(context: &Context, no_open: bool) -> Result<Status, Failure> {
    let printer = context.printer;
    let (link, is_foreign) = context.block_on(async {
        let client = context.connect().await?;
        Ok((client.open_console().await?, client.is_foreign()))
    })?;
    let (url, seconds) = (link.url.expose_secret(), link.expires_in.as_secs());
    printer.json(&json!({ "url": url, "expires_in": seconds }))?;
    if printer.json {
        return Ok(Status(exit::OK));
    }
    let is_watched = printer.on_terminal && stderr().is_terminal();
    let was_opened = is_watched && !no_open && !is_foreign && link.is_bound && open(&context.environment, url);
    let what = if was_opened { "opening the console in your browser; else this link" } else { "this link" };
    let whose = if link.is_bound { ", in a browser of yours" } else { "" };
    printer.stderr(&format!("{what} signs you in once, within {seconds} s{whose}:\n  {url}"));
    if !printer.on_terminal {
        printer.stdout(url)?;
    }
    Ok(Status(exit::OK))
}

/// Hands `url` to the user's browser, where one can be seen; true where one was started. That none does is no failure: the
/// link is shown.
fn open(environment: &Environment, url: &str) -> bool {
    if environment.text(env::SSH_CONNECTION).is_some() {
        return false;
    }
    let has_display = [env::DISPLAY, env::WAYLAND_DISPLAY].iter().any(|name| environment.text(name).is_some());
    let openers: Vec<String> = match environment.text(env::BROWSER) {
        Some(browsers) => browsers.split(':').map(str::to_owned).collect(),
        None if cfg!(target_os = "macos") => vec!["open".to_owned()],
        None => vec!["xdg-open".to_owned()],
    };
    if !has_display && !cfg!(target_os = "macos") {
        return false;
    }
    let started = |opener: &String| {
        let words = words(opener, url);
        let Some((program, args)) = words.split_first() else { return false };
        let mut command = Command::new(program);
        // It stays when the window of this command closes.
        command.process_group(0);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().is_ok()
    };
    // The first one that there is.
    openers.iter().any(started)
}

/// The command line of one entry of `BROWSER`: `%s` is where the address goes, else it comes last.
fn words(opener: &str, url: &str) -> Vec<String> {
    let mut words: Vec<String> = opener.split_whitespace().map(|word| word.replace("%s", url)).collect();
    if !opener.contains("%s") && !words.is_empty() {
        words.push(url.to_owned());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_a_command_with_a_place_for_the_address() {
        assert_eq!(words("firefox", "u"), ["firefox", "u"]);
        assert_eq!(words("firefox --new-tab %s --x", "u"), ["firefox", "--new-tab", "u", "--x"]);
        assert!(words(" ", "u").is_empty());
    }
}
