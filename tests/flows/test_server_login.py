# SPDX-License-Identifier: Apache-2.0
"""How a PostgreSQL server is reached: TLS with its own authority, SCRAM, an old server, a URL that is wrong."""
import os, pwd, socket, subprocess, tempfile, threading, unittest

import pg_server
from troth_flow import Daemon, POLICY, run_troth

PASSWORD = "geheim-7quagga"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


def authority(folder, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
            "/CN=" + name, "-keyout", "%s/%s.key" % (folder, name), "-out", "%s/%s.crt" % (folder, name))
    return "%s/%s.crt" % (folder, name)


class Server(pg_server.Server):
    """One that takes TCP connections with TLS and SCRAM only, and this process's by its socket."""
    def __init__(self):
        self.port = free_port()
        super().__init__("-c listen_addresses=127.0.0.1", "-c port=%d" % self.port)

    def __enter__(self):
        super().__enter__()
        os.symlink(".s.PGSQL.%d" % self.port, self.home + "/.s.PGSQL.5432")  # where pg_server.ask looks
        db = self.home + "/db"
        self.authority = authority(self.home, "ours")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
                "-keyout", db + "/server.key", "-out", self.home + "/server.csr")
        with open(self.home + "/names", "w") as f:
            f.write("subjectAltName=DNS:localhost\n")
        openssl("x509", "-req", "-in", self.home + "/server.csr", "-CA", self.authority, "-CAkey", self.home + "/ours.key",
                "-CAcreateserial", "-days", "2", "-extfile", self.home + "/names", "-out", db + "/server.crt")
        with open(db + "/pg_hba.conf", "w") as f:
            f.write("local all troth trust\nhostssl all keeper 127.0.0.1/32 scram-sha-256\n")
        if os.geteuid() == 0:
            for name in "server.key", "server.crt":
                os.chown(db + "/" + name, pwd.getpwnam("postgres").pw_uid, -1)
        os.chmod(db + "/server.key", 0o600)
        pg_server.ask(self.home, "ALTER SYSTEM SET ssl = on", "ALTER SYSTEM SET password_encryption = 'scram-sha-256'",
                      "SELECT pg_reload_conf()")
        pg_server.ask(self.home, "CREATE ROLE keeper LOGIN PASSWORD '%s'" % PASSWORD)
        return self

    def pair(self):
        urls = super().pair()
        names = [u.split("@/")[1].split("?")[0] for u in urls]
        pg_server.ask(self.home, *("ALTER DATABASE %s OWNER TO keeper" % n for n in names))
        return names


