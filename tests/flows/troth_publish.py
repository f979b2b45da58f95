# SPDX-License-Identifier: Apache-2.0
"""Drafts of the reference policy, and publishing them on a running daemon."""
import json, os, re, shutil

from troth_flow import POLICY
from troth_people import People

SENTENCE = "we may collect, use account-linked for third-party-login only with agreement or deemed-agreement."
ASKED = dict(purpose="third-party-login", fields=["account-third-party-id"])
PROSE = "what was said, and how it ended."


class Publisher(People):
    """Today is 2026-11-23, in the operator's calendar from 2026-11-22T16:00:00Z on."""
    fresh = True

    def setUp(self):
        super().setUp()
        self.drafts = 0

    # ---- Drafts

    def draft(self, revision=13, day="2026-11-23", change=None, document="group", base=POLICY, translate=True):
        """A copy of the policy whose document has another number and day, and other words."""
        self.drafts += 1
        folder = os.path.join(self.daemon.home, "draft-%d" % self.drafts)
        shutil.copytree(base, folder)
        def edit(text):
            text = re.sub(r"revision \d+ in force from [\d-]+", "revision %d in force from %s" % (revision, day), text)
            return change(text) if change else text
        self.rewrite(folder, document + ".md", edit)
        return folder

    def rewrite(self, folder, name, edit):
        path = os.path.join(folder, name)
        with open(path) as f:
            text = f.read()
        changed = edit(text)
        self.assertNotEqual(changed, text)
        with open(path, "w") as f:
            f.write(changed)

    def neutral(self, **kw):
        return self.draft(change=lambda t: t.replace(PROSE, "what was said and how it ended, and nothing else."), **kw)

    def reducing(self, day, revision=13, **kw):
        """Nobody has to agree any more before a login of another company is used."""
        return self.draft(revision, day, lambda t: t.replace(
            "we may use account-linked for third-party-login only with agreement or deemed-agreement.",
            "we may use account-linked for third-party-login."), **kw)

    # ---- Shorthand

    def publish(self, folder, *more, code=0):
        done = self.daemon.cli("policy", "publish", folder, *self.daemon.here(), "--json", *more, code=code)
        return json.loads(done.stdout) if code == 0 else done.stderr

    def refused(self, folder, *words, more=()):
        said = self.publish(folder, *more, code=1)
        for word in words:
            self.assertIn(word, said)
        return said

    def sets(self):
        return self.expect(self.get("/v1/policy-sets"), 200)["sets"]

    def running(self):
        return self.get("/healthz").json["revision"]

    def login(self):
        """Whether a visitor's other login may be used, and under which revision."""
        got = self.decide("shop", **ASKED)
        return got["answer"], got["revision"]

    def revision(self, at=None, document="group"):
        got = self.get("/v1/policies/%s%s" % (document, "?at=" + at if at else ""))
        return got.json["revision"] if got.status == 200 else None
