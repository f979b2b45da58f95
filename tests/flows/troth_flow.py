# SPDX-License-Identifier: Apache-2.0
"""A real daemon for black-box tests: its own data folder, its own port, a clock that stands still.

    from troth_flow import Flow

    class Reading(Flow):
        def test_R001_something(self):
            person = self.person("1990-05-05")
            answer = self.post("/v1/decisions", {"subject": person, ...}, token="shop")
            self.expect(answer, 200, answer="allow")
            self.problem(self.get("/v1/nothing"), 404, "not-found")

Each class has one daemon with the reference policy and the demo services; `fresh = True` gives one to every test.
`token` is a service's name, a literal token, or None. A daemon that dies, does not stop cleanly or prints a sanitizer
report fails its test.
"""
import atexit, contextlib, fcntl, hashlib, http.client, json, os, pty, re, shutil, signal, subprocess, tempfile, threading, time, unittest

import pg_server

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("TROTH_BUILD", "build"))
TROTH = os.path.join(BUILD, "troth")
POLICY = os.path.join(ROOT, "policies", "zhishang")
START = "2026-11-23T00:00:00Z"
SERVER = os.environ.get("TROTH_FLOW_SERVER", "")  # folder of a PostgreSQL server; empty: SQLite files
on_files = unittest.skipIf(SERVER, "looks into the files of the embedded database")
DEAF = "this node has not heard from the database"
READY_S = 120  # under sanitizers on a busy machine; only reached when something is wrong
PATIENCE_S = READY_S  # for what the daemon does by itself a moment later
SANITIZER = re.compile(r"(ERROR|WARNING): \w+Sanitizer|runtime error:")
TOKEN = re.compile(r"troth_[A-Za-z0-9_-]+")
ADDRESS = re.compile(r"http://\S+:(\d+)/")
BAR = re.compile(r"\r(\w[\w ]*) \[([# ]*)\] (\d+) of (\d+)")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "<%d %s %s>" % (self.status, self.headers.get("content-type"), self.body[:2000].decode(errors="replace"))


def not_installed(test, *names):
    """Skips the test; where everything is installed before the tests (.ci/run), that something is missing is a failure."""
    (test.fail if os.environ.get("CI") == "true" else test.skipTest)("not installed: " + " ".join(names))


def run_troth(*args, stdin=None, env=None):
    """The command line tool; returns the finished process with text output."""
    done = subprocess.run([TROTH, *map(str, args)], input=stdin, capture_output=True, text=True,
                          env={**os.environ, **(env or {})}, timeout=300)
    if SANITIZER.search(done.stderr):
        raise AssertionError("sanitizer report of troth %s:\n%s" % (" ".join(map(str, args)), done.stderr))
    return done


