# SPDX-License-Identifier: MIT
"""Drive a dbtvm process: serial port on its stdout/stdin, monitor on a unix socket. And where guests
come from."""
import os
import pathlib
import re
import selectors
import socket
import subprocess
import tempfile
import time

from tap import ROOT, Skip

SHARED = pathlib.Path(os.environ.get("SHARED_GUESTS", ROOT.parent / "shared/guests"))
# AUTOEXEC.BAT shows a prompt too, with the command that it echoes, and clears the screen at its end.
FREEDOS_PROMPT = r"\A\s*A:\\>\s*\Z"
NOT_TO_BE_HAD = 77  # a script's exit code


class Timeout(Exception):
    pass


def without_host_notice(text):
    """What dbtvm printed, less the lines by which a host without address windows or without
    seccomp gives itself away when the guest starts."""
    for what in ("address windows", "sandbox"):
        text = re.sub(rf"^dbtvm: no {what} here .*\n", "", text, count=1, flags=re.M)
    return text


def script(name, *args):
    """Output of a script that fetches or makes a guest."""
    done = subprocess.run([str(ROOT / "scripts" / name), *args], capture_output=True, text=True,
                          timeout=600, check=False)
    if done.returncode == NOT_TO_BE_HAD:
        raise Skip(" ".join(["not to be had:", name, *args, *done.stderr.split()[-30:]]))
    assert done.returncode == 0, f"scripts/{name} {' '.join(args)}: exit {done.returncode}: {done.stderr[-1500:]}"
    return done.stdout.strip()


def shared(name):
    """A guest that no script can make."""
    path = SHARED / name
    if not path.exists():
        raise Skip(f"{name} is not in {SHARED}")
    return str(path)


def connect(path, seconds):
    """To a unix socket that may not be there yet."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(seconds)
    deadline = time.monotonic() + seconds
    while True:
        try:
            client.connect(path)
            return client
        except OSError:
            if time.monotonic() > deadline:
                client.close()
                raise
            time.sleep(0.05)


class Guest:
    """One running dbtvm. serial=True connects COM1 to our pipes."""

    def __init__(self, binary, args, serial=True):
        self.dir = tempfile.TemporaryDirectory(prefix="dbtvm-test-")
        self.socket_path = os.path.join(self.dir.name, "monitor")
        argv = [binary, *args, "-monitor", f"unix:{self.socket_path},server,nowait"]
        if serial:
            argv += ["-serial", "stdio"]
        if "-nographic" not in args and "-display" not in args:
            argv += ["-display", "none"]
        self.argv = argv
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.output = ""
        self.seen = 0
        self.monitor_socket = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.monitor_socket:
            self.monitor_socket.close()
        self.dir.cleanup()

    def _pump(self, seconds):
        selector = selectors.DefaultSelector()
        selector.register(self.process.stdout, selectors.EVENT_READ)
        if selector.select(seconds):
            data = self.process.stdout.read()
            if data:
                self.output += data.decode("utf-8", "replace")
            elif self.process.poll() is not None:
                return False
        return True

    def expect(self, pattern, seconds):
        """Wait until the output from the last match on matches; returns the match."""
        regex = re.compile(pattern)
        deadline = time.monotonic() + seconds
        alive = True
        while True:
            match = regex.search(self.output, self.seen)
            if match:
                self.seen = match.end()
                return match
            if not alive or time.monotonic() > deadline:
                raise Timeout(f"no /{pattern}/ in: ...{self.output[-600:]!r}")
            alive = self._pump(0.2)

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def assert_no_writable_code(self):
        """No page of the process is writable and executable."""
        with open(f"/proc/{self.process.pid}/maps") as maps:
            both = [line for line in maps if line.split()[1].startswith("rwx")]
        assert not both, both

    def wait(self, seconds):
        """Exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise Timeout(f"did not exit; output ...{self.output[-600:]!r}")
            self._pump(0.1)
        self._pump(0)
        return self.process.returncode

    def monitor(self, command, seconds=20):
        """Execute one monitor command; returns what it printed."""
        if not self.monitor_socket:
            self.monitor_socket = connect(self.socket_path, seconds)
            self._until_prompt()
        self.monitor_socket.sendall(command.encode() + b"\n")
        text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self._until_prompt())
        lines = text.replace("\r", "").split("\n")
        return "\n".join(lines[1:])

    def _until_prompt(self):
        text = b""
        while not text.endswith(b"(dbtvm) "):
            data = self.monitor_socket.recv(4096)
            if not data:
                break
            text += data
        return text.decode("utf-8", "replace")[: -len("(dbtvm) ")]

    def screen(self):
        return self.monitor("screentext")

    def wait_screen(self, pattern, seconds):
        deadline = time.monotonic() + seconds
        while True:
            text = self.screen()
            if re.search(pattern, text):
                return text
            if time.monotonic() > deadline:
                raise Timeout(f"no /{pattern}/ on the screen:\n{text}")
            time.sleep(0.2)

    def type_keys(self, keys):
        for key in keys:
            self.monitor(f"sendkey {key}")
            time.sleep(0.03)
