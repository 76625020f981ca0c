"""Speaks TLS before a PostgreSQL that does not: `tls_proxy.py CERTIFICATE KEY PORT` prints the port it listens on."""

import select
import socket
import ssl
import sys
import threading

# What a client that wants TLS begins with: eight bytes, the number 80877103.
REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


def serve(plain, context, port):
    if plain.recv(8, socket.MSG_WAITALL) != REQUEST:
        plain.close()
        return
    plain.sendall(b"S")
    try:
        client = context.wrap_socket(plain, server_side=True)
    except (ssl.SSLError, ConnectionError):
        # It did not trust us.
        return
    server = socket.create_connection(("127.0.0.1", port))
    other = {client: server, server: client}
    while True:
        ready = [client] if client.pending() else select.select([client, server], [], [])[0]
        for one in ready:
            try:
                data = one.recv(65536)
            except OSError:
                data = b""
            if not data:
                client.close()
                server.close()
                return
            other[one].sendall(data)


def main():
    certificate, key, port = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        plain, _ = listener.accept()
        threading.Thread(target=serve, args=(plain, context, int(port)), daemon=True).start()


main()
