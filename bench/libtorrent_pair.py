#!/usr/bin/env python3
"""One side of a libtorrent transfer on loopback, for `cargo xtask bench pair`.

  libtorrent_pair.py version                       print the library's version
  libtorrent_pair.py make PAYLOAD TORRENT          describe a file in a torrent file
  libtorrent_pair.py seed TORRENT FOLDER           print "ready PORT", then serve until killed
  libtorrent_pair.py leech TORRENT FOLDER PORT     print "done" when every piece is there and checked

Peers are named by the caller, so everything that looks for peers is off.  Plain TCP, because uTP
is slower on loopback and the comparison is with the faster of the two.
"""
import sys
import time
from pathlib import Path

import libtorrent as lt

PIECE_BYTES = 1 << 20
LOOK_EVERY_S = 0.005


def make(payload: Path, torrent: Path) -> None:
    files = lt.file_storage()
    lt.add_files(files, str(payload))
    description = lt.create_torrent(files, PIECE_BYTES, flags=lt.create_torrent.v1_only)
    lt.set_piece_hashes(description, str(payload.parent))
    torrent.write_bytes(lt.bencode(description.generate()))


def start(torrent: Path, folder: Path, complete: bool):
    session = lt.session({
        "listen_interfaces": "127.0.0.1:0",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_natpmp": False,
        "enable_upnp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "alert_mask": 0,
    })
    wanted = lt.add_torrent_params()
    wanted.ti = lt.torrent_info(str(torrent))
    wanted.save_path = str(folder)
    wanted.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    if complete:
        # Its own hash check of the payload is not part of what is measured.
        wanted.flags |= lt.torrent_flags.seed_mode
    return session, session.add_torrent(wanted)


def wait_until(true) -> None:
    while not true():
        time.sleep(LOOK_EVERY_S)


def seed(torrent: Path, folder: Path) -> None:
    session, handle = start(torrent, folder, complete=True)
    wait_until(lambda: session.is_listening() and handle.status().is_seeding)
    print("ready", session.listen_port(), flush=True)
    while True:
        time.sleep(60)


def leech(torrent: Path, folder: Path, port: int) -> None:
    session, handle = start(torrent, folder, complete=False)
    wait_until(session.is_listening)
    handle.connect_peer(("127.0.0.1", port))
    wait_until(lambda: handle.status().is_seeding)
    print("done", flush=True)
    # Leaving ends the session, which writes out what is still in its cache.
    session.pause()


def main() -> None:
    match sys.argv[1:]:
        case ["version"]:
            print(lt.version)
        case ["make", payload, torrent]:
            make(Path(payload), Path(torrent))
        case ["seed", torrent, folder]:
            seed(Path(torrent), Path(folder))
        case ["leech", torrent, folder, port]:
            leech(Path(torrent), Path(folder), int(port))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
