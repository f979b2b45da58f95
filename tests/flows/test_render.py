# SPDX-License-Identifier: Apache-2.0
"""`troth policy render`, and the two languages of the reference policy over HTTP."""
import hashlib, os, re, shutil, subprocess, tempfile, unittest
from troth_flow import POLICY, TROTH, Flow
from troth_people import People

DOCUMENTS = ["catalogue", "children", "games", "group", "music"]
# What may stand in a Chinese page in Latin letters: names of ours and of standards.
FOREIGN = re.compile(r"privacy@zhishang\.example|SHA-256|Cookie|SDK|W3C|DPV|IP|IMEI|IMSI|SIM|MAC|WLAN|English|D\b|K 歌|[a-z]+(?:[.-][a-z-]+)+|troth")


def prose(html):
    """What is read: no code, no source, no style, no tags."""
    html = re.sub(r"(?s)<(style|pre|code|head)\b.*?</\1>", " ", html)
    html = re.sub(r'(?s)<nav class="languages".*?</nav>', " ", html)
    return re.sub(r"<[^>]+>", " ", html)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def english_left(html):
    return re.findall(r"[A-Za-z]{2,}(?:\s+[A-Za-z]{2,})*", FOREIGN.sub(" ", prose(html)))


class Files(unittest.TestCase):
    def setUp(self):
        self.out = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.out)

    def render(self, *args, code=0, policy=POLICY):
        done = subprocess.run([TROTH, "policy", "render", policy, *args], capture_output=True, text=True, cwd=self.out)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def test_every_document_and_language_is_a_file(self):
        printed = self.render("--out", self.out).stdout.split()
        want = sorted("%s.%s.html" % (d, lang) for d in DOCUMENTS for lang in ("en", "zh-CN"))
        self.assertEqual(sorted(os.listdir(self.out)), want)
        self.assertEqual(sorted(os.path.basename(p) for p in printed), want)

    def test_a_file_asks_for_nothing_else_and_its_links_lead_somewhere(self):
        self.render("--out", self.out)
        pages = {name: read(os.path.join(self.out, name)) for name in os.listdir(self.out)}
        ids = {name: set(re.findall(r' id="([^"]+)"', html)) for name, html in pages.items()}
        for name, html in pages.items():
            self.assertNotRegex(html, r"<script|<link|\ssrc=|url\(|@import", name)
            for href in re.findall(r'href="([^"]+)"', html):
                file, _, anchor = href.partition("#")
                if href.startswith(("http", "mailto:")):
                    continue
                self.assertIn(file or name, pages, "%s: %s" % (name, href))
                if anchor:
                    self.assertTrue(anchor in ids[file or name], "%s: %s" % (name, href))

    def test_clauses_are_the_same_in_both_languages(self):
        self.render("--out", self.out)
        for d in DOCUMENTS:
            boxes = [re.findall(r'<details class="clause clause-(?:rule|plain|document)" id="([^"]+)"',
                                read(os.path.join(self.out, "%s.%s.html" % (d, lang)))) for lang in ("en", "zh-CN")]
            self.assertEqual(sorted(boxes[0]), sorted(boxes[1]), d)

    def test_no_english_is_left_on_chinese_pages(self):
        self.render("--out", self.out, "--lang", "zh-CN")
        self.assertEqual(len(os.listdir(self.out)), len(DOCUMENTS))
        for name in os.listdir(self.out):
            self.assertEqual(english_left(read(os.path.join(self.out, name))), [], name)

    def test_the_banner_names_revision_and_digest_of_the_text(self):
        self.render("--out", self.out)
        with open(os.path.join(POLICY, "group.zh-CN.md"), "rb") as f:
            digest = hashlib.sha256(f.read()).hexdigest()
        html = read(os.path.join(self.out, "group.zh-CN.html"))
        self.assertIn(digest, html)
        self.assertIn("<dt>修订</dt><dd>12</dd>", html)

    def test_open_for_paper(self):
        self.render("--out", self.out, "--lang", "en", "--open")
        self.assertNotRegex(read(os.path.join(self.out, "music.en.html")), r'<details class="clause[^>]*id="[^"]+">')

    def test_changes_since_another_folder(self):
        draft = os.path.join(self.out, "draft")
        shutil.copytree(POLICY, draft)
        music = read(os.path.join(draft, "music.md"))
        with open(os.path.join(draft, "music.md"), "w") as f:
            f.write(music.replace("6 months", "9 months").replace("revision 1 in force from 2025-01-01",
                                                                  "revision 2 in force from 2027-01-01"))
        self.render("--out", self.out, "--since", POLICY, policy=draft)
        page = read(os.path.join(self.out, "music.en.html"))
        self.assertIn("In force from <time>2027-01-01</time>, in place of revision 1.", page)
        self.assertLess(page.index("Changes since revision 1"), page.index("Your rights shrink (1)"))
        self.assertIn('<a href="#voice.keep">music/voice.keep</a>', page)
        chinese = read(os.path.join(self.out, "music.zh-CN.html"))
        self.assertLess(chinese.index("自修订 1以来的变化"), chinese.index("您的权利有所减少 (1)"))
        same = read(os.path.join(self.out, "games.en.html"))
        self.assertIn("In force from <time>2025-01-01</time>.", same)
        self.assertNotIn('id="changes"', same)
        self.render("--since", os.path.join(self.out, "none"), "--out", self.out, code=2)

    def test_what_cannot_be_rendered_says_why(self):
        self.assertIn("no document", self.render("--lang", "tlh", "--out", self.out, code=1).stderr)
        self.assertIn("--bold", self.render("--bold", code=2).stderr)
        self.assertIn("--out needs a value", self.render("--out", code=2).stderr)
        self.render("--out", self.out, policy="/no/such/folder", code=2)

    def test_R166_mail_opens_a_case_and_no_plan_for_incidents(self):
        self.render("--out", self.out)
        for lang, words in (("en", "privacy office must open a case with what was sent, and say that it has come"),
                            ("zh-CN", "个人信息保护办公室必须就来函立案，并告知已收到")):
            html = read(os.path.join(self.out, "group.%s.html" % lang))
            clause = html[html.index('id="answer.route"'):]
            self.assertIn(words, clause[:clause.index("</ul>")])

    def test_the_linter_finds_both_languages_whole(self):
        done = subprocess.run([TROTH, "policy", "check", POLICY], capture_output=True, text=True)
        self.assertEqual([line for line in done.stdout.splitlines() if "zh-CN" in line], [])


