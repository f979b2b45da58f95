// SPDX-License-Identifier: Apache-2.0
/* Every command, one row each. See cli_impl.h */
#include "cli_impl.h"
#include "cmd_audit.h"
#include "cmd_backup.h"
#include "cmd_policy.h"
#include "cmd_policy_diff.h"
#include "cmd_policy_prove.h"
#include "cmd_policy_publish.h"
#include "cmd_policy_render.h"
#include "cmd_policy_text.h"
#include "cmd_policy_what_if.h"

const struct cli_option cli_common[] = {
    {"data", CLI_STRING, "DIR", false, NULL, "the data folder (default: $TROTH_DATA, then `data`)"},
    {"clock-file", CLI_STRING, "FILE", false, NULL, "tests: take the time from this file (RFC 3339)"},
    {"json", CLI_FLAG, NULL, false, NULL, "print the answer as JSON"},
    {0},
};

static const struct cli_option init_options[] = {
    {"policy", CLI_STRING, "SRC", false, NULL,
     "folder of policy documents to copy (default: the reference policy)"},
    {"host", CLI_STRING, "NAME", false, NULL, "host name in the name of the record (default: localhost)"},
    {"database", CLI_STRING, "URL", false, NULL,
     "a PostgreSQL database for the people's data: postgresql://… (default: $TROTH_DATABASE, then a file)"},
    {"keys-database", CLI_STRING, "URL", false, NULL,
     "another one, in production on another server, for their keys (default: $TROTH_KEYS_DATABASE)"},
    {"listen-database", CLI_STRING, "URL", false, NULL,
     "the server itself, where --database leads through a connection pool (PgBouncer)"},
    {"history-database", CLI_STRING, "URL", false, NULL,
     "a streaming replica of --database: people's histories are read there"},
    {"epoch", CLI_STRING, "UNIT", false, NULL, "epochs of the record: quarter (default), month or year"},
    {"node", CLI_STRING, "NAME", false, NULL,
     "name of this daemon among several on one database; where there is an installation, it joins it"},
    {"master-key", CLI_STRING, "FILE", false, NULL,
     "joining: the installation's master key, which is copied"},
    {"master-key-command", CLI_STRING, "COMMAND", false, NULL,
     "joining: a shell command that prints it instead (default: $TROTH_MASTER_KEY_COMMAND)"},
    {"demo", CLI_FLAG, NULL, false, NULL,
     "register example services and recipients; tokens go to demo-tokens.json"},
    {"clock-file", CLI_STRING, "FILE", false, NULL, "tests: take the time from this file (RFC 3339)"},
    {0},
};
static const struct cli_option schema_options[] = {
    {"keys", CLI_FLAG, NULL, false, NULL, "of the database of the keys (default: of the people's data)"},
    {"citus", CLI_FLAG, NULL, false, NULL,
     "the calls that distribute the tables with Citus, instead of the tables"},
    {0},
};
static const struct cli_option migrate_options[] = {
    {"from", CLI_STRING, "DIR", true, NULL, "the data folder; its daemon is stopped"},
    {"to", CLI_STRING, "URL", false, NULL,
     "an empty PostgreSQL database for the people's data: postgresql://… (default: $TROTH_DATABASE; going "
     "on: "
     "that of the beginning)"},
    {"keys-to", CLI_STRING, "URL", false, NULL,
     "another one, in production on another server, for their keys (default: $TROTH_KEYS_DATABASE)"},
    {"give-up", CLI_FLAG, NULL, false, NULL,
     "drop what a half-finished migration made; the folder is as it was"},
    {"master-key-command", CLI_STRING, "COMMAND", false, NULL,
     "a shell command that prints the master key (default: $TROTH_MASTER_KEY_COMMAND)"},
    {"json", CLI_FLAG, NULL, false, NULL, "print tables, rows and digests as JSON"},
    {"clock-file", CLI_STRING, "FILE", false, NULL, "tests: take the time from this file (RFC 3339)"},
    {0},
};
static const struct cli_option serve_options[] = {
    {"listen", CLI_STRING, "ADDR", false, NULL,
     "address and port (default: 127.0.0.1:8080; port 0 picks one)"},
    {"readers", CLI_NUMBER, "N", false, NULL, "reader threads (default: 2)"},
    {"master-key", CLI_STRING, "FILE", false, NULL, "the master key (default: DIR/master-key)"},
    {"master-key-command", CLI_STRING, "COMMAND", false, NULL,
     "a shell command that prints the master key (default: $TROTH_MASTER_KEY_COMMAND)"},
    {"known-checkpoint", CLI_STRING, "FILE", false, NULL,
     "a head of the record that was kept elsewhere, as a signed note or a receipt: refuse to start on an "
     "older one"},
    {"checkpoint-to", CLI_STRING, "FILE|syslog", false, NULL,
     "leave the newest head of the record there, too, each minute and at the end: in a file that is appended "
     "to, or in the system's log"},
    {"accept-loss", CLI_FLAG, NULL, false, NULL,
     "start though a backup that was put back lacks what the record, or the database, has; that goes on "
     "record"},
    {"lock-memory", CLI_FLAG, NULL, false, NULL,
     "refuse to start where the daemon's memory may not be locked, which keeps it out of swap; without, "
     "it is locked where that is allowed"},
    {"no-lock-memory", CLI_FLAG, NULL, false, NULL,
     "leave it to the system what is put into swap: values can get there"},
    {"clock-file", CLI_STRING, "FILE", false, NULL, "tests: take the time from this file (RFC 3339)"},
    {0},
};
static const struct cli_option service_options[] = {
    {"class", CLI_STRING, "CLASS", true, "class", "service class, one the policy declares"},
    {"title", CLI_STRING, "TEXT", false, "title", "what people read"},
    {"sources", CLI_LIST, "A,B", false, "sources", "sources it may claim (default: all)"},
    {"lenient", CLI_FLAG, NULL, false, "lenient", "drop and count undeclared fields instead of refusing"},
    {"renew", CLI_FLAG, NULL, false, "renew", "change a registered service and issue a new token"},
    {"ended", CLI_STRING, "TIME", false, "ended", "when the service ends"},
    {0},
};
static const struct cli_option recipient_options[] = {
    {"class", CLI_STRING, "CLASS", true, "class", "party, one the policy declares"},
    {"title", CLI_STRING, "TEXT", false, "title", "what people read"},
    {"country", CLI_STRING, "CN", false, "country", "ISO 3166-1 alpha-2 (default: CN)"},
    {"suspended", CLI_FLAG, NULL, false, "suspended", "stop everything to it at once"},
    {"resumed", CLI_OFF, NULL, false, "suspended", "let a suspended one receive again"},
    {0},
};
static const struct cli_option paper_options[] = {
    {"kind", CLI_STRING, "NEED", true, "kind", "the need it satisfies: confidentiality, assessment"},
    {"reference", CLI_STRING, "TEXT", true, "reference", "where it is filed"},
    {"from", CLI_STRING, "DATE", false, "from", "first day (default: now)"},
    {"until", CLI_STRING, "DATE", true, "until", "end"},
    {0},
};
static const struct cli_option grant_options[] = {
    {"purpose", CLI_STRING, "NAME", true, "purpose", "what for"},
    {"fields", CLI_LIST, "A,B", true, "fields", "which fields, one by one"},
    {"from", CLI_STRING, "DATE", false, "from", "first day (default: now)"},
    {"until", CLI_STRING, "DATE", true, "until", "end"},
    {0},
};
static const struct cli_option add_options[] = {
    {"birth-date", CLI_STRING, "DATE", true, "birth_date", "kept as an age band"},
    {"service", CLI_STRING, "NAME", true, "service", "the service the person registers with"},
    {0},
};
static const struct cli_option history_options[] = {
    {"limit", CLI_NUMBER, "N", false, "?limit", "how many entries (default: 100, most: 500)"},
    {0},
};
static const struct cli_option import_options[] = {
    {"name", CLI_STRING, "NAME", false, NULL,
     "what it is called: one that was interrupted goes on under its name"},
    {"ids", CLI_STRING, "FILE", false, NULL, "where the ids go (default: FILE.ids)"},
    {"rejects", CLI_STRING, "FILE", false, NULL, "where refused lines go (default: FILE.rejects)"},
    {"patience", CLI_NUMBER, "SECONDS", false, NULL,
     "how long to try again while the daemon is busy, full or gone (default: 60; 0: not at all)"},
    {0},
};
static const struct cli_option erase_options[] = {
    {"actor", CLI_STRING, "WHO", false, "?actor", "whose wish: subject (default) or guardian"},
    {"guardian", CLI_STRING, "ID", false, "?guardian", "with --actor guardian: who"},
    {0},
};
static const struct cli_option export_all_options[] = {
    {"purpose", CLI_STRING, "NAME", true, "purpose", "what for, as the policy names it: rights-requests"},
    {"service", CLI_STRING, "NAME", true, "service", "where it was asked for"},
    {"actor", CLI_STRING, "WHO", false, "actor", "subject (default), or guardian:ID"},
    {0},
};
static const struct cli_option close_options[] = {
    {"service", CLI_STRING, "NAME", false, "service",
     "the service (default: all; whom no hold keeps is erased)"},
    {"actor", CLI_STRING, "WHO", false, "?actor", "whose wish: subject (default) or guardian"},
    {"guardian", CLI_STRING, "ID", false, "?guardian", "with --actor guardian: who"},
    {0},
};
static const struct cli_option verify_options[] = {
    {"guardian", CLI_STRING, "ID", true, "guardian", "the guardian"},
    {"evidence", CLI_STRING, "TEXT", false, "evidence", "reference of the proof, not the proof"},
    {0},
};
static const struct cli_option agree_options[] = {
    {"document", CLI_STRING, "NAME", true, "document", "name of the document"},
    {"service", CLI_STRING, "NAME", false, "service",
     "the service it was done in; the person is its own from then on"},
    {"guardian", CLI_STRING, "ID", false, "guardian", "the guardian, with --actor guardian"},
    {"actor", CLI_STRING, "WHO", false, "actor", "subject (default) or guardian"},
    {"language", CLI_STRING, "TAG", false, "language", "what was shown (BCP 47)"},
    {"channel", CLI_STRING, "NAME", false, "channel", "web, letter, ..."},
    {"evidence", CLI_STRING, "TEXT", false, "evidence", "reference"},
    {0},
};
static const struct cli_option approve_options[] = {
    {"need", CLI_STRING, "NAME", true, "need", "officer-approval, assignment and others"},
    {"staff", CLI_STRING, "NAME", true, "staff", "who approves"},
    {"party", CLI_STRING, "ACTOR", false, "party", "whom: `staff:agent-1`"},
    {"purpose", CLI_STRING, "NAME", false, "purpose", "what for (default: every purpose)"},
    {"service", CLI_STRING, "NAME", false, "service", "where (default: everywhere)"},
    {"until", CLI_STRING, "TIME", false, "until", "end (default: until withdrawn)"},
    {"evidence", CLI_STRING, "TEXT", false, "evidence", "reference"},
    {0},
};
static const struct cli_option event_options[] = {
    {"event", CLI_STRING, "NAME", true, "event", "as the policy names it: case-closed, purpose-ended, ..."},
    {"item", CLI_STRING, "NUMBER", false, "item", "only what carries this number: an order, a case"},
    {"fields", CLI_LIST, "A,B", false, "fields", "only these"},
    {"purpose", CLI_STRING, "NAME", false, "purpose", "only what was collected for it"},
    {"service", CLI_STRING, "NAME", false, "service", "only what came through it"},
    {"time", CLI_STRING, "DATE", false, "time", "when it happened: now (default), or before"},
    {0},
};
static const struct cli_option hold_options[] = {
    {"fields", CLI_LIST, "A,B", true, "fields", "which fields, one by one"},
    {"reference", CLI_STRING, "TEXT", true, "reference", "the law and the file"},
    {"from", CLI_STRING, "DATE", false, "from", "when their own purpose ended (default: now)"},
    {"until", CLI_STRING, "DATE", true, "until", "end"},
    {0},
};
static const struct cli_option reference_options[] = {
    {"reference", CLI_STRING, "TEXT", true, "reference", "the clause or article"},
    {"from", CLI_STRING, "DATE", false, "from", "first day (default: now)"},
    {"until", CLI_STRING, "DATE", true, "until", "end"},
    {0},
};
static const struct cli_option class_options[] = {
    {"title", CLI_STRING, "TEXT", false, "title", "what people read"},
    {0},
};
static const struct cli_option rotate_options[] = {
    {"class", CLI_STRING, "CLASS", false, NULL, "change the key of a class of persons: adult or child"},
    {"master", CLI_FLAG, NULL, false, NULL, "change the master key"},
    {"to", CLI_STRING, "FILE", false, NULL,
     "master: where the new key is, or is made (default: it takes the place of the old file)"},
    {0},
};
#define OPENED_BY                                                                                            \
    {"passphrase-file", CLI_STRING, "FILE", false, NULL, "instead: the words that open it (mode 0600)"},     \
    {                                                                                                        \
        "passphrase-command", CLI_STRING, "CMD", false, NULL, "instead: a shell command that prints them"    \
    }
