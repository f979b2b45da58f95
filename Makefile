# SPDX-License-Identifier: Apache-2.0
# troth. `make run` serves the reference policy; `make test` runs everything; `make help` lists the rest.

CC      ?= gcc
PREFIX  ?= /usr/local
SAN     ?=
DATA    ?= data
DATABASE ?= sqlite
ARGS    ?=
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(CC),clang)
override CC := $(notdir $(or $(shell command -v clang || command -v clang-14),clang))
endif
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += --no-print-directory -j$(shell nproc)
endif

# One folder of objects for each compiler and sanitizer, so that switching needs no clean.
space   := $(subst ,, )
comma   := ,
VARIANT := $(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(filter clang%,$(CC)),-clang)$(if $(filter afl-%,$(CC)),-afl)
B       := build$(if $(VARIANT),/variant$(VARIANT))

VERSION := 0.1.0
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

# ---- The part table (docs/architecture.md): PART: what it may include. Nothing points upward.
PARTS := base crypto policy merkle store http audit subject vault consent share gate engine web backup cli
may_base    :=
may_crypto  := base
may_policy  := base
may_merkle  := base crypto
may_store   := base
may_http    := base
may_audit   := base crypto merkle store
may_subject := base crypto store audit
may_vault   := base crypto store
may_consent := base policy store audit
may_share   := base crypto policy store audit
may_gate    := base crypto policy merkle store audit subject vault consent share
may_engine  := base crypto merkle store audit
may_web     := base crypto policy merkle store http audit subject consent share gate engine
may_backup  := base crypto merkle store audit
may_cli     := base crypto policy merkle store http audit subject consent share gate engine web backup

# ---- Libraries of Debian 12, by the part that uses them.
LIBS := -lsodium -lcrypto -lsqlite3 -lmicrohttpd -lcmark -lcjson -lpthread -lm# libpq, libcurl, libidn2 and libunistring: src/base/late.h
INC_store := -I/usr/include/postgresql
TEST_LIBS_store := -lpq
TEST_LIBS_policy := -lbdd# BuDDy: an oracle of the tests, never linked into a program

WARN   := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla $(if $(SAN),,-Werror)
# With sanitizers gcc 12 takes its own checks for faults, and sees less far at -O1: the plain build says what is one.
WARN   += $(if $(SAN),$(if $(filter clang%,$(CC)),,-Wno-format-truncation))
HARDEN := -fstack-protector-strong -fPIE -D_GLIBCXX_ASSERTIONS $(if $(SAN),,-D_FORTIFY_SOURCE=2) \
          -fstack-clash-protection $(if $(filter x86_64,$(shell uname -m)),-fcf-protection)
# Under a sanitizer programs live for minutes: what the compiler saves pays more than what they would.
OPT    := $(if $(SAN),-O1 -g1,-O2 -g)
CFLAGS ?= $(OPT)
SANFLAGS = -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer -DTROTH_SAN
ALLC    = -std=gnu17 $(CFLAGS) $(WARN) $(HARDEN) $(if $(SAN),$(SANFLAGS)) -MMD -MP -pthread
# A start under ASan is paid for at each command of a flow. At a fixed address the places that its reports name need no
# relocation (four megabytes of them), and its runtime in the program no symbols looked up: half of all page faults.
LINK_SAN = -fsanitize=$(SAN) $(if $(findstring address,$(SAN)),-no-pie $(if $(filter gcc%,$(CC)),-static-libasan -static-libubsan),-pie)
LINK    = $(CC) -pthread $(if $(SAN),$(LINK_SAN),-pie) -Wl,--as-needed -Wl,-z,relro,-z,now,-z,noexecstack $(LDFLAGS)
closure = $(sort $1 $(foreach d,$(may_$1),$d))

.DEFAULT_GOAL := all
.SECONDARY:
all: $(B)/troth $(B)/trothd

