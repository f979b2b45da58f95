# SPDX-License-Identifier: Apache-2.0
"""The policy of a bookshop with its own names for everything: words that are common, and what a flow adds of its own."""
import os, shutil, tempfile

from troth_flow import Flow

WORDS = """# Words

```catalogue
category contact grade 3: mail-address, telephone, street.
category papers grade 4: passport-number.
data email-addresses: mail-address.
operation collect, use, display, share, disclose, store, correct, erase.
actor us: clerk, packer.
actor person: subject, guardian.
subject people: child, minor, adult, visitor.
service counter.
jurisdiction here.
jurisdiction elsewhere.
purpose registration-login: opening-an-account.
purpose selling.
purpose direct-marketing: leaflets.
party own.
party carrier.
basis none-claimed.
need agreed "agreed" from agreement otherwise no-agreement.
need wanted "wanted" from consent otherwise consent-required.
event account-closed.
%s```
"""
TEXT = """# Policy

```document
document shop "Policy of a bookshop".
revision 3 in force from 2026-01-01.
```
%s"""


class Bookshop(Flow):
    """`words`: declarations beside the common ones; `rules`: blocks of rules."""
    words = rules = ""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="troth-flow-")
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.texts = {"words": WORDS % cls.words, "shop": TEXT % cls.rules}
        for name, text in cls.texts.items():
            with open(os.path.join(folder, name + ".md"), "w") as f:
                f.write(text)
        cls.daemon_options = {"policy": folder}
        super().setUpClass()
