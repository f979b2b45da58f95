# SPDX-License-Identifier: Apache-2.0
"""A disk that is full, or cannot sync: of each file the daemon writes, while it serves."""
import json, os, shutil, subprocess, sys, tempfile, threading, time, unittest

FAULT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault")
sys.path.insert(0, FAULT)
import fault_daemon, nth, workload

ENOSPC, EIO = 28, 5
WAIT_S = 20


class Disk(unittest.TestCase):
    """A daemon, and what its callers ask of it."""

    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.mkdtemp(prefix="troth-disk-")
        cls.addClassCleanup(shutil.rmtree, cls.place)
        cls.shim = nth.build_shim(cls.place)
        cls.fresh = os.path.join(cls.place, "fresh")
        cls.token = fault_daemon.init(cls.fresh)
        fault_daemon.small_segments(cls.fresh)

    def folder(self, place):
        data = os.path.join(place, "data")
        shutil.copytree(self.fresh, data)
        return data

    def serve(self, data, env=None):
        self.daemon = fault_daemon.Daemon(data, env)
        self.addCleanup(lambda: self.daemon.p.poll() is None and self.daemon.kill())
        self.client = workload.Client(self.daemon.port, self.token)

    def ask(self, method, path, body=None):
        status, answer = self.client.call(method, path, body)
        if status // 100 != 2:
            self.assertIn(status, (410, 503, 507), answer)
            self.assertNotIn(self.place, json.dumps(answer))
        return status, answer

    def person(self):
        return self.ask("POST", "/v1/subjects", {"birth_date": "1990-05-05"})

    def agree(self, sid):
        return self.ask("POST", f"/v1/subjects/{sid}/consents", {"document": "group", "state": "given"})

    def collect(self, sid, phone):
        return self.ask("PUT", f"/v1/subjects/{sid}/data",
                        {"purpose": "registration-login", "values": {"contact-phone": "+86139%08d" % phone}})

    def read(self, sid):
        return self.ask("POST", f"/v1/subjects/{sid}/read", {"purpose": "registration-login", "fields": ["contact-phone"]})

    def known(self, phone):
        """A person with a value."""
        sid = self.person()[1]["id"]
        self.assertEqual(self.agree(sid)[0], 201)
        self.assertEqual(self.collect(sid, phone)[0], 200)
        return sid

    def health(self):
        return self.client.call("GET", "/healthz")

    def said(self, words):
        end = time.monotonic() + WAIT_S
        while words not in self.daemon.said():
            self.assertLess(time.monotonic(), end, "it never said: " + words)
            time.sleep(0.02)

    def entries(self, sid):
        end = time.monotonic() + WAIT_S
        while True:
            status, answer = self.ask("GET", f"/v1/subjects/{sid}/history?limit=500")
            if status == 200 or time.monotonic() > end:
                return {e["entry"] for e in answer["history"]}
            time.sleep(0.05)

    def end(self, data):
        self.daemon.stop()
        self.assertEqual(fault_daemon.verify(data), [])


