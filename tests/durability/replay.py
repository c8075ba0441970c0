"""A relay under strace, what it asked of the system, and a disk that keeps only what was synced.

What the disk keeps is read strictly, as POSIX promises and no file system's kindness adds: a write is durable when a sync of
its file began after the write ended; a name, when a sync of its folder began after the name was given.
"""
import codecs, os, re, smtplib, threading

from rehearsal import Relay, Simulator, stop, wait_for

SMALL, LARGE, DEVICES = 2_000, 400_000, 4
EACH = 5  # Messages of each size from each device.
# Some go out at once, so that outcomes are recorded and body files removed meanwhile; most stay in the queue.
ACCOUNT = "    limits: { messages_per_minute: 12 }"
CALLS = ("openat,close,write,pwrite64,writev,pwritev,sendto,sendmsg,lseek,ftruncate,fallocate,fsync,fdatasync,sync_file_range,"
         "rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,dup,dup2,dup3")


class Call:
    """A call that succeeded: lines of the trace where it began and ended, its name, arguments and result."""

    def __init__(self, began, ended, name, arguments, result):
        self.began, self.ended, self.name, self.arguments, self.result = began, ended, name, arguments, result

    def strings(self):
        return [codecs.escape_decode(text.encode("latin-1"))[0] for text in re.findall(r'"((?:[^"\\]|\\.)*)"', self.arguments)]

    def file(self):
        """The path of the descriptor that comes first."""
        found = re.match(r"\(?\d+<([^>]*)>", self.arguments)
        return found.group(1) if found else ""

    def descriptor(self):
        return int(re.match(r"\(?(\d+)", self.arguments).group(1))

    def is_sync(self):
        return self.name in ("fsync", "fdatasync")

    def sends(self):
        return self.name in ("sendto", "write", "writev", "sendmsg")


LINE = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>)?(.*)$")
END = re.compile(r"^(.*)\) += (-?\d+)([^\"]*)$")


def calls(path):
    """Calls that succeeded, in the order in which they ended. A sync that failed ends the test."""
    begun, found = {}, []
    with open(path, encoding="latin-1") as trace:
        for number, line in enumerate(trace):
            match = LINE.match(line.rstrip("\n"))
            if not match:
                continue
            thread, name, rest = match.groups()
            if rest.endswith("<unfinished ...>"):
                begun[thread] = (number, name, rest.removesuffix("<unfinished ...>"))
                continue
            began, before = number, ""
            if " resumed>" in line[:60] and begun.get(thread, (0, ""))[1] == name:
                began, _, before = begun.pop(thread)
            ended = END.match(before.rstrip() + rest if before.endswith(" ") else before + rest)
            if not ended:
                continue
            call = Call(began, number, name, ended.group(1), int(ended.group(2)))
            assert not (call.is_sync() and call.result != 0), f"a sync failed: {line}"
            if call.result >= 0:
                found.append(call)
    return found


class Message:
    """What a device was promised: a recipient of its own, which is also in the header and all over the body."""

    def __init__(self, marker, size, entry):
        self.marker, self.size, self.entry = marker, size, entry


