-- People, namespaces, and what signing in makes. Times are milliseconds since 1970 UTC, hashes are SHA-256 in hexadecimal,
-- ids are lower case. Nothing secret stands here but hashes.

CREATE TABLE node (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    node_id TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    first_namespace_id TEXT NOT NULL,
    canary TEXT NOT NULL,
    generation BIGINT NOT NULL,
    revoked_seq BIGINT NOT NULL,
    machine_id TEXT NOT NULL,
    newest_at BIGINT NOT NULL,
    clock_stepped_at BIGINT,
    created_at BIGINT NOT NULL
);

CREATE TABLE persons (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    display_name TEXT NOT NULL,
    password_hash TEXT,
    created_at BIGINT NOT NULL,
    removed_at BIGINT
);
CREATE UNIQUE INDEX persons_name ON persons (folded_name) WHERE removed_at IS NULL;

CREATE TABLE namespaces (
    id TEXT PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES persons (id),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    archived_at BIGINT
);
CREATE UNIQUE INDEX namespaces_name ON namespaces (owner_id, name) WHERE archived_at IS NULL;

-- One row for each request of a device for a code (RFC 8628).
-- state: pending, then approved or denied, then spent. asker_uid is known on loopback only, asker_key is what limits count.
CREATE TABLE device_codes (
    device_hash TEXT PRIMARY KEY,
    user_code TEXT NOT NULL,
    client_id TEXT NOT NULL,
    scopes TEXT NOT NULL,
    asker_address TEXT NOT NULL,
    asker_uid BIGINT,
    asker_key TEXT NOT NULL,
    state TEXT NOT NULL,
    opened_at BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    decided_at BIGINT,
    person_id TEXT REFERENCES persons (id),
    namespace_id TEXT REFERENCES namespaces (id),
    granted_scopes TEXT,
    grant_id TEXT
);
CREATE INDEX device_codes_user_code ON device_codes (user_code);
CREATE INDEX device_codes_expires_at ON device_codes (expires_at);
CREATE INDEX device_codes_asker ON device_codes (asker_key, expires_at) WHERE state = 'pending';

-- One row for each session of a program: what was granted, to whom, in which namespace.
-- idle_expires_at moves with each refresh, expires_at never.
CREATE TABLE grants (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    person_id TEXT NOT NULL REFERENCES persons (id),
    namespace_id TEXT NOT NULL REFERENCES namespaces (id),
    scopes TEXT NOT NULL,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    idle_expires_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    end_reason TEXT
);
CREATE INDEX grants_namespace ON grants (namespace_id);
CREATE INDEX grants_person ON grants (person_id);

-- One row for each refresh token that was ever valid. first_used_at: when an access token of this generation was first
-- used, which proves that the reply with both had arrived. replays: how often its predecessor was answered again.
CREATE TABLE refresh_tokens (
    hash TEXT PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES grants (id),
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    spent_at BIGINT,
    first_used_at BIGINT,
    replays BIGINT NOT NULL,
    replayed_at BIGINT
);
CREATE UNIQUE INDEX refresh_tokens_generation ON refresh_tokens (grant_id, generation);

CREATE TABLE access_tokens (
    hash TEXT PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES grants (id),
    generation BIGINT NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX access_tokens_grant ON access_tokens (grant_id);
CREATE INDEX access_tokens_expires_at ON access_tokens (expires_at);

-- entrance: loopback or public. uid: whose browser it is, where the kernel says so. made_by: console or password.
CREATE TABLE web_sessions (
    hash TEXT PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES persons (id),
    entrance TEXT NOT NULL,
    uid BIGINT,
    made_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX web_sessions_person ON web_sessions (person_id);

-- From where each person has signed in with the password before.
CREATE TABLE sign_in_addresses (
    person_id TEXT NOT NULL REFERENCES persons (id),
    address TEXT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (person_id, address)
);