static const struct cli_option backup_options[] = {
    {"data-file", CLI_STRING, "FILE", false, NULL,
     "write the data here: database, record, documents, ledger"},
    {"keys-file", CLI_STRING, "FILE", false, NULL, "write the keys here: persons' wrapped keys, signing key"},
    {"region", CLI_STRING, "CC", true, NULL, "the country where the files will lie (CN)"},
    {"for", CLI_STRING, "FILE.pub", false, NULL,
     "seal for the owner of this public key (`troth backup key`)"},
    {"keys-for", CLI_STRING, "FILE.pub", false, NULL, "the same for the keys, if somebody else holds them"},
    {"passphrase-file", CLI_STRING, "FILE", false, NULL,
     "instead: seal for who knows these words (mode 0600)"},
    {"passphrase-command", CLI_STRING, "CMD", false, NULL, "instead: a shell command that prints them"},
    {"master-key-command", CLI_STRING, "CMD", false, NULL,
     "without a daemon: the master key, if it is not in its file"},
    {0},
};
static const struct cli_option backup_check_options[] = {
    {"key", CLI_STRING, "FILE", false, NULL, "the secret key that opens it"},
    OPENED_BY,
    {"json", CLI_FLAG, NULL, false, NULL, "print the answer as JSON"},
    {0},
};
static const struct cli_option restore_options[] = {
    {"data-file", CLI_STRING, "FILE", true, NULL, "the backup of the data"},
    {"keys-file", CLI_STRING, "FILE", true, NULL, "the backup of the keys, of the same instant or newer"},
    {"key", CLI_STRING, "FILE", false, NULL, "the secret key that opens them"},
    {"keys-key", CLI_STRING, "FILE", false, NULL, "the one that opens the keys, if it is another"},
    OPENED_BY,
    {"master-key", CLI_STRING, "FILE", false, NULL, "the master key; a copy of it goes into the folder"},
    {"master-key-command", CLI_STRING, "CMD", false, NULL, "instead: a shell command that prints it"},
    {"ledger", CLI_STRING, "FILE", false, NULL,
     "the newest ledger of the erased (one that lies beside the files is taken anyway)"},
    {"known-checkpoint", CLI_STRING, "FILE", false, NULL,
     "a head of the record that was kept elsewhere, as a signed note or a receipt: refuse an older record"},
    {"older-keys", CLI_FLAG, NULL, false, NULL, "go on though the keys are older than the data"},
    {"clock-file", CLI_STRING, "FILE", false, NULL, "tests: take the time from this file (RFC 3339)"},
    {"json", CLI_FLAG, NULL, false, NULL, "print the answer as JSON"},
    {0},
};
static const struct cli_option decide_options[] = {
    {"subject", CLI_STRING, "ID", false, "subject", "the person (default: a visitor)"},
    {"service", CLI_STRING, "NAME", true, "service", "where"},
    {"purpose", CLI_STRING, "NAME", true, "purpose", "what for"},
    {"operation", CLI_STRING, "NAME", false, "operation", "default: use"},
    {"fields", CLI_LIST, "A,B", false, "fields", "which fields (default: is there anything at all?)"},
    {"recipient", CLI_STRING, "NAME", false, "recipient", "a registered recipient"},
    {"basis", CLI_STRING, "NAME", false, "basis", "a claimed basis that needs no consent"},
    {"actor", CLI_STRING, "WHO", false, "actor", "service (default), subject, guardian:ID, staff:NAME"},
    {"explain", CLI_FLAG, NULL, false, "explain", "how the answer came about"},
    {0},
};