def send_all(port):
    """Small and large messages from several devices at once; gives those that were answered with 250."""
    promised = []

    def device(number):
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as smtp:
            for count in range(EACH):
                for size in (SMALL, LARGE):
                    marker = f"marker-{number}-{count}-{size}-end"
                    smtp.ehlo_or_helo_if_needed()
                    smtp.mail("copier@printers.local")
                    smtp.rcpt(f"{marker}@example.com")
                    line = f"{marker} in the body, again and again\r\n"
                    code, text = smtp.data(f"Subject: {marker}\r\n\r\n" + line * (size // len(line)))
                    assert code == 250, text
                    promised.append(Message(marker, size, text.decode().split()[-1]))
    devices = [threading.Thread(target=device, args=(number,)) for number in range(DEVICES)]
    for thread in devices:
        thread.start()
    for thread in devices:
        thread.join()
    assert len(promised) == DEVICES * EACH * 2, "a device failed"
    return promised


def record(folder):
    """Runs a relay under strace for some messages. Gives the calls, the promises, and the simulator, which goes on."""
    simulator, trace = Simulator(folder, account=ACCOUNT), os.path.join(folder, "trace")
    strace = ["strace", "-f", "-y", "-s", "1000000", "-o", trace, "-e", f"trace={CALLS}"]
    relay = Relay(simulator.config, os.path.join(folder, "log"), under=strace)
    try:
        promised = send_all(relay.port)
        wait_for("some to be delivered", lambda: len(simulator.arrived()) >= 3)
    finally:
        # strace passes the signal on to nobody: the relay is its only child.
        children = open(f"/proc/{relay.process.pid}/task/{relay.process.pid}/children").read().split()
        os.kill(int(children[0]), 15)
        relay.process.wait(60)
    return calls(trace), promised, simulator


def answer(made, message):
    """The call that sent the message's 250."""
    wanted = f" {message.entry}\\r\\n"
    return next(call for call in made if call.sends() and '"250 ' in call.arguments and wanted in call.arguments)


class File:
    """A file's octets, now and when it was last synced. `unsynced` is what was done since."""

    def __init__(self):
        self.now, self.durable, self.unsynced = bytearray(), b"", []

    def change(self, change):
        change(self.now)
        self.unsynced.append(change)


def writing(at, octets):
    def change(content):
        if len(content) < at:
            content.extend(bytes(at - len(content)))
        content[at:at + len(octets)] = octets
    return change


def cutting(length):
    def change(content):
        if length < len(content):
            del content[length:]
        else:
            content.extend(bytes(length - len(content)))
    return change


class Disk:
    """What `root` holds, in the page cache and on the disk."""

    def __init__(self, root):
        self.root = root
        self.names = {}     # path -> File, or None for a folder
        self.durable = {}   # the same, as of each folder's last sync
        self.open = {}      # descriptor -> [File, offset]

    def inside(self, path):
        return path == self.root or path.startswith(self.root + "/")

    def sync_folder(self, folder):
        directly = lambda names: {path: kept for path, kept in names.items() if os.path.dirname(path) == folder}
        for path in directly(self.durable):
            del self.durable[path]
        self.durable.update(directly(self.names))

    def apply(self, call):
        getattr(self, "on_" + call.name, lambda call: None)(call)

    def on_openat(self, call):
        path = call.strings()[0].decode()
        self.open.pop(call.result, None)
        if not self.inside(path) or "O_DIRECTORY" in call.arguments or self.names.get(path, 0) is None:
            return
        if path not in self.names:
            assert "O_CREAT" in call.arguments, f"{path} was never made"
            self.names[path] = File()
        if "O_TRUNC" in call.arguments:
            self.names[path].change(cutting(0))
        self.open[call.result] = [self.names[path], 0]

    def on_close(self, call):
        self.open.pop(call.descriptor(), None)

    def on_mkdir(self, call):
        path = call.strings()[0].decode()
        if self.inside(path):
            self.names[path] = None

    def on_rename(self, call):
        before, after = (text.decode() for text in call.strings()[:2])
        if self.inside(after):
            self.names[after] = self.names.pop(before)

    def on_unlink(self, call):
        self.names.pop(call.strings()[0].decode(), None)

    def on_write(self, call):
        if held := self.open.get(call.descriptor()):
            octets = b"".join(call.strings())[:call.result]
            assert len(octets) == call.result, "the trace shows writes cut short"
            held[0].change(writing(held[1], octets))
            held[1] += call.result

    def on_pwrite64(self, call):
        if held := self.open.get(call.descriptor()):
            held[0].change(writing(int(call.arguments.rsplit(",", 1)[1]), call.strings()[0][:call.result]))

    def on_lseek(self, call):
        if held := self.open.get(call.descriptor()):
            held[1] = call.result

    def on_ftruncate(self, call):
        if held := self.open.get(call.descriptor()):
            held[0].change(cutting(int(call.arguments.rsplit(",", 1)[1])))

    def unexpected(self, call):
        assert not self.inside(call.file()) and call.descriptor() not in self.open, f"{call.name} on {call.file()} is not followed"

    on_writev = on_pwritev = on_fallocate = on_dup = on_dup2 = on_dup3 = unexpected

    def on_fsync(self, call):
        if held := self.open.get(call.descriptor()):
            held[0].durable, held[0].unsynced = bytes(held[0].now), []
        elif self.inside(call.file()) or call.file() == os.path.dirname(self.root):
            self.sync_folder(call.file())

    on_fdatasync = on_fsync

    def remains(self, keep):
        """Paths and octets after power went. `keep` says of each thing that was not synced whether it got through all the same."""
        names = dict(self.durable)
        for path in {**self.names, **self.durable}:
            now, durable = self.names.get(path, self), self.durable.get(path, self)
            if now is not durable and keep():
                names.pop(path, None)
                if now is not self:
                    names[path] = now
        found = {}
        for path, file in names.items():
            if file is None:
                found[path] = None
                continue
            content = bytearray(file.durable)
            for change in file.unsynced:
                if keep():
                    change(content)
            found[path] = bytes(content)
        # What lies in a folder that has no name is gone with it.
        rooted = lambda path: path in found and (path == self.root or rooted(os.path.dirname(path)))
        return {path: octets for path, octets in found.items() if rooted(path)}
