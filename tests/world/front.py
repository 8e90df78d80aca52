"""The front: what a client of the world talks to. It passes requests on to the registry (/v2/) and
to nginx (the rest), writes each down, and lets faults strike.

Asked as ghcr.io (through the proxy), it behaves like it: 401 without a bearer token, and blobs are
redirected to another host, which refuses a request that still carries Authorization.
"""
import http.client
import http.server
import json
import os
import select
import socket
import ssl
import struct
import threading
import time

PASSED_UP = ("Accept", "Accept-Encoding", "Authorization", "If-Modified-Since", "If-None-Match",
             "If-Range", "Range", "User-Agent")
PASSED_DOWN = ("Accept-Ranges", "Content-Encoding", "Content-Length", "Content-Range",
               "Content-Type", "Docker-Content-Digest", "Docker-Distribution-Api-Version", "ETag",
               "Last-Modified", "Vary", "WWW-Authenticate")
CHUNK = 65536
ANONYMOUS = "Bearer QQ=="
BLOB_HOST = "pkg-containers.githubusercontent.com"


class Cut(Exception):
    """The connection is to end here, as the fault wants it."""


class Journal:
    """The log: JSON, one line per request, written when its answer has ended."""

    def __init__(self, path):
        self.path, self.lock, self.active = path, threading.Condition(), 0
        self.file = open(path, "a", encoding="utf-8", buffering=1)

    def begin(self):
        """Counts a request in; returns how many are under way, this one included."""
        with self.lock:
            self.active += 1
            return self.active

    def end(self, record):
        """Counts it out and writes its line."""
        with self.lock:
            self.file.write(json.dumps(record) + "\n")
            self.active -= 1
            self.lock.notify_all()

    def note(self, record):
        """Writes a line that belongs to no request."""
        with self.lock:
            self.file.write(json.dumps(record) + "\n")

    def lines(self, patience=2):
        """The log so far, once nothing is under way (or patience, in seconds, is over)."""
        with self.lock:
            self.lock.wait_for(lambda: self.active == 0, patience)
            with open(self.path, "rb") as file:
                return file.read()

    def clear(self):
        """Empties the log."""
        with self.lock:
            self.file.truncate(0)


class Upstream:
    """A connection to one of the servers behind, kept open; one per client connection."""

    def __init__(self, port, context):
        self.port, self.context, self.connection = port, context, None

    def request(self, method, path, headers):
        """The answer's head; asks once more where a kept connection turned out to be closed."""
        fresh = self.connection is None
        if fresh:
            self.connection = http.client.HTTPSConnection("localhost", self.port,
                                                          context=self.context, timeout=120)
        try:
            self.connection.request(method, path, headers=headers)
            return self.connection.getresponse()
        except (OSError, http.client.HTTPException):
            self.close()
            if fresh:
                raise
            return self.request(method, path, headers)

    def close(self):
        """Drops the connection."""
        if self.connection:
            self.connection.close()
        self.connection = None


