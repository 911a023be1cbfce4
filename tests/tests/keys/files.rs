//! Env files as people edit them: renamed over, truncated, linked, copied, in directories that come later or are
//! replaced whole. Effective without a command.

use std::{os::unix::fs::symlink, time::Duration};

use bitrouter_tests::{Daemon, World, openai, parked_provider::ParkedProvider, wait};

use super::{EFFECTIVE, Reloads, cast, report};

/// Waits until calls use `key`; how long it took.
#[track_caller]
fn effective(daemon: &Daemon, key: &str) -> Duration {
    let begun = bitrouter_proto::clock::monotonic_now();
    let print = openai::fingerprint(key);
    wait::until_within("the new key", EFFECTIVE, || {
        let answer = daemon.http().chat("openai:m", "x").send();
        (answer.header(openai::KEY_HEADER) == Some(&print)).then_some(())
    });
    bitrouter_proto::clock::monotonic_now().saturating_duration_since(begun)
}

/// Writes the env file with this key in it.
type Write<'a> = &'a dyn Fn(&str);

fn line(key: &str) -> String {
    format!("# mine\nexport OPENAI_API_KEY=\"{key}\"\n")
}

fn with_config_elsewhere() -> (World, ParkedProvider, String) {
    let (world, provider) = (World::new(), ParkedProvider::start());
    let config = world.write("elsewhere/config.toml", provider.as_openai());
    (world, provider, config.to_string_lossy().into_owned())
}

