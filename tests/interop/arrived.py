#!/usr/bin/env python3
"""Holds messages that arrived against what was sent.

arrived.py FILE… --from ADDRESS --sent FILE… [--name TEXT] [--subject TEXT] [--text FILE] [--attachment FILE] [--same FILE] [--stored]

Every message must be well made and the same as the one --sent, the octets that the client wrote (`structure.py` has the rules). Of
several, those with the same Message-ID belong together; each must have arrived once, and nothing else. --name,
--subject, --text and --attachment are what a mail reader must show of it. --same is the file that a client was told to send as it is:
its body, and each of its header fields but From and Bcc. --stored says that the server writes line ends its own way.
"""
import argparse, email, email.policy, re, sys

from structure import check_same, check_well_made, crlf, split


def check_shown(message, wanted):
    author, = message["From"].addresses
    assert wanted["name"] in (None, author.display_name), f"the name in From is {author.display_name!r}"
    assert wanted["subject"] in (None, message["Subject"]), f"the subject is {message['Subject']!r}"
    if wanted["text"]:
        body = message.get_body(("plain",))
        assert body, "there is no text"
        # Ruby writes each CR of the text as =0D and ends the line behind it.
        found = re.sub("\r+\n", "\n", body.get_content())
        sent = open(wanted["text"]).read()
        assert found.strip("\n") == sent.strip("\n"), f"text differs:\n{found!r}\n{sent!r}"
    if wanted["attachment"]:
        found = [part.get_payload(decode=True) for part in message.iter_attachments()]
        assert found == [read(wanted["attachment"])], f"{len(found)} attachments, or another one"


def check_file(octets, sent):
    (fields, body), (sent_fields, sent_body) = split(octets), split(crlf(sent))
    # Clients that send a file ending in a bare LF add a line end of their own before the final dot.
    assert body.rstrip(b"\r\n") == sent_body.rstrip(b"\r\n"), "the body is not that of the file"
    changed = [field for field in sent_fields if not re.match(rb"(?i)from:|bcc:", field) and field not in fields]
    assert not changed, f"header fields changed: {changed}"


def read(file, stored=False):
    octets = open(file, "rb").read()
    return crlf(octets) if stored else octets


def pairs(arrived, sent):
    """Each file that arrived with the one that was sent: by Message-ID, or if there is one of each, whatever they say."""
    if len(arrived) == len(sent) == 1:
        return zip(arrived, sent)
    arrived_ids, sent_ids = ([email.message_from_bytes(read(file))["Message-ID"] for file in files] for files in (arrived, sent))
    assert sorted(arrived_ids) == sorted(set(sent_ids)), f"of {len(sent)} messages {len(arrived)} arrived, or others"
    return [(file, sent[sent_ids.index(id)]) for file, id in zip(arrived, arrived_ids)]


def options():
    wanted = argparse.ArgumentParser()
    wanted.add_argument("files", nargs="+")
    wanted.add_argument("--from", required=True)
    wanted.add_argument("--sent", nargs="+", required=True)
    for name in ("--name", "--subject", "--text", "--attachment", "--same"):
        wanted.add_argument(name)
    wanted.add_argument("--stored", action="store_true")
    return vars(wanted.parse_args())


def check(octets, sent, wanted):
    check_well_made(octets, wanted["from"])
    check_same(octets, sent)
    check_shown(email.message_from_bytes(octets, policy=email.policy.default), wanted)
    if wanted["same"]:
        check_file(octets, read(wanted["same"]))


def main():
    wanted = options()
    for file, sent in pairs(wanted["files"], wanted["sent"]):
        try:
            check(read(file, wanted["stored"]), read(sent), wanted)
        except AssertionError as difference:
            raise AssertionError(f"{file}: {difference}") from difference


try:
    main()
except AssertionError as difference:
    sys.exit(str(difference))
