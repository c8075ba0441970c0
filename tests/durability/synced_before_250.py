#!/usr/bin/env python3
"""Shows for each 250 that everything it promises was on disk first.

A kill keeps the page cache, so surviving kills does not prove that anything was synced. This runs the relay under strace,
sends messages small and large from several devices at once, and reads the trace: before the 250 for a message leaves,

  - the database log holds the message's row, and was synced after the row was written,
  - a large body's file was synced after its last write, and its folder after the file got its name,
  - and both of these before the row was written.

Usage: synced_before_250.py PATH-OF-MAILFERRY   (needs strace; uses only loopback)
"""
import json, os, re, smtplib, subprocess, sys, tempfile, threading, time

MAILFERRY = os.path.abspath(sys.argv[1])
SMALL, LARGE, DEVICES = 2_000, 1_000_000, 4
EACH = 5  # messages of each size from each device


def wait_for(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    sys.exit(f"waited {seconds} s for {what}")


def send_all(port, promised):
    """Each message carries a marker of its own in its header; promised gets (marker, id) for each 250."""
    def device(number):
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as smtp:
            for count in range(EACH):
                for size in (SMALL, LARGE):
                    marker = f"marker-{number}-{count}-{size}-end"
                    smtp.ehlo_or_helo_if_needed()
                    smtp.mail("copier@printers.local")
                    smtp.rcpt("anna@example.com")
                    line = f"{marker} in the body, again and again\r\n"
                    code, text = smtp.data(f"Subject: {marker}\r\n\r\n" + line * (size // len(line)))
                    assert code == 250, text
                    promised.append((marker, size, text.decode().split()[-1]))
    devices = [threading.Thread(target=device, args=(n,)) for n in range(DEVICES)]
    for thread in devices: thread.start()
    for thread in devices: thread.join()


CALL = re.compile(r"^(\d+) +(\d+\.\d+) (?:<\.\.\. )?(\w+)(?: resumed>)?(.*)$")


def events(path):
    """(begin, end, call, text) for each call in the order of its end; text is what both halves of a split line say."""
    begun, found = {}, []
    with open(path, errors="replace") as trace:
        for order, line in enumerate(trace):
            match = CALL.match(line)
            if not match:
                continue
            thread, _, call, rest = match.groups()
            if rest.rstrip().endswith("<unfinished ...>"):
                begun[thread] = (order, call, rest)
                continue
            start, before = order, ""
            if " resumed>" in line and thread in begun and begun[thread][1] == call:
                start, _, before = begun.pop(thread)
            found.append((start, order, call, before + rest))
    return found


def check(trace, data, promised):
    calls = events(trace)
    failed = [text for _, _, call, text in calls if call in ("fsync", "fdatasync") and not text.rstrip().endswith("= 0")]
    assert not failed, f"a sync failed: {failed[:3]}"
    log = re.escape(os.path.join(data, "")) + r"[^>]*-wal>"
    bodies = re.escape(os.path.join(data, "bodies"))

    def last(what, limit, pattern, calls_named):
        hits = [c for c in calls if c[1] < limit and c[2] in calls_named and re.search(pattern, c[3])]
        assert hits, f"{what}: no {'/'.join(calls_named)} before it was needed"
        return hits[-1]

    for marker, size, entry in promised:
        answer = next(c for c in calls if c[2] in ("sendto", "write", "writev", "sendmsg") and f" {entry}\\r\\n" in c[3])
        row = last(f"{entry}: its row", answer[0], f"{log}.*{marker}", ("write", "pwrite64", "writev", "pwritev"))
        # Ended before the answer began, begun after the row was written.
        synced = [c for c in calls if c[2] in ("fsync", "fdatasync") and re.search(log, c[3]) and c[0] > row[1] and c[1] < answer[0]]
        assert synced, f"{entry}: 250 was sent before the database log was synced"
        if size == LARGE:
            written = [c for c in calls if c[2] in ("write", "pwrite64") and re.search(bodies + "/[^>]+>.*" + marker, c[3]) and c[1] < row[0]]
            assert written, f"{entry}: its body was not written to a file"
            file = re.search("(" + bodies + "/[^>]+)>", written[-1][3]).group(1)
            synced = [c for c in calls if c[2] in ("fsync", "fdatasync") and file + ">" in c[3] and c[0] > written[-1][1] and c[1] < row[0]]
            assert synced, f"{entry}: its row was written before its body file was synced"
            named = [c for c in calls if c[2] in ("openat", "rename", "renameat", "renameat2", "linkat") and file in c[3] and c[1] < row[0]]
            assert named, f"{entry}: its body file got no name"
            synced = [c for c in calls if c[2] in ("fsync", "fdatasync") and re.search(bodies + ">", c[3]) and c[0] > named[-1][1] and c[1] < row[0]]
            assert synced, f"{entry}: its row was written before the folder of its body file was synced"


def main():
    with tempfile.TemporaryDirectory(prefix="mailferry-synced-") as folder:
        folder = os.path.realpath(folder)
        simulator = subprocess.Popen(
            [MAILFERRY, "simulate", "--dir", folder, "--smtp", "127.0.0.1:0", "--token", "127.0.0.1:0", "--listener", "127.0.0.1:0"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        config = os.path.join(folder, "mailferry.yaml")
        wait_for("the simulator's configuration", lambda: os.path.exists(config) and os.path.getsize(config))
        trace, log = os.path.join(folder, "trace"), open(os.path.join(folder, "log"), "w+")
        # Enough of each write is shown to find a marker in it: a commit of several rows is one write a page.
        relay = subprocess.Popen(
            ["strace", "-f", "-ttt", "-y", "-s", "70000", "-o", trace, "-e",
             "trace=openat,write,pwrite64,writev,pwritev,fsync,fdatasync,sync_file_range,rename,renameat,renameat2,linkat,sendto,sendmsg",
             MAILFERRY, "run", "--config", config], stderr=log)
        try:
            def listening():
                for line in open(log.name):
                    if line.startswith("{") and json.loads(line).get("event") == "listening":
                        return int(json.loads(line)["address"].rsplit(":", 1)[1])
            port, promised = wait_for("the relay", listening), []
            send_all(port, promised)
        finally:
            subprocess.run(["pkill", "-TERM", "-P", str(relay.pid)], check=False)
            relay.wait(60)
            simulator.terminate()
            simulator.wait(60)
        assert len(promised) == DEVICES * EACH * 2
        check(trace, os.path.join(folder, "data"), promised)
        print(f"{len(promised)} messages: each was synced, body file, folder and database log, before its 250")


main()
