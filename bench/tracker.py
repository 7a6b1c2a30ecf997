#!/usr/bin/env python3
"""A BitTorrent tracker that remembers who announced, for `cargo xtask bench` and `cargo xtask interop`.

  tracker.py IP:PORT      print "ready", then "announce IP:PORT" for each client the first time

One swarm for each infohash, compact answers (BEP 23), everybody that is known in each answer.
"""
import socket
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

INTERVAL_S = 5


class Announce(BaseHTTPRequestHandler):
    # Ports by infohash, and everybody that was told of on stdout.
    swarms: dict = {}
    told: set = set()

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query, encoding="latin-1")
        infohash = query.get("info_hash", [""])[0]
        me = (self.client_address[0], int(query.get("port", ["0"])[0]))
        if self.path.startswith("/scrape?"):
            # How many there are is nobody's business here (BEP 48): a swarm that it knows nothing of.
            self.answer(b"d5:filesdee")
            return
        if not self.path.startswith("/announce?") or len(infohash) != 20 or not 0 < me[1] < 65536:
            self.send_error(400)
            return
        swarm = self.swarms.setdefault(infohash, {})
        if query.get("event") == ["stopped"]:
            swarm.pop(me, None)
        else:
            swarm[me] = True
            if me not in self.told:
                self.told.add(me)
                print("announce %s:%d" % me, flush=True)
        others = b"".join(
            socket.inet_aton(address) + struct.pack(">H", port)
            for address, port in list(swarm)
            if (address, port) != me
        )
        body = b"d8:intervali%de12:min intervali%de5:peers%d:%se" % (INTERVAL_S, INTERVAL_S, len(others), others)
        self.answer(body)

    def answer(self, body: bytes) -> None:
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
