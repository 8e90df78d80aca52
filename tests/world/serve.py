"""The servers of a world: docker-registry, nginx and the front, held together by one supervisor.

The supervisor ends when it is told to, when a server dies, or when the process for whose sake it
was started has gone; the kernel ends the servers with the supervisor, even if that is killed.
"""
import contextlib
import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from faults import Fault, Faults
from front import Journal, Listener
from proxy import Control, Proxy

PR_SET_PDEATHSIG = 1
PATIENCE = 20


def program(name):
    """The path of a program, also of those in sbin."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin")


def free_port():
    """A port nobody listens on, on the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def launch(arguments, log):
    """Starts a server that the kernel kills when this process ends; its output goes to `log`."""
    with open(log, "ab") as output:
        return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                preexec_fn=_die_with_parent)


def wait_for_port(port, process):
    """Whether the server accepts connections before it dies or time is up."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.02)
    return False


def end(process):
    """Ends a server that this process started."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def start_registry(world, run, writable=False):
    """docker-registry over TLS on a free port: (process, port)."""
    for _ in range(5):
        port = free_port()
        settings = {
            "version": "0.1", "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": os.path.join(world, "registry")},
                        "cache": {"blobdescriptor": "inmemory"},
                        "redirect": {"disable": True},
                        "maintenance": {"uploadpurging": {"enabled": False},
                                        "readonly": {"enabled": not writable}}},
            "http": {"addr": f"127.0.0.1:{port}", "secret": "world", "relativeurls": True,
                     "tls": {"certificate": os.path.join(world, "keys", "server.pem"),
                             "key": os.path.join(world, "keys", "server-key.pem")}}}
        path = os.path.join(run, "registry.yml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(settings, file)              # JSON is YAML
        log = os.path.join(run, "registry.log")
        process = launch([program("docker-registry"), "serve", path], log)
        if wait_for_port(port, process):
            return process, port
        end(process)
    raise SystemExit(f"world: docker-registry did not start, see {log}")


@contextlib.contextmanager
def temporary_registry(world):
    """A registry that takes pushes, for as long as the block lasts; yields its port."""
    with tempfile.TemporaryDirectory() as run:
        process, port = start_registry(world, run, writable=True)
        try:
            yield port
        finally:
            end(process)


NGINX = """\
daemon off;
master_process off;
pid "{run}/nginx.pid";
error_log "{run}/nginx.error.log" warn;
events {{ worker_connections 1024; }}
http {{
	log_format world escape=json '{{"time":$msec,"method":"$request_method","path":"$request_uri",'
		'"status":$status,"bytes":$body_bytes_sent,"protocol":"$server_protocol",'
		'"range":"$http_range","if_modified_since":"$http_if_modified_since"}}';
	access_log "{run}/nginx.jsonl" world;
	client_body_temp_path "{run}/nginx.tmp/body";
	proxy_temp_path "{run}/nginx.tmp/proxy";
	fastcgi_temp_path "{run}/nginx.tmp/fastcgi";
	uwsgi_temp_path "{run}/nginx.tmp/uwsgi";
	scgi_temp_path "{run}/nginx.tmp/scgi";
	types {{ application/json json; application/gzip gz; }}
	default_type application/octet-stream;
	sendfile on;
	keepalive_timeout 300;
	keepalive_requests 100000;
	if_modified_since before;
	gzip on;
	gzip_min_length 1000;
	gzip_types application/json;
	server {{
		listen 127.0.0.1:{port} ssl http2;
		server_name localhost;
		ssl_certificate "{keys}/server.pem";
		ssl_certificate_key "{keys}/server-key.pem";
		# a plus sign in a formula's name has to come percent-encoded
		if ($request_uri ~ "/formula/[^?]*\\+") {{ return 404; }}
		location / {{
			root "{run}/overlay";
			gzip_static on;
			try_files $uri @world;
		}}
		location @world {{
			root "{world}/www";
			gzip_static on;
		}}
		location /v2/ {{
			proxy_pass https://localhost:{registry};
			proxy_ssl_trusted_certificate "{world}/ca.pem";
			proxy_ssl_verify on;
			proxy_http_version 1.1;
			proxy_max_temp_file_size 0;
			proxy_set_header Host localhost;
			proxy_set_header Authorization "";
		}}
	}}
}}
"""


def start_nginx(world, run, registry):
    """nginx over TLS and HTTP/2 on a free port: (process, port). Files in RUN/overlay go first."""
    os.makedirs(os.path.join(run, "nginx.tmp"), exist_ok=True)
    os.makedirs(os.path.join(run, "overlay"), exist_ok=True)
    for _ in range(5):
        port = free_port()
        path = os.path.join(run, "nginx.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(NGINX.format(run=run, world=world, port=port, registry=registry,
                                    keys=os.path.join(world, "keys")))
        process = launch([program("nginx"), "-p", run, "-c", path], os.path.join(run, "nginx.log"))
        if wait_for_port(port, process):
            return process, port
        end(process)
    raise SystemExit(f"world: nginx did not start, see {run}/nginx.error.log")