class Served(Flow):
    def test_R001_a_text_in_each_language_with_its_own_digest(self):
        for d in DOCUMENTS:
            for lang, name in (("en", d + ".md"), ("zh-CN", d + ".zh-CN.md")):
                text = self.get("/v1/policies/%s?lang=%s" % (d, lang)).json
                with open(os.path.join(POLICY, name), "rb") as f:
                    source = f.read()
                self.assertEqual((text["language"], text["sha256"]), (lang, hashlib.sha256(source).hexdigest()), name)
                self.assertEqual(text["text"], source.decode(), name)
        self.assertEqual(self.get("/v1/policies/group").json["language"], "en")
        self.assertEqual(self.get("/v1/policies/group?lang=de").status, 404)

    def test_chinese_pages_are_chinese(self):
        for d in DOCUMENTS:
            page = self.get("/policies/" + d, headers={"accept": "text/html", "accept-language": "zh-CN"})
            self.assertIn('<article class="prose" lang="zh-CN">', page.text, d)
            body = re.search(r"(?s)<article.*</article>", page.text).group(0)
            self.assertEqual(english_left(body), [], d)

    def test_R005_important_sentences_are_strong_in_chinese(self):
        page = self.get("/policies/group", headers={"accept": "text/html", "accept-language": "zh-CN"}).text
        self.assertIn("<strong>请您在使用服务之前阅读本政策", page)
        self.assertNotIn("**", prose(page))

    def test_an_older_instant_in_the_language_of_the_page(self):
        html = {"accept": "text/html", "accept-language": "zh-CN"}
        moved = self.get("/policies/group?at=2025-06-01", headers=html)
        self.assertEqual((moved.status, moved.headers["location"]), (303, "/policies/group/12"))
        self.assertIn('<pre class="source" lang="zh-CN"', self.get("/policies/catalogue?at=2026-12-01", headers=html).text)


class Agreed(People):
    def test_R007_a_consent_names_the_text_in_the_language_that_was_shown(self):
        for lang in ("en", "zh-CN"):
            person = self.adult(agreed=False)
            self.act(person, document="group", language=lang)
            got = self.expect(self.get("/v1/subjects/%s/consents" % person, token="shop"), 200)["consents"]
            text = self.expect(self.get("/v1/policies/group?lang=" + lang), 200)
            self.assertEqual((got[0]["policy_digest"], got[0]["notice_language"]), (text["sha256"], lang))

    def test_nobody_agrees_to_a_text_that_is_not_published(self):
        person = self.adult(agreed=False)
        body = {"document": "group", "state": "given", "language": "de", "channel": "web"}
        answer = self.post("/v1/subjects/%s/consents" % person, body, token="shop")
        self.assertEqual(answer.status, 422, answer)
        self.assertIn("no text in 'de'", answer.text)
        self.assertEqual(self.expect(self.get("/v1/subjects/%s/consents" % person, token="shop"), 200)["consents"], [])


if __name__ == "__main__":
    unittest.main()
