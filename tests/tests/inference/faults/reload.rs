//! Rows: what the daemon reads is bad when it reads it again. The caller of `reload` sees exit 1 and the reason, the
//! log and `status` say the same, and inference goes on with what was in force.

use bitrouter_tests::{MODEL, Provider, World, logs, openai};
use rustix::fs::Mode;

use super::row::Scene;

/// Breaks something with `fault`, asks for a reload, and checks who says what; `words` must be in each of them.
#[track_caller]
fn refused(extra: bool, fault: impl FnOnce(&World), words: &[&str]) {
    let provider = Provider::start();
    let world = World::new();
    world.env_file("MISTRAL_API_KEY=from-the-file\n");
    let second = world.write("second.env", "DEEPSEEK_API_KEY=from-the-second\n");
    let scene = Scene::within(world, &provider.base_url(), "", |serve| {
        if extra { serve.arg("--env-file").arg(&second) } else { serve }
    });
    fault(&scene.world);
    // The caller.
    let error = scene.world.cli(["reload", "--json"]).with_code(1).error();
    let message = error["message"].as_str().unwrap_or_default().to_owned();
    let human = scene.world.cli(["reload"]).with_code(1).stderr;
    assert!(human.starts_with("error: "), "{human}");
    // The warning.
    let warning = scene.daemon.warning("reload_refused").expect("a warning");
    assert_eq!(warning["severity"], "error", "{warning}");
    let warned = warning["message"].as_str().unwrap_or_default().to_owned();
    // The log.
    let log = scene.daemon.stderr().until("a line about the refusal", |text| {
        text.lines().any(|line| line.contains("\"WARN\"") && words.iter().all(|word| line.contains(word)))
    });
    for word in words {
        for (place, text) in [("--json", &message), ("stderr", &human), ("status", &warned)] {
            assert!(text.contains(word), "`{word}` is not in {place}: {text}");
        }
    }
    assert!(logs::with_message(&log, "reload").is_empty(), "a refused reload is logged as a reload: {log}");
    // The next request: with the same key as before.
    let answer = scene.daemon.http().chat(MODEL, "x").send().ok();
    assert_eq!(answer.header(openai::KEY_HEADER), Some(openai::fingerprint(&scene.key).as_str()));
    scene.goes_on();
}

fn chmod(path: &std::path::Path, mode: u32) {
    let file = std::fs::File::open(path).expect("open");
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).expect("fchmod");
}

macro_rules! reloads {
    ($($name:ident { $(extra_file: $extra:expr,)? fault: $fault:expr, said: $words:expr $(,)? })*) => {
        $(#[test]
        fn $name() {
            let extra = false;
            $(let extra = extra || $extra;)?
            refused(extra, $fault, &$words);
        })*
    };
}

const ENV: &str = "config/bitrouter/env";

reloads! {
    p15_bad_settings {
        fault: |world| drop(world.config("[server]\nmax_bdoy = \"1 MiB\"\n")),
        said: ["config.toml:2", "max_body"],
    }
    p15_settings_that_are_no_toml {
        fault: |world| drop(world.config("[server\n")),
        said: ["config.toml:1"],
    }
    p15_settings_that_cannot_be_read {
        fault: |world| chmod(&world.path("config/bitrouter/config.toml"), 0),
        said: ["config.toml"],
    }
    p15_a_bad_line_in_the_env_file {
        fault: |world| drop(world.env_file("# fine\nMISTRAL_API_KEY=\"x\n")),
        said: ["config/bitrouter/env:2"],
    }
    p15_an_env_file_that_cannot_be_read {
        fault: |world| chmod(&world.path(ENV), 0),
        said: [ENV],
    }
    p15_an_env_file_that_everybody_can_read {
        fault: |world| chmod(&world.path(ENV), 0o644),
        said: ["chmod 600", ENV],
    }
    p15_a_pipe_for_an_env_file {
        fault: |world| {
            // Made aside: in between there would be no file, which is fine and a reload.
            let aside = world.path("config/bitrouter/aside");
            rustix::fs::mknodat(rustix::fs::CWD, &aside, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
                .expect("a pipe");
            world.user().own_path(&aside);
            std::fs::rename(aside, world.path(ENV)).expect("rename");
        },
        said: [ENV],
    }
    p15_a_directory_for_an_env_file {
        fault: |world| {
            // No directory can be renamed over a file, but the two can change places.
            let aside = world.directory("config/bitrouter/aside");
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            rustix::fs::renameat_with(rustix::fs::CWD, aside, rustix::fs::CWD, world.path(ENV), flags).expect("rename");
        },
        said: [ENV],
    }
    p15_a_named_env_file_that_is_gone {
        extra_file: true,
        fault: |world| std::fs::remove_file(world.path("second.env")).expect("remove"),
        said: ["second.env"],
    }
    p15_a_bad_manifest {
        fault: |world| drop(world.write("config/bitrouter/registry/mine.toml", "id = \"mine\"\nname = 7\n")),
        said: ["registry/mine.toml"],
    }
}
