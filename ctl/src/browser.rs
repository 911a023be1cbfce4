//! The user's browser.

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use bitrouter_proto::env::{self, Environment};

/// Hands `url` to the user's browser, where one can be seen; true where one was started. That none does is no failure: the
/// link is shown.
pub(crate) fn open(environment: &Environment, url: &str) -> bool {
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
