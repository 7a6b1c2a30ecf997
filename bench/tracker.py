#!/usr/bin/env python3
"""A BitTorrent tracker that remembers who announced, for `cargo xtask bench`.

  tracker.py IP:PORT      print "ready", then "announce IP:PORT" for each client the first time

One swarm, compact answers, everybody that is known in each answer.
"""
import socket
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

INTERVAL_S = 5


class Announce(BaseHTTPRequestHandler):
    known: dict = {}

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query, encoding="latin-1")
        me = (self.client_address[0], int(query.get("port", ["0"])[0]))
        if query.get("event") == ["stopped"]:
            self.known.pop(me, None)
        elif me not in self.known:
            self.known[me] = True
            print("announce %s:%d" % me, flush=True)
        others = b"".join(
            socket.inet_aton(address) + struct.pack(">H", port)
            for address, port in list(self.known)
            if (address, port) != me
        )
        body = b"d8:intervali%de12:min intervali%de5:peers%d:%se" % (INTERVAL_S, INTERVAL_S, len(others), others)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args) -> None:
        """Stays silent: what it says on stdout is read by a program."""


def main() -> None:
    address, port = sys.argv[1].rsplit(":", 1)
    server = ThreadingHTTPServer((address, int(port)), Announce)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
