//! What each name says of itself.

use bitrouter_tests::World;

use crate::named::tokenroute;

#[test]
fn the_other_names_help_speaks_of_that_name() {
    let world = World::new();
    let program = tokenroute(&world);
    let help = world.program(&program, ["--help"]).run();
    insta::assert_snapshot!("tokenroute_help", help.snapshot(&world));
    for words in [&["login", "--help"][..], &["keys", "create", "--help"], &["env", "--help"], &["help", "topup"]] {
        let help = world.program(&program, words).run().with_code(0).stdout;
        let words =
            words.iter().filter(|word| !matches!(**word, "--help" | "help")).copied().collect::<Vec<_>>().join(" ");
        assert!(help.contains(&format!("Usage: tokenroute {words}")), "{help}");
    }
}

#[test]
fn a_key_in_an_argument_is_warned_of() {
    let world = World::new();
    for words in [["env", "--help"], ["test", "--help"], ["models", "--help"]] {
        let help = world.cli(words).with_code(0).stdout;
        assert!(help.contains("--key-stdin") && help.contains("list of processes"), "{help}");
    }
}
