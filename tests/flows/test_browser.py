# SPDX-License-Identifier: Apache-2.0
"""The pages: over plain HTTP, and in a real browser where one is installed (tests/browser/run.mjs)."""
import os, re, shutil, subprocess, unittest
from troth_flow import BUILD, ROOT, Flow, not_installed
from troth_publish import Publisher

PAGES = ["/", "/policies", "/policies/group", "/policies/children", "/policies/catalogue", "/try", "/record"]
QUESTION = "/try?subject=adult&service=shop&operation=use&purpose=delivery&field=order-address"


class Catalogues(unittest.TestCase):
    def test_catalogues_are_valid_gettext(self):
        if not shutil.which("msgfmt"):
            not_installed(self, "gettext")
        for lang in ("en", "zh_CN"):
            path = os.path.join(ROOT, "ui", "po", lang + ".po")
            done = subprocess.run(["msgfmt", "--check-format", "-o", os.devnull, path], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), path)

    def test_a_template_with_an_unknown_message_does_not_build(self):
        folder = os.path.join(BUILD, "po-test")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(os.path.join(ROOT, "ui"), folder)
        with open(os.path.join(folder, "home.html"), "a") as f:
            f.write("{{say home.no-such-message}}")
        done = subprocess.run([os.path.join(ROOT, "tools", "po"), folder], capture_output=True, text=True)
        shutil.rmtree(folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no message 'home.no-such-message'", done.stderr)


class Pages(Flow):
    def html(self, path, status=200, lang="en", **headers):
        answer = self.get(path, headers={"accept": "text/html", "accept-language": lang, **headers})
        self.assertEqual(answer.status, status, answer)
        self.assertTrue(answer.headers["content-type"].startswith("text/html"), answer)
        return answer

    def test_R164_the_policy_is_one_step_from_every_page(self):
        for path in PAGES + [QUESTION]:
            self.assertIn('<a href="/policies"', self.html(path).text, path)

    def test_pages_hold_no_script_and_no_foreign_address(self):
        for path in PAGES + [QUESTION]:
            text = self.html(path).text
            self.assertNotIn("<script", text, path)
            self.assertEqual(re.findall(r'(?:src|<link[^>]*href)="(?:https?:)?//[^"]*"', text), [], path)
            self.assertNotRegex(text, r'\s(style|on[a-z]+)="', path)

    def test_language_follows_the_browser_then_the_choice(self):
        self.assertIn('<html lang="zh-CN">', self.html("/", lang="zh-CN,zh;q=0.9").text)
        self.assertIn('<html lang="en">', self.html("/", lang="fr").text)
        chosen = self.html("/policies?lang=zh-CN")
        self.assertIn('<html lang="zh-CN">', chosen.text)
        self.assertRegex(chosen.headers["set-cookie"], r"^lang=zh-CN; Path=/; Max-Age=\d+; SameSite=Lax$")
        self.assertIn('<html lang="zh-CN">', self.html("/", cookie="lang=zh-CN").text)
        self.assertIn('<html lang="en">', self.html("/", cookie="lang=tlh").text)

    def test_R086_no_cookie_before_a_choice(self):
        for path in PAGES:
            self.assertNotIn("set-cookie", self.html(path).headers, path)
        self.assertNotIn("set-cookie", self.html("/?lang=tlh").headers)

    def test_R005_important_sentences_are_strong(self):
        self.assertIn("<strong>Please read this policy", self.html("/policies/group").text)

    def test_R001_a_document_names_its_revision_and_digest(self):
        listed = self.get("/v1/policies").json
        page = self.html("/policies/group").text
        self.assertIn("<dd>12</dd>", page)
        for digest in re.findall(r"[0-9a-f]{64}", page):
            self.assertIn(digest, str(listed))

    def test_a_clause_opens_where_its_link_leads(self):
        page = self.html("/policies/group?clause=order.place").text
        self.assertRegex(page, r'<details class="clause clause-rule" id="order\.place" open>')
        self.assertNotRegex(page, r'id="source\.record" open')

    def test_try_answers_with_clause_and_what_is_missing(self):
        text = self.html(QUESTION).text
        self.assertIn("Something is missing", text)
        self.assertIn('href="/policies/group?clause=order.place#order.place"', text)
        self.assertIn("<strong>Allowed</strong>", self.html(QUESTION + "&need=agreement").text)

    def test_try_leaves_nothing_on_record(self):
        size = lambda: self.get("/audit/checkpoint").text.split("\n")[1]
        for _ in range(2):  # a quarter of a second after its start the daemon itself puts something down, once
            before = size()
            for _ in range(5):
                self.html(QUESTION)
            after = size()
            if after == before:
                break
        self.assertEqual(after, before)

    def test_try_says_which_name_is_unknown_and_escapes_it(self):
        text = self.html("/try?purpose=%3Cscript%3Ealert(1)%3C/script%3E&field=contact-phone").text
        self.assertIn("&lt;script&gt;alert(1)&lt;/script&gt;", text)
        self.assertNotIn("<script", text)

    def test_the_language_link_keeps_the_question_and_names_no_host(self):
        self.assertIn("field=order-address&amp;lang=zh-CN", self.html(QUESTION).text)
        self.assertNotIn('href="//', self.get("//example.org/", headers={"accept": "text/html"}).text)

    def test_styles_may_be_kept_and_templates_are_not_served(self):
        style = re.search(r'<link rel="stylesheet" href="([^"]+)"', self.html("/").text).group(1)
        answer = self.get(style)
        self.assertEqual(answer.status, 200, answer)
        self.assertTrue(answer.headers["content-type"].startswith("text/css"), answer)
        self.assertIn("immutable", answer.headers["cache-control"])
        for path in ("/static/home.html", "/static/po/en.po", "/static/../home.html", "/static/"):
            self.assertEqual(self.get(path).status, 404, path)

    def test_an_unknown_address_is_a_page_for_people(self):
        text = self.html("/no-such-page", 404, "zh-CN").text
        self.assertIn('<html lang="zh-CN">', text)
        self.html("/policies/no-such-document", 404)


class Browser(Publisher):
    """The document of the music service has a revision that is over, one in force, and one that waits."""

    def voice(self, revision, day, keep):
        return self.draft(revision, day, lambda t: t.replace("6 months after", keep + " months after"), document="music")

    def npm_ci(self, folder):
        """The two packages of package-lock.json. Without a registry there is no test; anything else is a failure."""
        command = ["npm", "ci", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=60000"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        if re.search(r"\b(ENOTFOUND|EAI_AGAIN|ECONN\w+|ETIMEDOUT|ENETUNREACH|network|E40[13]|\w*CERT\w*)\b", done.stderr):
            self.skipTest("npm does not reach its registry")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_in_a_real_browser(self):
        if "variant" in BUILD:
            self.skipTest("a sanitizer's daemon serves the same pages; the plain run looks at them in a browser")
        missing = [tool for tool in ("chromium", "node", "npm") if not shutil.which(tool)]
        if missing:
            not_installed(self, *missing)
        folder = os.path.join(BUILD, "browser")
        os.makedirs(folder, exist_ok=True)
        for name in ("package.json", "package-lock.json", "run.mjs"):
            shutil.copy(os.path.join(ROOT, "tests", "browser", name), folder)
        if not os.path.exists(os.path.join(folder, "node_modules", ".package-lock.json")):
            self.npm_ci(folder)
        self.publish(self.voice(2, "2026-12-09", "9"))
        self.at("2026-12-08T16:00:00Z")
        self.publish(self.voice(3, "2027-01-05", "5"))
        done = subprocess.run(["node", "run.mjs", "http://127.0.0.1:%d" % self.daemon.port], cwd=folder,
                              capture_output=True, text=True, timeout=1600)
        bad = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
        self.assertEqual((bad, done.returncode), ([], 0), done.stdout[-3000:] + done.stderr[-3000:])
