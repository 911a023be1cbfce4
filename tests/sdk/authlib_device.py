"""A client that knows nothing of us but RFC 8414, 8628, 6749 and 7009: authlib signs a device in, refreshes and revokes.

Arguments: the issuer, and a one-time link of `bitrouter console` with which the person who approves is signed in.
"""

import re
import sys

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session

ISSUER, LINK = sys.argv[1:]
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def refused(code, ask, *args, **fields):
    """The call must fail with this error of RFC 6749 §5.2."""
    try:
        answer = ask(*args, **fields)
    except OAuthError as error:
        assert error.error == code, error
        assert error.description, error
    else:
        raise AssertionError(f"expected {code}, got {answer}")


class Person:
    """A browser without JavaScript, signed in by the one-time link."""

    def __init__(self):
        self.http = requests.Session()
        self.http.get(LINK).raise_for_status()

    def post(self, **fields):
        page = self.http.get(f"{ISSUER}/oauth/device")
        page.raise_for_status()
        fields["csrf"] = re.search(r'name="csrf" value="([^"]+)"', page.text).group(1)
        reply = self.http.post(f"{ISSUER}/oauth/device", data=fields, headers={"Origin": ISSUER})
        reply.raise_for_status()
        return reply.text

    def decide(self, user_code, decision, scopes=()):
        page = self.post(user_code=user_code)
        assert user_code in page, page
        namespace = re.search(r'<(?:option|input)[^>]* value="(ns_[0-9a-z]{26})"', page).group(1)
        self.post(user_code=user_code, decision=decision, namespace=namespace, scope=list(scopes), own_device="on")
        return namespace


metadata = requests.get(f"{ISSUER}/.well-known/oauth-authorization-server").json()
assert metadata["issuer"] == ISSUER, metadata
token_endpoint, revocation_endpoint = metadata["token_endpoint"], metadata["revocation_endpoint"]
assert {DEVICE_GRANT, "refresh_token"} <= set(metadata["grant_types_supported"]), metadata
assert "none" in metadata["token_endpoint_auth_methods_supported"], metadata
person = Person()


def start(client, scope):
    reply = client.request(
        "POST", metadata["device_authorization_endpoint"], withhold_token=True,
        data={"client_id": client.client_id, "scope": scope}, headers=FORM,
    )
    reply.raise_for_status()
    document = reply.json()
    assert document["verification_uri"].startswith(ISSUER), document
    assert document["expires_in"] > 0 and document["interval"] > 0, document
    return document


def poll(client, code):
    return client.fetch_token(token_endpoint, grant_type=DEVICE_GRANT, device_code=code["device_code"])


def works(client):
    """A call of a model with the client's token, on a connection that is kept open."""
    body = {"model": "demo/echo", "messages": [{"role": "user", "content": "hello"}]}
    return client.post(f"{ISSUER}/v1/chat/completions", json=body).status_code


# Once as authlib names a public client by itself, once by HTTP Basic with an empty password.
for client_id, method in [("bitrouter-cli", None), ("tokenroute-cli", "client_secret_basic")]:
    made = {"client_secret": "", "token_endpoint_auth_method": method} if method else {}
    scopes = "inference:invoke usage:read keys:read"
    client = OAuth2Session(client_id, scope=scopes, **made)

    denied = start(client, scopes)
    refused("authorization_pending", poll, client, denied)
    refused("slow_down", poll, client, denied)
    person.decide(denied["user_code"], "deny")
    refused("access_denied", poll, client, denied)

    code = start(client, scopes)
    namespace = person.decide(code["user_code"], "approve", ["inference:invoke", "usage:read"])
    first = poll(client, code)
    assert first["token_type"] == "Bearer" and first["expires_in"] > 0, first
    assert first["scope"] == "inference:invoke usage:read", first
    assert first["namespace_id"] == namespace and first["sub"].startswith("usr_"), first
    assert works(client) == 200
    refused("invalid_grant", poll, client, code)

    # What the client asked for is more than it was granted.
    refused("invalid_scope", client.refresh_token, token_endpoint)
    client.scope = None
    second = client.refresh_token(token_endpoint)
    assert second["refresh_token"] != first["refresh_token"], second
    assert second["access_token"] != first["access_token"], second
    assert works(client) == 200
    narrow = client.refresh_token(token_endpoint, scope="usage:read")
    assert narrow["scope"] == "usage:read", narrow
    assert works(client) == 403
    last = client.refresh_token(token_endpoint)
    assert last["scope"] == "inference:invoke usage:read", last
    assert works(client) == 200

    reply = client.revoke_token(revocation_endpoint, token=last["refresh_token"], token_type_hint="refresh_token")
    assert reply.status_code == 200, reply.text
    assert works(client) == 401
    refused("invalid_grant", client.refresh_token, token_endpoint)

nobody = OAuth2Session("nobody")
refused("invalid_client", poll, nobody, {"device_code": "x"})
