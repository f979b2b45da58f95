#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The hot paths of a running daemon, measured: bench.py [--quick] [--people N [--keep]] [--postgresql] BUILD

A data folder is made in BUILD/bench, filled, and served by a daemon of its own on loopback; bench/load.c asks. A
figure is the median of the runs, with the least and the most beside it; the limit it is to be held against (hello: the
smallest answer of the same server) is measured in the same run. Writes NAME<TAB>MEDIAN<TAB>UNIT lines to BUILD/bench.tsv.
Slow figures fail nothing. With --keep the filled folder stays for the next run with as many people, and an import
that was interrupted goes on where it was: a million take minutes. Runs without it have another folder.
"""
import argparse, http.client, json, os, re, shutil, signal, statistics, subprocess, sys, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FIELDS = ["order-items", "order-address", "order-recipient-name", "order-amount", "order-number"]
PURPOSE = "order-payment"
VALUE = ("a value of one hundred and fifty bytes, as an address with a few words on how to find the door "
         "of the house and when somebody is there to take the parcel" + "." * 150)[:150]
PERSON = {"service": "shop", "birth_date": "1990-01-01", "consents": [{"document": "group", "state": "given", "language": "en"}],
          "data": [{"purpose": PURPOSE, "values": {f: VALUE for f in FIELDS}}]}
JSON_FIELDS = json.dumps(FIELDS, separators=(",", ":"))
READ = ('POST /v1/subjects/{id}/read {"purpose":"%s","fields":%s}' % (PURPOSE, JSON_FIELDS))
CREATE = 'POST /v1/subjects {"birth_date":"1990-01-01"}'
CONSENT = 'POST /v1/subjects/{id}/consents {"document":"group","state":"given","language":"en"}'
COLLECT = 'PUT /v1/subjects/{id}/data ' + json.dumps({"purpose": PURPOSE, "values": {f: VALUE for f in FIELDS}})
ERASE = "DELETE /v1/subjects/{id}"
LOGS = ["log-browser-type", "log-language", "log-network", "log-visit-time", "log-dwell-time", "log-refresh", "log-follow",
        "log-bookmark", "log-search-query", "log-ip-address"]  # kept for 180 days
OBSERVE = 'PUT /v1/subjects/{id}/data ' + json.dumps({"purpose": "abnormal-account-detection", "source": "observed",
                                                      "values": {f: "two or three words" for f in LOGS}})
HISTORY = "GET /v1/subjects/{id}/history?limit=20"
HELLO = "GET /healthz"
RUNS = 5


class Server:
    def __init__(self, build, binary="troth", suffix=""):
        self.binary = os.path.join(build, binary)
        self.data, self.ids = (os.path.join(build, "bench", n + suffix) for n in ("data", "ids"))
        self.troth, self.load = os.path.join(build, "troth"), os.path.join(build, "bench", "load")
        self.process, self.port, self.ready_ms, self.serial = None, 0, 0.0, 0

    def init(self, *urls):
        shutil.rmtree(self.data, ignore_errors=True)
        os.makedirs(os.path.dirname(self.data), exist_ok=True)
        subprocess.run([self.troth, "init", self.data, "--demo", "--policy", os.path.join(ROOT, "policies", "zhishang"),
                        *(["--database", urls[0], "--keys-database", urls[1]] if urls else [])],
                       check=True, stdout=subprocess.DEVNULL)
        self.take_token()

    def take_token(self):
        with open(os.path.join(self.data, "demo-tokens.json")) as f:
            self.token = json.load(f)["shop"]

    def start(self, *more):
        """Time from exec to the first good /healthz."""
        began = time.monotonic()
        self.process = subprocess.Popen([self.binary, "serve", self.data, "--listen", "127.0.0.1:0", *more],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        while line and "http://" not in line:
            line = self.process.stdout.readline()
        if not line:
            sys.exit("the daemon did not start:\n" + self.process.stderr.read())
        self.port = int(re.search(r"http://\S+:(\d+)/", line).group(1))
        link = http.client.HTTPConnection("127.0.0.1", self.port)
        link.request("GET", "/healthz")
        assert link.getresponse().status == 200
        self.ready_ms = (time.monotonic() - began) * 1e3
        link.close()
        return self

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def rss_mib(self):
        with open("/proc/%d/status" % self.process.pid) as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024

    def some_ids(self, n):
        with open(self.ids) as f:
            return [next(f).strip() for _ in range(n)]

    def ask(self, *requests, connections=128, seconds=None, runs=None, rounds=None, ids=None, once=False, out=None):
        """Rows of bench/load: answers, errors, seconds, rate, CPU us, p50 ms, p99 ms, client CPU us."""
        args = [self.load, "-c", str(connections), "-t", self.token, "-p", str(self.process.pid), "-q", str(self.serial)]
        self.serial += 10_000_000
        if rounds:
            args += ["-n", str(rounds)]
        else:
            args += ["-s", str(seconds), "-r", str(runs)]
        args += ["-i", ids] if ids else []
        args += ["-o", out] if out else []
        args += ["-x"] if once else []
        done = subprocess.run([*args, str(self.port), *requests], check=True, stdout=subprocess.PIPE, text=True)
        return [[float(v) for v in line.split("\t")] for line in done.stdout.splitlines()]


class Table:
    def __init__(self, path):
        self.path, self.rows = path, {}
        print("%-24s %12s %12s %12s  %-5s %9s %9s %9s %8s" % (
            "", "median", "least", "most", "unit", "CPU us", "p50 ms", "p99 ms", "errors"))

    def add(self, name, values, unit, more=""):
        mid = statistics.median(values)
        self.rows[name] = (mid, unit)
        print("%-24s %12s %12s %12s  %-5s %s" % (name, *(self.short(v) for v in (mid, min(values), max(values))), unit, more),
              flush=True)

    @staticmethod
    def short(v):
        return "%.0f" % v if v >= 1000 else "%.1f" % v if v >= 10 else "%.2f" % v

    def load(self, name, rows):
        cpu, p50, p99 = (statistics.median(r[i] for r in rows) for i in (4, 5, 6))
        self.add(name, [r[3] for r in rows], "1/s", "%9.1f %9.2f %9.2f %8d" % (cpu, p50, p99, sum(r[1] for r in rows)))
        if not name.endswith(("-32", "-512")):
            self.hidden(name.removesuffix("-128") + "-cpu", cpu, "us")
        return cpu, p99

    def hidden(self, name, value, unit):
        self.rows[name] = (value, unit)

    def write(self):
        kept = {}
        if os.path.exists(self.path):
            with open(self.path) as f:
                kept = {l.split("\t")[0]: l for l in f if l.strip()}
        kept.update({n: "%s\t%.6g\t%s\n" % (n, v, u) for n, (v, u) in self.rows.items()})
        with open(self.path, "w") as f:
            f.writelines(kept.values())


def machine():
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*:\s*(.*)", f.read()).group(1)
    return "%s, %d cores, Linux %s" % (model, os.cpu_count(), os.uname().release)


def people(server, table, n, keep=False):
    """n persons who agreed to the group's policy and gave five values, by troth import."""
    begun = server.ids + ".begun"
    goes_on = keep and os.path.exists(begun)
    with open(begun, "w") as f:
        f.write("%d\n" % n)
    seconds = took_in(server, PERSON, n, goes_on)
    os.remove(begun)
    with open(server.ids + ".filled", "w") as f:
        f.write("%d\n" % n)
    if not goes_on:
        table.add("import", [n / seconds], "1/s", "one run")


