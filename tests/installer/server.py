#!/usr/bin/env python3
"""A server that misbehaves as it is told, for the tests of installer/transport.h and installer/catalog.h.

Prints one line of JSON with the ports and files, serves on 127.0.0.1 until its standard input ends, and then
removes what it made. `plain` and `other` are HTTP on two ports, `secure` is HTTPS with the certificate `cert`,
`http2` is nginx (0 where there is none), `dead` a port that nobody listens on. `root` is a directory served below
/root/; `log` has one JSON object a line for each request.

Paths, where SIZE bytes are the first of an endless pattern that the tests know (byte i is (7 i + i div 251) mod 256):
  /file/SIZE                a body with Range support and an ETag
  /fault/KIND/SIZE/AT/TIMES the first TIMES requests fail after AT bytes of the body, later ones work. KIND:
                            cut (short body), stall, reset, chunked (short, chunked), close (short, no length),
                            norange (short, then the whole body though a part was asked), badrange (short, then
                            another part than was asked for), shortrange (short, then a part that ends early)
  /status/CODE/TIMES/SIZE   CODE the first TIMES times; Retry-After: 1 with 429
  /size/CLAIM/SIZE          Content-Length: CLAIM
  /redirect/CODE/TIMES/URL  to the URL (percent-encoded), or to itself TIMES more times before
  /zip/SIZE/TIMES           gzip-encoded where accepted; cut in the middle the first TIMES times
  /modified                 304 to If-None-Match "v1" or an If-Modified-Since
  /slow/SIZE                1 MB/s
  /endless/STATUS           a body without end
"""
import collections
import gzip
import http.server
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

BLOCK = 64 * 1024
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
counts = collections.Counter()
lock = threading.Lock()