#[test]
fn p15_a_file_is_followed_however_it_is_written() {
    let (world, _parking) = cast();
    world.env_file(&line("before"));
    let daemon = world.serve().start();
    let path = world.path("config/bitrouter/env");
    let shell = |script: &str, key: &str| {
        let run = world.program("/bin/sh".as_ref(), ["-c", script]).env("FILE", &path).env("KEY", key);
        run.run().expect_code(0);
    };
    let styles: [(&str, Write<'_>); 6] = [
        ("renamed over", &|key| {
            world.rename_over("config/bitrouter/env", line(key));
        }),
        ("truncated and written", &|key| {
            world.env_file(&line(key));
        }),
        ("sed -i", &|key| shell("sed -i \"s/OPENAI_API_KEY=.*/OPENAI_API_KEY=$KEY/\" \"$FILE\"", key)),
        ("copied over", &|key| {
            shell("umask 077; echo \"OPENAI_API_KEY=$KEY\" >\"$FILE.new\"; cp \"$FILE.new\" \"$FILE\"", key);
        }),
        ("appended to", &|key| shell("echo \"OPENAI_API_KEY=$KEY\" >>\"$FILE\"", key)),
        ("moved away and made anew", &|key| {
            shell("umask 077; mv \"$FILE\" \"$FILE~\"; echo \"OPENAI_API_KEY=$KEY\" >\"$FILE\"", key);
        }),
    ];
    let mut took = Vec::new();
    for round in 0..2 {
        for (number, (style, write)) in styles.iter().enumerate() {
            let key = format!("key-{round}-{number}");
            write(&key);
            let span = effective(&daemon, &key);
            assert!(span <= EFFECTIVE, "{style}: {span:?}");
            took.push(span);
        }
    }
    report("an env file, written in six ways", took);
}

#[test]
fn p15_a_directory_that_appears_later_is_seen() {
    let (world, _parking, config) = with_config_elsewhere();
    let daemon = world.serve().args(["--config", &config]).start();
    assert!(!world.path("config/bitrouter").exists());
    daemon.http().chat("openai:m", "x").send().refused(402, "provider_key_missing");
    world.env_file(&line("appeared"));
    effective(&daemon, "appeared");
    // Gone with everything, and there again.
    std::fs::remove_dir_all(world.path("config/bitrouter")).expect("remove");
    wait::until_within("the loss", EFFECTIVE, || {
        (daemon.http().chat("openai:m", "x").send().status == 402).then_some(())
    });
    world.env_file(&line("again"));
    effective(&daemon, "again");
}

#[test]
fn p15_a_configuration_directory_that_appears_with_its_parents_is_seen() {
    let (world, _parking, config) = with_config_elsewhere();
    let home = world.path("later/on");
    let daemon = world.serve().args(["--config", &config]).env("XDG_CONFIG_HOME", &home).start();
    world.write("later/on/bitrouter/env", line("deep"));
    effective(&daemon, "deep");
}

#[test]
fn p15_a_link_is_followed_when_it_or_its_target_changes() {
    let (world, _parking) = cast();
    world.write("home/dotfiles/env", line("linked"));
    world.write("home/dotfiles/other", line("other"));
    let path = world.path("config/bitrouter/env");
    symlink(world.path("home/dotfiles/env"), &path).expect("symlink");
    world.user().own_path(&path);
    let daemon = world.serve().start();
    effective(&daemon, "linked");
    world.rename_over("home/dotfiles/env", line("behind"));
    effective(&daemon, "behind");
    let draft = world.path("config/bitrouter/draft");
    symlink(world.path("home/dotfiles/other"), &draft).expect("symlink");
    std::fs::rename(draft, &path).expect("rename");
    effective(&daemon, "other");
}

#[test]
fn p15_several_files_are_watched_and_the_later_one_wins() {
    let (world, provider) = (World::new(), ParkedProvider::start());
    let named = world.write("a/env", "OPENAI_API_KEY=named\n");
    let flag = world.write("b/env", "# nothing yet\n");
    world.config(&format!("env_files = [\"{}\"]\n{}", named.display(), provider.as_openai()));
    world.env_file("OPENAI_API_KEY=default\n");
    let daemon = world.serve().arg("--env-file").arg(&flag).start();
    effective(&daemon, "named");
    world.rename_over("b/env", "OPENAI_API_KEY=flag\n");
    effective(&daemon, "flag");
    let detail = daemon.provider("openai")["detail"].to_string();
    for part in ["b/env", "a/env", "config/bitrouter/env"] {
        assert!(detail.contains(part), "{part} is not in {detail}");
    }
    world.write("b/env", "");
    effective(&daemon, "named");
    world.write("a/env", "# gone\n");
    effective(&daemon, "default");
}

#[test]
fn p15_an_editor_that_is_slow_is_waited_for() {
    let (world, _parking) = cast();
    world.env_file(&line("before"));
    let daemon = world.serve().start();
    let mut reloads = Reloads::of(&daemon);
    let before = reloads.count();
    // The writer keeps the file open and writes in small pieces: what is read is what it had when it closed it.
    let path = world.path("config/bitrouter/env");
    let key = "a-key-that-comes-in-pieces";
    let mut file = std::fs::OpenOptions::new().write(true).truncate(true).open(path).expect("open");
    for byte in line(key).bytes() {
        std::io::Write::write_all(&mut file, &[byte]).expect("write");
    }
    drop(file);
    effective(&daemon, key);
    assert!(reloads.count() - before <= 3, "{} reloads for one save", reloads.count() - before);
}

#[test]
fn p15_touching_a_file_without_a_change_is_no_reload() {
    let (world, _parking) = cast();
    world.env_file(&line("same"));
    let daemon = world.serve().start();
    effective(&daemon, "same");
    let mut reloads = Reloads::of(&daemon);
    let before = reloads.count();
    world.env_file(&line("same"));
    world.rename_over("config/bitrouter/env", format!("# another comment\n{}", line("same")));
    // A change that counts comes after them: when it is in force, they had their time.
    world.rename_over("config/bitrouter/env", line("other"));
    effective(&daemon, "other");
    // The key is in force a moment before its reload is counted.
    wait::holds("the count", || reloads.count() > before);
    assert_eq!(reloads.count(), before + 1);
}