static const struct cli_option json_options[] = {
    {"json", CLI_FLAG, NULL, false, NULL, "print the answer as JSON"},
    {0},
};
static const struct cli_option render_options[] = {
    {"lang", CLI_STRING, "TAG", false, NULL, "only this language: en, zh-CN, ... (default: all there are)"},
    {"out", CLI_STRING, "FOLDER", false, NULL, "where to (default: published)"},
    {"open", CLI_FLAG, NULL, false, NULL, "with the boxes under the clauses open, for paper"},
    {"since", CLI_STRING, "OLDDIR", false, NULL, "say what changed since the documents of this folder"},
    {0},
};
static const struct cli_option publish_options[] = {
    {"effective", CLI_STRING, "WHEN", false, NULL,
     "a day or an instant (default: the day the documents name)"},
    {"dry-run", CLI_FLAG, NULL, false, NULL, "only say what would happen"},
    {"data", CLI_STRING, "DIR", false, NULL, "the data folder (default: $TROTH_DATA, then `data`)"},
    {"clock-file", CLI_STRING, "FILE", false, NULL, "tests: take the time from this file (RFC 3339)"},
    {"json", CLI_FLAG, NULL, false, NULL, "print the answer as JSON"},
    {0},
};
static const struct cli_option explain_options[] = {
    {"request", CLI_STRING, "TEXT", true, NULL, "the request: NAME=VALUE, separated by blanks"},
    {"json", CLI_FLAG, NULL, false, NULL, "print the answer as JSON"},
    {0},
};

