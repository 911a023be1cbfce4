"""The reviewed lists of structure.py: what is allowed where, each entry with its reason.

A path or crate that stands here without need is an error too, so that the lists stay true. Paths are relative to the
repository; one that ends in `/` names all that lies below it.
"""

# Which crate may depend on which of ours (any kind of dependency).
DIRECTION = {
    "bitrouter-proto": set(),
    "bitrouter-gateway": {"bitrouter-proto"},
    "bitrouter-node": {"bitrouter-gateway", "bitrouter-proto", "bitrouter-node", "bitrouter-test-postgres"},
    "bitrouter-daemon": {"bitrouter-gateway", "bitrouter-node", "bitrouter-proto"},
    "bitrouter": {"bitrouter-daemon", "bitrouter-proto"},
    # Behaviour tests: the built binary and the public contract, never the daemon's insides.
    "bitrouter-tests": {"bitrouter-proto", "bitrouter-test-postgres"},
    # Servers for tests, which know nothing of what is tested.
    "bitrouter-test-postgres": set(),
    # Of the daemon's insides only the node, which is measured in process too: the binary limits how often it is asked.
    "bitrouter-bench": {"bitrouter-tests", "bitrouter-node", "bitrouter-gateway", "bitrouter-proto"},
}

SQL = {"sqlx", "sqlx-core", "rusqlite", "libsqlite3-sys", "diesel", "sea-orm", "sea-query", "tokio-postgres"}

# Which packages must not be in a crate's tree, however deep (features as that crate asks for them).
MUST_NOT_LINK = {
    "bitrouter-proto": SQL | {"axum-server", "daemonize", "hickory-resolver", "notify", "oauth2", "rustls", "signal-hook"},
    "bitrouter-gateway": SQL | {"daemonize", "interprocess", "listenfd", "notify", "oauth2", "sd-notify", "signal-hook"},
    "bitrouter-node": {"daemonize", "interprocess", "listenfd", "notify", "sd-notify", "signal-hook"},
    "bitrouter": {"openssl", "openssl-sys", "native-tls"},
}

# What one of ours must not name in its own manifest.
MUST_NOT_DEPEND = {
    "bitrouter-proto": {"axum"},
    "bitrouter": SQL | {"axum", "hyper", "notify", "daemonize"},
    "*": {"openssl", "openssl-sys", "native-tls", "lazy_static", "once_cell", "anyhow", "chrono", "time"},
}

# Dependencies that must stay behind a feature.
MUST_BE_OPTIONAL = {
    "bitrouter-proto": {"tokio", "tokio-util", "hyper", "hyper-util", "interprocess"},
}

# Words that may be named in code only in these files: word (as a regular expression), where it is banned, where it is
# allowed all the same, why.
ONLY_IN = [
    (r"\bbitrouter_daemon\b", "ctl/", {"ctl/src/local_daemon.rs"},
     "a command is a call over the control socket; only what becomes the daemon may name it"),
    (r"\b(axum|sqlx|rusqlite)::", "ctl/", set(), "a command neither serves nor stores"),
    (r"\b(sqlx|rusqlite|interprocess|oauth2|notify|signal_hook)::", "gateway/", set(),
     "the gateway knows no accounts, files or listening sockets"),
    (r"\b(sqlx|libsqlite3_sys)::|\b(SELECT|INSERT INTO|DELETE FROM|PRAGMA) ", "node/",
     {"node/src/store/", "node/src/opening/tests.rs", "node/tests/postgres/", "node/tests/backup.rs", "node/tests/support/mod.rs"}, "one place with SQL: a query is a function of the store"),
    (r"\b(TcpListener|UnixListener|TcpSocket)\b", "node/", set(), "the node is mounted; it never binds"),
    (r"\b(sqlx|rusqlite)::", "daemon/", set(), "what is stored is the node's business"),
    (r"\btokio::", "proto/src/", {"proto/src/client/", "proto/src/tasks.rs", "proto/src/convert/", "proto/src/wire.rs"},
     "the contract works without a runtime unless `client`, `server` or `tasks` is asked for"),
    (r"\bdaemonize::", "", {"daemon/src/lifecycle/detach.rs"}, "RUSTSEC-2025-0069: one file, before any thread exists"),
    (r"\bsleep(_until)?\s*\(", "tests/", {"tests/src/wait.rs", "tests/src/provider/", "tests/tests/soak.rs", "tests/postgres/src/bouncer.rs"},
     "sleep is not synchronisation: wait on a condition with a deadline"),
    (r"release/bitrouter\b", "tests/tests/", set(), "the harness is the only way to start the binary"),
    (r"#\s*\[\s*ignore", "", {"tests/tests/soak.rs"}, "no test is skipped; the soak has a target of its own"),
]

