//! Who may call what: one table for every method of every service.

/// What a peer is, from the uid that the kernel names. Each class may what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PeerClass {
    /// Nobody in particular: another user, or one that the kernel hides.
    Other,
    /// May look, and change nothing. No peer of a daemon that serves one user is only this.
    Reader,
    /// The daemon's own user, and root.
    Admin,
}

impl PeerClass {
    /// The class of `uid` for a daemon that runs as `own`. `overflow` is what the kernel shows for users it cannot name.
    pub(super) fn of(uid: u32, own: u32, overflow: u32) -> Self {
        if (uid == own || uid == 0) && uid != overflow { Self::Admin } else { Self::Other }
    }
}

/// One method.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    /// Its path.
    path: &'static str,
    /// The least class that may call it.
    least: PeerClass,
    /// It answers under any protocol number, so that clients of every age can see and end this daemon.
    pub(super) any_protocol: bool,
}

impl Method {
    const fn new(path: &'static str, least: PeerClass) -> Self {
        Self { path, least, any_protocol: false }
    }

    const fn of_any_protocol(path: &'static str, least: PeerClass) -> Self {
        Self { path, least, any_protocol: true }
    }

    /// True where a peer of `class` may call it.
    pub(super) fn admits(self, class: PeerClass) -> bool {
        class >= self.least
    }
}

use PeerClass::{Admin, Reader};

