# SPDX-License-Identifier: Apache-2.0
"""The checkers find what they are for: each is run on a small tree with one fault planted in it."""
import os, re, shutil, subprocess, tempfile, unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
TREE = {
    "Makefile": "PARTS := base policy store vault gate\nmay_base :=\nmay_policy := base\nmay_store := base\n"
                "may_vault := base store\nmay_gate := base policy store vault\ntest:\n",
    "src/base/base.h": SPDX, "src/base/base_impl.h": SPDX, "src/vault/vault.h": SPDX, "src/policy/policy.h": SPDX,
    "src/policy/policy.c": SPDX + '#include "policy.h"\n#include "base.h"\n',
    "src/store/store.c": SPDX + 'const char *q = "SELECT 1 FROM t";\n',
    "src/gate/gate.c": SPDX + '#include "vault.h"\n',
    "README.md": "`make test` reads `src/base/base.h`.\n" + "".join(
        "| `%s` | words |\n" % f for f in ("src/base", "src/vault", "src/policy", "src/store", "src/gate", "docs", "tools")),
    "docs/architecture.md": "| 0 | `base` | words | - |\n| 1 | `policy` | words | base |\n| 2 | `store` | words | base |\n"
                            "| 3 | `vault` | words | base store |\n| 3 | `gate` | words | base policy store vault |\n",
}


