//! What the node's owner is called at the first start: as the user is who runs the daemon.

use bitrouter_proto::{
    account::{Name, is_hidden},
    env::{self, Environment},
};

/// The name of the owner, from the list of users, else from the environment, else the number.
pub(crate) fn owner_name(environment: &Environment) -> String {
    let uid = rustix::process::geteuid().as_raw();
    // Read as a file: a lookup by the C library may ask a server, and hang.
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(&users, uid, environment)
}

fn name_of(users: &str, uid: u32, environment: &Environment) -> String {
    listed(users, uid)
        .into_iter()
        .chain([env::USER, env::LOGNAME].into_iter().filter_map(|variable| environment.text(variable)))
        .find_map(cleaned)
        .unwrap_or_else(|| format!("uid-{uid}"))
}

/// The name of `uid` in a file as passwd(5) has it.
fn listed(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        (number.parse() == Ok(uid)).then_some(name)
    })
}

/// `text` without what a name may not hold.
fn cleaned(text: &str) -> Option<String> {
    let visible: String = text.chars().filter(|c| !is_hidden(*c)).take(Name::MAX).collect();
    let name: Name = visible.trim().parse().ok()?;
    Some(name.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_users_beats_the_environment_beats_the_number() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\n# x\nbroken\nada:x:1000:1000::/home/ada:/bin/sh\n\u{200b}:x:7:7::/:\n";
        let none = Environment::default();
        let env = Environment::from_iter([("USER", " eve\u{202e} "), ("LOGNAME", "mallory")]);
        assert_eq!(name_of(users, 1000, &env), "ada");
        assert_eq!(name_of(users, 7, &env), "eve");
        assert_eq!(name_of("", 12, &none), "uid-12");
        let log = Environment::from_iter([("USER", "\u{200b}"), ("LOGNAME", "mallory")]);
        assert_eq!(name_of("", 12, &log), "mallory");
        assert_eq!(name_of("", 12, &Environment::from_iter([("USER", "x".repeat(200))])).chars().count(), 128);
    }
}
