"""Fills a namespace of a stopped node to its limits: each row is a copy of one that the node itself has written.

Arguments: the database, the key whose copies are made, the policy, the session, the credential whose idempotency keys are used
up, and the keys that get all the bindings that they may have, separated by commas.
"""

import hashlib
import sqlite3
import sys

path, key, policy, session, credential, bound = sys.argv[1:]
db = sqlite3.connect(path, isolation_level=None)
db.row_factory = sqlite3.Row


def found(table, column, value):
    return dict(db.execute(f"SELECT * FROM {table} WHERE {column} = ?", (value,)).fetchone())


def write(table, rows):
    rows = list(rows)
    if rows:
        columns = ", ".join(rows[0])
        marks = ", ".join("?" for _ in rows[0])
        db.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", [tuple(row.values()) for row in rows])


def numbered(like, number):
    """An id of the same kind and time."""
    prefix, ulid = like.split("_")
    return f"{prefix}_{ulid[:10]}{number:016}"


def lacking(limit, table, where, *values):
    return range(limit - db.execute(f"SELECT COUNT(*) FROM {table} WHERE {where}", values).fetchone()[0])


def hashed(text):
    return hashlib.sha256(text.encode()).hexdigest()


db.execute("BEGIN IMMEDIATE")
key = found("api_keys", "id", key)
namespace = key["namespace_id"]
live = lacking(10_000, "api_keys", "namespace_id = ? AND revoked_at IS NULL", namespace)
write("api_keys", ({**key, "id": numbered(key["id"], n), "hash": hashed(f"key {n}"), "name": f"key {n}"} for n in live))
policy = found("policies", "id", policy)
stored = lacking(1_000, "policies", "namespace_id = ?", namespace)
write("policies", ({**policy, "id": numbered(policy["id"], n), "name": f"policy {n}"} for n in stored))
policies = [policy["id"], *(numbered(policy["id"], n) for n in stored)]
for at, principal in enumerate([namespace, *bound.split(",")]):
    own = policies[at * 64:][:64]
    assert len(own) == 64
    write("bindings", ({
        "id": numbered(policy["id"].replace("pol_", "bnd_"), at * 64 + n), "policy_id": one, "namespace_id": namespace,
        "principal_type": "namespace" if principal == namespace else "api_key", "principal_id": principal,
        "created_at": policy["created_at"],
    } for n, one in enumerate(own)))
grant = found("grants", "id", session)
token = found("access_tokens", "grant_id", session)
open_ = lacking(100, "grants", "namespace_id = ? AND person_id = ? AND ended_at IS NULL", namespace, grant["person_id"])
# The higher its number, the longer nobody has used it.
sessions = [
    {**grant, "id": numbered(grant["id"], n), "last_used_at": grant["last_used_at"] - 1_000 * (n + 1)} for n in open_
]
write("grants", sessions)
write("access_tokens", ({**token, "grant_id": one["id"], "hash": hashed(one["id"])} for one in sessions))
first = found("namespaces", "id", namespace)
others = lacking(100, "namespaces", "owner_id = ? AND archived_at IS NULL", first["owner_id"])
write("namespaces", ({**first, "id": numbered(first["id"], n), "name": f"space {n}"} for n in others))
used = lacking(10_000, "idempotency_keys", "credential = ?", credential)
write("idempotency_keys", ({
    "credential": credential, "path": f"/v1/namespaces/{namespace}/keys", "idempotency_key": f"used {n}",
    "body_hash": hashed("body"), "resource_id": numbered(key["id"], n), "reply": None, "created_at": key["created_at"],
} for n in used))
db.execute("COMMIT")
