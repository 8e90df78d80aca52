"""Proxies: one that leads every host name to the front, and one that refuses and writes it down.

With `https_proxy` set to the first, a client that knows only Homebrew's own addresses finds the
world. With the second, nothing that tries to leave the machine does, and tests see that it tried.
"""
import http.server
import select
import socket
import time


class Proxy(http.server.BaseHTTPRequestHandler):
    """Answers CONNECT by a tunnel to the front, whatever the host."""

    timeout = 300

    def log_message(self, *_):
        """Nothing: the journal has it."""

    def _note(self, status):
        self.server.world.journal.note({
            "listener": self.server.label, "method": self.command, "path": self.path,
            "begin": time.time(), "status": status})

    def do_CONNECT(self):
        """Tunnels until either side is done."""
        if self.server.label == "trap":
            self.do_GET()
            return
        self._note(200)
        self.close_connection = True
        with socket.create_connection(("127.0.0.1", self.server.world.ports["front"])) as inner:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._relay(self.connection, inner)

    def do_GET(self):
        """Refuses: everything here goes by TLS."""
        self._note(403)
        self.close_connection = True
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_POST = do_PUT = do_GET

    @staticmethod
    def _relay(left, right):
        other = {left: right, right: left}
        try:
            while True:
                for ready in select.select([left, right], [], [], 300)[0] or [None]:
                    data = ready.recv(65536) if ready else b""
                    if not data:
                        return
                    other[ready].sendall(data)
        except OSError:
            return


class Control(http.server.BaseHTTPRequestHandler):
    """How tests change faults and read the log: JSON over plain HTTP."""

    def log_message(self, *_):
        """Nothing."""

    def _send(self, status, data):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        """/log: the log; /faults: the rules in force; /ports: who listens where."""
        world = self.server.world
        answers = {"/log": world.journal.lines, "/faults": world.describe_faults,
                   "/ports": world.describe_ports}
        if self.path in answers:
            self._send(200, answers[self.path]())
        else:
            self._send(404, b"")

    def do_POST(self):
        """/faults: adds a rule, {"pattern", "action", "times", "skip"}."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self.server.world.add_fault(body)
        except (ValueError, TypeError, KeyError) as error:
            self._send(400, f"{error}\n".encode())
            return
        self._send(200, b"")

    def do_DELETE(self):
        """/faults or /log: empties it."""
        world = self.server.world
        if self.path == "/faults":
            world.faults.clear()
        elif self.path == "/log":
            world.journal.lines()
            world.journal.clear()
        self._send(200, b"")