static const struct cli_option what_if_options[] = {
    {"data", CLI_STRING, "DIR", false, NULL, "the data folder (default: $TROTH_DATA, then `data`)"},
    {"since", CLI_STRING, "TIME", false, NULL, "only what was decided from then on"},
    {"until", CLI_STRING, "TIME", false, NULL, "only what was decided before"},
    {"master-key", CLI_STRING, "FILE", false, NULL, "the master key (default: DIR/master-key)"},
    {"json", CLI_FLAG, NULL, false, NULL, "print the answer as JSON"},
    {0},
};
static const struct cli_option tests_options[] = {
    {"check", CLI_STRING, "FILE", false, NULL,
     "decide the cases of a file again and name those that changed"},
    {0},
};
static const struct cli_option verify_record_options[] = {
    {"against", CLI_STRING, "FILE", false, NULL,
     "a head somebody kept, as a signed note or a receipt: the record must contain it (may be repeated)"},
    {"trust", CLI_STRING, "FILE", false, NULL,
     "logs and witnesses you believe: their quorum must have cosigned"},
    {"index", CLI_FLAG, NULL, false, NULL, "the index log over all nodes on the database as well"},
    {"json", CLI_FLAG, NULL, false, NULL, "print the answer as JSON"},
    {0},
};
static const struct cli_option prove_record_options[] = {
    {"receipt", CLI_STRING, "FILE", false, NULL,
     "instead of INDEX: the `receipt` of an answer, as it came (JSON); prints the whole receipt, with what "
     "was recorded"},
    {0},
};
static const struct cli_option receipt_options[] = {
    {"key", CLI_STRING, "KEY", false, NULL, "the log's verifier key, or a file with it (/audit/key)"},
    {"trust", CLI_STRING, "FILE", false, NULL, "instead: logs and witnesses you believe"},
    {"json", CLI_FLAG, NULL, false, NULL, "print the answer as JSON"},
    {0},
};
static const struct cli_option prune_options[] = {
    {"until", CLI_STRING, "EPOCH", false, NULL,
     "up to and with this one, like 2026q4 (default: all that are due)"},
    {"dry-run", CLI_FLAG, NULL, false, NULL, "only say what would go"},
    {0},
};
static const struct cli_option keep_options[] = {
    {"months", CLI_NUMBER, "N", true, "months", "36 or more (default, before it was ever set: 36)"},
    {0},
};
static const struct cli_option witness_options[] = {
    {"logs", CLI_STRING, "FILE", true, NULL, "verifier keys of the logs to watch, one a line"},
    {"name", CLI_STRING, "NAME", false, NULL,
     "at the first start: the witness's name, like witness.example/w1"},
    {"listen", CLI_STRING, "ADDR", false, NULL,
     "address and port (default: 127.0.0.1:8090; port 0 picks one)"},
    {0},
};
static const struct cli_option feed_options[] = {
    {"trust", CLI_STRING, "FILE", true, NULL, "witnesses with their URLs, and the quorum that must cosign"},
    {"every", CLI_NUMBER, "S", false, NULL, "seconds between two heads (default: 10)"},
    {"once", CLI_FLAG, NULL, false, NULL, "one head, then end"},
    {0},
};
static const struct cli_option format_options[] = {
    {"check", CLI_FLAG, NULL, false, NULL, "change nothing; name the files that would change"},
    {0},
};
static const struct cli_option export_options[] = {
    {"dpv", CLI_FLAG, NULL, false, NULL, "JSON-LD in the words of the W3C Data Privacy Vocabulary"},
    {0},
};

