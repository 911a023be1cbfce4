//! `members.proto`: the rows.

use crate::{
    account::{Member, PersonId, Role},
    wire,
};

impl From<Member> for wire::Member {
    fn from(row: Member) -> Self {
        Self {
            person_id: row.person_id.to_string(),
            name: row.name,
            role: row.role.as_str().to_owned(),
            created_at: row.created_at,
        }
    }
}

impl TryFrom<wire::Member> for Member {
    type Error = &'static str;

    fn try_from(message: wire::Member) -> Result<Self, Self::Error> {
        let person_id: PersonId = message.person_id.parse().map_err(|_| "it answered an id that is none")?;
        let role = [Role::Viewer, Role::Member, Role::Admin, Role::Owner].into_iter();
        let role =
            role.into_iter().find(|role| role.as_str() == message.role).ok_or("it answered a role that is none")?;
        Ok(Self { person_id, name: message.name, role, created_at: message.created_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_survive_the_wire() {
        for role in [Role::Viewer, Role::Member, Role::Admin, Role::Owner] {
            let row = Member {
                person_id: "usr_00000000010000000000000002".parse().unwrap(),
                name: "a".to_owned(),
                role,
                created_at: "t".to_owned(),
            };
            assert_eq!(Member::try_from(wire::Member::from(row.clone())), Ok(row));
        }
        assert_eq!(
            Member::try_from(wire::Member {
                person_id: "usr_00000000010000000000000002".to_owned(),
                ..wire::Member::default()
            }),
            Err("it answered a role that is none")
        );
    }
}
