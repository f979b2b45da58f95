# SPDX-License-Identifier: Apache-2.0
"""The language server, driven with the messages that editors send, and with those that none should."""
import json, os, shutil, subprocess, tempfile, unittest

from troth_flow import POLICY, SANITIZER, TROTH

CATALOGUE = """# Words

```catalogue
category contact grade 2: email, phone.
category secret grade 4: card-number.
data reach: contact and card-number.
operation collect, use, store.
actor us: clerk.
subject person: adult, child.
service shop.
jurisdiction cn.
purpose delivery, \U0001F4DA.
```
""".replace("purpose delivery, \U0001F4DA.", """purpose selling: delivery, newsletter.
party own, carrier.
basis none-claimed.
need agreement "the reader accepted" from agreement otherwise no-agreement.
fact opted-out "the reader said no" from preference.
event account-closed.
mask blank "nothing".
audience readers "the readers".
channel letter "a letter".
channel site "a notice".""").replace("party own, carrier.", "party own.\nparty carrier.")

SHOP = """# A shop \U0001F4DA

```document
document shop "A shop".
revision 1 in force from 2026-01-01.
```

```rule sell
we may use email for delivery only with agreement.
```

```rule keep
we may store any until account-closed.
```

```rule no-letters
despite sell, we must not use contact for newsletter when opted-out.
```

```vocabulary
email pd:EmailAddress.
```
"""