# ---- Objects: each part sees only its own folder and those its row lists (link_PART: what it needs to run).
define part_rules
link_$1 := $$(sort $1 $$(foreach d,$$(may_$1),$$(link_$$d)))
SRC_$1 := $$(wildcard src/$1/*.c)
OBJ_$1 := $$(patsubst src/%.c,$(B)/obj/%.o,$$(SRC_$1)) $$(GEN_$1:%.c=%.o)
$(B)/obj/$1/%.o: src/$1/%.c | $$(GEN_H_$1)
	@mkdir -p $$(@D)
	$(Q)$(CC) $(ALLC) $$(INC_$1) $$(addprefix -Isrc/,$$(call closure,$1)) -I$(B)/gen/$1 -c $$< -o $$@
$(B)/gen/$1/%.o: $(B)/gen/$1/%.c
	$(Q)$(CC) $(ALLC) $$(addprefix -Isrc/,$$(call closure,$1)) -I$(B)/gen/$1 -c $$< -o $$@
$(B)/lib$1.a: $$(OBJ_$1)
	@mkdir -p $$(@D); rm -f $$@
	$(Q)ar rcs $$@ $$^
endef
Q := @

# ---- Generated: files of ui/ embedded as tables.
GEN_web := $(B)/gen/web/ui_files.c $(B)/gen/web/ui_text.c
$(B)/gen/web/ui_files.c: tools/embed $(shell find ui -type f 2>/dev/null)
	@mkdir -p $(@D)
	$(Q)python3 tools/embed ui > $@
$(B)/gen/web/ui_text.c: tools/po $(shell find ui -type f 2>/dev/null)
	@mkdir -p $(@D)
	$(Q)python3 tools/po ui > $@ || { rm -f $@; exit 1; }
GEN_store := $(B)/gen/store/schema_text.c
$(B)/gen/store/schema_text.c: tools/embed $(wildcard src/store/*.sql)
	@mkdir -p $(@D)
	$(Q)python3 tools/embed --only .sql --name store_sql src/store > $@

$(foreach p,$(PARTS),$(eval $(call part_rules,$p)))
LIB_ALL := $(foreach p,$(PARTS),$(B)/lib$p.a)
GROUP    = -Wl,--start-group $1 -Wl,--end-group

# --version names the commit it was built from: its object follows the stamp, which changes only with the commit.
$(shell mkdir -p $(B)/gen; echo '$(COMMIT)' | cmp -s - $(B)/gen/commit || echo '$(COMMIT)' > $(B)/gen/commit)
$(B)/obj/main/%.o: src/main/%.c $(B)/gen/commit
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLC) -DTROTH_VERSION='"$(VERSION)"' -DTROTH_COMMIT='"$(COMMIT)"' $(addprefix -Isrc/,$(PARTS)) -c $< -o $@
$(B)/troth: $(B)/obj/main/troth.o $(LIB_ALL)
	$(Q)$(LINK) $< $(call GROUP,$(LIB_ALL)) $(LIBS) -o $@
$(B)/trothd: $(B)/obj/main/trothd.o $(LIB_ALL)
	$(Q)$(LINK) $< $(call GROUP,$(LIB_ALL)) $(LIBS) -o $@

# ---- Unit tests: tests/unit/PART/test_*.c sees only what PART may use.
UNIT_SRC := $(wildcard tests/unit/*/test_*.c)
UNIT_BIN := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))
unit_part = $(word 2,$(subst /,$(space),$(patsubst $(B)/%,%,$1)))
.SECONDEXPANSION:
$(UNIT_BIN): $(B)/unit/%: tests/unit/%.c tests/unit/unit.h $$(foreach p,$$(link_$$(call unit_part,$$@)),$(B)/lib$$p.a)
	@mkdir -p $(@D)
	$(Q)$(LINK) $(ALLC) -Itests/unit $(addprefix -Isrc/,$(call closure,$(call unit_part,$@))) \
	  $(INC_$(call unit_part,$@)) -I$(B)/gen/$(call unit_part,$@) $< \
	  $(call GROUP,$(foreach p,$(link_$(call unit_part,$@)),$(B)/lib$p.a)) $(LIBS) $(TEST_LIBS_$(call unit_part,$@)) -o $@
unit: $(UNIT_BIN)

# ---- Fuzzers, each linked with what its part needs. libFuzzer by clang, AFL++ by afl-clang-fast; the corpus of both
# is fuzz/corpus/NAME, which `make test` runs through the same code without either.
FUZZ_NAMES := $(patsubst fuzz/fuzz_%.c,%,$(wildcard fuzz/fuzz_*.c))
FUZZ_PART_json := base
FUZZ_PART_card := store
FUZZ_PART_backup := backup
FUZZ_PART_checkpoint := merkle
FUZZ_PART_http_text := http
FUZZ_PART_normal := vault
FUZZ_PART_policy := policy
FUZZ_PART_policy_grammar := policy
FUZZ_PART_policy_diff := policy
FUZZ_PART_format := policy
fuzz_part = $(or $(FUZZ_PART_$(notdir $1)),cli)
fuzz_libs = $(foreach p,$(link_$(call fuzz_part,$1)),$(B)/lib$p.a)
fuzz_link = $(LINK) $(ALLC) $(addprefix -Isrc/,$(link_$(call fuzz_part,$1)))
FUZZ_BIN   := $(FUZZ_NAMES:%=$(B)/fuzz/fuzz_%)
FUZZ_RUN   := $(filter $(or $(FUZZ),%),$(FUZZ_NAMES))
REPLAY_BIN := $(FUZZ_NAMES:%=$(B)/replay/corpus_%)
$(FUZZ_BIN): $(B)/fuzz/fuzz_%: fuzz/fuzz_%.c $$(call fuzz_libs,$$*)
	@mkdir -p $(@D)
	$(Q)$(call fuzz_link,$*) -fsanitize=fuzzer $< $(call GROUP,$(call fuzz_libs,$*)) $(LIBS) -o $@
