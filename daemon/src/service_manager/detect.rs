//! Whether a service manager started this process, and so is the one to start it again.

use bitrouter_proto::env::{self, Environment};

/// True where the process `own`, whose parent is `parent`, is what a unit of systemd executed.
///
/// `INVOCATION_ID` alone says nothing: a terminal that is itself a service hands it to everything typed in it. systemd names
/// the process that it executed in `SYSTEMD_EXEC_PID`, whichever manager it is: of the system (process 1) or of a user. One
/// before release 248 does not, and there only a child of process 1 can be told.
pub(crate) fn is_service(environment: &Environment, own: u32, parent: Option<u32>) -> bool {
    match environment.text(env::SYSTEMD_EXEC_PID) {
        Some(executed) => executed.parse() == Ok(own),
        None => environment.text(env::INVOCATION_ID).is_some() && parent == Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_of_any_manager_is_told_from_a_terminal_in_a_unit() {
        let (own, terminal) = ("4242", "4000");
        for (variables, parent, expected) in [
            (vec![("INVOCATION_ID", "x"), ("SYSTEMD_EXEC_PID", own)], 1, true),
            (vec![("INVOCATION_ID", "x"), ("SYSTEMD_EXEC_PID", own)], 900, true),
            (vec![("INVOCATION_ID", "x"), ("SYSTEMD_EXEC_PID", terminal)], 4001, false),
            // The terminal's shell is gone, and process 1 took its place.
            (vec![("INVOCATION_ID", "x"), ("SYSTEMD_EXEC_PID", terminal)], 1, false),
            (vec![("INVOCATION_ID", "x")], 1, true),
            (vec![("INVOCATION_ID", "x")], 900, false),
            (vec![("SYSTEMD_EXEC_PID", "nonsense")], 1, false),
            (vec![], 1, false),
        ] {
            let environment = Environment::from_iter(variables.clone());
            assert_eq!(is_service(&environment, 4242, Some(parent)), expected, "{variables:?} {parent}");
        }
    }
}
