"""A name server in a network of its own: `name_server.py a-only|silent|no-name RESOLV_CONF BITROUTER`.

Starts itself again inside new namespaces, puts RESOLV_CONF in place, answers on 127.0.0.1:53 as asked, runs the daemon,
calls it once, and prints `{"status", "ms", "text"}`.
"""

import fcntl
import http.client
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

what, resolv_conf, binary = sys.argv[1:4]
if len(sys.argv) == 4:
    inside = [sys.executable, "-B", *sys.argv, "inside"]
    os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--net", "--mount", *inside])

subprocess.run(["mount", "--bind", resolv_conf, "/etc/resolv.conf"], check=True)
control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40
fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP | IFF_RUNNING))

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))


def answer() -> None:
    """Answers questions as `what` says."""
    while True:
        packet, sender = server.recvfrom(4096)
        end = packet.index(0, 12) + 5
        kind = struct.unpack(">H", packet[end - 4 : end - 2])[0]
        question = packet[12:end]
        if what == "silent" or (what == "a-only" and kind != 1):
            continue
        if what == "no-name":
            reply = packet[:2] + struct.pack(">HHHHH", 0x8183, 1, 0, 0, 0) + question
        else:
            record = struct.pack(">HHHIH", 0xC00C, 1, 1, 60, 4) + bytes([127, 0, 0, 1])
            reply = packet[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + question + record
        server.sendto(reply, sender)


threading.Thread(target=answer, daemon=True).start()
daemon = subprocess.Popen([binary, "serve", "--listen", "127.0.0.1:4356"], stdout=sys.stderr)
try:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", 4356)).close()
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
        try:
            daemon.wait(timeout=0.01)
            sys.exit("the daemon ended")
        except subprocess.TimeoutExpired:
            pass
    connection = http.client.HTTPConnection("127.0.0.1", 4356, timeout=30)
    start = time.monotonic()
    body = json.dumps({"model": "openai:m", "messages": [{"role": "user", "content": "x"}]})
    connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    text = reply.read().decode()
    print(json.dumps({"status": reply.status, "ms": int((time.monotonic() - start) * 1000), "text": text}))
finally:
    daemon.kill()
    daemon.wait()
