-- The ledger. Money is micro-USD. Ids keep their prefix and are lower case, so that their order as text is that in which
-- they were made.

-- seq: the last place in the order of changes that was given. pruned_before: rows that were admitted before this hour are
-- gone, and what they came to stands in usage_hours alone.
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    pruned_before BIGINT NOT NULL
);
INSERT INTO ledger (id, seq, pruned_before) VALUES (1, 0, 0);

-- One row for each call. status: pending or streaming, then for good succeeded, failed, cancelled, cut or interrupted.
-- prompt_tokens and completion_tokens are the sums of their classes. Rows point at persons and namespaces that may be known
-- to the journal alone: what was called was called.
CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    seq BIGINT NOT NULL,
    namespace_id TEXT NOT NULL,
    payer_id TEXT NOT NULL,
    credential_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    requested_model TEXT NOT NULL,
    model_id TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    dialect TEXT NOT NULL,
    streamed BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    funding_source TEXT NOT NULL,
    price_version TEXT,
    bound_input BIGINT NOT NULL,
    bound_output BIGINT,
    reserved BIGINT,
    estimated_input BIGINT NOT NULL,
    thinks_unseen BOOLEAN NOT NULL,
    max_output_tps BIGINT NOT NULL,
    status TEXT NOT NULL,
    usage_origin TEXT,
    uncached BIGINT NOT NULL,
    cache_read BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    cache_write_1h BIGINT NOT NULL,
    audio_input BIGINT NOT NULL,
    image_input BIGINT NOT NULL,
    video_input BIGINT NOT NULL,
    visible BIGINT NOT NULL,
    reasoning BIGINT NOT NULL,
    audio_output BIGINT NOT NULL,
    image_output BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    cost BIGINT,
    charge BIGINT,
    flags TEXT NOT NULL,
    error_code TEXT,
    first_byte_ms BIGINT,
    completed_at BIGINT
);
CREATE INDEX requests_page ON requests (namespace_id, id);
CREATE INDEX requests_changes ON requests (namespace_id, seq);
CREATE INDEX requests_admitted ON requests (namespace_id, created_at);
CREATE INDEX requests_request_id ON requests (namespace_id, request_id);
CREATE INDEX requests_open ON requests (completed_at, payer_id) WHERE completed_at IS NULL;

-- What the calls of an hour (hours since 1970) came to. A call counts when it is admitted, what it came to when it is
-- settled, in the hour in which it was admitted.
CREATE TABLE usage_hours (
    namespace_id TEXT NOT NULL,
    hour BIGINT NOT NULL,
    credential_id TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    model_id TEXT NOT NULL,
    request_count BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    charge BIGINT NOT NULL,
    PRIMARY KEY (namespace_id, hour, credential_id, provider_id, model_id)
);

-- The prices that rows were reckoned with, each whole and once.
CREATE TABLE prices (
    version TEXT PRIMARY KEY,
    document TEXT NOT NULL
);

-- The sum of each person's transactions.
CREATE TABLE balances (
    person_id TEXT PRIMARY KEY,
    balance BIGINT NOT NULL
);

-- kind: grant or debit. A debit names the call that was charged, and one without is the sum of a day whose rows are gone.
CREATE TABLE transactions (
    id TEXT PRIMARY KEY,
    person_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount BIGINT NOT NULL,
    request_id TEXT,
    namespace_id TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX transactions_page ON transactions (person_id, id);
CREATE INDEX transactions_namespace ON transactions (person_id, namespace_id, id);
CREATE INDEX transactions_request ON transactions (request_id) WHERE request_id IS NOT NULL;

-- What calls in a namespace took from a person's credit on a day (days since 1970): what is shown to credentials of another one.
CREATE TABLE debit_days (
    person_id TEXT NOT NULL,
    namespace_id TEXT NOT NULL,
    day BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (person_id, namespace_id, day)
);

-- How far each segment of the journal was applied, in bytes.
CREATE TABLE journal_positions (
    segment TEXT PRIMARY KEY,
    position BIGINT NOT NULL
);

-- What providers have stored for a namespace: a part of the SHA-256 of its id, in hexadecimal. tokens: those of the call.
CREATE TABLE stored_objects (
    object TEXT PRIMARY KEY,
    provider_id TEXT NOT NULL,
    namespace_id TEXT NOT NULL,
    tokens BIGINT NOT NULL,
    row_id TEXT NOT NULL
);
CREATE INDEX stored_objects_namespace ON stored_objects (namespace_id, row_id);
CREATE INDEX stored_objects_row ON stored_objects (row_id)
