-- Keys that were minted for one run of a program, each with the policies that were made for it and end with it. Times are
-- milliseconds since 1970 UTC, hashes are SHA-256 in hexadecimal.

-- claim_hash: of what whoever runs the program shows. refused: what was refused, as a JSON object of counts by code, until the
-- node ended last.
CREATE TABLE leases (
    key_id TEXT PRIMARY KEY,
    namespace_id TEXT NOT NULL REFERENCES namespaces (id),
    claim_hash TEXT NOT NULL,
    budget_policy_id TEXT,
    models_policy_id TEXT,
    refused TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX leases_open ON leases (created_at) WHERE ended_at IS NULL
