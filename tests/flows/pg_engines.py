# SPDX-License-Identifier: Apache-2.0
"""Engines around PostgreSQL, each in a temporary folder and as an ordinary user: a connection pool, a streaming replica, a
cluster that switches over by itself. Their settings are those that docs/operating.md shows."""
import contextlib, json, os, shutil, signal, socket, subprocess, time, urllib.request

import pg_server
from troth_flow import ROOT

with open(os.path.join(ROOT, "docs", "operating.md"), encoding="utf-8") as page:
    PAGE = page.read()


def shown(kind):
    """The block of the page that begins so."""
    return PAGE.split("```%s\n" % kind)[1].split("```")[0]


PGBOUNCER = """unix_socket_dir = {home}
auth_type = trust
auth_file = {home}/users
logfile = {home}/log
pidfile = {home}/pid
"""

ETCD = ["etcd", "--name", "e", "--data-dir", "{home}/etcd", "--unsafe-no-fsync", "--listen-client-urls", "http://127.0.0.1:{etcd}",
        "--advertise-client-urls", "http://127.0.0.1:{etcd}", "--listen-peer-urls", "http://127.0.0.1:{peer}",
        "--initial-advertise-peer-urls", "http://127.0.0.1:{peer}", "--initial-cluster", "e=http://127.0.0.1:{peer}"]

PATRONI = """scope: troth
name: {name}
restapi: {{listen: "127.0.0.1:{rest}", connect_address: "127.0.0.1:{rest}"}}
etcd3: {{host: "127.0.0.1:{etcd}"}}
{shown}  initdb: [{{encoding: UTF8}}, {{locale: C.UTF-8}}, no-sync]
postgresql:
  listen: "127.0.0.1:{port}"
  connect_address: "127.0.0.1:{port}"
  data_dir: {home}/{name}
  bin_dir: {bin}
  pgpass: {home}/{name}.pgpass
  basebackup: [{{checkpoint: fast}}, no-sync]
  authentication:
    superuser: {{username: troth}}
    replication: {{username: copier}}
  pg_hba: [local all all trust, host all all 127.0.0.1/32 trust, host replication all 127.0.0.1/32 trust]
  parameters: {{unix_socket_directories: {home}, fsync: "off", max_connections: 200}}
"""


def owner():
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def missing(*programs):
    """Which of the programs are not there; they are in Debian's packages of tools/deps --test."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [name for name in programs if not shutil.which(name, path=path)]


def until(seconds, true, what):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError("%s did not happen within %d s" % (what, seconds))
        time.sleep(0.05)


class Programs:
    """Processes that end with the test, each with its log in the folder."""
    def __init__(self, prefix):
        self.home, self.running = pg_server.owned_folder(prefix), []

    def start(self, name, *command, env=None):
        log = open(os.path.join(self.home, name + ".out"), "ab")
        self.running.append(subprocess.Popen([*owner(), *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                             env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin", **(env or {})},
                                             start_new_session=True))
        log.close()
        return self.running[-1]

    def words(self):
        said = ""
        for name in sorted(os.listdir(self.home)):
            if name.endswith((".out", "log")):
                with open(os.path.join(self.home, name), errors="replace") as f:
                    said += "== %s\n%s\n" % (name, f.read()[-3000:])
        return said

    def close(self):
        """The first one last: the others may need it to end well."""
        for some in self.running[1:], self.running[:1]:
            self.end(some)
        shutil.rmtree(self.home, ignore_errors=True)

    @staticmethod
    def end(some):
        for process in some:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in some:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


class PgBouncer(Programs):
    """In transaction mode, in front of a server's socket."""
    def __init__(self, server):
        super().__init__("troth-pool-")
        with open(self.home + "/ini", "w") as f:
            f.write(shown("ini").replace("db.example", server.home) + PGBOUNCER.format(home=self.home))
        with open(self.home + "/users", "w") as f:
            f.write('"%s" ""\n' % pg_server.USER)
        self.start("pgbouncer", "pgbouncer", self.home + "/ini")
        until(30, lambda: os.path.exists(self.home + "/.s.PGSQL.6432"), "PgBouncer's start")

    def url(self, url):
        return url.split("?")[0] + "?host=%s&port=6432" % self.home


