#!/usr/bin/env python3
"""Lets the power go at each 250: what was not synced by then is lost, and every message that was promised arrives all the same.

A relay takes messages under strace while others are delivered. From the trace the disk is rebuilt as of the moment at which each
250 leaves: once with nothing but what was synced, and once with some of the rest, as a disk that writes in an order of its own
leaves it. A relay is started on each such disk, and delivers.

Usage: power_loss.py PATH-OF-MAILFERRY   (needs strace; uses only loopback)
"""
import json, os, random, re, shutil, tempfile

from rehearsal import Relay, wait_for
from replay import ACCOUNT, Disk, answer, record

SEED = int(os.environ.get("SEED", random.randrange(1 << 32)))


def lay_out(remains, before, after):
    """Writes what remains of the folder `before` into the folder `after`."""
    for path in sorted(remains):
        new = after + path.removeprefix(before)
        if remains[path] is None:
            os.mkdir(new, 0o700)
        else:
            with open(os.open(new, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(remains[path])


def restart(folder, config, remains, data):
    """Starts a relay on what remains, and waits until its queue is empty. Nothing may be damaged or held."""
    place = os.path.join(folder, "restarted")
    os.mkdir(place)
    lay_out(remains, data, os.path.join(place, "data"))
    text = open(config).read().replace(data, os.path.join(place, "data")).replace(ACCOUNT, "    limits: { messages_per_minute: none }")
    with open(os.path.join(place, "mailferry.yaml"), "w") as file:
        file.write(text)
    relay = Relay(file.name, os.path.join(place, "log"))
    try:
        assert relay.health().get("held") == 0, relay.health()
        wait_for("the queue to empty", lambda: relay.health().get("waiting") == 0)
    finally:
        relay.stop()
    errors = [line for line in open(relay.log) if json.loads(line)["level"] == "error"]
    assert not errors, "".join(errors)
    shutil.rmtree(place)


def recipients(lines):
    return {recipient for line in lines for recipient in re.findall(r"marker-[^@]+-end", line)}


def main():
    with tempfile.TemporaryDirectory(prefix="mailferry-power-") as folder:
        folder = os.path.realpath(folder)
        made, promised, simulator = record(folder)
        data, chance = os.path.join(folder, "data"), random.Random(SEED)
        try:
            sent_before = recipients(simulator.arrived())
            disk, applied, starts = Disk(data), 0, 0
            for place, message in enumerate(sorted(promised, key=lambda message: answer(made, message).began), 1):
                power_goes = answer(made, message).began
                while made[applied].ended < power_goes:
                    disk.apply(made[applied])
                    applied += 1
                # Everything answered so far, but for what had left already.
                due = {m.marker for m in promised if answer(made, m).began <= power_goes} - sent_before
                kept = [lambda: False] + ([lambda: chance.random() < 0.5] if place % 4 == 0 else [])
                for keep in kept:
                    seen = len(simulator.arrived())
                    restart(folder, simulator.config, disk.remains(keep), data)
                    # The simulator says so a moment after the relay knows.
                    wait_for(f"what was promised when power went at 250 number {place}; SEED={SEED}",
                             lambda: due <= recipients(simulator.arrived()[seen:]), seconds=20)
                    starts += 1
        finally:
            simulator.stop()
        print(f"power loss: {len(promised)} messages promised, {len(sent_before)} sent meanwhile; {starts} restarts lost none of the others")


main()