class Handler(http.server.BaseHTTPRequestHandler):
    """One client connection."""

    protocol_version = "HTTP/1.1"
    server_version = "brewfs-world"
    timeout = 300

    def setup(self):
        super().setup()
        self.upstreams = {}
        self.record = {}

    def finish(self):
        for upstream in self.upstreams.values():
            upstream.close()
        try:
            super().finish()
        except (OSError, ValueError):
            pass

    def handle(self):
        try:
            super().handle()
        except (OSError, ssl.SSLError, ValueError):
            self.close_connection = True

    def log_message(self, *_):
        """Nothing: the journal has it."""

    def do_GET(self):
        """Serves one request and writes it down, whatever comes of it."""
        world = self.server.world
        self.host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        self.record = {
            "listener": self.server.label, "host": self.host, "method": self.command,
            "path": self.path, "client": self.client_address[1], "begin": time.time(),
            **{name.lower().replace("-", "_"): self.headers.get(name) for name in PASSED_UP},
            "status": None, "sent": 0}
        faults = world.faults.take(f"{self.command} {self.host} {self.path}")
        self.record["faults"] = [fault.action for fault in faults.values()]
        self.record["in_flight"] = world.journal.begin()
        try:
            self._answer(faults)
        except (Cut, OSError, ssl.SSLError, http.client.HTTPException) as error:
            self.record["ended_by"] = type(error).__name__
            self.close_connection = True
        finally:
            self.record["end"] = time.time()
            world.journal.end(self.record)

    do_HEAD = do_GET

    def _answer(self, faults):
        if "close" in faults:
            raise Cut
        if self._refused(faults) or self._redirected(faults):
            return
        if "body" in faults:
            self._send_body(faults["body"].argument)
            return
        self._pass_on(faults)

    def _refused(self, faults):
        """Answers with an error where a fault, or the host that is asked for, wants one."""
        authorization = self.headers.get("Authorization")
        wanted = None
        if "unauthorized" in faults:
            wanted = faults["unauthorized"].argument or ANONYMOUS
        if (wanted and authorization != wanted) or (
                self.host == "ghcr.io" and not (authorization or "").startswith("Bearer ")):
            self._send_text(401, "authentication required", {
                "WWW-Authenticate": 'Bearer realm="https://ghcr.io/token",service="ghcr.io"'})
            return True
        if self.host == BLOB_HOST and authorization:
            self._send_text(400, "only one authentication mechanism is allowed")
            return True
        if "status" in faults:
            code, *delay = faults["status"].numbers()
            self._send_text(code, "a fault of the test world",
                            {"Retry-After": str(delay[0])} if delay else {})
            return True
        return False

    def _redirected(self, faults):
        """Answers with a redirect where a fault wants one, or ghcr.io would."""
        target = None
        if "redirect" in faults and self.server.label == "front":
            where = faults["redirect"].argument or "cdn"
            ports = self.server.world.ports
            target = {"cdn": f"https://127.0.0.1:{ports['cdn']}{self.path}?sig=world",
                      "plain": f"http://127.0.0.1:{ports['plain']}{self.path}",
                      "loop": self.path}.get(where, where)
        elif self.host == "ghcr.io" and "/blobs/" in self.path:
            target = f"https://{BLOB_HOST}{self.path}?sig=world"
        if target:
            self._send_text(307, "", {"Location": target})
        return bool(target)

    def _pass_on(self, faults):
        name = "registry" if self.path.startswith("/v2/") else "nginx"
        world = self.server.world
        upstream = self.upstreams.setdefault(name, Upstream(world.ports[name], world.context))
        headers = {key: self.headers[key] for key in PASSED_UP if self.headers.get(key)}
        headers["Host"] = "localhost"
        if name == "registry":
            headers.pop("Authorization", None)
        if "norange" in faults:
            headers.pop("Range", None)
        elif "badrange" in faults and "Range" in headers:
            headers["Range"] = "bytes=0-"
        answer = upstream.request(self.command, self.path, headers)
        try:
            self._relay(answer, faults)
        except (Cut, OSError):
            upstream.close()
            raise

    def _relay(self, answer, faults):
        """Sends an answer down, in pieces, as the faults bend it."""
        length = answer.headers.get("Content-Length")
        bodyless = self.command == "HEAD" or answer.status in (204, 304)
        whole = answer.read() if length is None and not bodyless else None
        if whole is not None:
            length = str(len(whole))
        self.send_response(answer.status)
        for key in PASSED_DOWN:
            value = length if key == "Content-Length" else answer.headers.get(key)
            if key == "Content-Length" and value is not None and "length" in faults:
                value = str(max(0, int(value) + faults["length"].numbers()[0]))
            if value is not None:
                self.send_header(key, value)
        self.record["status"] = answer.status
        if "length" in faults:
            self.close_connection = True
            self.send_header("Connection", "close")
        bend = Bend(self, faults, answer.headers.get("Content-Range"))
        bend.before_head()
        self.end_headers()
        if bodyless:
            answer.read()
            return
        pieces = [whole] if whole is not None else iter(lambda: answer.read(CHUNK), b"")
        for piece in pieces:
            bend.send(piece)

    def _send_text(self, status, text, headers=None):
        data = text.encode() + b"\n"
        self.record["status"] = status
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.put(data)

    def _send_body(self, argument):
        data = argument.encode()
        if argument.startswith("/"):
            with open(argument, "rb") as file:
                data = file.read()
        self.record["status"] = 200
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.put(data)

    def put(self, data):
        """Sends and counts."""
        self.wfile.write(data)
        self.record["sent"] += len(data)

    def reset(self):
        """Ends the connection by RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        raise Cut

    def wait_for_client(self, seconds):
        """Sends nothing for so long; Cut once the client gives up or the world ends."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while deadline is None or time.monotonic() < deadline:
            if self.server.world.ending.is_set():
                raise Cut
            if select.select([self.connection], [], [], 0.1)[0]:
                raise Cut


class Bend:
    """How the body of one answer is sent: what the faults make of it, byte by byte."""

    def __init__(self, handler, faults, content_range):
        self.handler = handler
        self.position = 0            # in the body that is sent
        self.start = int(content_range.split()[1].split("-")[0]) if content_range else 0
        self.cuts = sorted((faults[name].numbers()[0], name) for name in (
            "truncate", "reset", "stall") if name in faults)
        self.stall = (faults["stall"].numbers()[1:] or [None])[0] if "stall" in faults else None
        self.corrupt = faults["corrupt"].numbers()[0] if "corrupt" in faults else None
        self.rate = faults["slow"].numbers()[0] if "slow" in faults else None

    def before_head(self):
        """A cut at zero bytes of a stall or reset strikes before the head is sent."""
        for at, name in self.cuts:
            if at == 0 and name in ("reset", "stall"):
                self._strike(name)
        self.cuts = [(at, name) for at, name in self.cuts if at > 0 or name == "truncate"]

    def send(self, piece):
        """Sends a piece up to the next cut, lets that strike, goes on."""
        piece = self._corrupted(piece)
        while self.cuts and self.cuts[0][0] <= self.position + len(piece):
            at, name = self.cuts.pop(0)
            self._put(piece[:at - self.position])
            piece = piece[at - self.position:]
            self.position = at
            self._strike(name)
        self._put(piece)
        self.position += len(piece)

    def _strike(self, name):
        if name == "reset":
            self.handler.reset()
        if name == "truncate":
            raise Cut
        self.handler.wait_for_client(self.stall)

    def _corrupted(self, piece):
        if self.corrupt is None:
            return piece
        at = self.corrupt - self.start - self.position
        if not 0 <= at < len(piece):
            return piece
        return piece[:at] + bytes([piece[at] ^ 0xff]) + piece[at + 1:]

    def _put(self, data):
        if not self.rate:
            if data:
                self.handler.put(data)
            return
        step = max(1, self.rate // 10)
        for begin in range(0, len(data), step):
            self.handler.put(data[begin:begin + step])
            self.handler.wait_for_client(0.1)


class Listener(http.server.ThreadingHTTPServer):
    """A port of the front; with a certificate, or plain."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, label, world, certificate=None, handler=Handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.label, self.world, self.tls = label, world, None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*certificate)
            self.tls.set_alpn_protocols(["http/1.1"])
        world.ports[label] = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    def get_request(self):
        """The handshake happens in the connection's own thread, at its first read."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True,
                                              do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, client_address):
        """A client that breaks off is no error of ours."""
