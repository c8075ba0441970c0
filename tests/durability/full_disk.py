#!/usr/bin/env python3
"""Fills the disk under a running relay: devices are told 452, nothing promised is lost, and nothing is sent while outcomes cannot
be recorded.

A tmpfs of 24 MB holds data_dir. First the relay itself fills it up to its reserve while the upstream is away; then another
program takes the last octets, so that every write fails; then room comes back.

Usage: full_disk.py PATH-OF-MAILFERRY   (needs root for the mount; uses only loopback)
"""
import json, os, smtplib, subprocess, sys, tempfile, time

MAILFERRY = os.path.abspath(sys.argv[1])


def wait_for(what, condition, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    sys.exit(f"waited {seconds} s for {what}")


def simulator(folder, smtp, token, *faults):
    arguments = [MAILFERRY, "simulate", "--dir", folder, "--smtp", smtp, "--token", token, "--listener", "127.0.0.1:0"]
    output = open(os.path.join(folder, "arrived"), "a+")
    process = subprocess.Popen(arguments + [word for fault in faults for word in ("--fault", fault)], stdout=output, stderr=subprocess.DEVNULL)
    config = os.path.join(folder, "mailferry.yaml")
    wait_for("the simulator", lambda: os.path.exists(config) and os.path.getsize(config))
    return process, config


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def send(port, number, size):
    """The reply's code; 250 is a promise."""
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as smtp:
            body = ("number %d " % number + "x" * 60 + "\r\n") * (size // 72)
            smtp.sendmail("copier@printers.local", ["anna@example.com"], f"Subject: number-{number}-end\r\n\r\n{body}")
            return 250
    except smtplib.SMTPResponseException as refused:
        return refused.smtp_code


def health(config):
    done = subprocess.run([MAILFERRY, "health", "--json", "--config", config], capture_output=True, text=True)
    return json.loads(done.stdout) if done.stdout else {}


def main():
    folder = os.path.realpath(tempfile.mkdtemp(prefix="mailferry-full-"))
    data = os.path.join(folder, "data")
    os.mkdir(data, 0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", data], check=True)
    smtp, token = free_port(), free_port()
    upstream, config = simulator(folder, smtp, token, "greeting")
    with open(config, "a") as more:
        more.write("spool: { reserve: 8 MB }\nretry: { first: 200ms, longest: 1s }\n")
    log = open(os.path.join(folder, "log"), "w+")
    relay = subprocess.Popen([MAILFERRY, "run", "--config", config], stderr=log)
    try:
        def listening():
            for line in open(log.name):
                if line.startswith("{") and json.loads(line).get("event") == "listening":
                    return int(json.loads(line)["address"].rsplit(":", 1)[1])
        port, promised, number = wait_for("the relay", listening), [], 0

        # Up to the reserve: 452, and the relay says that it is not ready.
        for number in range(1, 1000):
            code = send(port, number, 300_000 if number % 3 == 0 else 20_000)
            if code != 250:
                break
            promised.append(number)
        assert code == 452, f"below the reserve devices must be told 452, not {code}"
        assert len(promised) > 10, promised
        wait_for("health to say so", lambda: health(config).get("ready") is False)

        # Every octet: writes fail outright.
        with open(os.path.join(data, "hog"), "wb") as hog:
            try:
                while True:
                    hog.write(b"x" * 4096)
                    hog.flush()
            except OSError:
                pass
        code = send(port, number + 1, 20_000)
        assert code in (451, 452), code
        assert health(config).get("waiting") == len(promised), health(config)

        # The upstream is back while the disk is full: what cannot be recorded is not sent again and again.
        upstream.terminate(); upstream.wait(60)
        upstream, _ = simulator(folder, smtp, token)
        with open(config, "a") as more:
            more.write("spool: { reserve: 8 MB }\nretry: { first: 200ms, longest: 1s }\n")
        time.sleep(3)  # Time to go wrong in: attempts that must not be made.
        arrived = open(os.path.join(folder, "arrived")).read().count("arrived:")
        assert arrived <= len(promised) + 3, f"{arrived} arrived while nothing could be recorded"

        # Room again: everything arrives, and devices are welcome.
        os.remove(os.path.join(data, "hog"))
        wait_for("the queue to empty", lambda: health(config).get("waiting") == 0 and health(config).get("ready"))
        assert send(port, number + 2, 20_000) == 250
        wait_for("the last one", lambda: health(config).get("waiting") == 0)
        arrived = open(os.path.join(folder, "arrived")).read().count("arrived:")
        assert len(promised) + 1 <= arrived <= len(promised) + 1 + 3, (arrived, len(promised))
        assert health(config).get("held") == 0
        print(f"{len(promised) + 1} promised, {arrived} arrived; the disk was full in between")
    finally:
        relay.terminate(); relay.wait(60)
        upstream.terminate(); upstream.wait(60)
        subprocess.run(["umount", data], check=False)


main()
