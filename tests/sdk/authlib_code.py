"""A confidential client that knows nothing of us but RFC 8414, 6749, 7636, 9207, 7662 and 7009: authlib, behind a web server that a
browser is sent back to.

Arguments: the issuer, the client's id, its secret, the port to listen on. Says `ready` when a browser may come; ends when one has
signed in and all that follows was tried.
"""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session

ISSUER, CLIENT, SECRET, PORT = sys.argv[1:]
OWN = f"http://localhost:{PORT}"
SCOPE = "inference:invoke usage:read"

metadata = requests.get(f"{ISSUER}/.well-known/oauth-authorization-server").json()
assert metadata["issuer"] == ISSUER, metadata
assert metadata["response_types_supported"] == ["code"], metadata
assert metadata["code_challenge_methods_supported"] == ["S256"], metadata
assert metadata["authorization_response_iss_parameter_supported"] is True, metadata
assert "client_secret_basic" in metadata["token_endpoint_auth_methods_supported"], metadata
token_endpoint = metadata["token_endpoint"]

verifiers, failures, done = {}, [], threading.Event()


def session(**more):
    return OAuth2Session(
        CLIENT, SECRET, scope=SCOPE, redirect_uri=f"{OWN}/cb", code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic", **more,
    )


def refused(expected, ask, *args, **fields):
    """The call must fail with this error of RFC 6749 §5.2."""
    try:
        answer = ask(*args, **fields)
    except OAuthError as error:
        assert error.error == expected, error
    else:
        raise AssertionError(f"expected {expected}, got {answer}")


def works(client):
    return client.get(f"{ISSUER}/v1/models").status_code


def active(client, token):
    reply = client.introspect_token(metadata["introspection_endpoint"], token=token)
    assert reply.status_code == 200, reply.text
    return reply.json()


def whole(path):
    """All that a client does with the answer that a browser has brought."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    assert query["iss"] == ISSUER, query
    state = query["state"]
    verifier = verifiers.pop(state)
    if "error" in query:
        return query["error"]
    client = session(state=state)
    refused("invalid_grant", client.fetch_token, token_endpoint, code=query["code"], code_verifier=generate_token(48))
    token = client.fetch_token(token_endpoint, authorization_response=OWN + path, code_verifier=verifier)
    assert token["token_type"] == "Bearer" and token["namespace_id"].startswith("ns_"), token
    assert works(client) == 200
    told = active(client, token["access_token"])
    assert told["active"] and told["client_id"] == CLIENT and told["scope"] == token["scope"], told
    client.scope = None
    second = client.refresh_token(token_endpoint)
    assert second["refresh_token"] != token["refresh_token"], second
    assert works(client) == 200
    assert active(client, token["refresh_token"]) == {"active": False}
    # A code that is used again ends what came of it.
    refused("invalid_grant", session().fetch_token, token_endpoint, code=query["code"], code_verifier=verifier)
    assert works(client) == 401
    assert active(client, second["access_token"]) == {"active": False}
    done.set()
    return "signed in"


class Client(BaseHTTPRequestHandler):
    def do_GET(self):
        path = urlsplit(self.path).path
        if path == "/":
            verifier = generate_token(48)
            url, state = session().create_authorization_url(
                metadata["authorization_endpoint"], code_verifier=verifier
            )
            verifiers[state] = verifier
            self.send_response(302)
            self.send_header("location", url)
            self.end_headers()
        elif path == "/cb":
            try:
                text = whole(self.path)
            except BaseException as error:  # noqa: BLE001: it is told below
                failures.append(error)
                text = f"failed: {error!r}"
                done.set()
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(f"<!doctype html><title>client</title><h1>{text}</h1>".encode())
        else:
            self.send_error(404)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(PORT)), Client)
server.daemon_threads = False
threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
assert done.wait(300), "nobody came"
server.shutdown()
server.server_close()
if failures:
    raise failures[0]
