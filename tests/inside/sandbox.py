# SPDX-License-Identifier: MIT
"""What a running machine cannot do any more, and who can reach it."""
import contextlib
import ctypes
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess

from bed import (BINARY, Skip, contains, image, mishap, run, sanitized, scratch, test,
                 wait_until)
from guest import Guest

SPIN = ["-m", "16", "-vga", "none", "-display", "none", "-bios", image("spin")]


def needs_seccomp():
    if sanitized():
        raise Skip("a build with the address sanitizer has no sandbox")
    if "no sandbox here" in mishap("halt", "-strict-exit").err:
        raise Skip("this host lets nobody enter a seccomp sandbox")


def seccomp_mode(status):
    return re.search(r"^Seccomp:\s+(\d)", status.read_text(), re.M)[1]


def threads(pid):
    """(name, ticks in user mode, seccomp mode) of each."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError): # it has just ended
            ticks = (task / "stat").read_text().rsplit(")", 1)[1].split()[11]
            yield (task / "comm").read_text().strip(), int(ticks), seccomp_mode(task / "status")


@contextlib.contextmanager
def machine(*args):
    """Runs when it is given out: its first instruction comes after the sandbox."""
    process = subprocess.Popen([BINARY, *SPIN, *args], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: any(name == "vcpu" and ticks > 2
                               for name, ticks, _ in threads(process.pid)), 20,
                   "the guest does not run")
        yield process
    finally:
        process.kill()
        process.wait()


def modes(process):
    return {name: mode for name, _, mode in threads(process.pid)}


@test
def every_thread_is_in_the_sandbox():
    needs_seccomp()
    own = seccomp_mode(pathlib.Path("/proc/self/status"))
    for args in ([], ["-sandbox", "on"], ["-profile", "/dev/null"],
                 ["-sandbox", "on,obsolete=deny,spawn=deny,elevateprivileges=deny"]):
        with machine(*args) as process:
            found = modes(process)
            assert "vcpu" in found and set(found.values()) == {"2"}, found
    with machine("-sandbox", "off") as process:
        assert set(modes(process).values()) == {own}


@test
def sandbox_words():
    for text in ("maybe", "on,spawn=allow", "on,bogus=deny", ""):
        contains(mishap("spin", "-sandbox", text, check=1).err, "dbtvm: -sandbox")


def forbid_seccomp():
    """As in some containers: seccomp(2) fails with EPERM."""
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    ALLOW, EPERM = 0x7fff0000, 0x00050001
    context = ctypes.c_void_p(lib.seccomp_init(ctypes.c_uint32(ALLOW)))
    number = lib.seccomp_syscall_resolve_name(b"seccomp")
    assert lib.seccomp_rule_add(context, ctypes.c_uint32(EPERM), number, 0) == 0
    assert lib.seccomp_load(context) == 0


@test
def a_host_without_seccomp():
    if sanitized():
        raise Skip("a build with the address sanitizer has no sandbox")
    for args, code in (([], 83), (["-sandbox", "off"], 83), (["-sandbox", "on"], 126)):
        r = subprocess.run([BINARY, "-m", "16", "-vga", "none", "-display", "none", "-bios",
                            image("halt"), "-strict-exit", *args], capture_output=True, text=True,
                           stdin=subprocess.DEVNULL, timeout=30, preexec_fn=forbid_seccomp,
                           check=False)
        assert r.returncode == code, (args, r)
        assert r.stderr.count("dbtvm: no sandbox here (seccomp: ") == (args[1:] != ["off"]), r


def make_call(process, call):
    """gdb makes the machine call a function; what it died of."""
    told = subprocess.run(["gdb", "-q", "-batch", "-nx", "-p", str(process.pid), "-ex",
                           f"print {call}"], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=False)
    if "ptrace" in told.stderr and "not permitted" in told.stderr:
        raise Skip("gdb may not trace here")
    assert process.wait(20) == -signal.SIGSYS, (process.returncode, told)


@test
def a_forbidden_call_ends_the_machine():
    needs_seccomp()
    calls = ("(int)execve(\"/bin/true\", 0, 0)", "(int)memfd_create(\"x\", 0)", "(int)fork()",
             "(long)mmap(0, 4096, 5, 0x22, -1, 0)")
    for call in calls:
        with machine() as process:
            make_call(process, call)


@contextlib.contextmanager
def environment(**more):
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def windowed():
    """A machine with a window, on SDL's driver that shows none."""
    with environment(SDL_VIDEODRIVER="dummy"), Guest(
            BINARY, ["-m", "16", "-bios", image("spin"), "-display", "sdl"], serial=False) as g:
        wait_until(lambda: any(name == "vcpu" and ticks > 2
                               for name, ticks, _ in threads(g.process.pid)), 20,
                   "the guest does not run")
        yield g


