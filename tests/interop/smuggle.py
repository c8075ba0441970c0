"""Hands in messages that hold a second one behind everything that any server is known to take for the end of a message.

Arguments: PORT. Prints how many messages the relay took: one for each connection, whatever they hold.
"""

import socket
import sys

ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n", b"\r\n\0.\r\n", b"\n\n.\r\n"]
SECOND = (b"MAIL FROM:<smuggled@evil.example>\r\nRCPT TO:<smuggled@example.com>\r\nDATA\r\n"
          b"From: smuggled@evil.example\r\nSubject: second\r\n\r\nsmuggled\r\n.\r\nQUIT\r\n")


def replies(connection):
    """All that the relay says until it closes."""
    said = b""
    while octets := connection.recv(65536):
        said += octets
    return said.decode().splitlines()


taken = 0
for end in ENDS:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30) as connection:
        first = b"From: copier@printers.local\r\nSubject: first\r\n\r\nfirst" + end + SECOND
        connection.sendall(b"EHLO device\r\nMAIL FROM:<copier@printers.local>\r\nRCPT TO:<anna@example.com>\r\nDATA\r\n" + first)
        connection.shutdown(socket.SHUT_WR)
        queued = [line for line in replies(connection) if line.startswith("250 2.0.0 Queued as ")]
        assert len(queued) == 1, (end, queued)
        taken += 1
print(taken)
