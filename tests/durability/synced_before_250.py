#!/usr/bin/env python3
"""Shows for each 250 that everything it promises was on disk first, and in the order that makes it safe.

A kill keeps the page cache, so surviving kills does not prove that anything was synced. This runs the relay under strace,
sends messages small and large from several devices at once, and reads the trace: before the 250 for a message leaves,

  - the database log holds the message's row, and was synced after the row was written,
  - a large body's file was synced after its last write, and its folder after the file got its name,
  - and both of these before the row was written.

Usage: synced_before_250.py PATH-OF-MAILFERRY   (needs strace; uses only loopback)
"""
import os, tempfile

from replay import LARGE, answer, record


def last(what, found):
    found = list(found)
    assert found, what
    return found[-1]


def check_row(made, message, log):
    """The write of the message's row, which was synced before the answer began."""
    sent = answer(made, message)
    rows = (c for c in made if c.file() == log and c.name == "pwrite64" and message.marker in c.arguments and c.ended < sent.began)
    # The first write is the row of the promise; later ones may already record what became of it.
    row = next(rows, None)
    assert row, f"{message.entry}: 250 was sent before its row was in the database log"
    synced = (c for c in made if c.is_sync() and c.file() == log and row.ended < c.began and c.ended < sent.began)
    sync = next(synced, None)
    assert sync, f"{message.entry}: 250 was sent before the database log was synced"
    return row


def check_body(made, message, row, bodies):
    """The large body's steps, each before the row was written."""
    before = [c for c in made if c.ended < row.began]
    write = last(f"{message.entry}: its body was not written to a file",
                 (c for c in before if c.name == "write" and c.file().startswith(bodies + "/") and message.marker in c.arguments))
    part, body = os.path.join(bodies, f"{message.entry}.part"), os.path.join(bodies, f"{message.entry}.body")
    assert write.file() == part, f"{message.entry}: its body went to {write.file()}"
    sync = last(f"{message.entry}: its row was written before its body file was synced",
                (c for c in before if c.is_sync() and c.file() == part and c.began > write.ended))
    name = last(f"{message.entry}: its body file got no name",
                (c for c in before if c.name == "rename" and body in c.arguments and c.began > sync.ended))
    last(f"{message.entry}: its row was written before the folder of its body file was synced",
         (c for c in before if c.is_sync() and c.file() == bodies and c.began > name.ended))


def main():
    with tempfile.TemporaryDirectory(prefix="mailferry-synced-") as folder:
        folder = os.path.realpath(folder)
        made, promised, simulator = record(folder)
        simulator.stop()
        spool = os.path.join(folder, "data", "spool")
        for message in promised:
            row = check_row(made, message, os.path.join(spool, "queue.db-wal"))
            if message.size == LARGE:
                check_body(made, message, row, os.path.join(spool, "bodies"))
        print(f"synced: {len(promised)} messages, each with its body file, folder and database log before its 250")


main()