@test
def a_window_has_a_sandbox_too():
    """One that forbids some calls, since nobody knows what a graphics driver needs."""
    needs_seccomp()
    with windowed() as g, scratch() as folder:
        assert set(modes(g.process).values()) == {"2"}, modes(g.process)
        for command in (f"screendump {folder}/screen", f"pmemsave 0 4096 {folder}/memory",
                        f"logfile {folder}/log", "log int",
                        f"change floppy0 {image('halt')}", "eject floppy0", "profile on",
                        f"profile {folder}/stacks", "profile off"):
            assert g.monitor(command) == "", command
        contains(g.monitor("gdbserver tcp::0"), "waiting for gdb")
        assert sorted(os.listdir(folder)) == ["log", "memory", "screen", "stacks"]
        contains(g.monitor("info status"), "running")
    for call in ("(int)execve(\"/bin/true\", 0, 0)", "(int)ptrace(0, 0, 0, 0)", "(int)setuid(0)"):
        with windowed() as g:
            make_call(g.process, call)


def make_locale(folder, name, charset):
    try:
        made = subprocess.run(["localedef", "-f", charset, "-i", name, f"{folder}/{name}"],
                              capture_output=True, text=True, timeout=120, check=False)
    except OSError as error:
        raise Skip(f"localedef: {error}") from error
    if not os.path.isdir(f"{folder}/{name}"):
        raise Skip(f"localedef makes no {name} in {charset}: {made.stderr}")


@test
def charsets_other_than_utf8():
    """The texts of errors need no module of iconv's; names of files stay the bytes they are."""
    needs_seccomp()
    with scratch() as folder:
        make_locale(folder, "en_US", "ISO-8859-1")
        for variables in ({"LC_ALL": "en_US"}, {"LC_ALL": "C"},
                          {"LC_ALL": "C.UTF-8", "CHARSET": "ISO-8859-1"},
                          {"LC_ALL": "C.UTF-8", "G_FILENAME_ENCODING": "ISO-8859-1"}):
            out = os.path.join(os.fsencode(folder), b"caf\xe9")
            with environment(LOCPATH=folder, **variables):
                result = run(*SPIN, "-monitor", "stdio", stdin=b"logfile /nosuchdir/x\n"
                             b"pmemsave 0 16 " + out + b"\nlogfile /nosuchdir/\xe9\nquit\n",
                             check=0)
            assert result.out.count(": No such file or directory") == 2, (variables, result)
            assert os.path.getsize(out) == 16, variables
            os.unlink(out)


def listening(pid):
    """(address, port) of the TCP sockets on which the process listens."""
    inodes = set()
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.update(re.findall(r"^socket:\[(\d+)\]$", os.readlink(fd)))
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                address, port = words[1].split(":")
                yield table, bytes.fromhex(address), int(port, 16)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@test
def listens_on_loopback_only():
    loopback = bytes.fromhex("0100007F") # 127.0.0.1 as the kernel prints it here
    ports = [free_port() for _ in range(4)]
    with machine("-monitor", f"tcp::{ports[0]},server,nowait", "-qmp",
                 f"tcp::{ports[1]},server,nowait", "-gdb", f"tcp::{ports[2]}", "-serial",
                 f"tcp::{ports[3]},server,nowait") as process:
        found = list(listening(process.pid))
        assert sorted(port for _, _, port in found) == sorted(ports), found
        assert all((t, a) == ("tcp", loopback) for t, a, _ in found), found
    with machine("-monitor", f"tcp:0.0.0.0:{ports[0]},server,nowait") as process:
        assert [a for _, a, _ in listening(process.pid)] == [bytes(4)]
    with machine() as process:
        assert not list(listening(process.pid))


@test
def unix_sockets_are_their_owners():
    with scratch() as folder:
        paths = [pathlib.Path(folder) / n for n in ("monitor", "qmp", "serial", "gdb")]
        old = os.umask(0)
        try:
            with machine("-monitor", f"unix:{paths[0]},server,nowait", "-qmp",
                         f"unix:{paths[1]},server,nowait", "-serial",
                         f"unix:{paths[2]},server,nowait", "-gdb", f"unix:{paths[3]}"):
                for path in paths:
                    assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        finally:
            os.umask(old)
        # whom SIGKILL has ended leaves its sockets, which the next one takes over
        with machine("-monitor", f"unix:{paths[0]},server,nowait") as process:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        assert not paths[0].exists()


@test
def gdbserver_in_the_sandbox():
    needs_seccomp()
    with scratch() as folder, Guest(BINARY, SPIN, serial=False) as g:
        path = pathlib.Path(folder) / "gdb"
        port = free_port()
        for spec, word in ((f"tcp:nowhere.invalid:{port}", "looks up no names"),
                           (f"tcp:127.0.0.1:{port},server=off", "connects to nobody"),
                           (f"unix:{folder}", "exists already")):
            contains(g.monitor(f"gdbserver {spec}"), word)
        for spec in (f"tcp::{port}", f"tcp:localhost:{port}", f"tcp:[::1]:{port}", f"unix:{path}",
                     f"tcp::{port},server,nowait", "pty"):
            said = g.monitor(f"gdbserver {spec}")
            assert "waiting for gdb" in said or "::1" in spec, (spec, said)
            if spec == f"unix:{path}":
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert g.monitor("gdbserver none") == ""
        contains(g.monitor("info status"), "running")
        g.monitor("quit")
        assert g.wait(20) == 0
