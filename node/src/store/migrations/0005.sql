-- OAuth clients that people have registered, and the codes that browsers bring them. Times are milliseconds since 1970 UTC,
-- hashes are SHA-256 in hexadecimal.

-- person_id: who registered it. folded_name: what tells names apart. secret_hash: none of a public one. redirect_uris: a JSON
-- list. used_at: when it first showed its secret.
CREATE TABLE oauth_clients (
    id TEXT PRIMARY KEY,
    namespace_id TEXT NOT NULL REFERENCES namespaces (id),
    person_id TEXT NOT NULL REFERENCES persons (id),
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    client_type TEXT NOT NULL,
    secret_hash TEXT,
    redirect_uris TEXT NOT NULL,
    scopes TEXT NOT NULL,
    grant_types TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX oauth_clients_name ON oauth_clients (folded_name) WHERE deleted_at IS NULL;
CREATE INDEX oauth_clients_namespace ON oauth_clients (namespace_id);
CREATE INDEX grants_client ON grants (client_id);

-- One row for each approval of a person that went back to a client by the browser (RFC 6749 §4.1). challenge: of RFC 7636.
-- names_redirect: the redirect URI was asked for, and has to be named again. withdrawn_at: the approval holds no more.
CREATE TABLE authorization_codes (
    hash TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    person_id TEXT NOT NULL REFERENCES persons (id),
    namespace_id TEXT NOT NULL REFERENCES namespaces (id),
    scopes TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    names_redirect BOOLEAN NOT NULL,
    challenge TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    spent_at BIGINT,
    grant_id TEXT,
    withdrawn_at BIGINT
);
CREATE INDEX authorization_codes_expires_at ON authorization_codes (expires_at)