def watched(*args):
    """The same with a terminal as its standard error; returns what is on standard output, and what somebody sees who looks on."""
    near, far = pty.openpty()
    seen = []

    def look():
        try:
            while seen.append(os.read(near, 4096)) or seen[-1]:
                pass
        except OSError:  # the other end is closed
            pass
    looks = threading.Thread(target=look)
    looks.start()
    done = subprocess.run([TROTH, *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=far, text=True,
                          timeout=300)
    os.close(far)
    looks.join(60)
    os.close(near)
    text = b"".join(seen).decode()
    if done.returncode != 0 or SANITIZER.search(text):
        raise AssertionError("troth %s: exit %d\n%s" % (" ".join(map(str, args)), done.returncode, text))
    return done.stdout, text


def bars(seen):
    """What each bar counted: {what: [(done, total), ...]}."""
    told = {}
    for what, _, done, total in BAR.findall(seen):
        told.setdefault(what, []).append((int(done), int(total)))
    return told


class Daemon:
    shared = False  # its database is on the server of TROTH_FLOW_SERVER
    before = ()  # words before those of its own command line: setpriv, prlimit and their options
    where = contextlib.nullcontext()  # entered for whatever is run and asked: troth_places.Place

    def __init__(self, policy=POLICY, demo=True, instant=START, args=(), env=None, data=None, urls=(), where=None, more=(), copy=None,
                 files=False):
        """`copy`: a folder, and the two databases if it has some (Prepared); it begins with copies of them."""
        self.where = where or self.where
        self.home = tempfile.mkdtemp(prefix="troth-flow-")
        self.data = data or os.path.join(self.home, "data")
        self.clock = os.path.join(self.home, "clock")
        self.args, self.env = list(args), dict(env or {})
        self.tokens, self.process, self.port = {}, None, 0
        self.shared = bool(SERVER and not urls and not files)
        self.urls = () if files else urls or (pg_server.pair(SERVER, copy and copy.urls) if SERVER else ())
        self.at(instant)
        on_server = ["--database", self.urls[0], "--keys-database", self.urls[1]] if self.urls else []
        if copy:
            copy.into(self.data, self.urls)
        else:
            self.cli("init", self.data, *on_server, "--policy", policy, *(["--demo"] if demo else []), *more,
                     "--clock-file", self.clock)
        listed = os.path.join(self.data, "demo-tokens.json")
        if os.path.exists(listed):
            with open(listed) as f:
                self.tokens = json.load(f)

    # ---- Time

    def at(self, instant):
        """Sets the daemon's clock; it holds from the next request on."""
        with open(self.clock + ".new", "w") as f:
            f.write(instant + "\n")
        os.rename(self.clock + ".new", self.clock)

    # ---- The process

    def said(self, stream):
        try:
            with open(os.path.join(self.home, stream), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def stderr(self):
        """Of all processes on this folder so far."""
        return self.said("stderr")

    def launch(self, *more):
        """Starts the process without waiting for it: for starts that must fail."""
        self.port = 0
        with open(os.path.join(self.home, "stderr"), "a") as err, open(os.path.join(self.home, "stdout"), "w") as out, self.where:
            self.process = subprocess.Popen(
                [*self.before, TROTH, "serve", self.data, "--listen", "127.0.0.1:0", "--clock-file", self.clock, *self.args, *more],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, **self.env})
        return self.process

    def start(self, *more):
        self.launch(*more)
        if self.wait_ready():
            return self
        code = self.process.poll()
        self.kill()
        raise AssertionError("the daemon did not start (exit %s):\n%s" % (code, self.stderr()))

    def wait_ready(self):
        """Until it has printed its address, which it does when it answers."""
        end = time.monotonic() + READY_S
        while time.monotonic() < end and self.process.poll() is None:
            printed = ADDRESS.search(self.said("stdout"))
            if printed:
                self.port = int(printed.group(1))
                return True
            time.sleep(0.02)
        return False

    def kill(self):
        """kill -9: what was acknowledged must be there at the next start."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        if self.process:
            self.process.wait()

    def stop(self):
        """Asks it to end; a clean end is exit code 0 and no sanitizer report. Does nothing if it runs no more."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(READY_S)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("the daemon did not stop:\n" + self.stderr())
            if self.process.returncode != 0:
                raise AssertionError("the daemon ended with %d:\n%s" % (self.process.returncode, self.stderr()))
        if SANITIZER.search(self.stderr()):
            raise AssertionError("sanitizer report of the daemon:\n" + self.stderr())

    def restart(self, *more):
        self.stop()
        return self.start(*more)

    def remove(self):
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)
        if SERVER and self.urls:
            pg_server.drop(SERVER, *self.urls)

    # ---- The tool

    def cli(self, *args, code=0, **kw):
        """troth ARGS; asserts the exit code (None: any)."""
        with self.where:
            done = run_troth(*args, **kw)
        if code is not None and done.returncode != code:
            raise AssertionError("troth %s: exit %d, expected %d\n%s%s" % (
                " ".join(map(str, args)), done.returncode, code, done.stdout, done.stderr))
        return done

    def service(self, name, klass, *more):
        """Registers a service; its token is known by its name from then on."""
        printed = self.cli("service", "add", name, "--class", klass, *more, *self.here()).stdout
        self.tokens[name] = TOKEN.search(printed).group(0)
        return self.tokens[name]

    def recipient(self, name, klass, *more):
        return self.cli("recipient", "add", name, "--class", klass, *more, *self.here()).stdout

    def here(self):
        """The options that point a command at this folder and clock."""
        return ["--data", self.data, "--clock-file", self.clock]

    # ---- HTTP

    def heard(self, ask):
        """The answer of ask(), an Answer or a tuple that begins with the status. On the server that all flows share, and
        on a busy machine, a node may not hear its database for a moment, and says so: then it is asked again."""
        end = time.monotonic() + PATIENCE_S
        while True:
            seen = len(self.stderr()) if self.shared else 0
            answer = ask()
            status = answer[0] if isinstance(answer, tuple) else answer.status
            if status != 503 or not self.shared or DEAF not in self.stderr()[seen:] or time.monotonic() > end:
                return answer
            time.sleep(0.1)

    def request(self, *request, **more):
        """`body` is sent as JSON; `raw` (bytes) as it is, with the headers given."""
        return self.heard(lambda: self.request_once(*request, **more))

    def request_once(self, method, path, body=None, token=None, headers=None, raw=None, timeout=60):
        sent = {k.lower(): v for k, v in (headers or {}).items()}
        if body is not None:
            raw = json.dumps(body).encode()
        if raw is not None:
            sent.setdefault("content-type", "application/json")
        if token is not None:
            sent.setdefault("authorization", "Bearer " + self.tokens.get(token, token))
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            with self.where:
                link.connect()
            link.request(method, path, body=raw, headers=sent)
            got = link.getresponse()
            return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        finally:
            link.close()