class Client:
    """One server on pipes."""

    def __init__(self, *args):
        self.process = subprocess.Popen([TROTH, "policy", "lsp", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.count = 0
        self.notes = []

    def raw(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def body(self, text):
        data = text if isinstance(text, bytes) else text.encode("utf-8")
        self.raw(b"Content-Length: %d\r\n\r\n" % len(data) + data)

    def message(self):
        length = None
        while True:
            line = self.process.stdout.readline()
            if not line:
                return None
            if line == b"\r\n":
                break
            name, value = line.decode("ascii").split(":")
            if name == "Content-Length":
                length = int(value)
        return json.loads(self.process.stdout.read(length))

    def notify(self, method, params=None):
        self.body(json.dumps({"jsonrpc": "2.0", "method": method, "params": params or {}}, ensure_ascii=False))

    def request(self, method, params=None, ident=None):
        self.count += 1
        ident = ident or self.count
        self.body(json.dumps({"jsonrpc": "2.0", "id": ident, "method": method, "params": params or {}}))
        while True:
            answer = self.message()
            if "method" in answer:
                self.notes.append(answer)
                continue
            if answer["id"] != ident:
                raise AssertionError("%r answers another request than %r" % (answer, ident))
            return answer

    def start(self, **params):
        answer = self.request("initialize", {"processId": None, "capabilities": {}, "rootUri": None, **params})
        self.notify("initialized")
        return answer["result"]

    def finish(self):
        self.process.stdin.close()
        code = self.process.wait(60)
        err = self.process.stderr.read().decode()
        self.process.stdout.close()
        self.process.stderr.close()
        if SANITIZER.search(err):
            raise AssertionError(err)
        return code


class Lsp(unittest.TestCase):
    args = ()

    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="troth lsp-")
        self.addCleanup(shutil.rmtree, self.home)
        self.write("catalogue.md", CATALOGUE)
        self.write("shop.md", SHOP)
        self.client = Client(*self.args)
        self.addCleanup(self.stop)

    def stop(self):
        if self.client.process.poll() is None:
            self.client.process.kill()
            self.client.process.wait()
        for pipe in (self.client.process.stdin, self.client.process.stdout, self.client.process.stderr):
            try:
                pipe.close()
            except BrokenPipeError:
                pass

    def write(self, name, text):
        with open(os.path.join(self.home, name), "w", encoding="utf-8", newline="") as out:
            out.write(text)

    def uri(self, name):
        return "file://" + self.home.replace(" ", "%20") + "/" + name

    def open(self, name="shop.md", text=SHOP):
        self.client.notify("textDocument/didOpen", {"textDocument": {"uri": self.uri(name), "languageId": "markdown",
                                                                     "version": 1, "text": text}})

    def change(self, text, name="shop.md"):
        self.client.notify("textDocument/didChange", {"textDocument": {"uri": self.uri(name), "version": 2},
                                                      "contentChanges": [{"text": text}]})

    def diagnostics(self, documents=2):
        """What is published next, by file name."""
        found = {}
        while len(found) < documents:
            note = self.client.notes.pop(0) if self.client.notes else self.client.message()
            self.assertEqual(note["method"], "textDocument/publishDiagnostics")
            found[note["params"]["uri"].rsplit("/", 1)[1]] = note["params"]["diagnostics"]
        return found

    def at(self, marked, method, name="shop.md", documents=2, **more):
        """Sends the request at the place of the mark | in the text; the rest is what the editor holds."""
        before, after = marked.split("|")
        self.change(before + after, name)
        self.diagnostics(documents)
        lines = before.split("\n")
        units = len(lines[-1].encode("utf-16-le")) // 2
        answer = self.client.request(method, {"textDocument": {"uri": self.uri(name)},
                                              "position": {"line": len(lines) - 1, "character": units}, **more})
        return answer["result"]

    def begin(self):
        self.client.start()
        self.open()
        return self.diagnostics()


class Stray(Lsp):
    def test_lsp_a_block_in_a_file_that_is_not_read_is_told_and_taken_back(self):
        self.write("more.copy.md", "# More\n\n```rule more\nwe must not use phone.\n```\n")
        self.client.start()
        self.open()
        [fault] = self.diagnostics(3)["more.copy.md"]
        self.assertEqual((fault["code"], fault["severity"], fault["range"]["start"]["line"]), ("syntax", 1, 2))
        self.assertIn("this file is not read", fault["message"])
        os.remove(os.path.join(self.home, "more.copy.md"))
        self.change(SHOP)
        self.assertEqual(self.diagnostics(3)["more.copy.md"], [])
        self.change(SHOP)
        self.assertNotIn("more.copy.md", self.diagnostics())


class Life(Lsp):
    def test_lsp_life(self):
        capabilities = self.client.start()["capabilities"]
        self.assertEqual(capabilities["textDocumentSync"]["change"], 1)
        self.assertTrue(capabilities["hoverProvider"] and capabilities["definitionProvider"])
        self.assertIn("completionProvider", capabilities)
        self.assertEqual(self.client.request("shutdown")["result"], None)
        self.assertEqual(self.client.request("textDocument/hover")["error"]["code"], -32600)
        self.client.notify("exit")
        self.assertEqual(self.client.finish(), 0)

    def test_lsp_exit_without_shutdown(self):
        self.client.start()
        self.client.notify("exit")
        self.assertEqual(self.client.finish(), 1)

    def test_lsp_end_of_stream(self):
        self.client.raw(b"Content-Length: 10\r\n\r\n{")
        self.assertEqual(self.client.finish(), 1)

    def test_lsp_initialize_comes_first_and_once(self):
        self.assertEqual(self.client.request("textDocument/hover", {})["error"]["code"], -32002)
        self.client.start()
        self.assertEqual(self.client.request("initialize")["error"]["code"], -32600)

    def test_lsp_folder_of_the_workspace(self):
        self.write("shop.md", SHOP.replace("email for", "emial for"))
        self.client.start(rootUri=self.uri("").rstrip("/"))
        self.assertIn("did you mean 'email'", self.diagnostics()["shop.md"][0]["message"])

    def test_lsp_folder_that_does_not_exist(self):
        done = subprocess.run([TROTH, "policy", "lsp", "/nowhere"], input=b"", capture_output=True)
        self.assertEqual(done.returncode, 2)


class Diagnostics(Lsp):
    def test_lsp_diagnostics_of_all_documents(self):
        self.write("catalogue.md", CATALOGUE.replace("purpose selling: delivery, newsletter.",
                                                     "purpose selling: delivery, newsletter.\npurpose idle."))
        found = self.begin()
        self.assertIn(("unused", 2, "no permission names the purpose 'idle'; one that names none reaches it all the same"),
                      [(d["code"], d["severity"], d["message"].split("\n")[0]) for d in found["catalogue.md"]])
        self.assertIn("\nfor example: clerk asks to store email of adult with nobody else for idle in shop in cn without claiming a basis",
                      "".join(d["message"] for d in found["catalogue.md"]))
        self.assertEqual(found["shop.md"], [])

    def test_lsp_unsaved_text_lies_over_the_file(self):
        self.begin()
        self.change(SHOP.replace("for delivery only", "for delivry only"))
        fault = self.diagnostics()["shop.md"][0]
        self.assertEqual((fault["code"], fault["severity"], fault["source"]), ("name", 1, "troth"))
        self.assertIn("did you mean 'delivery'", fault["message"])
        line = SHOP.split("\n").index("we may use email for delivery only with agreement.")
        self.assertEqual(fault["range"], {"start": {"line": line, "character": 21}, "end": {"line": line, "character": 28}})
        self.client.notify("textDocument/didClose", {"textDocument": {"uri": self.uri("shop.md")}})
        self.assertEqual(self.diagnostics()["shop.md"], [])

    def test_lsp_save_reads_the_files(self):
        self.begin()
        self.write("catalogue.md", CATALOGUE.replace("category", "categry"))
        self.client.notify("textDocument/didSave", {"textDocument": {"uri": self.uri("shop.md")}})
        self.assertGreaterEqual(len(self.diagnostics()["catalogue.md"]), 1)

    def test_lsp_new_document_before_it_is_saved(self):
        self.begin()
        self.open("annex.md", "```rule x\nwe may use email.\n```\n")
        self.assertIn("document block", self.diagnostics(3)["annex.md"][0]["message"])

    def test_lsp_positions_are_utf16(self):
        self.begin()
        self.change(SHOP.replace('"A shop"', '"\U0001F4DA\U0001F4DA" nonsense'))
        [fault] = self.diagnostics()["shop.md"]
        self.assertEqual(fault["range"]["start"]["character"], len('document shop "12') + 2 + 1 + 1)

    def test_lsp_second_place(self):
        self.begin()
        self.change(SHOP.replace("email pd:EmailAddress.", "email pd:EmailAddress.\nemail pd:Contact."))
        [fault] = self.diagnostics()["shop.md"]
        [related] = fault["relatedInformation"]
        self.assertEqual(related["location"]["range"]["start"]["line"], fault["range"]["start"]["line"] - 1)

    def test_lsp_folder_without_a_policy(self):
        os.mkdir(os.path.join(self.home, "notes"))
        self.client.start()
        self.client.notify("textDocument/didOpen", {"textDocument": {"uri": self.uri("notes/README.md"), "text": "# Hi\n"}})
        self.assertEqual(self.diagnostics(1), {"README.md": []})

    def test_lsp_reference_policy(self):
        self.client.start()
        with open(os.path.join(POLICY, "group.md"), encoding="utf-8") as f:
            text = f.read()
        self.client.notify("textDocument/didOpen", {"textDocument": {"uri": "file://" + POLICY + "/group.md", "text": text}})
        found = self.diagnostics(10)
        self.assertFalse([d for list in found.values() for d in list if d["severity"] == 1])


class Hover(Lsp):
    def hover(self, marked, name="shop.md"):
        answer = self.at(marked, "textDocument/hover", name)
        return answer and answer["contents"]["value"]

    def test_lsp_hover_tells_what_names_mean(self):
        self.begin()
        for marked, words in [
            ("use em|ail for", ["**email**", "grade 2", "category contact", "pd:EmailAddress", "reach"]),
            ("use email for del|ivery", ["a purpose", "selling"]),
            ("with |agreement", ["a need: the reader accepted", "Source: agreement", "no-agreement"]),
            ("when opted-|out", ["a fact: the reader said no"]),
            ("use cont|act", ["a category of data, grade 2", "2 members: email, phone"]),
            ("|use email", ["an operation"]),
            ("onl|y with", ["the needs"]),
            ("despite sel|l,", ["**shop/sell**", "we may use email for delivery"]),
            ("until account-clo|sed", ["an event"]),
        ]:
            with self.subTest(marked):
                plain = marked.replace("|", "")
                value = self.hover(SHOP.replace(plain, marked, 1))
                for word in words:
                    self.assertIn(word, value)

    def test_lsp_hover_in_a_catalogue(self):
        self.begin()
        self.open("catalogue.md", CATALOGUE)
        self.diagnostics()
        self.assertIn("a group of data", self.hover(CATALOGUE.replace("data reach", "data r|each"), "catalogue.md"))
        self.assertIn("one category", self.hover(CATALOGUE.replace("category secret", "cat|egory secret"), "catalogue.md"))

    def test_lsp_hover_of_nothing(self):
        self.begin()
        self.assertIsNone(self.hover(SHOP.replace("# A shop", "# A s|hop")))
        self.assertIsNone(self.hover(SHOP + "|"))
        self.assertIsNone(self.hover(SHOP.replace("for delivery", "for unkno|wn")))

    def test_lsp_hover_range_is_utf16(self):
        self.begin()
        text = SHOP.replace("document shop", "-- \U0001F4DA\ndocument sh|op")
        self.assertIsNone(self.at(text, "textDocument/hover"))
        answer = self.at(SHOP.replace("when opted-out", "when opt|ed-out"), "textDocument/hover")
        line = "despite sell, we must not use contact for newsletter when opted-out."
        start = line.index("opted-out")
        self.assertEqual([answer["range"][e]["character"] for e in ("start", "end")], [start, start + 9])

    def test_lsp_hover_in_a_policy_with_errors(self):
        self.begin()
        self.assertIn("a purpose", self.hover(SHOP.replace("for delivery only", "for deliv|ery onyl")))


class Completion(Lsp):
    def labels(self, marked):
        return [i["label"] for i in self.at(marked, "textDocument/completion")]

    def complete(self, sentence):
        return self.labels(SHOP.replace("we may use email for delivery only with agreement.", sentence, 1))

    def test_lsp_completion_fits_the_place(self):
        self.begin()
        for sentence, has, lacks in [
            ("|", ["we", "clerk", "despite", "to", "when"], ["email", "delivery"]),
            ("we may |", ["collect", "use", "store"], ["email", "delivery"]),
            ("we may collect, |", ["use"], ["email"]),
            ("we may use |", ["email", "contact", "reach"], ["delivery", "carrier"]),
            ("we may use email for |", ["delivery", "newsletter", "selling"], ["email", "agreement", "carrier"]),
            ("we may use email for del|", ["delivery"], ["email"]),
            ("we may use email with |", ["carrier", "own"], ["delivery"]),
            ("we may use email of |", ["adult", "child", "person"], ["carrier"]),
            ("we may use email in |", ["shop", "cn"], ["adult"]),
            ("we may use email on basis of |", ["none-claimed"], ["adult"]),
            ("we may use email only with |", ["agreement"], ["opted-out", "carrier"]),
            ("we may use email when |", ["opted-out", "not"], ["agreement"]),
            ("we may use email for delivery |", ["only", "when", "with"], ["delivery", "email"]),
            ("we may store email until |", ["account-closed"], ["email"]),
            ("to use email, we must |", ["have", "mask"], ["email"]),
            ("to use email, we must have |", ["agreement"], ["opted-out"]),
            ("to use email, we must mask as |", ["blank"], ["agreement"]),
            ("we must not use email as |", ["unsubscribed", "default-deny"], ["email"]),
            ("despite |", ["keep", "no-letters"], ["email"]),
            ("when |", ["account-closed"], ["opted-out"]),
            ("when account-closed, |", ["we", "clerk"], ["email"]),
            ("when account-closed and |", ["opted-out", "agreement"], ["letter"]),
            ("when account-closed, we must tell to |", ["readers"], ["letter", "carrier"]),
            ("when account-closed, we must tell to readers by |", ["letter", "site"], ["readers", "email"]),
            ("when account-closed, we must tell by letter, |", ["site"], ["readers", "email"]),
            ("we must never use email for |", ["delivery"], ["email"]),
        ]:
            with self.subTest(sentence):
                labels = self.complete(sentence)
                self.assertLessEqual(set(has), set(labels))
                self.assertFalse(set(lacks) & set(labels))

    def test_lsp_completion_on_a_further_line(self):
        self.begin()
        labels = self.complete("we may use email\n  for delivery,\n  |")
        self.assertIn("newsletter", labels)
        self.assertNotIn("email", labels)

    def test_lsp_completion_in_prose(self):
        self.begin()
        self.assertEqual(self.labels(SHOP.replace("# A shop", "# A |shop")), [])

    def test_lsp_completion_tells_kind_and_detail(self):
        self.begin()
        items = self.at(SHOP.replace("only with agreement", "only with |agreement"), "textDocument/completion")
        [need] = [i for i in items if i["label"] == "agreement"]
        self.assertEqual(need["detail"], "a need: the reader accepted")


class Definition(Lsp):
    def goto(self, marked, name="shop.md", documents=2):
        answer = self.at(marked, "textDocument/definition", name, documents)
        return answer and (answer["uri"], answer["range"]["start"]["line"], answer["range"]["start"]["character"])

    def line(self, text, start):
        return next(i for i, line in enumerate(text.split("\n")) if line.startswith(start))

    def test_lsp_definition(self):
        self.begin()
        catalogue = self.uri("catalogue.md")
        self.assertEqual(self.goto(SHOP.replace("for delivery", "for deli|very")),
                         (catalogue, self.line(CATALOGUE, "purpose selling"), len("purpose selling: ")))
        self.assertEqual(self.goto(SHOP.replace("use contact", "use c|ontact")),
                         (catalogue, self.line(CATALOGUE, "category contact"), len("category ")))
        self.assertEqual(self.goto(SHOP.replace("with agreement", "with agreement|")),
                         (catalogue, self.line(CATALOGUE, "need agreement"), len("need ")))
        self.assertEqual(self.goto(SHOP.replace("despite sell", "despite se|ll")),
                         (self.uri("shop.md"), self.line(SHOP, "```rule sell"), 0))
        self.assertEqual(self.goto(SHOP.replace("despite sell,", "despite sel|l.*, shop/keep,")), None)
        self.assertEqual(self.goto(SHOP.replace("despite sell,", "despite sell, shop/k|eep,")),
                         (self.uri("shop.md"), self.line(SHOP, "```rule keep"), 0))
        self.assertIsNone(self.goto(SHOP.replace("only with", "on|ly with")))

    def test_lsp_clause_id_of_a_fence(self):
        translation = "# Buch\n\n```rule sell\n```\n\n```plain nothing\nNichts.\n```\n"
        self.write("shop.de.md", translation)
        self.client.start()
        self.open()
        self.diagnostics(3)
        self.client.notify("textDocument/didOpen", {"textDocument": {
            "uri": self.uri("shop.de.md"), "languageId": "markdown", "version": 1, "text": translation}})
        self.diagnostics(3)
        sell = (self.uri("shop.md"), self.line(SHOP, "```rule sell"), 0)
        self.assertEqual(self.goto(translation.replace("rule sell", "rule se|ll"), "shop.de.md", 3), sell)
        self.assertIsNone(self.goto(translation.replace("plain nothing", "plain noth|ing"), "shop.de.md", 3))
        self.assertIsNone(self.goto(translation.replace("# Buch", "# Bu|ch"), "shop.de.md", 3))
        self.assertEqual(self.goto(SHOP.replace("rule sell", "rule se|ll"), "shop.md", 3), sell)
        hover = self.at(translation.replace("rule sell", "rule se|ll"), "textDocument/hover", "shop.de.md", documents=3)
        self.assertIn("we may use email for delivery", hover["contents"]["value"])

    def test_lsp_formatting(self):
        self.begin()
        self.change(SHOP.replace("we may use email", "we   may use email"))
        self.diagnostics()
        params = {"textDocument": {"uri": self.uri("shop.md")}, "options": {"tabSize": 2, "insertSpaces": True}}
        [edit] = self.client.request("textDocument/formatting", params)["result"]
        self.assertEqual(edit["newText"], SHOP)
        self.change(SHOP)
        self.diagnostics()
        self.assertEqual(self.client.request("textDocument/formatting", params)["result"], [])


class Malformed(Lsp):
    def expect_error(self, code):
        answer = self.client.message()
        self.assertEqual((answer["id"], answer["error"]["code"]), (None, code))

    def expect_alive(self):
        self.assertIn("capabilities", self.client.request("initialize", {})["result"])

    def test_lsp_bad_headers(self):
        for header in [b"Nonsense\r\n\r\n", b"Content-Length: x\r\n\r\n", b"Content-Length: -5\r\n\r\n",
                       b"Content-Type: text/plain\r\n\r\n", b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n",
                       b"Content-Length: 99999999999999999999\r\n\r\n", b"\r\n\r\n", b"X" * 5000]:
            with self.subTest(header[:40]):
                self.client.raw(header)
                self.expect_error(-32700)
        self.expect_alive()

    def test_lsp_message_too_long(self):
        self.client.raw(b"Content-Length: 2000000\r\n\r\n" + b" " * 2000000)
        self.expect_error(-32600)
        self.expect_alive()

    def test_lsp_bad_json(self):
        for body in ["{", "", "[" * 1000, '{"a":1,"a":2}', b"\xff\xfe", '"\\ud800"', "{} {}"]:
            with self.subTest(body):
                self.client.body(body)
                self.expect_error(-32700)
        self.expect_alive()

    def test_lsp_bad_requests(self):
        for body in ["[]", "1", "null", "{}", '{"jsonrpc":"1.0","method":"x"}', '{"jsonrpc":"2.0","method":7}',
                     '{"jsonrpc":"2.0","id":{},"method":"shutdown"}', '{"jsonrpc":"2.0","id":1.5,"method":"shutdown"}']:
            with self.subTest(body):
                self.client.body(body)
                self.expect_error(-32600)
        self.expect_alive()

    def test_lsp_unknown_methods(self):
        self.client.start()
        self.assertEqual(self.client.request("textDocument/rename")["error"]["code"], -32601)
        self.assertEqual(self.client.request("textDocument/didOpen", ident="as text")["error"]["code"], -32601)
        self.client.notify("$/cancelRequest", {"id": 1})
        self.client.notify("workspace/didChangeConfiguration")
        self.client.body('{"jsonrpc":"2.0","id":7,"result":null}')
        self.assertEqual(self.client.request("shutdown")["result"], None)

    def test_lsp_bad_params(self):
        self.begin()
        good = {"textDocument": {"uri": self.uri("shop.md")}}
        for params in [{}, [], {"textDocument": 1}, {"textDocument": {"uri": 1}, "position": {}}, good,
                       {**good, "position": {"line": -1, "character": 0}},
                       {**good, "position": {"line": 0, "character": "x"}},
                       {**good, "position": {"line": 0, "character": 1e300}}]:
            with self.subTest(str(params)):
                self.assertEqual(self.client.request("textDocument/hover", params)["error"]["code"], -32602)
        for position in [{"line": 2147483647, "character": 0}, {"line": 0, "character": 2147483647}]:
            self.assertIsNone(self.client.request("textDocument/hover", {**good, "position": position})["result"])

    def test_lsp_documents_it_cannot_have(self):
        self.client.start()
        for uri in ["untitled:1", "http://example.com/x.md", "file:///%zz", "file:///a%00b", "", "file://"]:
            self.client.notify("textDocument/didOpen", {"textDocument": {"uri": uri, "text": "x"}})
            self.client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        self.client.notify("textDocument/didChange", {"textDocument": {"uri": self.uri("shop.md")}, "contentChanges": 1})
        self.assertEqual(self.client.request("shutdown")["result"], None)

    def test_lsp_many_messages_in_one_write(self):
        one = b'{"jsonrpc":"2.0","id":%d,"method":"nothing"}'
        self.client.raw(b"".join(b"Content-Length: %d\r\n\r\n" % len(one % i) + one % i for i in range(1, 200)))
        self.assertEqual([self.client.message()["id"] for i in range(1, 200)], list(range(1, 200)))

    def test_lsp_message_in_pieces(self):
        body = b'{"jsonrpc":"2.0","id":1,"method":"shutdown"}'
        for byte in b"content-length:%d\r\nContent-Type: utf-8\r\n\r\n" % len(body) + body:
            self.client.raw(bytes([byte]))
        self.assertEqual(self.client.message()["error"]["code"], -32002)
