//! Whole runs as a person sees them: stdout, stderr and code.

use bitrouter_tests::World;

#[test]
fn without_a_daemon() {
    let world = World::new();
    let runs: [&[&str]; 5] = [&["--version"], &["status"], &["stop"], &["reload"], &["stats"]];
    let text: String = runs.map(|args| world.cli(args).snapshot(&world)).concat();
    insta::assert_snapshot!("without_a_daemon", text);
}

#[test]
fn help() {
    let world = World::new();
    insta::assert_snapshot!("help", world.cli(["--help"]).snapshot(&world));
}