def sparse(source, to):
    """A copy in which zeros take no room: a segment of the record is 16 MB of little else."""
    zeros = bytes(1 << 16)
    with open(source, "rb") as f, open(to, "wb") as out:
        while block := f.read(len(zeros)):
            if block == zeros:
                out.seek(len(block), os.SEEK_CUR)
            else:
                out.write(block)
        out.truncate()
    shutil.copymode(source, to)


class Prepared:
    """What a daemon that was made and never started has: its folder and its databases."""
    def __init__(self, place, daemon=None):
        self.place, self.urls = place, ()
        if daemon:
            shutil.rmtree(place + ".new", ignore_errors=True)  # of a copy that failed half-way
            shutil.copytree(daemon.data, place + ".new", copy_function=sparse)
            os.rename(place + ".new", place)  # whole, or not there
            self.urls = pg_server.pair(SERVER, daemon.urls) if daemon.urls else ()
            self.first = daemon.urls

    def into(self, data, urls):
        shutil.copytree(self.place, data, copy_function=sparse)
        if not urls:
            return
        with open(os.path.join(data, "database")) as f:
            text = f.read()
        for old, new in zip(self.first, urls):
            text = text.replace(old, new)
        with open(os.path.join(data, "database"), "w") as f:
            f.write(text)


PREPARED = {}  # by options


