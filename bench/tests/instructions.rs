//! What a request and a stream cost in instructions, beside a bare proxy: a bound on work that no faster machine hides.
//! The benchmark measures; here it must also be content. What it printed is the result.

use std::process::Command;

#[test]
fn heavy_a_request_costs_no_more_instructions_than_promised() {
    let bench = env!("CARGO_BIN_EXE_bitrouter-bench");
    let run = Command::new(bench).args(["--quick", "--check", "--only", "instructions"]).output().expect("the bench");
    let (table, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    println!("{table}");
    assert!(run.status.success(), "{errors}\n{table}");
    assert!(table.contains("instructions per request, to the bare proxy"), "{table}");
}
