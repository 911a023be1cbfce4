"""Somebody else's opener: prints the public half of the pair that a seed makes, or a sum of what was sealed against it."""

import base64
import sys

from nacl.public import PrivateKey, SealedBox

pair = PrivateKey(base64.b64decode(sys.argv[1]))
if len(sys.argv) == 2:
    print(base64.b64encode(bytes(pair.public_key)).decode())
else:
    # FNV-1a: the text itself is watched for.
    total = 0xCBF29CE484222325
    for byte in SealedBox(pair).decrypt(base64.b64decode(sys.argv[2])):
        total = ((total ^ byte) * 0x100000001B3) % 2**64
    print(f"{total:x}")