class Reaching(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)
        cls.home = tempfile.mkdtemp(prefix="troth-flow-")
        cls.addClassCleanup(subprocess.run, ["rm", "-rf", cls.home])
        cls.names = cls.server.pair()
        cls.passwords = os.path.join(cls.home, "pgpass")
        with open(cls.passwords, "w") as f:
            f.write("*:*:*:keeper:%s\n" % PASSWORD)
        os.chmod(cls.passwords, 0o600)

    def urls(self, options, login="keeper", host="localhost"):
        return ["postgresql://%s@%s:%d/%s?%s" % (login, host, self.server.port, name, options) for name in self.names]

    def verified(self):
        return "sslmode=verify-full&sslrootcert=" + self.server.authority

    def refused(self, words, urls, env=None):
        place = os.path.join(self.home, "other")
        done = run_troth("init", place, "--policy", POLICY, "--database", urls[0], "--keys-database", urls[1], env=env)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(words, done.stderr)
        self.assertNotIn(PASSWORD, done.stderr)
        self.assertFalse(os.path.exists(place))

    def test_tls_and_scram(self):
        os.environ["PGPASSFILE"] = self.passwords
        self.addCleanup(os.environ.pop, "PGPASSFILE")
        d = Daemon(urls=self.urls(self.verified()))
        self.addCleanup(d.remove)
        d.start()
        answer = d.request("POST", "/v1/subjects", {"birth_date": "1990-05-05"}, token="shop")
        self.assertEqual(answer.status, 201, answer)
        rows = pg_server.ask(self.server.home, "SELECT DISTINCT ssl, version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
                                               " WHERE usename = 'keeper'").split()
        self.assertEqual(rows, ["t|TLSv1.3"])
        self.assertEqual(pg_server.ask(self.server.home, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE"
                                                         " rolname = 'keeper'").strip(), "t")
        d.stop()
        with open(d.data + "/database") as f:
            self.assertNotIn(PASSWORD, f.read())
        # The server's certificate is of another authority from now on: the daemon does not talk to it.
        with open(d.data + "/database") as f:
            lines = f.read()
        with open(d.data + "/database", "w") as f:
            f.write(lines.replace(self.server.authority, authority(self.home, "theirs")))
        self.assertEqual(d.launch().wait(60), 1)
        self.assertIn("the server's certificate was not accepted", d.stderr())

    def test_what_is_not_trusted_is_not_talked_to(self):
        env = {"PGPASSFILE": self.passwords}
        for words, urls in (
                ("certificate was not accepted", self.urls("sslmode=verify-full&sslrootcert=" + authority(self.home, "others"))),
                ("certificate was not accepted", self.urls(self.verified(), host="127.0.0.1")),
                ("certificate was not accepted", self.urls("sslmode=verify-full&sslrootcert=%s/none" % self.home)),
                ("refused the login", self.urls("sslmode=disable"))):
            self.refused(words, urls, env)

    def test_who_is_not_known_is_not_let_in(self):
        env = {"PGPASSFILE": self.home + "/none"}
        self.refused("refused the login", self.urls(self.verified(), "keeper:falsch"), env)
        self.refused("refused the login", self.urls(self.verified()), env)
        self.refused("refused the login", self.urls(self.verified(), "troth:" + PASSWORD), env)

    def test_a_url_that_is_wrong(self):
        for wrong in ("postgresql://keeper:%s@localhost:port/x" % PASSWORD, "postgresql://keeper:%s@/x?colour=red" % PASSWORD,
                      "postgresql://keeper:%s@/x?sslmode=perhaps" % PASSWORD,
                      # A '/' that ought to be %2F: libpq takes what comes after it for the name of the database.
                      "postgresql://keeper:ge/%s@localhost/x" % PASSWORD, "postgresql://keeper:1/%s?2@localhost/x" % PASSWORD):
            self.refused("its URL is not understood", [wrong, wrong.replace("/x", "/y")])
        self.refused("does not answer", ["postgresql://keeper:%s@localhost:1/x" % PASSWORD, "postgresql://localhost:1/y"])
        self.refused("does not answer", ["postgresql://localhost:1/%s@localhost/x" % PASSWORD, "postgresql://localhost:1/y"])
        self.refused("the host of its URL is not known", ["postgresql:///x", "postgresql://keeper:%s@invalid.invalid/y" % PASSWORD])
        for option, urls in (("--database", ["mysql://x:%s@y/z" % PASSWORD, "postgresql:///y"]),
                             ("--database", ["postgresql://x:%s 1@y/z" % PASSWORD, "postgresql:///y"]),
                             ("--keys-database", ["postgresql:///y", "jdbc:postgresql://y/z?password=" + PASSWORD])):
            self.refused("%s takes a URL that begins with postgresql://, without blanks" % option, urls)

    def test_a_server_that_is_too_old(self):
        """It greets as PostgreSQL 14 does (postgresql.org/docs/15/protocol-flow.html)."""
        home = tempfile.mkdtemp(prefix="troth-old-", dir=self.home)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("%s/.s.PGSQL.%d" % (home, self.server.port))
        listener.listen(8)
        self.addCleanup(listener.close)

        def message(kind, body):
            return kind + (len(body) + 4).to_bytes(4, "big") + body

        def greet():
            while True:
                try:
                    link = listener.accept()[0]
                except OSError:
                    return
                with link:
                    link.recv(int.from_bytes(link.recv(4), "big") - 4)
                    link.sendall(message(b"R", bytes(4)) + message(b"S", b"server_version\0" + b"14.9\0") +
                                 message(b"Z", b"I"))
                    while link.recv(4096):
                        pass
        threading.Thread(target=greet, daemon=True).start()
        old = ["postgresql://troth@:%d/%s?host=%s" % (self.server.port, name, home) for name in "xy"]
        self.refused("its server is PostgreSQL 14; troth needs 15 or newer", old)
        d = Daemon(files=True)
        self.addCleanup(d.remove)
        done = run_troth("migrate", "--from", d.data, "--to", old[0], "--keys-to", old[1])
        self.assertEqual(done.returncode, 1)
        self.assertIn("its server is PostgreSQL 14; troth needs 15 or newer", done.stderr)
        self.assertFalse(os.path.exists(d.data + "/migration"))


if __name__ == "__main__":
    unittest.main()