def pattern(start, length):
    return bytes((7 * i + i // 251) & 255 for i in range(start, start + length))


# The pattern repeats after 251 * 256 bytes: make it once.
PERIOD = 251 * 256
CYCLE = pattern(0, PERIOD)


def body(start, length):
    first = start % PERIOD
    return (CYCLE[first:] + CYCLE * (length // PERIOD + 1))[:length]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def note(self):
        with lock, open(self.server.log, "a") as log:
            log.write(json.dumps({
                "server": self.server.name, "path": self.path, "authorization": self.headers.get("Authorization"),
                "range": self.headers.get("Range"), "accept": self.headers.get("Accept"),
                "agent": self.headers.get("User-Agent"), "match": self.headers.get("If-None-Match"),
                "since": self.headers.get("If-Modified-Since"), "encoding": self.headers.get("Accept-Encoding"),
            }) + "\n")

    def is_early(self, times):
        """Whether this is one of the first requests for the path."""
        with lock:
            counts[self.path] += 1
            return counts[self.path] <= int(times)

    def start(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def asked_start(self):
        text = self.headers.get("Range", "")
        return int(text[6:].split("-")[0]) if text.startswith("bytes=") else None

    def send_part(self, size, start=None, end=None):
        end = size if end is None else end
        if start is None:
            self.start(200, Content_Length=size, ETag='"v1"', Accept_Ranges="bytes")
        elif start >= size:
            self.start(416, Content_Range=f"bytes */{size}", Content_Length=0)
            return
        else:
            self.start(206, Content_Length=end - start, Content_Range=f"bytes {start}-{end - 1}/{size}")
        self.write(start or 0, end - (start or 0))

    def write(self, start, length):
        while length > 0:
            n = min(length, BLOCK)
            self.wfile.write(body(start, n))
            start += n
            length -= n

    def abandon(self, reset=False):
        self.wfile.flush()
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close_connection = True
        if not reset:
            self.connection.shutdown(socket.SHUT_RDWR)

    def do_GET(self):
        self.note()
        parts = self.path.split("?")[0].strip("/").split("/")
        method = getattr(self, "do_" + parts[0], None)
        try:
            if method:
                method(*parts[1:])
            else:
                self.start(404, Content_Length=0)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    def do_file(self, size):
        self.send_part(int(size), self.asked_start())

    def do_fault(self, kind, size, at, times):
        size, at, start = int(size), int(at), self.asked_start()
        if not self.is_early(times):
            if kind == "norange":
                start = None
            elif kind == "badrange" and start is not None:
                start += 1
            elif kind == "shortrange" and start is not None:
                return self.send_part(size, start, max(start + 1, size - 1))
            return self.send_part(size, start)
        if kind == "chunked":
            self.start(200, Transfer_Encoding="chunked")
            self.wfile.write(b"%x\r\n" % at + body(0, at) + b"\r\n")
            return self.abandon()
        if kind == "close":
            self.start(200, Connection="close")
        elif start is None:
            self.start(200, Content_Length=size)
        else:
            self.start(206, Content_Length=size - start, Content_Range=f"bytes {start}-{size - 1}/{size}")
        self.write(start or 0, at)
        self.wfile.flush()
        if kind == "stall":
            time.sleep(8)
        self.abandon(kind == "reset")

    def do_status(self, code, times, size):
        if not self.is_early(times):
            return self.send_part(int(size), self.asked_start())
        text = b"an error page\n"
        extra = {"Retry_After": 1} if code == "429" else {}
        self.start(int(code), Content_Length=len(text), **extra)
        self.wfile.write(text)

    def do_size(self, claim, size):
        self.start(200, Content_Length=claim)
        self.write(0, int(size))
        self.close_connection = True

    def do_redirect(self, code, times, url):
        target = urllib.parse.unquote(url)
        if int(times) > 0:
            target = f"/redirect/{code}/{int(times) - 1}/{url}"
        text = b"moved\n"
        self.start(int(code), Location=target, Content_Length=len(text))
        self.wfile.write(text)

    def do_zip(self, size, times):
        data = body(0, int(size))
        if "gzip" not in self.headers.get("Accept-Encoding", ""):
            self.start(200, Content_Length=len(data))
            self.wfile.write(data)
            return
        data = gzip.compress(data, 1)
        self.start(200, Content_Length=len(data), Content_Encoding="gzip", ETag='W/"z"', Last_Modified=DATE)
        if self.is_early(times):
            self.wfile.write(data[:len(data) // 2])
            return self.abandon()
        self.wfile.write(data)

    def do_modified(self):
        if self.headers.get("If-None-Match") == '"v1"' or self.headers.get("If-Modified-Since") == DATE:
            return self.start(304, ETag='"v1"')
        self.start(200, Content_Length=5, ETag='"v1"', Last_Modified=DATE)
        self.wfile.write(b"hello")

    def do_slow(self, size):
        size = int(size)
        self.start(200, Content_Length=size)
        for start in range(0, size, BLOCK):
            self.write(start, min(BLOCK, size - start))
            time.sleep(BLOCK / 1e6)

    def do_endless(self, status):
        self.start(int(status), Connection="close")
        while True:
            self.wfile.write(CYCLE)

    def do_root(self, *names):
        path = os.path.join(self.server.root, *(urllib.parse.unquote(n) for n in names))
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            return self.start(404, Content_Length=0)
        stamp = os.stat(path).st_mtime_ns
        if self.headers.get("If-None-Match") == f'"{stamp}"':
            return self.start(304, ETag=f'"{stamp}"')
        self.start(200, Content_Length=len(data), ETag=f'"{stamp}"', Last_Modified=self.date_time_string(stamp // 10**9))
        self.wfile.write(data)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name, directory, context=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.name = name
        self.log = os.path.join(directory, "log")
        self.root = os.path.join(directory, "root")
        self.context = context
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, client_address):
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(directory):
    cert, key = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return cert, key


NGINX = """
daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/nginx.error;
events {{ worker_connections 128; }}
http {{
	log_format protocol "$server_protocol"; access_log {dir}/nginx.log protocol; client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
	uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
	server {{
		listen 127.0.0.1:{port} ssl http2; root {dir}/http2;
		ssl_certificate {cert}; ssl_certificate_key {key};
	}}
}}
"""


def start_nginx(directory, cert, key):
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not program:
        return 0, None
    os.mkdir(os.path.join(directory, "http2"))
    with open(os.path.join(directory, "http2", "big"), "wb") as big:
        for start in range(0, 64 << 20, 1 << 20):
            big.write(body(start, 1 << 20))
    port, config = free_port(), os.path.join(directory, "nginx.conf")
    with open(config, "w") as file:
        file.write(NGINX.format(dir=directory, port=port, cert=cert, key=key))
    process = subprocess.Popen([program, "-c", config, "-p", directory, "-e", directory + "/nginx.error"],
                               stderr=subprocess.DEVNULL)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return port, process
        except OSError:
            time.sleep(0.05)
    process.kill()
    return 0, None


def main():
    directory = tempfile.mkdtemp(prefix="brewfs-server-")
    nginx = None
    try:
        os.mkdir(os.path.join(directory, "root"))
        open(os.path.join(directory, "log"), "w").close()
        cert, key = make_certificate(directory)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        servers = {name: Server(name, directory) for name in ("plain", "other")}
        servers["secure"] = Server("secure", directory, context)
        port, nginx = start_nginx(directory, cert, key) if "nginx" in sys.argv else (0, None)
        facts = {name: server.server_port for name, server in servers.items()}
        facts.update(http2=port, http2_log=os.path.join(directory, "nginx.log"), dead=free_port(), cert=cert,
                     log=os.path.join(directory, "log"), root=os.path.join(directory, "root"))
        print(json.dumps(facts), flush=True)
        sys.stdin.read()
    finally:
        if nginx:
            nginx.send_signal(signal.SIGTERM)
            nginx.wait()
        shutil.rmtree(directory, ignore_errors=True)


main()