def half_filled(server, n):
    try:
        with open(server.ids + ".begun") as f:
            return f.read() == "%d\n" % n
    except FileNotFoundError:
        return False


def filled(server, n):
    """True if the folder holds n persons of a run before; else it is as init leaves it, or half filled with them."""
    mark = server.ids + ".filled"
    if os.path.exists(mark):
        with open(mark) as f:
            if f.read() == "%d\n" % n:
                return True
        os.remove(mark)
    return False


def took_in(server, person, n, goes_on=False):
    """Imports n persons like this one, leaves their ids in server.ids. Seconds."""
    path = server.ids + ".jsonl"
    line = json.dumps(person, separators=(",", ":")) + "\n"
    with open(path, "w") as f:
        for _ in range(n):
            f.write(line)
    for suffix in (".ids", ".rejects"):
        if os.path.exists(path + suffix) and not goes_on:
            os.remove(path + suffix)
    began = time.monotonic()
    subprocess.run([server.troth, "import", path, "--name", "bench", "--data", server.data], check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - began
    with open(path + ".ids") as f, open(server.ids, "w") as out:
        for l in f:
            out.write(json.loads(l)["id"] + "\n")
    os.remove(path)
    return seconds


def inside(server, table, build):
    """What a read costs without HTTP: one thread, no socket. The daemon must be down."""
    done = subprocess.run([os.path.join(build, "bench", "read"), server.data, server.ids], check=True,
                          stdout=subprocess.PIPE, text=True)
    for line in done.stdout.splitlines()[1:]:
        name, *values, unit = line.split()
        table.add(name, [float(v) for v in values], unit, "no HTTP, one thread, CPU")


def file_bytes(folder, *names):
    """Bytes in these files and folders of a data folder, write-ahead logs included, room laid out ahead not."""
    total = 0
    for name in names:
        for path, _, files in os.walk(os.path.join(folder, name)):
            for f in files:
                with open(os.path.join(path, f), "rb") as opened:
                    total += len(opened.read().rstrip(b"\0"))
        for f in (name, name + "-wal"):
            if os.path.isfile(os.path.join(folder, f)):
                total += os.path.getsize(os.path.join(folder, f))
    return total


def sizes(build, table, n=20000):
    """What a person, a value, a consent and an entry of the record take on disk: folders that differ in one thing only."""
    size, entries = [], []
    for left_out in (("consents", "data"), ("data",), ()):
        s = Server(build, suffix="-sizes")
        s.init()
        empty, before = file_bytes(s.data, "troth.db", "keys.db"), file_bytes(s.data, "audit", "history.db")
        took_in(s, {k: v for k, v in PERSON.items() if k not in left_out}, n)
        size.append((file_bytes(s.data, "troth.db", "keys.db") - empty) / n)
        entries.append((file_bytes(s.data, "audit", "history.db") - before, record_size(s)))
        shutil.rmtree(s.data)
    table.add("bytes-person", [size[0]], "B", "%d persons imported" % n)
    table.add("bytes-consent", [size[1] - size[0]], "B", "one each")
    table.add("bytes-value", [(size[2] - size[1]) / len(FIELDS)], "B", "%d of %d bytes each" % (len(FIELDS), len(VALUE)))
    table.add("bytes-entry", [entries[2][0] / entries[2][1]], "B", "record and history, %d entries" % entries[2][1])


def record_size(server):
    done = subprocess.run([server.troth, "audit", "checkpoint", server.data], check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout.splitlines()[1])


def starts(server, table, suffix=""):
    ready, rss = [], []
    for _ in range(RUNS):
        server.start()
        ready.append(server.ready_ms)
        rss.append(server.rss_mib())
        server.stop()
    table.add("ready" + suffix, ready, "ms")
    table.add("idle-rss" + suffix, rss, "MiB")


def reads(server, table, seconds, connections):
    for c in connections:
        hello = server.ask(HELLO, connections=c, seconds=seconds, runs=RUNS)
        audited = server.ask(READ, connections=c, seconds=seconds, runs=RUNS, ids=server.ids)
        table.load("hello-%d" % c, hello)
        _, p99 = table.load("audited-read-%d" % c, audited)
        if c == 128:
            table.hidden("audited-read-p99", p99, "ms")


def limits(build, table, quick):
    """What SQLite and the disk make of the rows of a creation, a consent and a collection, with nothing around them."""
    done = subprocess.run([os.path.join(build, "bench", "rows"), *(["--quick"] if quick else []), build], check=True,
                          stdout=subprocess.PIPE, text=True)
    about, *rows = done.stdout.splitlines()
    for name, *rates, unit, cpu, _ in map(str.split, rows):
        table.add(name, [float(v) for v in rates], unit, "%9s  %s" % (cpu, about))


def writes(server, table, seconds, quick):
    created = server.ids + ".created"
    table.load("create", server.ask(CREATE, seconds=seconds, runs=RUNS))
    many = 'POST /v1/read {"subjects":[%s],"purpose":"%s","fields":%s}' % (
        ",".join('"%s"' % i for i in server.some_ids(100)), PURPOSE, JSON_FIELDS)
    rows = server.ask(many, connections=8, seconds=seconds, runs=RUNS)
    table.add("read-many-persons", [100 * r[3] for r in rows], "1/s", "100 persons a call, 8 connections")
    if quick:
        return
    table.load("consent", server.ask(CONSENT, seconds=seconds, runs=RUNS, ids=server.ids))
    table.load("collect", server.ask(COLLECT, seconds=seconds, runs=RUNS, ids=server.ids))
    table.load("history-limit", server.ask(HELLO, connections=32, seconds=seconds, runs=RUNS))
    table.load("history", server.ask(HISTORY, connections=32, seconds=seconds, runs=RUNS, ids=server.ids))
    erased = []
    for _ in range(RUNS):
        server.ask(CREATE, rounds=2000, out=created)
        erased += server.ask(ERASE, rounds=2000, ids=created, once=True)
    table.load("erase", erased)


def retained(server):
    done = subprocess.run([server.troth, "retain", "status", "--json", "--data", server.data], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def sweeps(server, table, seconds, n):
    """A year later: the sweep deletes what is due, beside readers and then alone."""
    server.start()
    server.ask(OBSERVE, rounds=n, ids=server.ids, once=True)
    server.stop()
    clock = server.ids + ".clock"
    with open(clock, "w") as f:
        f.write(time.strftime("%Y-%m-%dT00:00:00Z\n", time.gmtime(time.time() + 366 * 86400)))
    server.start("--clock-file", clock)
    before, began = retained(server), time.monotonic()
    beside = server.ask(READ, seconds=seconds, runs=RUNS, ids=server.ids)
    after, took = retained(server), time.monotonic() - began
    table.load("read-beside-sweep", beside)
    table.add("sweep-beside-reads", [(before["due"] - after["due"]) / took], "1/s",
              "values; of %d due, %d were left" % (before["due"], after["due"]))
    left, began = after["due"], time.monotonic()
    while after["due"]:
        time.sleep(0.2)
        after = retained(server)
    if left:
        table.add("sweep", [left / (time.monotonic() - began)], "1/s", "values, nothing else to do")
    server.stop()


def backups(server, table, seconds):
    """A backup of the folder, alone and beside readers."""
    place = os.path.join(os.path.dirname(server.data), "backup")
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place)
    subprocess.run([server.troth, "backup", "key", os.path.join(place, "key")], check=True, stdout=subprocess.DEVNULL)
    command = lambda name: [server.troth, "backup", "--data", server.data, "--data-file", os.path.join(place, name + ".data"),
                            "--keys-file", os.path.join(place, name + ".keys"), "--region", "CN", "--for",
                            os.path.join(place, "key.pub"), "--json"]
    server.start()
    began = time.monotonic()
    done = json.loads(subprocess.run(command("alone"), check=True, stdout=subprocess.PIPE).stdout)
    size = (done["data"]["bytes"] + done["keys"]["bytes"]) / 1e6
    table.add("backup", [size / (time.monotonic() - began)], "MB/s", "of %.0f MB, nothing else to do" % size)
    beside = subprocess.Popen(command("beside"), stdout=subprocess.DEVNULL)
    table.load("read-beside-backup", server.ask(READ, seconds=seconds, runs=1, ids=server.ids))
    beside.wait()
    server.stop()
    shutil.rmtree(place)


def processes_of(pg):
    """CPU nanoseconds of each process of a server."""
    with open(pg.home + "/db/postmaster.pid") as f:
        first = int(f.readline())
    spent = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
            if first in (parent, int(pid)):
                with open("/proc/%s/schedstat" % pid) as f:
                    spent[pid] = int(f.read().split()[0])
        except OSError:
            pass  # it ended meanwhile
    return spent


def server_cpu(pg, table, name, ask):
    """The rows of a load, and beside them what the server's processes spent on each request (and on half a second of
    warm-up, whose requests are not counted)."""
    before = processes_of(pg)
    rows = ask()
    spent = sum(v - before.get(pid, 0) for pid, v in processes_of(pg).items())
    _, p99 = table.load("pg-" + name, rows)
    table.add("pg-server-cpu" + ("" if name == "audited-read-128" else "-" + name), [spent / 1e3 / sum(r[0] for r in rows)], "us",
              "PostgreSQL's processes, for each of %s" % name)
    return p99


def on_postgresql(build, table, n, seconds):
    """The same on a PostgreSQL of our own, its data synced as a server's should be, over a local socket."""
    sys.path.insert(0, os.path.join(ROOT, "tests", "flows"))
    import pg_server
    try:
        pg_server.programs()
    except RuntimeError as e:
        print("skipped: pg-audited-read-128, pg-create: %s" % e)
        return
    with pg_server.Server("-c fsync=on", "-c shared_buffers=256MB") as pg:
        server = Server(build, suffix="-pg")
        server.init(*pg.pair())
        table.add("pg-import", [n / took_in(server, PERSON, n)], "1/s", "one run")
        server.start()
        for c in (128, 512):
            p99 = server_cpu(pg, table, "audited-read-%d" % c,
                             lambda: server.ask(READ, connections=c, seconds=seconds, runs=RUNS, ids=server.ids))
            if c == 128:
                table.hidden("pg-audited-read-p99", p99, "ms")
        server_cpu(pg, table, "create", lambda: server.ask(CREATE, seconds=seconds, runs=RUNS))
        server_cpu(pg, table, "consent", lambda: server.ask(CONSENT, seconds=seconds, runs=RUNS, ids=server.ids))
        server_cpu(pg, table, "collect", lambda: server.ask(COLLECT, seconds=seconds, runs=RUNS, ids=server.ids))
        server.stop()
        shutil.rmtree(server.data)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--people", type=int, default=0)
    p.add_argument("--keep", action="store_true")
    p.add_argument("--postgresql", action="store_true", help="the rows of PostgreSQL alone")
    o = p.parse_args()
    n = o.people or (2000 if o.quick else 100000)
    seconds = 1 if o.quick else 3
    connections = [128] if o.quick else [32, 128, 512]
    print("machine: %s" % machine())
    print("client: bench/load on the same cores, keep-alive connections (128 unless named), %d runs of %g s; "
          "%d persons with %d sealed values of %d bytes\n" % (RUNS, seconds, n, len(FIELDS), len(VALUE)))
    table = Table(os.path.join(o.build, "bench.tsv"))
    if o.postgresql:
        on_postgresql(o.build, table, min(n, 20000), seconds)
        table.write()
        return
    folder = "" if o.keep else "-once"
    server = Server(o.build, suffix=folder)
    kept = o.keep and filled(server, n)
    if not kept:
        if not (o.keep and half_filled(server, n)):
            for mark in (".begun", ".filled"):
                if os.path.exists(server.ids + mark):
                    os.remove(server.ids + mark)
            server.init()
            starts(server, table)
        people(server, table, n, o.keep)
    server.take_token()
    if not o.quick:
        starts(server, table, "-%dk" % (n // 1000))
        inside(server, table, o.build)
    server.start()
    reads(server, table, seconds, connections)
    if not o.quick:
        few = server.ids + ".few"
        with open(few, "w") as f:
            f.writelines(i + "\n" for i in server.some_ids(2000))
        table.load("audited-read-2k-128", server.ask(READ, seconds=seconds, runs=RUNS, ids=few))
    table.add("rss-after-reads", [server.rss_mib()], "MiB")
    server.stop()
    unrecorded = Server(o.build, os.path.join("bench", "unrecorded"), folder)
    unrecorded.token = server.token
    unrecorded.start()
    for c in connections:
        table.load("read-unrecorded-%d" % c, unrecorded.ask(READ, connections=c, seconds=seconds, runs=RUNS, ids=server.ids))
    unrecorded.stop()
    limits(o.build, table, o.quick)
    server.start()
    writes(server, table, seconds, o.quick)
    server.stop()
    if not o.quick:
        backups(server, table, seconds)
        if not o.keep: # a year later the folder would not be what it was
            sweeps(server, table, seconds, n)
        sizes(o.build, table)
        on_postgresql(o.build, table, min(n, 20000), seconds)
    table.write()
    print("\nwritten to %s" % table.path)


if __name__ == "__main__":
    main()
