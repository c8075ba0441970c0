#!/usr/bin/env python3
"""Stands between the clients and the relay, and writes down what each client sent.

tap.py PORT FOLDER: listens on a port that it prints, and moves octets between it and PORT. Each message becomes a file of FOLDER
before its last octets reach the relay: RECIPIENT-1.eml, RECIPIENT-2.eml…, named after the first recipient of its envelope. The
octets are the client's own, but for the dots that it stuffed. It knows nothing of replies: all DATA commands are taken to be answered
with 354, as they are for clients that mean well.
"""
import asyncio, collections, os, re, sys

END = b"\r\n.\r\n"
relay, folder = int(sys.argv[1]), sys.argv[2]
messages = collections.Counter()


class Recorder:
    """One session: commands, then content, then commands again."""

    def __init__(self):
        self.waiting, self.recipients, self.reads = b"", [], self.command

    def take(self, octets):
        self.waiting += octets
        while self.reads():
            pass

    def command(self):
        line, end, rest = self.waiting.partition(b"\n")
        if not end:
            return False
        self.waiting = rest
        line = line.rstrip(b"\r")
        if recipient := re.match(rb"(?i)RCPT\s+TO:\s*<?([^\s>]+)", line):
            self.recipients.append(recipient[1].decode())
        elif re.match(rb"(?i)(MAIL\s|RSET|HELO|EHLO)", line):
            self.recipients = []
        elif re.fullmatch(rb"(?i)DATA\s*", line):
            # The line end before the content counts: a dot alone may be its first line.
            self.waiting, self.reads = b"\r\n" + self.waiting, self.content
        return True

    def content(self):
        content, end, rest = self.waiting.partition(END)
        if not end:
            return False
        # RFC 5321 section 4.5.2: the first of the dots at the start of a line is not text.
        self.keep((content + b"\r\n").replace(b"\r\n.", b"\r\n")[2:])
        self.waiting, self.reads = rest, self.command
        return True

    def keep(self, content):
        first = self.recipients[0] if self.recipients else "nobody"
        messages[first] += 1
        with open(os.path.join(folder, f"{first}-{messages[first]}.eml"), "wb") as file:
            file.write(content)


async def move(reader, writer, sees):
    try:
        while octets := await reader.read(65536):
            sees(octets)
            writer.write(octets)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


async def session(reader, writer):
    relay_reader, relay_writer = await asyncio.open_connection("127.0.0.1", relay)
    await asyncio.gather(move(reader, relay_writer, Recorder().take), move(relay_reader, writer, lambda octets: None))
    for end in (relay_writer, writer):
        end.close()


async def main():
    server = await asyncio.start_server(session, "127.0.0.1", 0)
    print("listens", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
