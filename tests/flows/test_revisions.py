# SPDX-License-Identifier: Apache-2.0
"""Every revision stays readable, as a page and as JSON, and says where it stands and what it changed (B0.1, B0.3)."""
import hashlib, os, re, sqlite3, sys, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pg_server
from troth_flow import POLICY, SERVER, on_files
from troth_publish import PROSE, Publisher


class Revisions(Publisher):
    def html(self, path, status=200, lang="en"):
        answer = self.get(path, headers={"accept": "text/html", "accept-language": lang})
        self.assertEqual(answer.status, status, answer)
        return answer.text

    def standing(self, path, lang="en"):
        """The sentences about where it stands, without tags."""
        text = re.search(r'(?s)<p class="standing[^"]*">(.*?)</p>', self.html(path, lang=lang)).group(1)
        return re.sub(r"<[^>]+>", "", text).strip()

    def changes(self, path, lang="en"):
        found = re.search(r'(?s)<section class="changes".*?</section>', self.html(path, lang=lang))
        return found.group(0) if found else ""

    def article(self, path, lang="en"):
        return re.search(r"(?s)<article.*</article>", self.html(path, lang=lang)).group(0)

    def both(self, text):
        """Something is won, and something is lost."""
        text = text.replace("promptly means 3 days.", "promptly means 2 days.")
        return text.replace("we may use account-linked for third-party-login only with agreement or deemed-agreement.",
                            "we may use account-linked for third-party-login.")

    def has(self, words, text, path=""):
        self.assertTrue(words in text, "%s is not in %s" % (words, path))

    def test_R001_a_revision_stays_as_it_was_in_every_language(self):
        before = {lang: self.article("/policies/group/12", lang) for lang in ("en", "zh-CN")}
        self.assertIn('lang="zh-CN"', before["zh-CN"])
        self.publish(self.reducing("2026-12-09"))
        for now in ("2026-12-01T00:00:00Z", "2026-12-08T16:00:00Z"):
            self.at(now)
            for lang, text in before.items():
                self.assertEqual(self.article("/policies/group/12", lang), text)
        self.assertNotEqual(self.article("/policies/group"), before["en"])
        self.assertEqual(self.article("/policies/group").replace("/policies/children?", "/policies/children/3?")
                         .count("<details"), self.article("/policies/group/13").count("<details"))
        whole = self.html("/policies/group/12")
        self.daemon.restart()
        self.assertEqual(self.html("/policies/group/12"), whole)
        self.has("/v1/policies/group/revisions/12?lang=en", whole)
        self.has('href="/policies/group/12?', self.html("/policies/children/3"))  # the one that went with it

    def test_R001_where_a_revision_stands(self):
        self.assertEqual(self.standing("/policies/group"), "In force since 2025-01-01.")
        self.assertEqual(self.standing("/policies/group", "zh-CN"), "现行有效，自 2025-01-01 起施行。")
        self.publish(self.reducing("2026-12-09"))
        announced = ("In force since 2025-01-01. From 2026-12-09 on, revision 13 applies; it has been announced. "
                     "What will change")
        for path in ("/policies/group", "/policies/group/12"):
            self.assertEqual(self.standing(path), announced)
            self.assertIn('href="/policies/group/13#changes"', self.html(path))
        self.assertEqual(self.standing("/policies/group", "zh-CN"),
                         "现行有效，自 2025-01-01 起施行。修订 13已公布，自 2026-12-09 起施行。查看将有哪些变化")
        self.assertEqual(self.standing("/policies/group/13"), "Announced, and not in force yet: it applies from "
                         "2026-12-09 on. Until then revision 12 applies.")
        self.assertEqual(self.standing("/policies/group/13", "zh-CN"),
                         "已公布，尚未生效：自 2026-12-09 起施行。在此之前适用修订 12。")
        self.at("2026-12-08T16:00:00Z")
        self.assertEqual(self.standing("/policies/group/13"), "In force since 2026-12-09.")
        self.assertEqual(self.standing("/policies/group/12"), "No longer in force. It applied from 2025-01-01 until "
                         "2026-12-09, when revision 13 took its place. Read the text in force")
        self.assertEqual(self.standing("/policies/group/12", "zh-CN"),
                         "已失效。自 2025-01-01 起施行，至 2026-12-09 由修订 13取代。查看现行文本")
        self.assertEqual(self.standing("/policies/games/4"), "In force since 2025-01-01.")
        listed = re.findall(r'<li><a href="(/policies/group/\d+)"( aria-current="true")?>', self.html("/policies/group"))
        self.assertEqual(listed, [("/policies/group/13", ' aria-current="true"'), ("/policies/group/12", "")])

    def test_R162_what_changed_begins_with_the_rights_that_shrink(self):
        got = self.publish(self.draft(13, "2026-12-09", self.both))
        self.assertTrue(got["reduces"] and got["protects"], got)
        for lang, words in (("en", ["Changes since", "revision 12", "Your rights shrink (%d)", "We may use account",
                                    "You are better protected (%d)"]),
                            ("zh-CN", ["自", "修订 12", "您的权利有所减少 (%d)", "允许的范围比以前大", "对您的保护有所加强 (%d)"])):
            section = self.changes("/policies/group/13", lang)
            counts = iter([got["reduces"], got["protects"]])
            places = [section.find(w % next(counts) if "%d" in w else w) for w in words]
            self.assertEqual(places, sorted(places), section)
            self.assertNotIn(-1, places)
            self.assertNotIn("<details", section[:section.index("</ul>")])  # losses are not folded away
            self.assertIn('href="?clause=login.other#login.other"', section)
            self.at("2026-12-01T00:00:00Z")
            self.assertEqual(self.changes("/policies/group", lang), "")  # not yet: the first set changed nothing
        self.at("2026-12-08T16:00:00Z")
        self.assertEqual(self.changes("/policies/group"), self.changes("/policies/group/13"))
        told = self.expect(self.get("/v1/policies/group/revisions/13"), 200)
        self.assertEqual([c["effect"] for c in told["changes"]], [c["effect"] for c in got["changes"]])

    def test_words_alone_and_what_was_taken_back(self):
        self.publish(self.neutral(day="2026-12-01"))
        self.assertIn("Only words", self.changes("/policies/group/13"))
        self.assertIn("仅文字有改动", self.changes("/policies/group/13", "zh-CN"))
        self.daemon.cli("policy", "unpublish", "2", *self.daemon.here())
        self.assertEqual(self.standing("/policies/group"), "In force since 2025-01-01.")
        self.assertIn("it never applied", self.standing("/policies/group/13"))
        self.assertNotIn("/policies/group/13", self.html("/policies/group"))
        self.assertEqual(self.get("/v1/policies/group/revisions/13").json["state"], "withdrawn")
        self.at("2026-11-24T01:30:00Z")
        self.publish(self.neutral(revision=14, day="2026-11-24"), "--effective", "2026-11-24T02:30:00Z")
        self.assertIn("2026-11-24 10:30 (UTC+8)", self.standing("/policies/group/12"))

    def test_a_text_without_a_translation_is_shown_as_it_was_written(self):
        self.at("2026-11-23T00:00:01Z")
        draft = self.neutral()
        os.unlink(os.path.join(draft, "group.zh-CN.md"))
        self.publish(draft)
        self.assertIn('<article class="prose" lang="en">', self.html("/policies/group/13", lang="zh-CN"))
        self.assertIn('<article class="prose" lang="zh-CN">', self.html("/policies/group/12", lang="zh-CN"))
        self.assertTrue(self.standing("/policies/group/13", "zh-CN").startswith("现行有效"))
        self.assertEqual(self.get("/v1/policies/group/revisions/13").json["languages"], ["en"])
        self.problem(self.get("/v1/policies/group/revisions/13?lang=zh-CN"), 404, "not-found")

    def test_R001_a_revision_as_json(self):
        self.publish(self.reducing("2026-12-09"))
        for lang, name in (("en", "group.md"), ("zh-CN", "group.zh-CN.md")):
            with open(os.path.join(POLICY, name), "rb") as f:
                source = f.read()
            got = self.expect(self.get("/v1/policies/group/revisions/12?lang=" + lang), 200)
            self.assertEqual((got["text"], got["sha256"]), (source.decode(), hashlib.sha256(source).hexdigest()))
            self.assertEqual((got["language"], got["languages"]), (lang, ["en", "zh-CN"]))
            self.assertEqual((got["state"], got["set"], got["changes"]), ("in-force", 1, []))
            self.assertEqual((got["in_force"], got["until"]), ("2024-12-31T16:00:00Z", "2026-12-08T16:00:00Z"))
        new = self.expect(self.get("/v1/policies/group/revisions/13"), 200)
        self.assertEqual((new["state"], new["set"], new["asks_again"], new.get("until")), ("waiting", 2, True, None))
        self.assertEqual(new["changes"][0]["effect"], "reduces")
        for path in ("group/revisions/99", "group/revisions/x", "group/revisions/-1", "nothing/revisions/1"):
            self.problem(self.get("/v1/policies/" + path), 404, "not-found")

    def test_what_was_never_published_and_addresses_of_before(self):
        for path, words in (("/policies/group/99", "the latest is revision 12"), ("/policies/group/x", "revision 12"),
                            ("/policies/group/0", "revision 12"), ("/policies/nothing/1", "ever published"),
                            ("/policies/catalogue/1", "no numbers"), ("/policies/group/99999999999999999999", "revision 12")):
            page = self.html(path, 404)
            self.has(words, page, path)
            self.has("<main", page)
        self.html("/policies/group/99", 404, "zh-CN")
        for path in ("/policy", "/policy/group", "/policy/group?clause=order.place&lang=en"):
            moved = self.get(path)
            self.assertEqual((moved.status, moved.headers["location"]), (308, path.replace("/policy", "/policies")))

    def test_many_old_sets_and_one_that_no_longer_compiles(self):
        for n in range(6):
            self.at("2026-11-23T00:00:%02dZ" % (n + 1))
            self.publish(self.draft(13 + n, change=lambda t: t.replace(PROSE, "and so on, %d times." % n)))
        for _ in range(2):
            for n in range(6):
                self.assertIn("and so on, %d times." % n, self.html("/policies/group/%d" % (13 + n)))
        self.daemon.stop()
        lost = "DELETE FROM policy_set_text WHERE number = 2 AND file = 'catalogue.md'"
        if SERVER:
            pg_server.ask(SERVER, lost, database=self.daemon.urls[0].split("@/")[1].split("?")[0])
        else:
            db = sqlite3.connect(os.path.join(self.daemon.data, "troth.db"))
            db.execute(lost)
            db.commit()
            db.close()
        self.daemon.start()
        text = self.html("/policies/group/13")
        self.assertIn('<pre class="source" lang="en"', text)
        self.assertIn("and so on, 0 times.", text)
        self.assertIn("# 集团隐私政策", self.html("/policies/group/13", lang="zh-CN"))