$(REPLAY_BIN): $(B)/replay/corpus_%: fuzz/fuzz_%.c fuzz/replay.c $$(call fuzz_libs,$$*)
	@mkdir -p $(@D)
	$(Q)$(call fuzz_link,$*) -MF $@.d $< fuzz/replay.c $(call GROUP,$(call fuzz_libs,$*)) $(LIBS) -o $@
replays: $(REPLAY_BIN)
fuzzers: $(FUZZ_RUN:%=$(B)/fuzz/fuzz_%)
	@ln -sfn $(patsubst build/%,%,$(B))/fuzz build/fuzz
	@tools/fuzz libfuzzer build/fuzz '$(FUZZ_S)' $(FUZZ_RUN)
.PHONY: replays fuzzers-afl fuzz-afl
fuzzers-afl: $(FUZZ_RUN:%=$(B)/fuzz/fuzz_%)
	@tools/fuzz afl $(B)/fuzz '$(FUZZ_S)' $(FUZZ_RUN)

# ---- Benchmarks: bench/NAME.c, each a program that prints a table.
BENCH_BIN := $(patsubst bench/%.c,$(B)/bench/%,$(wildcard bench/*.c))
$(BENCH_BIN): $(B)/bench/%: bench/%.c $(LIB_ALL)
	@mkdir -p $(@D)
	$(Q)$(LINK) $(ALLC) $(addprefix -Isrc/,$(PARTS)) $< $(call GROUP,$(LIB_ALL)) $(LIBS) -o $@

# GDPRBench: one client for all systems; its own folder, its own libraries.
$(B)/bench/gdprbench: $(wildcard bench/gdprbench/*.c bench/gdprbench/*.h) $(LIB_ALL)
	@mkdir -p $(@D)
	$(Q)$(LINK) $(ALLC) $(addprefix -Isrc/,$(PARTS)) $(filter %.c,$^) $(call GROUP,$(LIB_ALL)) $(LIBS) $(shell pkg-config --cflags --libs libpq hiredis) -lm -o $@

# The daemon without the record of reads, to see what the record costs. It is no program of the installation.
$(B)/bench/unrecorded: src/engine/engine_read.c $(B)/obj/main/troth.o $(LIB_ALL)
	@mkdir -p $(@D)
	$(Q)$(LINK) $(ALLC) -DENGINE_UNRECORDED $(addprefix -Isrc/,$(PARTS)) $< $(B)/obj/main/troth.o \
	  $(call GROUP,$(LIB_ALL)) $(LIBS) -o $@

# ---- What people call. Each installs what it needs first, so that a bare Debian 12 is enough.
NEEDS := $(if $(filter clang%,$(CC)),--clang)
run: ## serve the reference policy from the folder DATA (made at the first run) and print the address
	@tools/deps $(NEEDS)
	@+$(MAKE) all
	@exec tools/run $(B) $(DATA) $(ARGS)
test: ## unit tests, golden cases, flows against real daemons, cheap checks; with SAN=, CC=, DATABASE=postgresql, ONLY=name, TIMES=1
	@tools/deps $(NEEDS)
	@+$(MAKE) all & tools/deps --test $(NEEDS); installed=$$?; wait $$! && exit $$installed
	@+$(MAKE) unit replays
	@touch $(B)/built
	@tests/run --build $(B) --only '$(ONLY)' --database '$(DATABASE)' $(if $(TIMES),--times) $(UNIT_BIN) $(REPLAY_BIN)
check: ## own checkers, clang-format, clang-tidy, cppcheck
	@tools/deps --check
	@+$(MAKE) all
	@tools/check $(B)
format: ## lay the C files out as `make check` wants them
	@tools/deps --check
	@clang-format -i $$(find src tests/unit fuzz bench -name '*.[ch]')
requirements: ## the 215 requirements: number, class, test, state after the last `make test`
	@tools/requirements $(B)
fuzz: ## build fuzz/fuzz_*.c with libFuzzer, ASan and UBSan; FUZZ_S=60 runs each so long, FUZZ=json only one
	@tools/deps --clang
	@+$(MAKE) CC=clang SAN=fuzzer-no-link,address,undefined fuzzers
fuzz-afl: ## the same by AFL++
	@tools/deps --fuzz
	@+$(MAKE) CC=afl-clang-fast fuzzers-afl
KILLS ?= 1000
CUTS  ?= 10000
fault-kill: ## kill -9 a working daemon KILLS times (1000); what it acknowledged must be there
	@tools/deps --test
	@+$(MAKE) all
	@TROTH_BUILD=$(B) python3 tests/fault/killloop.py --kills $(KILLS)
fault-cut: ## cut the power CUTS times (10000), rebuilt from a recording
	@tools/deps --test
	@+$(MAKE) all
	@TROTH_BUILD=$(B) python3 tests/fault/powercut.py --cuts $(CUTS)
fault-nth: ## each call on a file fails once, under a daemon and under commands, with an I/O error or a full disk
	@tools/deps --test
	@+$(MAKE) all
	@TROTH_BUILD=$(B) python3 tests/fault/nth.py
	@TROTH_BUILD=$(B) python3 tests/fault/nth.py --kinds rou --syncs 0
	@TROTH_BUILD=$(B) python3 tests/fault/nth_commands.py
bench-policy: ## decisions and building of the reference policy, in ns and ms
	@tools/deps
	@+$(MAKE) $(B)/bench/policy $(B)/bench/policy_scale $(B)/bench/policy_peers
	@touch $(B)/bench.tsv && sed -i '/^policy-/d;/^decision-/d;/^peers-/d' $(B)/bench.tsv
	@grep -m1 '^model name' /proc/cpuinfo | sed "s/.*: //; s/$$/, $$(nproc) processors/"
	@$(B)/bench/policy policies/zhishang $(B)/bench.tsv
	@$(B)/bench/policy_scale policies/zhishang $(B)/bench.tsv
	@bench/peers/run $(B) $(B)/bench.tsv
bench-vault: ## sealing, opening, and keys of persons, in ns and us
	@tools/deps
	@+$(MAKE) $(B)/bench/vault
	@touch $(B)/bench.tsv && sed -i '/^vault-/d' $(B)/bench.tsv
	@$(B)/bench/vault $(B)/bench.tsv
bench: ## everything that is measured, beside its limit, with tables; also into build/bench.tsv; PEOPLE=1000000: of a million, kept, without the sweep
	@tools/deps
	@+$(MAKE) all $(BENCH_BIN) $(B)/bench/unrecorded
	@bench/bench.py $(if $(PEOPLE),--people $(PEOPLE) --keep) $(B)
	@+$(MAKE) bench-policy
	@+$(MAKE) bench-record
	@+$(MAKE) bench-vault
	@+$(MAKE) bench-gdprbench
bench-quick: ## the main figures in under 45 seconds
	@tools/deps
	@+$(MAKE) all $(B)/bench/load $(B)/bench/rows $(B)/bench/unrecorded $(B)/bench/policy $(B)/bench/record
	@bench/bench.py --quick $(B)
	@sed -i '/^policy-[bpd][a-z]*\t/d;/^decision-/d;/^record-append\t/d;/^record-limit-128\t/d' $(B)/bench.tsv
	@$(B)/bench/policy policies/zhishang $(B)/bench.tsv
	@$(B)/bench/record --quick $(B) $(B)/bench.tsv
bench-gdprbench: ## GDPRBench on troth, PostgreSQL, Redis and SQLite in one run; QUICK=1 in under 2 minutes; ARGS='--records N'
	@tools/deps --bench
	@+$(MAKE) all $(B)/bench/gdprbench
	@bench/gdprbench/run $(if $(QUICK),--quick) $(ARGS) $(B)
bench-postgresql: ## reads, creates, consents and collects with the people on PostgreSQL; also into build/bench.tsv
	@tools/deps --test
	@+$(MAKE) all $(B)/bench/load
	@bench/bench.py --postgresql $(B)
bench-record: ## entries the record takes and verifies a second, and how long it takes to open
	@tools/deps
	@+$(MAKE) $(B)/bench/record
	@touch $(B)/bench.tsv && sed -i '/^record-/d' $(B)/bench.tsv
	@$(B)/bench/record $(B) $(B)/bench.tsv
install: all ## binaries, man pages and policies under DESTDIR and PREFIX
	@tools/install $(B) '$(DESTDIR)$(PREFIX)'
clean: ## remove everything built (not DATA)
	rm -rf build
help: ## these lines
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20
.PHONY: all unit fuzzers run test check format requirements fuzz fault-kill fault-cut fault-nth bench bench-quick bench-policy bench-record bench-vault bench-gdprbench bench-postgresql install clean help

-include $(shell find $(B)/obj $(B)/unit -name '*.d' 2>/dev/null)
