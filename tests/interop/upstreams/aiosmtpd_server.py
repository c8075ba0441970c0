"""An upstream of aiosmtpd, which knows no PIPELINING: STARTTLS, then AUTH LOGIN or PLAIN.

Arguments: CERTIFICATE KEY FOLDER [MECHANISM-NOT-TO-OFFER]. Prints its port. Takes mail from whoever signs in as
scanner@contoso.com with the password `secret`, refuses nobody@example.com, and writes each message to FOLDER as 1.eml and 1.to.
"""
import asyncio, os, ssl, sys

from aiosmtpd.smtp import SMTP, AuthResult

certificate, key, folder, *hidden = sys.argv[1:]


class Handler:
    messages = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == "nobody@example.com":
            return "550 5.1.1 No such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        Handler.messages += 1
        name = os.path.join(folder, str(Handler.messages))
        with open(name + ".to", "w") as file:
            file.writelines(f"{address}\n" for address in envelope.rcpt_tos)
        with open(name + ".part", "wb") as file:
            file.write(envelope.original_content)
        # Whoever looks for the message finds it whole.
        os.rename(name + ".part", name + ".eml")
        return "250 OK"


def sign_in(server, session, envelope, mechanism, data):
    good = session.ssl is not None and (data.login, data.password) == (b"scanner@contoso.com", b"secret")
    return AuthResult(success=good, handled=False)


async def main():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    make = lambda: SMTP(Handler(), tls_context=tls, require_starttls=True, auth_required=True, authenticator=sign_in,
                        auth_exclude_mechanism=hidden, hostname="upstream.example", loop=asyncio.get_running_loop())
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    print("smtp", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