/// Every method. What does not stand here does not exist for anybody.
const METHODS: &[Method] = &[
    Method::of_any_protocol("/bitrouter.control.v1.DaemonService/Status", Reader),
    Method::of_any_protocol("/bitrouter.control.v1.DaemonService/Stop", Admin),
    Method::new("/bitrouter.control.v1.DaemonService/Reload", Admin),
    Method::new("/bitrouter.control.v1.DaemonService/WatchEvents", Reader),
    Method::new("/bitrouter.control.v1.DaemonService/Logs", Admin),
    Method::new("/bitrouter.control.v1.EnvironmentService/ListNames", Admin),
    Method::new("/bitrouter.control.v1.EnvironmentService/Push", Admin),
    Method::new("/bitrouter.control.v1.EnvironmentService/Compare", Admin),
    Method::new("/bitrouter.control.v1.LogService/SetLevel", Admin),
    Method::new("/bitrouter.control.v1.NamespaceService/ListNamespaces", Admin),
    Method::new("/bitrouter.control.v1.NamespaceService/CreateNamespace", Admin),
    Method::new("/bitrouter.control.v1.NamespaceService/RenameNamespace", Admin),
    Method::new("/bitrouter.control.v1.NamespaceService/DeleteNamespace", Admin),
    Method::new("/bitrouter.control.v1.PersonService/ListPeople", Admin),
    Method::new("/bitrouter.control.v1.PersonService/AddPerson", Admin),
    Method::new("/bitrouter.control.v1.PersonService/SetPassword", Admin),
    Method::new("/bitrouter.control.v1.PersonService/RemovePerson", Admin),
    Method::new("/bitrouter.control.v1.NamespaceService/ListAccountNamespaces", Admin),
    Method::new("/bitrouter.control.v1.AuthService/Login", Admin),
    Method::new("/bitrouter.control.v1.AuthService/Logout", Admin),
    Method::new("/bitrouter.control.v1.AuthService/WhoAmI", Admin),
    Method::new("/bitrouter.control.v1.ConsoleService/OpenConsole", Admin),
    Method::new("/bitrouter.control.v1.UsageService/GetUsage", Admin),
    Method::new("/bitrouter.control.v1.UsageService/ListCalls", Admin),
    Method::new("/bitrouter.control.v1.UsageService/GetCall", Admin),
    Method::new("/bitrouter.control.v1.UsageService/FollowCalls", Admin),
    Method::new("/bitrouter.control.v1.BillingService/GetBalance", Admin),
    Method::new("/bitrouter.control.v1.BillingService/ListTransactions", Admin),
    Method::new("/bitrouter.control.v1.BillingService/CreateCheckout", Admin),
    Method::new("/bitrouter.control.v1.BillingService/GrantCredit", Admin),
    Method::new("/bitrouter.control.v1.NodeService/GetNodeUsage", Admin),
    Method::new("/bitrouter.control.v1.NodeService/RepairJournal", Admin),
    Method::new("/bitrouter.control.v1.NodeService/BackUp", Admin),
    Method::new("/bitrouter.control.v1.KeyService/ListKeys", Admin),
    Method::new("/bitrouter.control.v1.KeyService/MintKey", Admin),
    Method::new("/bitrouter.control.v1.KeyService/RevokeKey", Admin),
    Method::new("/bitrouter.control.v1.LeaseService/HoldLease", Admin),
    Method::new("/bitrouter.control.v1.LeaseService/EndLease", Admin),
    Method::new("/bitrouter.control.v1.OperatorKeyService/ListOperatorKeys", Admin),
    Method::new("/bitrouter.control.v1.OperatorKeyService/MintOperatorKey", Admin),
    Method::new("/bitrouter.control.v1.OperatorKeyService/RevokeOperatorKey", Admin),
    Method::new("/bitrouter.control.v1.OperatorKeyService/ConfirmKeys", Admin),
    Method::new("/bitrouter.control.v1.ByokService/GetSealingKey", Admin),
    Method::new("/bitrouter.control.v1.ByokService/ListStoredKeys", Admin),
    Method::new("/bitrouter.control.v1.ByokService/SubmitStoredKey", Admin),
    Method::new("/bitrouter.control.v1.ByokService/DeleteStoredKey", Admin),
    Method::new("/bitrouter.control.v1.ByokService/RotateSealingKey", Admin),
    Method::new("/bitrouter.control.v1.ByokService/ListStoredKeyChanges", Admin),
    Method::new("/bitrouter.control.v1.PolicyService/ListPolicies", Admin),
    Method::new("/bitrouter.control.v1.PolicyService/GetPolicy", Admin),
    Method::new("/bitrouter.control.v1.PolicyService/CreatePolicy", Admin),
    Method::new("/bitrouter.control.v1.PolicyService/UpdatePolicy", Admin),
    Method::new("/bitrouter.control.v1.PolicyService/DeletePolicy", Admin),
    Method::new("/bitrouter.control.v1.PolicyService/EnablePolicy", Admin),
    Method::new("/bitrouter.control.v1.PolicyService/DisablePolicy", Admin),
    Method::new("/bitrouter.control.v1.PolicyService/BindPolicy", Admin),
    Method::new("/bitrouter.control.v1.PolicyService/UnbindPolicy", Admin),
    Method::new("/bitrouter.control.v1.PolicyService/ListBindings", Admin),
    Method::new("/bitrouter.control.v1.PolicyService/GetEffective", Admin),
    Method::new("/bitrouter.control.v1.PolicyService/ListForPrincipal", Admin),
    Method::new("/bitrouter.control.v1.BudgetService/ListBudgets", Admin),
    Method::new("/bitrouter.control.v1.BudgetService/GetBudget", Admin),
    Method::new("/bitrouter.control.v1.BudgetService/CreateBudget", Admin),
    Method::new("/bitrouter.control.v1.BudgetService/UpdateBudget", Admin),
    Method::new("/bitrouter.control.v1.BudgetService/DeleteBudget", Admin),
    Method::new("/bitrouter.control.v1.PresetService/ListPresets", Admin),
    Method::new("/bitrouter.control.v1.PresetService/GetPreset", Admin),
    Method::new("/bitrouter.control.v1.PresetService/CreatePreset", Admin),
    Method::new("/bitrouter.control.v1.PresetService/UpdatePreset", Admin),
    Method::new("/bitrouter.control.v1.PresetService/DeletePreset", Admin),
    Method::new("/bitrouter.control.v1.SessionService/ListSessions", Admin),
    Method::new("/bitrouter.control.v1.SessionService/RevokeSession", Admin),
    Method::new("/bitrouter.control.v1.OauthClientService/ListOauthClients", Admin),
    Method::new("/bitrouter.control.v1.OauthClientService/RegisterOauthClient", Admin),
    Method::new("/bitrouter.control.v1.OauthClientService/UpdateOauthClient", Admin),
    Method::new("/bitrouter.control.v1.OauthClientService/DeleteOauthClient", Admin),
    Method::new("/bitrouter.control.v1.MemberService/ListMembers", Admin),
    Method::new("/bitrouter.control.v1.MemberService/AddMember", Admin),
    Method::new("/bitrouter.control.v1.MemberService/RemoveMember", Admin),
    Method::new("/bitrouter.control.v1.CompletionService/Complete", Admin),
    Method::new("/bitrouter.control.v1.ExplainService/Explain", Admin),
    Method::new("/bitrouter.control.v1.EverydayService/ShowIdentity", Admin),
    Method::new("/bitrouter.control.v1.EverydayService/CreateKey", Admin),
    Method::new("/bitrouter.control.v1.EverydayService/ListOwnKeys", Admin),
    Method::new("/bitrouter.control.v1.EverydayService/EndKey", Admin),
    Method::new("/bitrouter.control.v1.EverydayService/ShowBalance", Admin),
    Method::new("/bitrouter.control.v1.EverydayService/TopUp", Admin),
    Method::new("/bitrouter.control.v1.EverydayService/ShowUsage", Admin),
    Method::new("/bitrouter.control.v1.EverydayService/ListModels", Admin),
    Method::new("/bitrouter.control.v1.EverydayService/TryModel", Admin),
    Method::new("/bitrouter.control.v1.DoctorService/CheckProviders", Admin),
    Method::new("/bitrouter.control.v1.ActivityService/WatchActivity", Admin),
    Method::of_any_protocol("/grpc.health.v1.Health/Check", Reader),
    Method::of_any_protocol("/grpc.health.v1.Health/Watch", Reader),
    Method::of_any_protocol("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Reader),
    Method::of_any_protocol("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Reader),
];

/// The method at `path`.
pub(super) fn method(path: &str) -> Option<Method> {
    METHODS.iter().find(|method| method.path == path).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// The methods that are served, as their descriptors name them.
    fn served() -> BTreeSet<String> {
        let sets = [
            bitrouter_proto::wire::DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let mut paths = BTreeSet::new();
        for file in sets.into_iter().flat_map(|bytes| FileDescriptorSet::decode(bytes).unwrap().file) {
            for service in &file.service {
                for method in &service.method {
                    paths.insert(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
                }
            }
        }
        paths
    }

    #[test]
    fn every_method_that_is_served_stands_in_the_table_and_nothing_else() {
        let table: BTreeSet<String> = METHODS.iter().map(|method| method.path.to_owned()).collect();
        assert_eq!(table.len(), METHODS.len(), "a path stands twice");
        assert_eq!(table, served());
    }

    #[test]
    fn each_class_may_call_what_it_should() {
        let look = ["/Status", "/WatchEvents", "/Check", "/Watch", "/ServerReflectionInfo"];
        for known in METHODS {
            let looks = look.iter().any(|end| known.path.ends_with(end));
            assert!(known.admits(Admin), "{}", known.path);
            assert_eq!(known.admits(Reader), looks, "{}", known.path);
            assert!(!known.admits(PeerClass::Other), "{}", known.path);
        }
        assert!(method("/bitrouter.control.v1.DaemonService/Nonsense").is_none());
    }

    #[test]
    fn the_owner_and_root_are_told_from_others() {
        let (own, overflow) = (1000, 65534);
        for (uid, class) in [(1000, Admin), (0, Admin), (1001, PeerClass::Other), (65534, PeerClass::Other)] {
            assert_eq!(PeerClass::of(uid, own, overflow), class, "{uid}");
        }
        assert_eq!(PeerClass::of(65534, 65534, 65534), PeerClass::Other);
        assert_eq!(PeerClass::of(1000, 0, 65534), PeerClass::Other);
    }
}
