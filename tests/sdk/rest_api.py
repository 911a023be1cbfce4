"""Runs schemathesis over a node's REST interface, as `GET /openapi.json` describes it.

usage: rest_api.py URL CONFIG; the headers that every request goes with are the JSON object on standard input.
"""

import json
import sys

from schemathesis.cli import schemathesis

url, config = sys.argv[1:]
headers = [f"{name}:{value}" for name, value in json.load(sys.stdin).items()]
arguments = ["--config-file", config, "run", f"{url}/openapi.json", "--url", url]
for header in headers:
    arguments += ["--header", header]
# Not on the command line, where everybody would read the credential.
schemathesis(arguments, prog_name="schemathesis")
