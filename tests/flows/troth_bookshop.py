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
ANNEX = """# Annex {0}

```document
document annex-{0} "Annex {0}".
prevails over {1}.
revision 1 in force from 2026-01-01.
```

```rule sell
we may use street for selling only with agreed.
```
"""


class Bookshop(Flow):
    """`words`: declarations beside the common ones; `rules`: blocks of rules; `annexes`: how many documents beside the first."""
    words = rules = ""
    annexes = 0

    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="troth-flow-")
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.texts = {"words": WORDS % cls.words, "shop": TEXT % cls.rules}
        for n in range(cls.annexes):
            cls.texts["annex-%d" % n] = ANNEX.format(n, ", ".join(["shop", *("annex-%d" % i for i in range(n))]))
        for name, text in cls.texts.items():
            with open(os.path.join(folder, name + ".md"), "w") as f:
                f.write(text)
        cls.daemon_options = {"policy": folder}
        super().setUpClass()
