"""TLS before a plain server: makes an authority (`ca.pem` in the directory given), prints its port, forwards bytes.

With `authority` as a third argument it shows the authority's own certificate.
"""

import socket
import ssl
import subprocess
import sys
import threading

target, directory = sys.argv[1].rsplit(":", 1), sys.argv[2]


def openssl(*args: str) -> None:
    """Runs openssl in the directory."""
    subprocess.run(["openssl", *args], cwd=directory, check=True, capture_output=True)


key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2")
openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
with open(f"{directory}/server.ext", "w", encoding="ascii") as extensions:
    extensions.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
sign = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "server.ext", "-days", "2"]
openssl("x509", "-req", "-in", "server.csr", *sign, "-out", "server.pem")

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
name = "ca" if sys.argv[3:] == ["authority"] else "server"
context.load_cert_chain(f"{directory}/{name}.pem", f"{directory}/{name}.key")
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)


def copy(source: socket.socket, sink: socket.socket) -> None:
    """Copies until either side ends."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


while True:
    plain, _ = listener.accept()
    try:
        front = context.wrap_socket(plain, server_side=True)
    except (OSError, ssl.SSLError):
        continue
    back = socket.create_connection((target[0], int(target[1])))
    threading.Thread(target=copy, args=(front, back), daemon=True).start()
    threading.Thread(target=copy, args=(back, front), daemon=True).start()
