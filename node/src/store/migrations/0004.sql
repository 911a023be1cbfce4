-- Provider keys that people have stored. Times are milliseconds since 1970 UTC.

-- Key-encryption keys (X25519), in base64. sealed_key: the private one, wrapped under the node's key. retired_at: since when
-- another one is current. It goes when no stored key names it.
CREATE TABLE byok_keks (
    id TEXT PRIMARY KEY,
    public_key TEXT NOT NULL,
    sealed_key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT
);

-- hash: SHA-256 of what was submitted. sealed: that, wrapped once more under the node's key, in base64. api_base: empty where it
-- is sent to the provider's own address.
CREATE TABLE byok_keys (
    person_id TEXT NOT NULL REFERENCES persons (id),
    provider TEXT NOT NULL,
    kek_id TEXT NOT NULL REFERENCES byok_keks (id),
    hash TEXT NOT NULL,
    sealed TEXT NOT NULL,
    key_prefix TEXT NOT NULL,
    api_base TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_used_at BIGINT,
    last_failure_at BIGINT,
    last_failure_kind TEXT,
    PRIMARY KEY (person_id, provider)
);
CREATE INDEX byok_keys_kek ON byok_keys (kek_id);
CREATE INDEX byok_keys_hash ON byok_keys (hash);

-- What was ever accepted, by its SHA-256, and for whom: it is good for nobody and nothing else.
CREATE TABLE byok_accepted (
    hash TEXT PRIMARY KEY,
    person_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    api_base TEXT NOT NULL
);

-- Each submission and deletion. action: submitted or deleted. credential: tok_…, usr_… or socket.
CREATE TABLE byok_changes (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    action TEXT NOT NULL,
    person_id TEXT NOT NULL REFERENCES persons (id),
    credential TEXT NOT NULL,
    provider TEXT NOT NULL,
    kek_id TEXT NOT NULL,
    api_base TEXT NOT NULL
);
CREATE INDEX byok_changes_person ON byok_changes (person_id, at);
CREATE INDEX byok_changes_at ON byok_changes (at)
