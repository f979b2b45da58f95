# SPDX-License-Identifier: Apache-2.0
"""troth policy what-if: recorded decisions under a draft, beside the daemon and on a closed folder."""
import json, os, shutil, sqlite3, sys, tempfile, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from troth_flow import on_files
from troth_people import People

class WhatIf(People):
    def setUp(self):
        super().setUp()
        self.home = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.home, True)

    def draft(self, change):
        """A copy of the policy in force with one change: {file: text -> text}."""
        folder = os.path.join(self.home, "draft")
        shutil.rmtree(folder, True)
        shutil.copytree(os.path.join(self.daemon.data, "policy"), folder)
        for name, edit in change.items():
            path = os.path.join(folder, name)
            old = open(path).read() if os.path.exists(path) else ""
            new = edit(old)
            self.assertNotEqual(old, new, name)
            open(path, "w").write(new)
        return folder

    def what_if(self, folder, *more, code=0):
        done = self.daemon.cli("policy", "what-if", folder, "--data", self.daemon.data, "--json", *more, code=code)
        return json.loads(done.stdout)

    def asked(self):
        """Somebody's phone, asked for twice for delivery and once for marketing."""
        person = self.adult()
        for purpose in ("delivery", "delivery", "direct-marketing"):
            self.decide("shop", purpose, ["contact-phone"], subject=person)
        return person

    def test_a_ban_shows_whom_it_would_stop(self):
        self.at("2027-01-01T00:00:00Z")
        person = self.asked()
        since = ["--since", "2027-01-01"]
        same = self.what_if(os.path.join(self.daemon.data, "policy"), *since)
        self.assertEqual((same["answers"], same["changes"], same["rows"]), (3, 0, []))
        folder = self.draft({"group.md": lambda text: text + "\n## Draft\n\n```rule draft.stop\nwe must not use any for delivery as not-necessary.\n```\n"})
        got = self.what_if(folder, *since, code=3)
        self.assertEqual((got["answers"], got["changes"], got["counts"]["refused"], got["counts"]["same"]), (3, 2, 2, 1))
        row = got["rows"][0]
        self.assertEqual((row["change"], row["count"], row["clause"], row["purpose"], row["operation"], row["party"], row["field"], row["before"], row["after"]),
                         ("refused", 2, "group/draft.stop", "delivery", "use", "own", "contact-phone", "allow", "deny"))
        self.assertEqual(self.what_if(folder, "--until", "2027-01-01", *since)["answers"], 0)
        text = self.daemon.cli("policy", "what-if", folder, "--data", self.daemon.data, *since, code=3).stdout
        self.assertIn("3 answers of 3 entries decided again; 2 would change", text)
        self.assertIn("refused: use contact-phone for delivery, party own (allow, then deny)", text)
        self.assertNotIn(person, text + json.dumps(got))

    def test_a_period_that_ends_before_it_begins_is_refused(self):
        done = self.daemon.cli("policy", "what-if", os.path.join(self.daemon.data, "policy"), "--data", self.daemon.data,
                               "--since", "2026-12-01", "--until", "2026-01-01", "--json", code=2)
        self.assertEqual(done.stdout, "")
        self.assertIn("--until is before --since", done.stderr)

    def test_what_is_missing_masks_and_deeds(self):
        self.at("2027-02-01T00:00:00Z")
        self.asked()
        since = ["--since", "2027-02-01"]
        more = ("\n## Draft\n\n```rule draft.more\nto use contact-phone for delivery, we must have explicit-consent.\n```\n")
        got = self.what_if(self.draft({"group.md": lambda text: text + more}), *since, code=3)
        self.assertEqual((got["counts"]["needs"], got["rows"][0]["is"]), (2, "explicit-consent"))
        more = "\n## Draft\n\n```rule draft.mask\nto use contact-phone for delivery, we must mask as hidden and record-disclosure.\n```\n"
        got = self.what_if(self.draft({"group.md": lambda text: text + more, "catalogue.md": lambda text: text.replace("```catalogue\n", "```catalogue\nmask hidden \"nothing of it\".\n", 1)}), *since, code=3)
        self.assertEqual((got["counts"]["mask"], got["rows"][0]["is"]), (2, "hidden"))
        more = "\n## Draft\n\n```rule draft.log\nto use contact-phone for delivery, we must record-disclosure.\n```\n"
        got = self.what_if(self.draft({"group.md": lambda text: text + more}), *since, code=3)
        self.assertEqual((got["counts"]["deeds"], got["rows"][0]["is"]), (2, "record-disclosure"))
        more = "\n## Draft\n\n```rule draft.free\nwe may use contact-phone for direct-marketing.\n```\n"
        got = self.what_if(self.draft({"group.md": lambda text: text + more}), *since, code=3)
        self.assertGreaterEqual(got["counts"]["needs"] + got["counts"]["allowed"], 1, got)

    def test_whose_person_is_erased_is_only_counted(self):
        self.at("2027-03-01T00:00:00Z")
        person, since = self.asked(), ["--since", "2027-03-01"]
        policy = os.path.join(self.daemon.data, "policy")
        self.assertEqual(self.what_if(policy, *since)["cannot"], {"erased": 0, "incomplete": 0})
        self.expect(self.delete(f"/v1/subjects/{person}", token="shop"), 200)
        got = self.what_if(policy, *since)
        self.assertEqual((got["answers"], got["cannot"]["erased"]), (0, 3))

    def test_bad_input_is_refused(self):
        policy = os.path.join(self.daemon.data, "policy")
        tell = lambda *args: self.daemon.cli("policy", "what-if", *args, code=None)
        for args, code, words in (
            ([], 2, ""), ([policy, "--since", "yesterday"], 2, "RFC 3339"), ([policy + "x", "--data", self.daemon.data], 1, "policyx"),
            ([policy, "--data", self.home], 1, ""), ([self.home, "--data", self.daemon.data], 1, ""),
            ([policy, "--data", self.daemon.data, "--master-key", os.path.join(self.home, "no-key")], 1, "no-key"),
        ):
            done = tell(*args)
            self.assertEqual(done.returncode, code, (args, done.stderr))
            self.assertIn(words, done.stderr + done.stdout)


class Closed(People):
    fresh = True

    def test_a_closed_folder_is_read_the_same(self):
        person = self.adult()
        self.decide("shop", "delivery", ["contact-phone"], subject=person)
        self.daemon.stop()
        before = {name: os.stat(os.path.join(self.daemon.data, name)).st_size for name in os.listdir(os.path.join(self.daemon.data)) if name.endswith(".db")}
        done = self.daemon.cli("policy", "what-if", os.path.join(self.daemon.data, "policy"), "--data", self.daemon.data)
        self.assertRegex(done.stdout, r"^\d+ answers of \d+ entries decided again; 0 would change")
        self.assertEqual(before, {name: os.stat(os.path.join(self.daemon.data, name)).st_size for name in before})
        self.daemon.start()


class Beside(People):
    @on_files
    def test_who_reads_beside_the_daemon_leaves_its_log_alone(self):
        """A process that opens a database and closes it again takes the write-ahead log away if nobody holds a lock."""
        for name in ("troth.db", "keys.db", "history.db"):
            wal = os.path.join(self.daemon.data, name + "-wal")
            before = os.stat(wal).st_ino
            other = sqlite3.connect(os.path.join(self.daemon.data, name))
            other.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            other.close()
            self.assertEqual(os.stat(wal).st_ino, before, name)


if __name__ == "__main__":
    unittest.main()
