//! Env files: the syntax, and what a bad one costs.

use bitrouter_tests::{Provider, World};

#[test]
fn each_way_to_write_a_value_gives_that_value() {
    let table: [(&str, &str); 20] = [
        ("KEY=plain", "plain"),
        ("KEY=  spaced  ", "spaced"),
        ("export KEY=exported", "exported"),
        ("  export   KEY=indented", "indented"),
        ("KEY='single quoted'", "single quoted"),
        ("KEY=\"double quoted\"", "double quoted"),
        (r"KEY='no \n escape'", r"no \n escape"),
        (r#"KEY="tab\tquote\"back\\slash""#, "tab\tquote\"back\\slash"),
        (r"KEY=bare\nback", r"bare\nback"),
        ("KEY=before # comment", "before"),
        ("KEY=a#b", "a#b"),
        ("KEY='a # b' # comment", "a # b"),
        ("KEY=\"a # b\"", "a # b"),
        ("KEY=a=b=c", "a=b=c"),
        ("KEY=$HOME", "$HOME"),
        ("KEY=\"${HOME}\"", "${HOME}"),
        ("# comment\n\nKEY=after", "after"),
        ("KEY=crlf\r", "crlf"),
        ("KEY=first\nKEY=second", "second"),
        ("OTHER_THING=1\nKEY=known", "known"),
    ];
    let world = World::new();
    let provider = Provider::start();
    world.config(&provider.as_openai());
    world.env_file("OPENAI_API_KEY=first\n");
    let daemon = world.serve().start();
    for (number, (line, expected)) in table.into_iter().enumerate() {
        world.env_file(&format!("{}\n", line.replace("KEY", "OPENAI_API_KEY")));
        daemon.reload();
        daemon.http().chat("openai:m", "x").send().ok();
        // A header cannot carry a tab or a quote at its end unchanged everywhere, so compare what arrived as text.
        assert_eq!(provider.exchange(number).request.key(), Some(expected), "{line}");
    }
}

#[test]
fn p03_a_bad_line_is_named_and_never_quoted() {
    let bad = [
        "SECRET",
        "=SECRET",
        "1KEY=SECRET",
        "KEY WITH SPACE=SECRET",
        "KEY='SECRET",
        "KEY=\"SECRET",
        "KEY=\"SECRET\" more",
        "export SECRET",
    ];
    for line in bad {
        let world = World::new();
        let secret = world.canary("line");
        world.env_file(&format!("# fine\nGROQ_API_KEY=fine\n{}\n", line.replace("SECRET", &secret)));
        let text = world.serve().arg("--demo").refused();
        assert!(text.contains("config/bitrouter/env:3") || text.contains("line 3"), "{line}: {text}");
        assert!(text.contains("bitrouter/env"), "{line}: {text}");
        assert!(!text.contains(&secret), "{line}: the line is quoted");
    }
}

#[test]
fn a_missing_env_file_is_an_error_only_when_it_was_asked_for() {
    let world = World::new();
    world.demo().stop();
    let missing = world.path("nowhere.env").to_string_lossy().into_owned();
    let output = world.cli(["serve", "--demo", "--listen", "127.0.0.1:0", "--env-file", &missing]).with_code(1);
    assert!(output.stderr.contains("nowhere.env"), "{}", output.stderr);
}

#[test]
fn an_env_file_that_others_can_read_is_refused_with_the_cure() {
    for mode in [0o644, 0o604, 0o640] {
        let world = World::new();
        let path = world.write_mode("config/bitrouter/env", "GROQ_API_KEY=x\n", mode);
        let text = world.serve().arg("--demo").refused();
        assert!(text.contains(&format!("chmod 600 {}", path.display())), "{mode:o}: {text}");
    }
}