/* OWN: a function of ours. TELL: the same, with a further paragraph of help. RAW: reads its own arguments.
 * ASK: one request, and nothing but its row. */
#define OWN(w, a, lo, hi, s, f, o)                                                                           \
    {                                                                                                        \
        .words = w, .args = a, .min = lo, .max = hi, .summary = s, .run = f, .options = o                    \
    }
#define TELL(w, a, lo, hi, s, f, o, m)                                                                       \
    {                                                                                                        \
        .words = w, .args = a, .min = lo, .max = hi, .summary = s, .run = f, .options = o, .more = m         \
    }
#define RAW(w, a, s, f, o, m)                                                                                \
    {                                                                                                        \
        .words = w, .args = a, .summary = s, .raw = f, .options = o, .more = m                               \
    }
#define ASK(w, a, n, s, o, meth, p, mem, fix)                                                                \
    {                                                                                                        \
        .words = w, .args = a, .min = n, .max = n, .summary = s, .run = cmd_request, .options = o,           \
        .method = METHOD_##meth, .path = p, .member = mem, .fixed = fix                                      \
    }

/* TELL (m may be null), and holds keys or values. */
#define HOLD(w, a, lo, hi, s, f, o, m)                                                                       \
    {                                                                                                        \
        .words = w, .args = a, .min = lo, .max = hi, .summary = s, .run = f, .options = o, .more = m,        \
        .holds = true                                                                                        \
    }

/* OWN, and makes requests. */
#define TALK(w, a, lo, hi, s, f, o)                                                                          \
    {                                                                                                        \
        .words = w, .args = a, .min = lo, .max = hi, .summary = s, .run = f, .options = o, .asks = true      \
    }

