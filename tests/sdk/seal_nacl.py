"""The recipe for Python: seals the key that stands in the environment, and prints what is submitted."""

import base64
import json
import os
import sys
import urllib.request

from nacl.public import PublicKey, SealedBox

base, provider = sys.argv[1:3]
with urllib.request.urlopen(f"{base}/v1/byok/encryption-pubkey") as reply:
    meta = json.load(reply)
public_key = PublicKey(base64.b64decode(meta["public_key"]))
ciphertext = SealedBox(public_key).encrypt(os.environ["CANARY_KEY"].encode())
print(
    json.dumps(
        {
            "provider_name": provider,
            "kek_id": meta["kek_id"],
            "ciphertext_b64": base64.b64encode(ciphertext).decode(),
            "key_prefix": "sk-...",
        }
    )
)