class Checkers(unittest.TestCase):
    def setUp(self):
        self.tree = tempfile.mkdtemp(prefix="troth-check-")
        self.addCleanup(shutil.rmtree, self.tree)
        shutil.copytree(os.path.join(ROOT, "tools"), os.path.join(self.tree, "tools"))
        for path, text in TREE.items():
            self.write(path, text)

    def write(self, path, text):
        full = os.path.join(self.tree, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as f:
            f.write(text)

    def check(self, tool):
        subprocess.run("git init -q . && git add .", shell=True, cwd=self.tree, check=True)
        done = subprocess.run([os.path.join("tools", tool), "build"], cwd=self.tree, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def finds(self, tool, path, text, message):
        self.assertEqual(self.check(tool), (0, ""))
        self.write(path, text)
        code, said = self.check(tool)
        self.assertEqual(code, 1, said)
        self.assertIn(message, said)
        self.assertIn(path, said)

    SHARDED = ("-- Distribution\n--   distributed by sid: person value\n--   reference: word\n"
               "CREATE TABLE person (\n    sid INTEGER NOT NULL PRIMARY KEY\n);\n"
               "CREATE TABLE value (\n    sid INTEGER NOT NULL,\n    field INTEGER NOT NULL,\n    PRIMARY KEY (sid, field)\n);\n"
               "CREATE TABLE word (\n    name TEXT NOT NULL PRIMARY KEY\n);\n")
    with open(os.path.join(ROOT, "tools", "check-shardable")) as f:
        EXCEPTED = "".join('X(%s, STORE_MAIN, "", "", "DELETE FROM word")\n' % name
                           for name in re.findall(r'^    "(\w+)": "', f.read(), re.M))
    QUERY = 'X(VALUE_GET, STORE_MAIN, "i", "i", "SELECT v.field FROM value v JOIN word w ON w.name = v.name WHERE v.sid = $1")\n'

    def shardable(self, path, text, message):
        self.write("src/store/schema.sql", self.SHARDED)
        self.write("src/store/keys.sql", "-- Distribution\n--   reference: k\nCREATE TABLE k (\n    name TEXT\n);\n")
        self.write("src/store/queries.def", self.QUERY + self.EXCEPTED)
        self.write("src/store/files.def", 'X(VALUE_GET, "SELECT field FROM value WHERE place = $1")\n')
        self.finds("check-shardable", path, text, message)

    def test_shardable_finds_a_statement_across_persons(self):
        self.shardable("src/store/queries.def", self.QUERY + self.EXCEPTED +
                       'X(OLD, STORE_MAIN, "i", "", "DELETE FROM value WHERE field = $1")\n', "not found by sid")

    def test_shardable_finds_a_unique_index_without_the_key(self):
        self.shardable("src/store/schema.sql", self.SHARDED + "CREATE UNIQUE INDEX u ON value (field);\n", "lacks its key")

    def test_shardable_finds_a_table_that_is_not_placed(self):
        self.shardable("src/store/schema.sql", self.SHARDED + "CREATE TABLE other (\n    name TEXT\n);\n", "not said")

    FOR_FILES = ("CREATE TABLE laid (\n    place INTEGER PRIMARY KEY, -- files: why\n    sid INTEGER NOT NULL,\n"
                 "    UNIQUE (sid) -- files: why\n    -- servers: PRIMARY KEY (%s)\n);\n")

    def test_shardable_looks_at_what_a_server_gets(self):
        self.SHARDED = self.SHARDED.replace("person value", "person value laid") + self.FOR_FILES % "sid"
        self.shardable("src/store/schema.sql", self.SHARDED.replace("KEY (sid)\n", "KEY (place)\n"), "lacks its key")

    def test_shardable_finds_a_line_for_nobody(self):
        self.SHARDED = self.SHARDED.replace("person value", "person value laid") + self.FOR_FILES % "sid"
        self.shardable("src/store/schema.sql", self.SHARDED.replace("-- servers: ", "-- servers "), "whom this line is for")

    def test_shardable_finds_another_statement_of_files(self):
        self.shardable("src/store/files.def", 'X(VALUE_GOT, "SELECT 1")\n', "no statement of queries.def")

    def test_layers_finds_upward_include(self):
        self.finds("check-layers", "src/store/x.c", SPDX + '#include "policy.h"\n', "not in the row of store")

    def test_layers_finds_private_header(self):
        self.finds("check-layers", "src/store/x.c", SPDX + '#include "base_impl.h"\n', "private to base")

    def test_layers_finds_vault_beside_the_gate(self):
        self.finds("check-layers", "src/store/x.c", SPDX + '#include "vault.h"\n', "only gate")

    def test_layers_finds_dots(self):
        self.finds("check-layers", "src/store/x.c", SPDX + '#include "../base/base.h"\n', "by its name alone")

    def test_layers_finds_a_row_pointing_upward(self):
        self.finds("check-layers", "Makefile", TREE["Makefile"].replace("may_base :=", "may_base := gate"), "below it")

    def test_sql_finds_a_statement(self):
        self.finds("check-sql", "src/gate/x.c", SPDX + 'const char *q = "DELETE FROM person WHERE 1";\n', "outside store")

    def test_sql_finds_a_client_call(self):
        self.finds("check-sql", "src/gate/x.c", SPDX + "void f(void)\n{\n    sqlite3_close(0);\n}\n", "sqlite3_close")

    def test_sql_finds_formatted_statements(self):
        self.finds("check-sql", "src/store/x.c", SPDX + 'f(arena_fmt(a, "SELECT %s", x));\n', "bind the value")

    def test_docs_finds_missing_path(self):
        self.finds("check-docs", "README.md", TREE["README.md"] + "see `src/base/none.h`\n", "src/base/none.h does not exist")

    def test_docs_finds_a_folder_that_is_not_there(self):
        self.finds("check-docs", "README.md", TREE["README.md"] + "| `man` | pages |\n", "there is no folder man")

    def test_docs_finds_a_folder_without_a_row(self):
        self.finds("check-docs", "README.md", TREE["README.md"].replace("| `src/gate`", "| gate"), "src/gate is not in the table")

    def test_docs_finds_a_row_that_is_not_the_makefile_s(self):
        self.finds("check-docs", "docs/architecture.md", TREE["docs/architecture.md"].replace("base store |", "base |"),
                   "the row of vault is not the Makefile's: base store")

    def test_docs_finds_a_part_without_a_row(self):
        self.finds("check-docs", "docs/architecture.md", TREE["docs/architecture.md"].replace("| 3 | `gate`", "| `gate`"),
                   "part gate has no row")

    def test_docs_finds_missing_target(self):
        self.finds("check-docs", "README.md", "run `make SAN=thread tset`\n", "no make target tset")

    def test_docs_finds_dead_link(self):
        self.finds("check-docs", "README.md", "[x](docs/none.md)\n", "leads nowhere")

    def test_docs_finds_missing_licence_line(self):
        self.finds("check-docs", "src/gate/x.c", "int x;\n", "is missing")

    def test_secrets_finds_comparison(self):
        self.finds("check-secrets", "src/gate/x.c", SPDX + "int f(void)\n{\n    return strcmp(token, given);\n}\n", "strcmp")

    def test_secrets_finds_printing(self):
        self.finds("check-secrets", "src/gate/x.c", SPDX + 'log_line(1, "a", "%s", reset_token);\n', "reset_token")

    def test_messages_finds_one_without_a_case(self):
        self.write("tests/cases/policy/a/expected", "a.md:1:1: error: the name 'x' is taken\n")
        self.finds("check-messages", "src/policy/x.c", SPDX + 'f(policy_say(l, MSG_NAME, at(1, 2), "the name \'%.*s\' is taken", 1),\n'
                   '  policy_say(l, MSG_NAME, at, "the %s "\n "is new", x));\n', "no case shows 'the %s is new'")

    def test_purity_finds_clock_and_malloc(self):
        self.write("src/policy/x.c", SPDX + "#include <stdlib.h>\n#include <time.h>\nlong f(void);\n"
                   "long f(void)\n{\n    return time(0) + (long)malloc(1);\n}\n")
        subprocess.run("mkdir -p build/obj/policy && cc -c src/policy/x.c -o build/obj/policy/x.o", shell=True,
                       cwd=self.tree, check=True)
        code, said = self.check("check-purity")
        self.assertEqual(code, 1, said)
        self.assertIn("this calls malloc", said)
        self.assertIn("this calls time", said)
