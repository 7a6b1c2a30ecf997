#!/usr/bin/env python3
"""One libtorrent client, for `cargo xtask bench` and `cargo xtask interop`.

  version                                   print the library's version
  make PAYLOAD TORRENT                      describe a file in a torrent file
  seed TORRENT FOLDER --listen IP:PORT      print "ready" once others can fetch, and serve until ended
  leech TORRENT FOLDER --listen IP:PORT     print "done" once every piece is there and checked, and serve

TORRENT is a file, or for a leech a magnet link too. Peers are named by the caller, by a tracker of the
torrent or by the link, so everything else that looks for peers is off.
"""
import argparse
import signal
import sys
import time
from pathlib import Path

import libtorrent as lt

LOOK_EVERY_S = 0.005

# What connections are like, by the name of `--encryption`.
ENCRYPTION = {
    "off": {"in_enc_policy": 2, "out_enc_policy": 2},
    "prefer": {},
    # RC4 alone: a plain stream after an encrypted handshake would pass for encrypted.
    "require": {"in_enc_policy": 0, "out_enc_policy": 0, "allowed_enc_level": 2, "prefer_rc4": True},
}


def make(args) -> None:
    files = lt.file_storage()
    lt.add_files(files, args.source)
    description = lt.create_torrent(files, args.piece_kib << 10, flags=lt.create_torrent.v1_only)
    if args.tracker:
        description.add_tracker(args.tracker)
    lt.set_piece_hashes(description, str(Path(args.source).parent))
    args.target.write_bytes(lt.bencode(description.generate()))


def start(args, complete: bool):
    settings = {
        "listen_interfaces": args.listen,
        "enable_dht": False,
        "enable_lsd": False,
        "enable_natpmp": False,
        "enable_upnp": False,
        "alert_mask": 0,
        # A tracker that asks for more is heard: it may be the only way to learn of who came later.
        "min_announce_interval": 5,
    }
    if args.tcp_only:
        settings |= {"enable_incoming_utp": False, "enable_outgoing_utp": False}
    if args.utp_only:
        settings |= {"enable_incoming_tcp": False, "enable_outgoing_tcp": False}
    session = lt.session(settings | ENCRYPTION[args.encryption])
    if args.source.startswith("magnet:"):
        wanted = lt.parse_magnet_uri(args.source)
    else:
        wanted = lt.add_torrent_params()
        wanted.ti = lt.torrent_info(args.source)
    wanted.save_path = str(args.target)
    if args.upload_limit:
        # Of the torrent: the limit of the session leaves out peers on the local network.
        wanted.upload_limit = args.upload_limit
    wanted.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    if complete:
        # Its own hash check of the payload is not part of what is measured.
        wanted.flags |= lt.torrent_flags.seed_mode
    return session, session.add_torrent(wanted)


def wait_until(true) -> None:
    while not true():
        time.sleep(LOOK_EVERY_S)


def serve(session) -> None:
    while True:
        time.sleep(60)


def seed(args) -> None:
    session, handle = start(args, complete=True)
    wait_until(lambda: session.is_listening() and handle.status().is_seeding)
    print("ready", flush=True)
    serve(session)


def leech(args) -> None:
    session, handle = start(args, complete=False)
    wait_until(session.is_listening)
    for peer in args.peer:
        address, port = peer.rsplit(":", 1)
        handle.connect_peer((address, int(port)))
    wait_until(lambda: handle.status().is_seeding)
    print("done", flush=True)
    serve(session)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=["version", "make", "seed", "leech"])
    parser.add_argument("source", nargs="?")
    parser.add_argument("target", nargs="?", type=Path)
    parser.add_argument("--piece-kib", type=int, default=1024)
    parser.add_argument("--tracker")
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--peer", action="append", default=[])
    transport = parser.add_mutually_exclusive_group()
    transport.add_argument("--tcp-only", action="store_true")
    transport.add_argument("--utp-only", action="store_true")
    parser.add_argument("--upload-limit", type=int, default=0, metavar="BYTES_A_SECOND")
    parser.add_argument("--encryption", choices=ENCRYPTION, default="prefer")
    # Ended by a signal, it leaves in order: that writes out what is still in the session's cache. From the
    # start, because the signal may come as soon as it says that it is done.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    # The order of options and paths is the caller's.
    args = parser.parse_intermixed_args()
    if args.role == "version":
        print(lt.version)
    else:
        {"make": make, "seed": seed, "leech": leech}[args.role](args)


if __name__ == "__main__":
    main()