/* clang-format off */
const struct cli_command cli_commands[] = {
    HOLD("init", "DIR", 1, 1, "make a data folder: databases, keys, record, policy", cmd_init, init_options, NULL),
    HOLD("serve", "DIR", 1, 1, "serve a data folder (the same as trothd)", cmd_serve, serve_options, NULL),
    HOLD("migrate", "", 0, 0, "move an installation of files to PostgreSQL; can be taken up again", cmd_migrate, migrate_options,
        "The folder stays the installation's, with its record: troth.db and keys.db go to the two databases, are read again there "
        "and compared, row by row, and are removed then. What was cut short, by whatever, goes on when the command is given "
        "again; until then nothing else opens the folder. Exit codes: 0 moved, 1 refused, with the reason, or it stopped, 2 usage."),
    OWN("schema", "", 0, 0, "print the tables as `init --database` makes them on PostgreSQL", cmd_schema, schema_options),
    TELL("policy check", "DIR", 1, 1, "read policy documents and name what is wrong with them", cmd_policy_check,
        json_options, "Exit codes: 0 no error, 1 errors, 2 usage, or the folder cannot be read."),
    TELL("policy explain", "DIR", 1, 1, "which norms match a request, what lifts what, and the answer",
        cmd_policy_explain, explain_options,
        "A request names operation=, actor=, subject=, service=, jurisdiction=, party=, purpose=, basis= and field=, "
        "and what holds: needs=A,B and facts=A,!B,?C (true, false, unknown). A dimension left out takes its first "
        "declared value; a fact left out is false; nothing is said twice. Exit codes: 0 answered, 1 the policy has errors, 2 usage, a request that "
        "cannot be read, or a folder that cannot be read."),
    TELL("policy prove", "DIR ['SENTENCE']", 1, 2, "is a promise kept in every case? all promises, or one sentence",
        cmd_policy_prove, json_options,
        "A sentence is one of `WHO must never ACT`, `WHO may always ACT` and `every allowed ACT must ...`. Exit codes: 0 all "
        "are proved, 1 one is broken, or the policy has errors, 2 usage, a sentence that is no promise, or a folder that "
        "cannot be read."),
    TELL("policy diff", "OLD NEW", 2, 2, "what changes for people between two folders of documents", cmd_policy_diff,
        json_options,
        "Reduced rights come first, large regions before small ones; each with its clause, the sentence before and after, "
        "where it makes a difference, and a request that is answered otherwise. Exit codes: 0 no change, 3 changes that "
        "protect or are neutral, 4 rights are reduced, 2 usage, or a folder that cannot be read or compiled."),
    TELL("policy effect", "DIR DOCUMENT", 2, 2, "what one document does: the diff without its rules and with them",
        cmd_policy_effect, json_options, "Exit codes as those of `troth policy diff`."),
    TELL("policy tests", "DIR", 1, 1, "one test case for each answer and each ban of the policy", cmd_policy_tests,
        tests_options,
        "A case is a line of name, request, answer, reason, clause and the rest, with tabs between; `-` expects nothing. "
        "The name does not depend on the order of sentences. With --check: exit codes 0 all are answered as before, 1 some "
        "are not, 2 usage, or a file that cannot be read."),
    TELL("policy render", "DIR", 1, 1, "write the published page of every document and language as an HTML file",
        cmd_policy_render, render_options,
        "Files are called DOCUMENT.LANG.html and need nothing else. Exit codes: 0 written, 1 errors in the policy or no "
        "text in the language, 2 usage, or a folder that cannot be read or written."),
    {.words = "policy what-if",
     .args = "DRAFT",
     .min = 1,
     .max = 1,
     .summary = "the decisions on record, decided again under a draft: what would change",
     .run = cmd_policy_what_if,
     .holds = true,
     .options = what_if_options,
     .more = "Reads the data folder, also beside a daemon that has it open, and changes nothing. Prints counts and "
             "names of the policy only. Exit codes: 0 nothing would change, 3 something would, 1 the draft or the folder "
             "cannot be read, 2 usage."},
    HOLD("policy publish", "DIR", 1, 1, "make documents the policy that runs, from the day they name", cmd_policy_publish,
        publish_options, NULL),
    ASK("policy revisions", "", 0, "sets of documents: what was in force when, and what waits", NULL, GET,
        "/v1/policy-sets", NULL, NULL),
    ASK("policy unpublish", "SET", 1, "take a published set back before its instant", NULL, DELETE,
        "/v1/policy-sets/{0}", NULL, NULL),
    TELL("policy format", "DIR|FILE", 1, 1, "lay the blocks of policy documents out in one way", cmd_policy_format,
        format_options,
        "Exit codes: 0 laid out, 1 with --check files would change, or a block cannot be read, 2 usage, or nothing there."),
    TELL("policy coverage", "DIR", 1, 1, "what each section of the prose has beneath it", cmd_policy_coverage,
        json_options, "Exit codes: 0 each has something, 1 one has nothing, 2 usage, or a folder that cannot be read."),
    TELL("policy export", "DIR", 1, 1, "the whole policy as JSON", cmd_policy_export, export_options,
        "Exit codes: 0 printed, 1 the policy has errors, 2 usage, or a folder that cannot be read."),
    OWN("policy lsp", "[DIR]", 0, 1, "language server for editors, on stdin and stdout", cmd_policy_lsp, NULL),
    ASK("decide", "", 0, "ask the running policy; the question goes on record", decide_options, POST, "/v1/decisions",
        NULL, NULL),
    ASK("service add", "NAME", 1, "register a service and print its token, once", service_options, POST,
        "/v1/services", "name", NULL),
    ASK("service list", "", 0, "registered services", NULL, GET, "/v1/services", NULL, NULL),
    ASK("node list", "", 0, "the daemons on one database: who runs, since when, how far their records are", NULL, GET,
        "/v1/nodes", NULL, NULL),
    TALK("node retire", "NAME", 1, 1, "close the record of a daemon that is gone for good", cmd_node_retire, NULL),
    ASK("recipient add", "NAME", 1, "register a recipient, or change it", recipient_options, POST, "/v1/recipients",
        "name", NULL),
    ASK("recipient paper", "NAME", 1, "file a paper of a recipient: what it signed, until when", paper_options, POST,
        "/v1/recipients/{0}/papers", NULL, NULL),
    ASK("recipient grant", "NAME", 1, "say what a recipient may receive, field by field", grant_options, POST,
        "/v1/recipients/{0}/grants", NULL, NULL),
    ASK("recipient list", "", 0, "registered recipients, their papers and grants", NULL, GET, "/v1/third-parties",
        NULL, NULL),
    ASK("subject add", "", 0, "register a person", add_options, POST, "/v1/subjects", NULL, NULL),
    ASK("subject show", "ID", 1, "age band, state and services of a person", NULL, GET, "/v1/subjects/{0}", NULL, NULL),
    ASK("subject data", "ID", 1, "what is held: provenance, no values", NULL, GET, "/v1/subjects/{0}/data", NULL, NULL),
    ASK("subject history", "ID", 1, "who read or changed what, and why", history_options, GET,
        "/v1/subjects/{0}/history", NULL, NULL),
    ASK("subject consents", "ID", 1, "agreements, consents and withdrawals", NULL, GET, "/v1/subjects/{0}/consents",
        NULL, NULL),
    ASK("subject shares", "ID", 1, "what was shared with whom", NULL, GET, "/v1/subjects/{0}/shares", NULL, NULL),
    ASK("subject verify", "CHILD", 1, "link a guardian whose guardianship was proved", verify_options, POST,
        "/v1/subjects/{0}/guardians", NULL, "\"verified\":true"),
    ASK("subject agree", "ID", 1, "record an agreement given on paper or by phone", agree_options, POST,
        "/v1/subjects/{0}/consents", NULL, "\"state\":\"given\""),
    ASK("subject approve", "ID", 1, "approve an access that needs it", approve_options, POST,
        "/v1/subjects/{0}/consents", NULL, "\"state\":\"given\",\"actor\":\"staff\""),
    {.words = "import",
     .args = "FILE",
     .min = 1,
     .max = 1,
     .summary = "take in many persons, one JSON object a line",
     .run = cmd_import,
     .options = import_options,
     .asks = true,
     .more = "Each line is a person: `service`, `birth_date`, `consents` (acts, as POST /v1/subjects/{id}/consents takes "
             "them), `data` (sets of values, as PUT /v1/subjects/{id}/data takes them) and a `ref` of yours. It goes through the "
             "same rules as a registration by that service. A refused line leaves nothing behind and goes to the rejects with "
             "its number and the reason; the others go on. What was interrupted goes on where it stopped. While the daemon is busy, has no room or is being started again, it waits and "
             "tries again, up to --patience. FILE may be -. "
             "Exit codes: 0 all were taken in, 1 some were refused or it stopped, 2 usage."},
    ASK("subject erase", "ID", 1, "erase a person: destroy the key, keep the proof", erase_options, DELETE,
        "/v1/subjects/{0}", NULL, NULL),
    ASK("subject export", "ID", 1, "everything held of a person, for themself, with a receipt", export_all_options, POST,
        "/v1/subjects/{0}/export", NULL, NULL),
    ASK("subject close", "ID", 1, "close the account with a service, or with all, with a receipt", close_options, POST,
        "/v1/subjects/{0}/closure", NULL, NULL),
    ASK("subject event", "ID", 1, "something happened from which times to keep count: case-closed, ...",
        event_options, POST, "/v1/subjects/{0}/events", NULL, NULL),
    ASK("hold add", "ID", 1, "keep fields of a person for a legal duty only", hold_options, POST,
        "/v1/subjects/{0}/holds", NULL, NULL),
    ASK("hold list", "ID", 1, "what is kept of a person for a legal duty only", NULL, GET, "/v1/subjects/{0}/holds",
        NULL, NULL),
    TALK("retain sweep", "", 0, 0, "delete now what is kept beyond its time (the daemon does so every minute)",
        cmd_retain_sweep, NULL),
    ASK("retain status", "", 0, "what is due, and when the next value is", NULL, GET, "/v1/retention", NULL, NULL),
    TALK("key rotate", "", 0, 0, "change a class key or the master key while serving; can be taken up again",
        cmd_key_rotate, rotate_options),
    HOLD("backup key", "FILE", 1, 1, "make the pair of keys that seals and opens backups", cmd_backup_key, NULL,
        "FILE is the secret and opens them; FILE.pub seals them and may be given to anybody. If FILE is there and FILE.pub is "
        "missing, or is FILE's in the form of an older troth, FILE stays and FILE.pub is written anew."),
    HOLD("backup check", "FILE", 1, 1, "read a backup from beginning to end: is it whole?", cmd_backup_check,
        backup_check_options, "Exit codes: 0 it is, 1 it is damaged, cut or not sealed for this key, 2 usage."),
    {.words = "backup",
     .args = "",
     .summary = "seal the folder into two files, one of data and one of keys, while it is served",
     .run = cmd_backup,
     .options = backup_options,
     .asks = true,
     .more = "Both files are of one instant, databases and record alike. Each is made beside its name and gets it when it is "
             "whole and on disk; an existing file is never replaced. The databases are copied there first, so there must be "
             "room for each copy and its sealed form. Keys need shorter cycles than data: --keys-file alone is such a backup. "
             "The master key is in neither file. Exit codes: 0 made, 1 not made, and nothing is left of it, 2 usage."},
    {.words = "restore",
     .args = "DIR",
     .min = 1,
     .max = 1,
     .summary = "make a new data folder from the two files of a backup",
     .run = cmd_restore,
     .holds = true,
     .options = restore_options,
     .more = "DIR must not exist, or be empty. Everything is checked before it is put in place: that the files are whole, "
             "belong together and are not of a newer troth, that the master key opens the keys, and that the record is sound. "
             "Whoever any ledger at hand names as erased is erased again. Exit codes: 0 restored, 1 not restored, and nothing is "
             "left of it, 2 usage."},
    ASK("reference add", "NEED", 1, "list a clause or article that counts as evidence", reference_options, POST,
        "/v1/references", "need", NULL),
    ASK("reference list", "", 0, "clauses and articles that count as evidence", NULL, GET, "/v1/references", NULL, NULL),
    ASK("message class", "NAME", 1, "add a class of offers: marketing_own:music", class_options, POST,
        "/v1/message-classes", "name", NULL),
    ASK("message list", "", 0, "classes of messages", NULL, GET, "/v1/message-classes", NULL, NULL),
    RAW("audit verify", "DIR", "recompute the whole record and name the first fault", cli_audit_verify,
        verify_record_options,
        "It says how many entries lie under the newest signed head, and how many come after it, as a daemon that runs or was "
        "killed leaves them: those have checksums only, until a head covers them. "
        "Exit codes: 0 the record is as it was written, 1 it is not, cannot be read, or a head given lies in a pruned epoch, 2 usage. A trust file has lines "
        "log VKEY, witness NAME VKEY [URL], group NAME any|all|N MEMBER..., quorum NAME|none (C2SP tlog-policy)."),
    RAW("audit checkpoint", "DIR", "print the signed head of the record", cli_audit_checkpoint, NULL, NULL),
    RAW("audit prove", "DIR [INDEX]", "print the proof that an entry is in the record", cli_audit_prove,
        prove_record_options,
        "INDEX is a decimal number without leading zeros. It needs no daemon, so that receipts of a retired node's record can be had from its folder. Exit codes: 0 printed, "
        "1 there is no such entry under the record's published head, or the opening is not this entry's, 2 usage."),
    RAW("audit receipt verify", "FILE...", "check receipts, without the record and without a connection",
        cli_audit_receipt_verify, receipt_options,
        "Checked are the signature on the head, that the entry is under it, and that the stated detail is what the entry "
        "commits to. Exit codes: 0 all are genuine, 1 one is not, or cannot be read, 2 usage."),
    ASK("audit epochs", "", 0, "epochs of the record: what is closed, what may be pruned when", NULL, GET,
        "/v1/audit/epochs", NULL, NULL),
    ASK("audit retention", "", 0, "say how long closed epochs of the record stay", keep_options, POST,
        "/v1/audit/retention", NULL, NULL),
    {.words = "audit prune",
     .args = "",
     .summary = "delete closed epochs of the record whose time is over",
     .run = cmd_audit_prune,
     .options = prune_options,
     .asks = true,
     .more = "An epoch goes when its retention is over and nobody whose data is under a legal hold has entries in it. The "
             "signed head it ended with stays for ever, and so does every receipt that somebody kept. What was cut short goes on when "
             "the command is given again, or the daemon runs. Exit codes: 0 done, or nothing is due, 1 refused, with the reason, "
             "or it stopped, 2 usage."},
    OWN("audit witness", "FOLDER", 1, 1, "be a witness: cosign heads that extend what was seen before",
        cmd_audit_witness, witness_options),
    OWN("audit witness-feed", "DIR", 1, 1, "take the record's heads to witnesses, and keep what they cosign",
        cmd_audit_witness_feed, feed_options),
    ASK("health", "", 0, "policy revision and size of the record", NULL, GET, "/healthz", NULL, NULL),
    OWN("man", "[DIR]", 0, 1, "print troth.1, or write all man pages into a folder", cmd_man, NULL),
    OWN("help", "[COMMAND]", 0, 4, "this list, or one command", cmd_help, NULL),
};
/* clang-format on */
const size_t cli_commands_count = sizeof cli_commands / sizeof cli_commands[0];
