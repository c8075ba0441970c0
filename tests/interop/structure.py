"""What a message is made of, seen by two parsers, and what of it may differ from the message that was sent.

Python's old and new `email` disagree about a good deal; a message is well made when neither finds fault with it. `arrived.py` says
what a reader would see.
"""
import email, email.policy, re
from email.header import decode_header, make_header

PARSERS = {"default": email.policy.default, "compat32": email.policy.compat32}
# What servers put on top of a message.
TRACE = {"received", "return-path", "delivered-to", "x-original-to"}
# What the relay takes away or writes anew.
OURS = {"from", "sender", "bcc", "resent-bcc"}
# What the relay adds when it is missing.
DECLARED = {"mime-version", "content-type", "content-transfer-encoding"}
ADDED = {"date", "message-id", "to"} | DECLARED
# RFC 5322 section 3.6 and RFC 2045 section 3: none of them twice.
ONCE = {"date", "from", "reply-to", "to", "cc", "message-id", "in-reply-to", "references", "subject", "mime-version", "content-type",
        "content-transfer-encoding", "content-disposition", "content-id"}


def crlf(octets):
    return re.sub(rb"\r\n|\r|\n", b"\r\n", octets)


def split(octets):
    """The header fields, folded as they are, and the body, which begins behind the empty line or at a line that is no field."""
    fields, rest = [], octets
    while field := re.match(rb"[!-9;-~]+[ \t]*:.*\r\n(?:[ \t].*\r\n)*", rest):
        fields.append(field[0].removesuffix(b"\r\n"))
        rest = rest[field.end():]
    return fields, rest.removeprefix(b"\r\n")


def name(field):
    return field.partition(b":")[0].decode("ascii", "replace").lower()


def same_field(field, sent):
    """RFC 2047: raw octets may arrive encoded, if they read the same."""
    def text(octets):
        return str(make_header(decode_header(octets.decode().replace("\r\n", ""))))
    return field == sent or not sent.isascii() and text(field) == text(sent)


def without_trace(fields):
    while fields and name(fields[0]) in TRACE:
        fields = fields[1:]
    return fields


def defects(octets):
    """What each parser objects to, part by part, headers included."""
    found = []
    for parser, policy in PARSERS.items():
        for number, part in enumerate(email.message_from_bytes(octets, policy=policy).walk()):
            headers = [defect for _, value in part.items() for defect in getattr(value, "defects", ())]
            if not part.is_multipart():
                part.get_payload(decode=True)
            found += [(parser, number, type(defect).__name__) for defect in [*part.defects, *headers]]
    return found


def parts(octets, policy):
    """Each part in order: depth, type with parameters, disposition, file name, encoding, and its octets as they were before encoding."""
    def look(part, depth):
        inner = part.get_payload() if part.is_multipart() else []
        # compat32 gives text, default a header that knows its parameters; as text they compare.
        labels = [str(part.get(field)) for field in ("Content-Type", "Content-Disposition", "Content-Transfer-Encoding", "Content-ID")]
        octets = None if inner else part.get_payload(decode=True)
        seen = (depth, part.get_content_type(), part.get_params(), part.get_filename(), labels, part.preamble, part.epilogue, octets)
        return [seen] + [found for child in inner for found in look(child, depth + 1)]
    return look(email.message_from_bytes(octets, policy=policy), 0)


def check_octets(octets):
    """RFC 5321 section 2.3.8, RFC 5322 sections 2.1.1 and 2.2."""
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", octets), "a bare CR or LF"
    assert octets.endswith(b"\r\n"), "no line end at the end"
    longest = max(map(len, octets.split(b"\r\n")))
    assert longest <= 998, f"a line of {longest} octets"
    fields, body = split(octets)
    assert octets == b"\r\n".join([*fields, b"", body]), "the header is not all fields, or does not end in an empty line"
    raw = [field for field in fields if not re.fullmatch(rb"[\t\r\n -~]*", field)]
    assert not raw, f"raw octets in the header: {raw}"


def check_header(octets, address):
    fields = split(octets)[0]
    names = [name(field) for field in fields]
    twice = {field for field in names if field in ONCE and names.count(field) > 1}
    assert not twice, f"more than once: {twice}"
    assert names[0] in TRACE, f"no trace field on top, but {names[0]}"
    assert not {"sender", "bcc", "resent-bcc"} & set(names), names
    message = email.message_from_bytes(octets, policy=email.policy.default)
    for field in ("From", "Date", "Message-ID"):
        assert message[field], f"no {field}"
    assert [author.addr_spec for author in message["From"].addresses] == [address], f"From: {message['From']}"
    assert message["Date"].datetime is not None, f"Date: {message['Date']}"
    assert re.fullmatch(r"<[^<>@\s]+@[^<>@\s]+>", message["Message-ID"].strip()), f"Message-ID: {message['Message-ID']}"


def check_well_made(octets, address):
    """Nothing but the octets that arrived is needed to say so."""
    check_octets(octets)
    check_header(octets, address)


def check_same(octets, sent):
    """The message that arrived is the one that was sent, line ends mended: header, body, and what two parsers make of them."""
    sent = crlf(sent)
    fields, body = split(octets)
    sent_fields, sent_body = split(sent)
    sent_names = {name(field) for field in sent_fields}
    added = OURS | (ADDED - sent_names)
    kept = [field for field in without_trace(fields) if name(field) not in added]
    sent_kept = [field for field in without_trace(sent_fields) if name(field) not in OURS]
    for field, sent_field in zip(kept, sent_kept):
        assert same_field(field, sent_field), f"header field {sent_field!r} arrived as {field!r}"
    assert len(kept) == len(sent_kept), f"more or fewer header fields: {[name(field) for field in kept]}"
    assert body == sent_body, "the body differs"
    more = [defect for defect in defects(octets) if defect not in defects(sent)]
    assert not more, f"defects that the sent message had not: {more}"
    # What the relay said about the body because nobody had is no change of it.
    declared = [field for field in fields if name(field) in DECLARED - sent_names]
    sent = b"".join(field + b"\r\n" for field in declared) + sent
    for parser, policy in PARSERS.items():
        assert parts(octets, policy) == parts(sent, policy), f"other parts, says {parser}"
