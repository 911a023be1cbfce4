"""Connects to the control socket named by the first argument and says whether anything is answered."""

import socket
import sys

stream = socket.socket(socket.AF_UNIX)
stream.settimeout(10)
stream.connect(sys.argv[1])
try:
    stream.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
    answer = stream.recv(64)
except (BrokenPipeError, ConnectionResetError):
    answer = b""
print("closed" if not answer else f"answered {answer!r}")