class Supervisor:
    """All servers of one run, and what the front's threads share."""

    def __init__(self, world, run):
        self.world, self.run = world, run
        self.ports, self.faults, self.ending = {}, Faults(), threading.Event()
        self.journal = Journal(os.path.join(run, "requests.jsonl"))
        self.context = ssl.create_default_context(cafile=os.path.join(world, "ca.pem"))
        self.processes = []

    def start(self):
        """Starts everything; returns once all ports answer."""
        registry, self.ports["registry"] = start_registry(self.world, self.run)
        self.processes.append(registry)
        nginx, self.ports["nginx"] = start_nginx(self.world, self.run, self.ports["registry"])
        self.processes.append(nginx)
        keys = os.path.join(self.world, "keys")
        server, stranger = ([os.path.join(keys, name + suffix) for suffix in (".pem", "-key.pem")]
                            for name in ("server", "stranger"))
        Listener("front", self, server)
        Listener("cdn", self, server)
        Listener("stranger", self, stranger)
        Listener("plain", self)
        Listener("proxy", self, handler=Proxy)
        Listener("trap", self, handler=Proxy)
        Listener("control", self, handler=Control)

    def add_fault(self, body):
        """Adds a rule from JSON."""
        rule = json.loads(body)
        self.faults.add(Fault(rule["pattern"], rule["action"], rule.get("times"),
                              rule.get("skip") or 0))

    def describe_faults(self):
        """The rules as JSON text."""
        return json.dumps(self.faults.describe(), indent=1).encode() + b"\n"

    def describe_ports(self):
        """The ports as JSON text."""
        return json.dumps(self.ports, indent=1).encode() + b"\n"

    def watch(self, parent):
        """Waits for a reason to end: a signal, a dead server, the end of the process `parent`."""
        read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        waiting = [read] + [os.pidfd_open(process.pid) for process in self.processes]
        if parent:
            try:
                waiting.append(os.pidfd_open(parent))
            except ProcessLookupError:
                return
        select.select(waiting, [], [])

    def stop(self):
        """Ends all servers."""
        self.ending.set()
        for process in self.processes:
            end(process)


ENVIRONMENT = """\
export BREWFS_WORLD='{world}'
export BREWFS_WORLD_RUN='{run}'
export BREWFS_WORLD_URL='https://localhost:{front}'
export BREWFS_WORLD_CONTROL='http://127.0.0.1:{control}'
export BREWFS_WORLD_NGINX='https://localhost:{nginx}'
export BREWFS_WORLD_REGISTRY='https://localhost:{registry}'
export BREWFS_WORLD_STRANGER='https://localhost:{stranger}'
export BREWFS_WORLD_PLAIN='http://127.0.0.1:{plain}'
export BREWFS_WORLD_PROXY='http://127.0.0.1:{proxy}'
export BREWFS_API_KEY='{world}/key.pem'
export SSL_CERT_FILE='{world}/ca.pem'
export CURL_CA_BUNDLE='{world}/ca.pem'
unset HOMEBREW_DOCKER_REGISTRY_TOKEN HOMEBREW_DOCKER_REGISTRY_BASIC_AUTH_TOKEN
unset HTTPS_PROXY ALL_PROXY all_proxy NO_PROXY
"""
WAYS = {
    "env": """\
export HOMEBREW_API_DOMAIN='https://localhost:{front}/api'
export HOMEBREW_ARTIFACT_DOMAIN='https://localhost:{front}'
export HOMEBREW_ARTIFACT_DOMAIN_NO_FALLBACK=1
unset HOMEBREW_BOTTLE_DOMAIN
export https_proxy='http://127.0.0.1:{trap}'
export no_proxy='localhost,127.0.0.1'
""",
    "env.mirror": """\
export HOMEBREW_API_DOMAIN='https://localhost:{front}/api'
export HOMEBREW_BOTTLE_DOMAIN='https://localhost:{front}/bottles'
unset HOMEBREW_ARTIFACT_DOMAIN HOMEBREW_ARTIFACT_DOMAIN_NO_FALLBACK
export https_proxy='http://127.0.0.1:{trap}'
export no_proxy='localhost,127.0.0.1'
""",
    "env.default": """\
unset HOMEBREW_API_DOMAIN HOMEBREW_BOTTLE_DOMAIN
unset HOMEBREW_ARTIFACT_DOMAIN HOMEBREW_ARTIFACT_DOMAIN_NO_FALLBACK
export https_proxy='http://127.0.0.1:{proxy}'
export no_proxy='localhost,127.0.0.1'
""",
}


def write_environment(world, run, ports):
    """The three env files of a run; the last thing to appear, so its presence means `ready`."""
    for name in ("env.mirror", "env.default", "env"):
        text = (ENVIRONMENT + WAYS[name]).format(world=world, run=run, **ports)
        temporary = os.path.join(run, name + ".new")
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(temporary, os.path.join(run, name))


def supervise(world, run, parent):
    """The supervisor's whole life. Holds RUN/running meanwhile, and the world's lock, shared."""
    with open(os.path.join(run, "running"), "w", encoding="ascii") as running, open(
            os.path.join(world, "lock"), "a", encoding="ascii") as lock:
        fcntl.flock(running, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(lock, fcntl.LOCK_SH)
        running.write(f"{os.getpid()}\n")
        running.flush()
        supervisor = Supervisor(world, run)
        try:
            supervisor.start()
            write_environment(world, run, supervisor.ports)
            supervisor.watch(parent)
        finally:
            for name in WAYS:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(run, name))
            supervisor.stop()
    os._exit(0)        # threads that still hold a stalled client need not be waited for


if __name__ == "__main__":
    supervise(sys.argv[1], sys.argv[2], int(sys.argv[3]))
