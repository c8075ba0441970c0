"""What the scripts here share: a simulated upstream, relays beside it, and waiting with an end."""
import json, os, re, socket, subprocess, sys, time

MAILFERRY = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else sys.exit(f"usage: {sys.argv[0]} PATH-OF-MAILFERRY")


def wait_for(what, condition, seconds=90):
    """Waits until condition gives something; gives it back."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise SystemExit(f"waited {seconds} s for {what}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop(process):
    process.terminate()
    process.wait(60)


class Simulator:
    """`mailferry simulate` in a folder, and the configuration that it wrote there."""

    def __init__(self, folder, account="", more=""):
        """`account` and `more` are further lines for the account and for the whole configuration."""
        self.config, self.told = os.path.join(folder, "mailferry.yaml"), os.path.join(folder, "arrived")
        self.process = subprocess.Popen(
            [MAILFERRY, "simulate", "--dir", folder, "--smtp", "127.0.0.1:0", "--token", "127.0.0.1:0", "--listener", "127.0.0.1:0"],
            stdout=open(self.told, "w"), stderr=subprocess.DEVNULL)
        # It says where it is when the configuration is whole.
        wait_for("the simulator", lambda: "Rehearse with it" in open(self.told).read())
        text = re.sub(r"(?m)^( +aliases: .*)$", r"\1\n" + account, open(self.config).read())
        self.smtp = int(re.search(r"(?m)^ +port: (\d+)$", text).group(1))
        self.rewrite(text + more)

    def rewrite(self, text):
        with open(self.config, "w") as config:
            config.write(text)

    def arrived(self):
        """The lines that tell of messages, first to last."""
        return [line for line in open(self.told) if line.startswith("arrived: ")]

    def stop(self):
        stop(self.process)


class Relay:
    """`mailferry run`, perhaps under another program; `port` is where it listens."""

    def __init__(self, config, log, under=()):
        self.config, self.log = config, log
        self.process = subprocess.Popen([*under, MAILFERRY, "run", "--config", config], stderr=open(log, "w"))
        self.port = wait_for("the relay", self._listening)

    def _listening(self):
        assert self.process.poll() is None, f"the relay ended:\n{open(self.log).read()}"
        for line in open(self.log):
            if line.endswith("\n") and line.startswith("{") and json.loads(line).get("event") == "listening":
                return int(json.loads(line)["address"].rsplit(":", 1)[1])

    def health(self):
        done = subprocess.run([MAILFERRY, "health", "--json", "--config", self.config], capture_output=True, text=True)
        return json.loads(done.stdout) if done.stdout else {}

    def stop(self):
        stop(self.process)
