-- API keys, members, policies, what was bought. Times are milliseconds since 1970 UTC, hashes are SHA-256 in hexadecimal, ids
-- keep their prefix and are lower case.

-- Raised by each process that takes the database for itself, and looked at in every transaction that writes.
ALTER TABLE node ADD COLUMN writer_epoch BIGINT NOT NULL DEFAULT 0;

-- namespace_id: none for the operator's reading keys. hash: of the secret that opens it now. parent_key_id or parent_grant_id: what it was minted with, none where
-- a person did. grant_id and client_id: the session at the head of the chain, and its client. depth: how many keys stand above it.
-- suspended_at: a database was put back without the log of what had been revoked, nobody knows whether the key still holds.
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    namespace_id TEXT REFERENCES namespaces (id),
    person_id TEXT NOT NULL REFERENCES persons (id),
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    parent_key_id TEXT,
    parent_grant_id TEXT,
    grant_id TEXT,
    client_id TEXT,
    depth BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    suspended_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_namespace ON api_keys (namespace_id, created_at);
CREATE INDEX api_keys_parent ON api_keys (parent_key_id) WHERE parent_key_id IS NOT NULL;
CREATE INDEX api_keys_grant ON api_keys (grant_id) WHERE grant_id IS NOT NULL;
CREATE INDEX api_keys_person ON api_keys (person_id);

-- What persons other than its owner may do in a namespace. role: admin, member or viewer.
CREATE TABLE members (
    namespace_id TEXT NOT NULL REFERENCES namespaces (id),
    person_id TEXT NOT NULL REFERENCES persons (id),
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (namespace_id, person_id)
);
CREATE INDEX members_person ON members (person_id);

-- kind: budget, rate_limit, guardrail or preset. spec: the JSON that was checked. content_patterns: how many are in it.
CREATE TABLE policies (
    id TEXT PRIMARY KEY,
    namespace_id TEXT NOT NULL REFERENCES namespaces (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    spec TEXT NOT NULL,
    content_patterns BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    disabled_at BIGINT
);
CREATE INDEX policies_namespace ON policies (namespace_id, created_at);

-- principal_type: namespace, api_key, oauth_token, oauth_client or user.
CREATE TABLE bindings (
    id TEXT PRIMARY KEY,
    policy_id TEXT NOT NULL REFERENCES policies (id),
    namespace_id TEXT NOT NULL REFERENCES namespaces (id),
    principal_type TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX bindings_principal ON bindings (namespace_id, principal_type, principal_id, policy_id);
CREATE INDEX bindings_policy ON bindings (policy_id);

-- What a credential has spent, however many others there are.
CREATE INDEX usage_hours_credential ON usage_hours (credential_id, hour);

-- What was answered to a POST that makes something, by the key that its caller sent. credential: key_…, tok_…, usr_… or
-- socket. body_hash: of the body as it was understood. reply is none where it held a secret, which resource_id stands for.
CREATE TABLE idempotency_keys (
    credential TEXT NOT NULL,
    path TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    reply TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (credential, path, idempotency_key)
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);

-- Purchases of credit at Stripe, each noted before Stripe is asked for its session, which then has session_id and url. amount:
-- what is credited once it is paid. taken: what refunds and disputes took back.
CREATE TABLE checkouts (
    id TEXT PRIMARY KEY,
    session_id TEXT,
    url TEXT,
    person_id TEXT NOT NULL REFERENCES persons (id),
    amount BIGINT NOT NULL,
    livemode BOOLEAN,
    payment_intent TEXT,
    created_at BIGINT NOT NULL,
    credited_at BIGINT,
    taken BIGINT NOT NULL
);
CREATE UNIQUE INDEX checkouts_session ON checkouts (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX checkouts_payment_intent ON checkouts (payment_intent) WHERE payment_intent IS NOT NULL;

-- Refunds and disputes by their id at Stripe, they may be heard of before what they are of. over_at: a dispute was won, a refund
-- failed.
CREATE TABLE checkout_reversals (
    id TEXT PRIMARY KEY,
    payment_intent TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    over_at BIGINT
);
CREATE INDEX checkout_reversals_payment ON checkout_reversals (payment_intent)