def prepared(**options):
    """A daemon made with these options. Whoever asks for the same ones again has a copy of what the first began with: then
    these installations are one, made at the same moment, which tests of a single daemon cannot tell. On files that holds for
    all the flows of a run (TROTH_PREPARED), for their `troth init` is the same command; with a database, for one flow."""
    key = repr([options.get(name, usual) for name, usual in (("policy", POLICY), ("demo", True), ("instant", START), ("more", ()))])
    if not {"policy", "demo", "instant", "args", "env", "more"}.issuperset(options):
        return Daemon(**options)
    if key in PREPARED:
        return Daemon(**options, copy=PREPARED[key])
    kept = os.environ.get("TROTH_PREPARED", "")
    if not kept or SERVER:
        kept = tempfile.mkdtemp(prefix="troth-prepared-")
        atexit.register(shutil.rmtree, kept, ignore_errors=True)
    place = os.path.join(kept, hashlib.sha256(key.encode()).hexdigest()[:16])
    with open(place + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(place):
            PREPARED[key] = Prepared(place)
            return Daemon(**options, copy=PREPARED[key])
        daemon = Daemon(**options)
        PREPARED[key] = Prepared(place, daemon)
    return daemon


class Flow(unittest.TestCase):
    """One daemon a class, or one a test with fresh = True. Override `daemon_options` for other starts."""
    fresh = False
    daemon_options = {}
    decided_again = True  # when the class ends, its decisions are held against their entries
    daemon = None
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if not cls.fresh:
            cls.daemon = prepared(**cls.daemon_options)
            cls.addClassCleanup(cls.daemon.remove)
            cls.daemon.start()

    @classmethod
    def tearDownClass(cls):
        if not cls.fresh:
            if cls.decided_again:
                cls.same_again()
            cls.daemon.stop()

    @classmethod
    def same_again(cls):
        """Whatever was decided is decided alike from its entry, under the policy in force (gate_what_if.h)."""
        data = cls.daemon.data
        done = cls.daemon.cli("policy", "what-if", os.path.join(data, "policy"), "--data", data, "--json", code=None)
        if done.returncode != 0:
            raise AssertionError("decided again, answers differ:\n%s%s" % (done.stdout, done.stderr))
        got = json.loads(done.stdout)
        if got["changes"] or got["counts"]["cited"] or got["cannot"]["incomplete"]:
            raise AssertionError("decided again, answers differ:\n" + done.stdout)

    def setUp(self):
        if self.fresh:
            self.daemon = prepared(**self.daemon_options)
            self.addCleanup(self.daemon.remove)
            self.daemon.start()
        else:
            self.daemon.at(self.daemon_options.get("instant", START))
        self.seen = len(self.daemon.stderr())

    def tearDown(self):
        if self.fresh:
            self.daemon.stop()
        said = self.daemon.stderr()[self.seen:]
        if SANITIZER.search(said):
            self.fail("sanitizer report of the daemon:\n" + said)

    def _callTestMethod(self, method):
        """On failure the daemon's own words go with the trace."""
        try:
            method()
        except unittest.SkipTest:
            raise
        except BaseException:
            print("the daemon said:\n" + self.daemon.stderr()[self.seen:][-8000:])
            raise

    # ---- Shorthand

    def at(self, instant):
        self.daemon.at(instant)

    def get(self, path, **kw):
        return self.daemon.request("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.daemon.request("POST", path, body, **kw)

    def put(self, path, body=None, **kw):
        return self.daemon.request("PUT", path, body, **kw)

    def delete(self, path, **kw):
        return self.daemon.request("DELETE", path, **kw)

    def person(self, birth_date, service="shop"):
        """Registers a person through a service and returns the id."""
        return self.expect(self.post("/v1/subjects", {"birth_date": birth_date}, token=service), 201)["id"]

    def decide(self, service, purpose, fields=(), **more):
        """POST /v1/decisions, which must be understood; returns the decision."""
        body = {"purpose": purpose, "fields": list(fields), **more}
        return self.expect(self.post("/v1/decisions", body, token=service), 200)

    def expect(self, answer, status, **members):
        """Checks the status and top-level members of a JSON answer and returns it."""
        self.assertEqual(answer.status, status, answer)
        got = answer.json
        for name, value in members.items():
            self.assertEqual(got.get(name), value, "%s in %r" % (name, answer))
        return got

    def problem(self, answer, status, slug, contains="", **members):
        """Checks a problem document (RFC 9457) and returns it. `contains` is looked for in its whole text."""
        self.assertEqual(answer.status, status, answer)
        self.assertTrue(answer.headers.get("content-type", "").startswith("application/problem+json"), answer)
        got = answer.json
        self.assertEqual(got.get("type", "").rsplit("/", 1)[-1], slug, answer)
        self.assertEqual(got.get("status"), status, answer)
        self.assertTrue(got.get("title"), answer)
        self.assertIn(contains, json.dumps(got, ensure_ascii=False), answer)
        for name, value in members.items():
            self.assertEqual(got.get(name), value, "%s in %r" % (name, answer))
        return got

    def files_holding(self, needle):
        """Files of the data folder with these bytes in them: what was erased must be in none."""
        needle = needle.encode() if isinstance(needle, str) else needle
        found = []
        for folder, _, names in os.walk(self.daemon.data):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and needle in open(path, "rb").read():
                    found.append(os.path.relpath(path, self.daemon.data))
        return sorted(found)
