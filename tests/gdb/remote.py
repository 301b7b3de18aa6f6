# SPDX-License-Identifier: MIT
"""The gdb remote protocol by hand, for what a real gdb never sends."""
import re

from guest import connect


class Remote:
    def __init__(self, path, seconds=20):
        self.socket = connect(path, seconds)
        self.input = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()

    def raw(self, data):
        self.socket.sendall(data)

    def send(self, body):
        body = body.encode("latin-1") if isinstance(body, str) else body
        self.raw(b"$%s#%02x" % (body, sum(body) & 0xFF))

    def packet(self):
        """The next packet's contents; acknowledged."""
        while True:
            match = re.search(rb"\$([^#]*)#(..)", self.input, re.S)
            if match:
                break
            data = self.socket.recv(65536)
            if not data:
                raise EOFError("the stub closed the connection")
            self.input += data
        self.input = self.input[match.end():]
        body = match[1]
        assert sum(body) & 0xFF == int(match[2], 16), body
        self.raw(b"+")
        return re.sub(rb"\}(.)", lambda m: bytes([m[1][0] ^ 0x20]), body, flags=re.S).decode("latin-1")

    def ask(self, body):
        self.send(body)
        return self.packet()