class Room(Disk):
    """A small file system that fills while the daemon serves, and has room again."""

    def setUp(self):
        self.small = tempfile.mkdtemp(prefix="troth-small-")
        self.addCleanup(os.rmdir, self.small)
        mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "none", self.small]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
            self.skipTest("mounting a file system needs root")
        self.addCleanup(subprocess.run, ["umount", "-l", self.small])
        self.data = self.folder(self.small)
        self.serve(self.data)

    def fill(self, leave):
        with open(os.path.join(self.small, "fill"), "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"x" * 4096)
            except OSError:
                f.truncate(max(0, f.tell() - leave))

    def empty(self):
        os.remove(os.path.join(self.small, "fill"))

    def segments(self):
        return [n for n in os.listdir(os.path.join(self.data, "audit")) if n.startswith("segment-0")]

    def test_R116_no_room_for_the_next_segment_is_507_until_there_is(self):
        sid = self.known(1)
        self.fill(leave=40960)
        acknowledged, status = [], 200
        while status == 200:
            status, answer = self.read(sid)
            if status == 200:
                acknowledged.append(answer["entry"])
            self.assertLess(len(acknowledged), 1000)
        self.assertEqual((status, answer["type"].split("/")[-1]), (507, "disk-full"), answer)
        self.assertGreater(len(acknowledged), 50)
        self.assertEqual(len(self.segments()), 1)
        while self.person()[0] != 507:  # the end of the segment may still take its shorter entry
            pass
        for _ in range(5):
            self.assertEqual(self.read(sid)[0], 507)
            self.assertEqual(self.agree(sid)[0], 507)
            self.assertEqual(self.ask("DELETE", f"/v1/subjects/{sid}")[0], 507)
            self.assertEqual(self.ask("GET", f"/v1/subjects/{sid}")[0], 200)
        size = self.health()[1]["record"]
        self.assertEqual(self.health()[0], 200)
        self.said("no room for the next segment")
        self.empty()
        status, answer = self.read(sid)
        self.assertEqual(status, 200, answer)
        acknowledged.append(answer["entry"])
        self.assertEqual(answer["entry"], size)  # what was refused left nothing
        other = self.person()[1]["id"]
        self.assertEqual(len(self.segments()), 2)
        self.assertLessEqual(set(acknowledged), self.entries(sid))
        self.daemon.stop()
        self.serve(self.data)
        self.assertLessEqual(set(acknowledged), self.entries(sid))
        self.assertEqual(self.ask("GET", f"/v1/subjects/{other}")[0], 200)
        self.end(self.data)

    def test_R116_a_disk_full_in_the_midst_of_a_segment(self):
        sid, gone = self.known(1), self.known(2)
        self.fill(leave=0)
        made, refused = [], 0
        for i in range(40):
            status, answer = self.person()
            made += [answer["id"]] if status == 201 else []
            refused += status == 507
            status, answer = self.read(sid)  # its room was set aside
            self.assertEqual(status, 200, answer)
        self.assertGreater(refused, 0)
        self.assertEqual(self.health()[0], 200)
        erased = self.ask("DELETE", f"/v1/subjects/{gone}")[0]
        self.assertIn(erased, (200, 507))
        self.empty()
        self.assertEqual(self.person()[0], 201)
        self.assertEqual(self.agree(self.person()[1]["id"])[0], 201)
        self.assertIn(self.ask("DELETE", f"/v1/subjects/{gone}")[0], (200, 410))
        for sid in made:
            self.assertEqual(self.ask("GET", f"/v1/subjects/{sid}")[0], 200)
        self.end(self.data)


class Each(Disk):
    """One file at a time, through nth.c."""

    def meet(self, name, syncs=False, number=ENOSPC):
        place = tempfile.mkdtemp(prefix="troth-each-")
        self.addCleanup(shutil.rmtree, place)
        self.data, self.flag = self.folder(place), os.path.join(place, "now")
        env = {"LD_PRELOAD": self.shim, "NTH_ROOT": self.data, "NTH_WHILE": self.flag, "NTH_NAME": name,
               "NTH_ERRNO": str(number), **({"NTH_SYNC": "1"} if syncs else {})}
        self.serve(self.data, env)
        self.first, self.second = self.known(1), self.known(2)

    def begin(self):
        open(self.flag, "w").close()

    def over(self):
        os.remove(self.flag)

    def works(self):
        """All of it, without a new start."""
        sid = self.known(3)
        status, answer = self.read(sid)
        self.assertEqual(status, 200)
        self.assertIn(answer["entry"], self.entries(sid))
        self.assertEqual(self.ask("DELETE", f"/v1/subjects/{sid}")[0], 200)
        self.assertEqual(self.health()[0], 200)

    # ---- No room

    def test_troth_db(self):
        self.meet("/troth.db")
        self.begin()
        self.assertEqual(self.person()[0], 507)
        self.assertEqual(self.agree(self.first)[0], 507)
        self.assertEqual(self.read(self.first)[0], 200)
        self.over()
        self.works()
        self.end(self.data)

    def test_keys_db(self):
        self.meet("/keys.db")
        self.begin()
        self.assertEqual(self.person()[0], 507)
        self.assertEqual(self.read(self.first)[0], 200)
        self.assertEqual(self.ask("DELETE", f"/v1/subjects/{self.first}")[0], 507)  # erased; the key is still there
        self.assertEqual(self.ask("GET", f"/v1/subjects/{self.first}")[0], 410)
        self.assertEqual(self.read(self.first)[0], 410)
        self.assertEqual(self.agree(self.second)[0], 507)
        self.assertEqual(self.health()[0], 200)
        self.over()
        self.works()
        self.daemon.stop()
        for name in ("keys.db", "keys.db-wal"):
            path = os.path.join(self.data, name)
            if os.path.exists(path):
                with open(path, "rb") as f:
                    self.assertNotIn(bytes.fromhex(self.first), f.read())
        self.serve(self.data)
        self.assertEqual(self.health()[1]["erased_again"], 0)
        self.end(self.data)

    def agreements(self, sid):
        return len(self.ask("GET", f"/v1/subjects/{sid}/consents")[1]["consents"])

    def agreeing(self, sid, told):
        """Until it is refused: how often it was acknowledged, and what the refusal was."""
        client, n, status = workload.Client(self.daemon.port, self.token), 0, 201
        while status == 201:
            status, _ = client.call("POST", f"/v1/subjects/{sid}/consents", {"document": "group", "state": "given"})
            n += status == 201
        told[sid] = (n, status)

    def test_a_key_without_room_to_go_fails_its_erasure_alone(self):
        self.meet("/keys.db")
        people, gone = [self.known(10 + i) for i in range(12)], [self.known(40 + i) for i in range(4)]
        for one in gone:
            before, told = {sid: self.agreements(sid) for sid in people}, {}
            self.begin()
            threads = [threading.Thread(target=self.agreeing, args=(sid, told)) for sid in people]
            for t in threads:
                t.start()
            self.assertEqual(self.ask("DELETE", f"/v1/subjects/{one}")[0], 507)
            for t in threads:
                t.join()
            self.over()
            self.assertEqual(self.agree(self.second)[0], 201)  # and with it the key went
            # Whoever came with the erasure was acknowledged, whoever came behind it did nothing.
            self.assertEqual(self.ask("GET", f"/v1/subjects/{one}")[0], 410)
            for sid in people:
                self.assertEqual(told[sid], (self.agreements(sid) - before[sid], 507))
        self.works()
        self.end(self.data)

    def test_the_ledger_of_the_erased(self):
        self.meet("/erased.ledger")
        self.begin()
        self.assertEqual(self.ask("DELETE", f"/v1/subjects/{self.first}")[0], 507)
        self.assertEqual(self.read(self.first)[0], 200)  # nothing half done
        self.over()
        self.assertEqual(self.ask("DELETE", f"/v1/subjects/{self.first}")[0], 200)
        self.works()
        self.end(self.data)

    def test_history_db(self):
        self.meet("/history.db")
        self.begin()
        status, answer = self.read(self.first)
        self.assertEqual(status, 200)
        self.assertEqual(self.person()[0], 201)
        self.over()
        self.assertIn(answer["entry"], self.entries(self.first))
        self.works()
        self.end(self.data)

    def test_the_checkpoint(self):
        for syncs, number in ((False, ENOSPC), (True, EIO)):
            self.meet("/audit/signed", syncs, number)
            self.begin()
            status, answer = self.agree(self.first)
            self.assertEqual(status, 201)
            receipt = {k: answer["receipt"][k] for k in ("entry", "opening")}
            self.said("the checkpoint could not be published yet")
            self.assertEqual(self.client.bytes("POST", "/v1/receipts", receipt)[0], 503)
            self.assertEqual(self.read(self.first)[0], 200)
            self.over()
            end = time.monotonic() + WAIT_S
            while self.client.bytes("POST", "/v1/receipts", receipt)[0] != 200 and time.monotonic() < end:
                time.sleep(0.05)
            self.works()
            self.end(self.data)

    # ---- An import that meets it

    def take_in(self, *more):
        people = os.path.join(os.path.dirname(self.data), "people.jsonl")
        with open(people, "w") as f:
            f.writelines(json.dumps({"ref": str(n), "service": "shop", "birth_date": "1990-01-01"}) + "\n" for n in range(200))
        return people, subprocess.Popen([fault_daemon.TROTH, "import", people, "--data", self.data, *more],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def taken(self, people, process):
        said = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 0, said)
        with open(people + ".ids") as f:
            ids = [json.loads(line) for line in f]
        self.assertEqual([i["line"] for i in ids], list(range(1, 201)))
        self.assertEqual(len({i["id"] for i in ids}), 200)
        for i in ids[::40]:
            self.assertEqual(self.ask("GET", "/v1/subjects/" + i["id"])[0], 200)

    def test_an_import_waits_for_room(self):
        self.meet("/troth.db")
        self.begin()
        people, process = self.take_in("--patience", "0")
        self.assertIn("no room", process.communicate(timeout=60)[1])
        self.assertEqual(process.returncode, 1)
        people, process = self.take_in()
        self.assertIn("trying again", process.stderr.readline())
        self.over()
        self.taken(people, process)
        self.end(self.data)

    def test_an_import_outlives_a_daemon_that_acknowledges_nothing(self):
        self.meet("/troth.db", syncs=True, number=EIO)
        self.begin()
        people, process = self.take_in()
        self.assertIn("trying again", process.stderr.readline())
        self.assertEqual(self.health()[0], 503)
        self.over()
        self.daemon.kill()
        self.serve(self.data)
        self.taken(people, process)
        self.end(self.data)

    # ---- No sync: nothing is acknowledged any more, and the daemon says so

    def stopped(self):
        self.assertEqual(self.health()[0], 503)
        self.assertEqual(self.health()[1]["acknowledging"], False)
        self.said("nothing is acknowledged any more")
        self.over()  # even when the disk is well again
        self.assertEqual(self.person()[0], 503)
        self.assertEqual(self.read(self.second)[0], 503)
        self.assertEqual(self.health()[0], 503)
        self.daemon.kill()
        self.serve(self.data)
        self.works()
        self.assertEqual(self.read(self.second)[0], 200)
        self.end(self.data)

    def test_a_segment_that_does_not_sync(self):
        self.meet("/audit/segment-0", syncs=True, number=EIO)
        self.begin()
        self.assertEqual(self.read(self.first)[0], 503)
        self.stopped()

    def test_a_segment_that_takes_no_write_although_its_room_was_set_aside(self):
        self.meet("/audit/segment-0")
        self.begin()
        self.assertEqual(self.read(self.first)[0], 503)
        self.stopped()

    def test_troth_db_that_does_not_sync(self):
        self.meet("/troth.db", syncs=True, number=EIO)
        self.begin()
        self.assertEqual(self.agree(self.first)[0], 503)
        self.stopped()

    def test_keys_db_that_does_not_sync(self):
        self.meet("/keys.db", syncs=True, number=EIO)
        self.begin()
        self.assertEqual(self.person()[0], 503)
        self.stopped()

    def test_a_ledger_that_does_not_sync(self):
        self.meet("/erased.ledger", syncs=True, number=EIO)
        self.begin()
        self.assertEqual(self.ask("DELETE", f"/v1/subjects/{self.first}")[0], 503)
        self.stopped()
        self.serve(self.data)
        self.assertEqual(self.ask("GET", f"/v1/subjects/{self.first}")[0], 410)
        self.daemon.stop()


if __name__ == "__main__":
    unittest.main()
