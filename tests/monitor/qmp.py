# SPDX-License-Identifier: MIT
"""A client of the JSON monitor. Speaks the protocol as the public qemu.qmp client does: greeting,
qmp_capabilities, commands with ids, events that may come at any time."""
import json

from guest import connect


class QmpError(Exception):
    def __init__(self, error):
        super().__init__(f"{error['class']}: {error['desc']}")
        self.error_class = error["class"]
        self.description = error["desc"]


class Qmp:
    def __init__(self, path, seconds=20, negotiate=True):
        self.socket = connect(path, seconds)
        self.buffer = b""
        self.events = []
        self.next_id = 0
        greeting = self.receive()
        assert set(greeting) == {"QMP"}, greeting
        assert set(greeting["QMP"]) == {"version", "capabilities"}, greeting
        assert set(greeting["QMP"]["version"]["qemu"]) == {"major", "minor", "micro"}, greeting
        assert isinstance(greeting["QMP"]["capabilities"], list), greeting
        self.greeting = greeting
        if negotiate:
            assert self.execute("qmp_capabilities") == {}

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def send_raw(self, data):
        self.socket.sendall(data)

    def receive(self):
        """One message; every message is one line."""
        while b"\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError("the JSON monitor closed the connection")
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)

    def reply(self):
        """The next message that is no event."""
        while True:
            message = self.receive()
            if "event" not in message:
                return message
            assert set(message["timestamp"]) == {"seconds", "microseconds"}, message
            self.events.append(message)

    def execute(self, command, arguments=None):
        self.next_id += 1
        request = {"execute": command, "id": f"our#{self.next_id:05d}"}
        if arguments is not None:
            request["arguments"] = arguments
        self.send_raw(json.dumps(request).encode())
        reply = self.reply()
        assert reply.get("id") == request["id"], reply
        if "error" in reply:
            raise QmpError(reply["error"])
        return reply["return"]

    def fails(self, command, arguments=None):
        """(class, description) of the error that it must return."""
        try:
            value = self.execute(command, arguments)
        except QmpError as error:
            return error.error_class, error.description
        raise AssertionError(f"{command} {arguments} returned {value}")

    def human(self, line):
        return self.execute("human-monitor-command", {"command-line": line})

    def wait_event(self, name):
        while True:
            for i, event in enumerate(self.events):
                if event["event"] == name:
                    return self.events.pop(i)
            message = self.receive()
            assert "event" in message, message
            self.events.append(message)