class Standby(pg_server.Server):
    """A streaming replica of a Server, as pg_basebackup -R makes it."""
    def __init__(self, primary, name="standby"):
        super().__init__()
        self.primary, self.name = primary, name

    def __enter__(self):
        self.home, self.bin = pg_server.owned_folder("troth-pg-"), pg_server.programs()
        pg_server.as_owner(self.bin + "/pg_basebackup", "-D", self.home + "/db", "-R", "-X", "stream", "-c", "fast", "--no-sync",
                           "-d", "postgresql://%s@/?host=%s&application_name=%s" % (pg_server.USER, self.primary.home, self.name))
        self.start()
        return self

    def promote(self):
        pg_server.as_owner(self.bin + "/pg_ctl", "-D", self.home + "/db", "-w", "promote")


class Patroni(Programs):
    """etcd and two servers that Patroni keeps, the second one synchronous."""
    def __init__(self):
        super().__init__("troth-patroni-")

    def form(self):
        self.port = {name: free_port() for name in ("p1", "p2")}
        self.rest = {name: free_port() for name in ("p1", "p2")}
        self.ports = {"etcd": free_port(), "peer": free_port()}
        self.start("etcd", *[word.format(home=self.home, **self.ports) for word in ETCD])
        for name in "p1", "p2":
            self.launch(name)
            until(60, lambda: self.role(name) in ("master", "primary", "replica"), "the start of " + name)
        until(60, lambda: self.synchronous("p1"), "the replica's becoming synchronous")

    def launch(self, name):
        path = os.path.join(self.home, name + ".yml")
        with open(path, "w") as f:
            f.write(PATRONI.format(shown=shown("yaml"), name=name, home=self.home, bin=pg_server.programs(), rest=self.rest[name], port=self.port[name],
                                   **self.ports))
        return self.start(name, "/usr/bin/python3", "/usr/bin/patroni", path)

    def state(self, name):
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/patroni" % self.rest[name], timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as answer:
            with answer:
                return json.loads(answer.read() or b"{}")
        except (OSError, ValueError):
            return {}

    def role(self, name):
        """Of a server that runs; else ""."""
        state = self.state(name)
        return state.get("role", "") if state.get("state") == "running" else ""

    def leads(self, name):
        return self.role(name) in ("master", "primary")

    def synchronous(self, name):
        return any(each.get("sync_state") == "sync" for each in self.state(name).get("replication", []))

    def switch_over(self, leader, candidate):
        """Patroni refuses (412) as long as it has not entered in etcd who is synchronous, up to a round after the server knows."""
        until(30, lambda: self.asked_to_switch(leader, candidate), "the switch-over's being accepted")

    def asked_to_switch(self, leader, candidate):
        body = json.dumps({"leader": leader, "candidate": candidate}).encode()
        request = urllib.request.Request("http://127.0.0.1:%d/switchover" % self.rest[leader], data=body, method="POST",
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                if refused.code != 412:
                    raise
            return None

    def kill_server(self, name):
        """kill -9 of the server's first process; what it started ends by itself."""
        with open("%s/%s/postmaster.pid" % (self.home, name)) as f:
            os.kill(int(f.readline()), signal.SIGKILL)

    def ask(self, name, statement, database="postgres"):
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", str(self.port[name]), "-U", pg_server.USER, "-d",
                               database, "-c", statement], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def url(self, database):
        return "postgresql://%s@127.0.0.1:%d,127.0.0.1:%d/%s?target_session_attrs=read-write" % (
            pg_server.USER, self.port["p1"], self.port["p2"], database)
