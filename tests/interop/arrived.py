#!/usr/bin/env python3
"""Holds a message that arrived against what was sent.

arrived.py FILE --from ADDRESS [--subject TEXT] [--text FILE] [--attachment FILE] [--same FILE] [--stored]

--text and --attachment compare what a mail reader would show; --same compares the body octet for octet, line ends as CRLF, and
demands each header field of the sent file but From and Bcc unchanged. --stored says that the server writes line ends its own way.
"""
import argparse, email, email.policy, re, sys


def crlf(octets):
    return re.sub(rb"\r\n|\r|\n", b"\r\n", octets)


def fields(header):
    return re.split(rb"\r\n(?![ \t])", header)


def main():
    wanted = argparse.ArgumentParser()
    wanted.add_argument("file")
    for name in ("--from", "--subject", "--text", "--attachment", "--same"):
        wanted.add_argument(name)
    wanted.add_argument("--stored", action="store_true")
    wanted = vars(wanted.parse_args())
    octets = open(wanted["file"], "rb").read()
    octets = crlf(octets) if wanted["stored"] else octets
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", octets), "a bare CR or LF arrived"
    header, body = octets.split(b"\r\n\r\n", 1)
    message = email.message_from_bytes(octets, policy=email.policy.default)
    for name in ("From", "Date", "Message-ID"):
        assert len(message.get_all(name, [])) == 1, f"{name}: {message.get_all(name)}"
    assert message["From"].addresses[0].addr_spec == wanted["from"], message["From"]
    assert message["Bcc"] is None, message["Bcc"]
    assert wanted["subject"] in (None, message["Subject"]), message["Subject"]
    if wanted["text"]:
        found = message.get_body(("plain",)).get_content().replace("\r\n", "\n")
        sent = open(wanted["text"]).read()
        assert found.strip("\n") == sent.strip("\n"), f"text differs:\n{found!r}\n{sent!r}"
    if wanted["attachment"]:
        found = [part.get_content() for part in message.iter_attachments()]
        assert found == [open(wanted["attachment"], "rb").read()], f"{len(found)} attachments, or another one"
    if wanted["same"]:
        sent_header, sent_body = crlf(open(wanted["same"], "rb").read()).split(b"\r\n\r\n", 1)
        # Clients that send a file ending in a bare LF add a line end of their own before the final dot.
        assert body.rstrip(b"\r\n") == sent_body.rstrip(b"\r\n"), "the body differs"
        changed = [f for f in fields(sent_header) if not re.match(rb"(?i)from:|bcc:", f) and f not in fields(header)]
        assert not changed, f"header fields changed: {changed}"


try:
    main()
except AssertionError as difference:
    sys.exit(f"{sys.argv[1]}: {difference}")
