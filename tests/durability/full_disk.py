#!/usr/bin/env python3
"""Fills the disk under a running relay: devices are told 452, nothing promised is lost, and nothing is sent again and again while
outcomes cannot be recorded.

A tmpfs of 24 MB holds data_dir. First the relay itself fills it up to its reserve while the upstream is away; then another
program takes the last octets, so that every write fails; then the upstream is back; then room is.

Usage: full_disk.py PATH-OF-MAILFERRY   (needs root for the mount; uses only loopback)
"""
import asyncio, os, shutil, smtplib, subprocess, tempfile, threading, time

from rehearsal import Relay, Simulator, free_port, wait_for

MORE = "spool: { reserve: 8 MB }\nretry: { first: 200ms, longest: 1s }\nlog: { level: debug }\n"
ACCOUNT = "    limits: { messages_per_minute: none }"
# Attempts that may have been under way when recording failed: the connections an account has unless told otherwise.
IN_FLIGHT = 3


def send(port, number, size):
    """The reply's code; 250 is a promise."""
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as smtp:
            body = ("number %d " % number + "x" * 60 + "\r\n") * (size // 72)
            smtp.sendmail("copier@printers.local", [f"number-{number}@example.com"], f"Subject: scan\r\n\r\n{body}")
            return 250
    except smtplib.SMTPRecipientsRefused as refused:
        return next(iter(refused.recipients.values()))[0]
    except smtplib.SMTPResponseException as refused:
        return refused.smtp_code


def fill(path):
    """Takes every octet that is free."""
    hog = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for size in (1 << 16, 4096, 1):
        try:
            while True:
                os.write(hog, b"x" * size)
        except OSError:
            pass
    os.close(hog)


def let_through(port, to):
    """From now on connections to `port` reach `to`: before, they are refused, as by an upstream that is away."""
    async def pump(reader, writer):
        while octets := await reader.read(1 << 16):
            writer.write(octets)
            await writer.drain()
        writer.close()

    async def connected(reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", to)
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

    async def serve():
        async with await asyncio.start_server(connected, "127.0.0.1", port) as server:
            await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()


def rehearse(folder, data):
    upstream, gate = Simulator(folder, account=ACCOUNT, more=MORE), free_port()
    upstream.rewrite(open(upstream.config).read().replace(f"port: {upstream.smtp}\n", f"port: {gate}\n"))
    relay = Relay(upstream.config, os.path.join(folder, "log"))
    try:
        # Up to the reserve: 452, and the relay says that it is not ready.
        promised = []
        for number in range(1, 1000):
            code = send(relay.port, number, 300_000 if number % 3 == 0 else 20_000)
            if code != 250:
                break
            promised.append(number)
        assert code == 452, f"below the reserve devices must be told 452, not {code}"
        assert len(promised) > 10, promised
        wait_for("health to say so", lambda: relay.health().get("ready") is False)

        # Every octet: writes fail outright.
        fill(os.path.join(data, "hog"))
        code = send(relay.port, number + 1, 20_000)
        assert code in (451, 452), code
        assert relay.health().get("waiting") == len(promised), relay.health()

        # The upstream is back while the disk is full: what cannot be recorded is not sent again and again.
        let_through(gate, upstream.smtp)
        time.sleep(5)  # Time to go wrong in: attempts that must not be made.
        full = len(upstream.arrived())
        waiting = relay.health().get("waiting")
        # What fits into the log's file as it is can be recorded, and may go.
        assert full <= len(promised) - waiting + IN_FLIGHT, f"{full} arrived while only {len(promised) - waiting} were recorded"

        # Room again: everything arrives, and devices are welcome.
        os.remove(os.path.join(data, "hog"))
        wait_for("the queue to empty", lambda: relay.health().get("waiting") == 0 and relay.health().get("ready"))
        promised.append(number + 2)
        assert send(relay.port, number + 2, 20_000) == 250
        wait_for("the last one", lambda: relay.health().get("waiting") == 0)
        arrived = upstream.arrived()
        lost = [number for number in promised if not any(f" number-{number}@example.com," in line for line in arrived)]
        assert not lost, f"promised and lost: {lost}"
        assert len(arrived) <= len(promised) + IN_FLIGHT, f"{len(arrived)} arrived of {len(promised)}"
        assert relay.health().get("held") == 0
        print(f"full disk: {len(promised)} promised, {len(arrived)} arrived, {full} of them while the disk was full")
    finally:
        relay.stop()
        upstream.stop()


def main():
    folder = os.path.realpath(tempfile.mkdtemp(prefix="mailferry-full-"))
    data = os.path.join(folder, "data")
    os.mkdir(data, 0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", data], check=True)
    try:
        rehearse(folder, data)
    finally:
        subprocess.run(["umount", data], check=False)
    shutil.rmtree(folder)


main()