# The tables as they were when the database kept only when a set began.
OLD_TABLES = """
CREATE TABLE d (document TEXT NOT NULL, revision INTEGER NOT NULL, digest BLOB NOT NULL, in_force INTEGER NOT NULL,
  language TEXT NOT NULL, title TEXT NOT NULL, text BLOB NOT NULL, stored INTEGER NOT NULL,
  PRIMARY KEY (document, revision, digest)) WITHOUT ROWID;
INSERT INTO d SELECT document, revision, digest, in_force, language, title, text, stored FROM policy_document;
CREATE TABLE s (since INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (since, digest)) WITHOUT ROWID;
INSERT INTO s SELECT since, digest FROM policy_set;
DROP TABLE policy_document; ALTER TABLE d RENAME TO policy_document;
DROP TABLE policy_set; ALTER TABLE s RENAME TO policy_set;
DROP TABLE policy_set_text; DROP TABLE policy_change;
DROP INDEX subject_by_teen; DROP INDEX field_value_by_keep; DROP INDEX consent_event_by_purpose;
DROP TABLE happening; ALTER TABLE service DROP COLUMN closing; ALTER TABLE subject DROP COLUMN card; DROP TABLE node; DROP TABLE entry_copy; DROP TABLE index_hash; DROP TABLE index_head;
PRAGMA user_version = 2;
"""


class OldFolder(Publisher):
    @on_files
    def test_a_folder_from_before_sets_had_texts_goes_on(self):
        before = {"sets": self.sets(), "text": self.get("/policies/group/12", headers={"accept": "text/html"}).text,
                  "running": self.running(), "login": self.login()}
        self.daemon.stop()
        db = sqlite3.connect(os.path.join(self.daemon.data, "troth.db"))
        db.executescript(OLD_TABLES)
        db.close()
        self.daemon.start()
        self.assertEqual(self.running(), before["running"])
        self.assertEqual(self.login(), before["login"])
        after = self.sets()
        self.assertEqual([s["sha256"] for s in after], [s["sha256"] for s in before["sets"]])
        self.assertEqual(self.revision(), 12)
        self.assertEqual(self.get("/policies/group/12", headers={"accept": "text/html"}).text, before["text"])
        self.publish(self.reducing("2026-12-09"))  # and the next set goes behind it
        self.assertEqual(len(self.sets()), 2)


if __name__ == "__main__":
    unittest.main()