# Files that may contain `unsafe`, with the argument why it is sound standing beside the block.
UNSAFE = {
    "daemon/src/lifecycle/detach.rs": "closes inherited descriptors in the single-threaded child of `start`",
    "daemon/src/lifecycle/idle_memory.rs": "gives back pages that are in their file as they are in memory, and what is free of the heap",
}

# Files that may take a secret out of its type, and what they do with it.
EXPOSES_SECRETS = {
    "node/tests/rest/caller.rs": "follows a one-time link",
    "node/src/web/tests/clients.rs": "follows a one-time link",
    "proto/src/account/seal.rs": "seals a provider's key",
    "ctl/src/cli/cloud/byok.rs": "looks whether what was given can be a key",
    "node/src/byok/held.rs": "looks whether an opened key is empty",
    "node/src/byok/tests.rs": "compares what was stored",
    "node/tests/rest/byok.rs": "compares what was stored",
    "proto/src/account/identity.rs": "reads the id in an access token, which is no secret",
    "proto/src/client/account.rs": "puts an account's key on the wire of the control socket",
    "proto/src/account/credential.rs": "writes the tokens into the text of the credential file",
    "proto/src/account/credential/tests.rs": "reads what was written again",
    "proto/src/credential_file.rs": "reads what the credential file holds",
    "proto/src/client/everyday.rs": "puts a key for calls on the wire of the control socket",
    "daemon/src/control/services/asking.rs": "looks whether a key opens nothing but calls of models",
    "daemon/src/credentials/discovery.rs": "parses a reply, whose body might have been one with tokens",
    "daemon/src/credentials/everyday.rs": "looks whether a key begins as those of nodes do",
    "daemon/src/credentials/model_calls.rs": "puts a key into the header of a call, and replaces it in a server's words by [redacted]",
    "proto/src/client/people.rs": "puts a chosen password on the wire of the control socket",
    "ctl/src/cli/console.rs": "shows a link that is good once, for the user who asked",
    "ctl/src/cli/key_text.rs": "shows a key that was just minted, to whoever minted it",
    "ctl/src/cli/cloud/oauth_client.rs": "shows the secret of a client that was just registered, to whoever registered it",
    "ctl/src/cli/everyday/endpoint.rs": "looks at the form of a key, and compares it with the last one",
    "ctl/src/cli/everyday/env.rs": "hands a key out, as it is asked to",
    "ctl/src/cli/everyday/key_cache.rs": "writes the last key into its file",
    "ctl/src/cli/everyday/keys.rs": "shows a key that was just made, to whoever made it",
    "ctl/src/cli/exec/command.rs": "puts the key of a run into the environment of its command",
    "ctl/src/cli/exec/variables.rs": "tests look at what it would put there",
    "proto/src/client/leases.rs": "puts what claims a lease on the wire of the control socket",
    "daemon/src/control/services/leases.rs": "puts the key of a run, and what claims its lease, into the reply of its opener",
    "node/src/leases/open.rs": "hashes what claims a lease",
    "node/src/leases/tests.rs": "presents the keys of leases",
    "ctl/src/cli/password.rs": "compares what was typed twice",
    "daemon/src/control/services/console.rs": "puts the link on the wire of the control socket",
    "daemon/src/environment/suffix.rs": "shows the last four characters of a long key in `status`",
    "proto/src/client/calls.rs": "puts the caller's own variables on the wire of the control socket",
    "node/src/oauth/live/tests.rs": "presents the tokens that it made",
    "node/src/oauth/own_session.rs": "presents the daemon's own tokens to its own node",
    "node/tests/oauth/own_session.rs": "presents the tokens that it was given",
    "node/src/keys/mod.rs": "looks whether it minted a key",
    "node/src/keys/mint.rs": "writes a key into the reply of its minter",
    "node/src/keys/tests.rs": "presents the keys that it minted",
    "node/src/oauth/authorize.rs": "writes a code into the address that its browser goes to, and hashes it",
    "node/src/oauth/clients/register.rs": "writes a client's secret into the reply of its maker, and hashes it",
    "node/src/oauth/reply.rs": "writes the tokens of a grant into the reply of its client",
    "gateway/src/http/relay_error.rs": "replaces an echoed key in a provider's error by [redacted]",
    "gateway/src/http/payer.rs": "looks for a stored key that a provider repeats in an error within a reply",
    "gateway/src/credential.rs": "makes the credential header of the upstream request, marked sensitive",
    "daemon/src/credentials/device.rs": "reads the reply of the token endpoint, and sends the form with the code",
    "daemon/src/credentials/exchange.rs": "compares tokens, and puts the refresh token into the request that renews it",
    "daemon/src/credentials/held.rs": "compares the tokens of two readings of the file",
    "daemon/src/credentials/http.rs": "puts a credential into the header or the form of a request to its own server",
    "daemon/src/credentials/keep.rs": "compares tokens, and measures what will be written",
    "daemon/src/credentials/metadata.rs": "parses a reply, whose body might have been one with tokens",
    "daemon/src/credentials/reply.rs": "parses replies, which may hold tokens",
    "daemon/src/credentials/revocation.rs": "puts a token into the request that revokes it",
    "daemon/src/credentials/sign_in.rs": "judges the shape of a key, and measures what will be written",
    "daemon/src/credentials/source.rs": "compares tokens, and hands one to the own node that judges it",
    "daemon/src/credentials/store.rs": "writes the credential file",
    "daemon/src/credentials/tests/attempts.rs": "looks at the token that a call would go with",
    "daemon/src/credentials/tests/mod.rs": "looks at the token that a call would go with",
    "daemon/src/environment/catalog.rs": "its test looks at the key that the shipped registry would be given",
    "daemon/src/environment/constant_time.rs": "compares two values without telling how far they agree",
    "node/src/billing/signature.rs": "makes the key that Stripe's events are checked with",
    "node/src/billing/stripe.rs": "puts the key for Stripe into the header of a request to it",
    "node/src/settings.rs": "tells one reading of the secrets for Stripe from another",
    "daemon/src/environment/env_syntax.rs": "its tests look at what the parser read",
    "daemon/src/environment/keyring_tests.rs": "compares the ring with a naive reference",
    "daemon/src/environment/layers.rs": "judges a value: our own token, a placeholder, unfit for a header",
    "daemon/src/environment/parent.rs": "its tests look at what the parent's environment gave",
    "daemon/src/environment/pushed.rs": "measures pushed values against their bounds",
    "daemon/src/node_host/callers.rs": "hands a token, kept while the node is being opened, to the node that judges it",
    "daemon/src/environment/pushed_tests.rs": "looks at what a session's push left",
    "node/src/store/postgres_url.rs": "reads the URL of the database, and shows it without its password",
    "node/src/steady.rs": "its test presents a token",
    "node/src/secret/token.rs": "its tests look at the texts of tokens",
    "node/src/people/password.rs": "hashes a password, and measures it",
    "node/tests/rest/caller.rs": "opens a one-time link as a browser would",
    "node/src/web/tests/console.rs": "opens a one-time link as a browser would",
    "node/src/web/tests/members.rs": "opens a one-time link as a browser would",
}
# Tests put secrets in and look where they come out; that is their business.
EXPOSES_SECRETS_FREELY = ("tests/", "bench/")

# Files that may be longer or must be shorter than the rest.
LINE_LIMITS = {
    "ctl/src/main.rs": 30,
}

# What must not stand in any file of ours: the place where it was written, its accounts, its hosts.
FOREIGN_WORDS = [
    (r"(?<![\w.])/(?:work|workspace|builds)/", "a path of somebody's machine"),
    (r"/(?:home|Users)/(?!(?:user|alice|bob|me|you|dev|p|op|u)\b|[.<$*{…])[a-z]\w*/", "a path of somebody's machine"),
    (r'"resolved": *"http', "the registry of somebody's machine"),
    (r"\bpip\.(?:conf|ini)\b", "a setting of somebody's machine"),
    (r"\b[\w-]+\.(?:corp|intranet)\b", "a private host"),
    (r"(?i)\b(?:artifactory|devpi|nexus repository)\b", "a private registry"),
    (r"(?i)\bco-authored-by\b|\bsub-?agents?\b|\bsystem prompt of this\b", "the session in which it was written"),
]
