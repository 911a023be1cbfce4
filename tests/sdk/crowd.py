"""A crowd of processes, each with one connection to a control socket: `crowd.py SOCKET COUNT dead|alive`.

`dead`: each process connects, hands its connection to this one, and ends. `alive`: it stays. Says `ready` when all are
there, and keeps the crowd up until SIGTERM.
"""

import array
import os
import signal
import socket
import sys

path, count, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
held, children = [], []
for _ in range(count):
    mine, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        mine.close()
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(20)
        try:
            client.connect(path)
            if kind == "dead":
                theirs.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [client.fileno()]))])
                os._exit(0)
            theirs.sendall(b"x")
            signal.pause()
        finally:
            os._exit(1)
    theirs.close()
    if kind == "dead":
        _, extra, _, _ = mine.recvmsg(1, socket.CMSG_LEN(4))
        held.extend(array.array("i", data)[0] for _, _, data in extra)
        os.waitpid(child, 0)
    else:
        mine.recv(1)
        children.append(child)
    mine.close()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("ready", flush=True)
signal.sigwait({signal.SIGTERM})
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
