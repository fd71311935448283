# SPDX-License-Identifier: GPL-2.0-or-later
# rcptwall. `make help` lists the targets. No configure script: pkg-config finds the libraries.

CC ?= gcc
BUILD ?= build
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
DESTDIR ?=
SANITIZE ?=
V ?= 0

CSTD := -std=c11 -D_GNU_SOURCE
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Werror
HARDEN := -fPIE -fstack-protector-strong -fstack-clash-protection
ifeq ($(SANITIZE),)
OPT ?= -O2 -g
HARDEN += -D_FORTIFY_SOURCE=2
else
OPT ?= -O1 -g -fno-omit-frame-pointer
HARDEN += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
endif
# The engine is called for each packet, across many small files: what is linked as a product is optimised as a whole.
# Objects hold both forms, so that the tests needn't be.
ifeq ($(SANITIZE)$(findstring clang,$(CC)),)
LTO ?= -flto=auto
FAT := $(if $(LTO),$(LTO) -ffat-lto-objects)
endif
CFLAGS ?=
LDFLAGS ?=
ALL_CFLAGS := $(CSTD) $(OPT) $(WARN) $(HARDEN) -I. -MMD -MP $(CFLAGS)
ALL_LDFLAGS := -pie -Wl,-z,relro,-z,now,-z,noexecstack $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)

PKG := pkg-config
# what for: README, "Built on"
ENGINE_LIBS := libidn2 libsodium
REPORT_LIBS := jansson
CONFIG_LIBS := libconfuse
REPLAY_LIBS := libpcap zlib
NFQ_LIBS := libnetfilter_queue libmnl libcap-ng libseccomp
DNSBL_LIBS := libcares
TEST_LIBS := cmocka
ALL_LIBS := $(ENGINE_LIBS) $(REPORT_LIBS) $(CONFIG_LIBS) $(REPLAY_LIBS) $(NFQ_LIBS) $(DNSBL_LIBS)

ENGINE_SRC := $(wildcard kmod-free/*.c)
REPORT_SRC := $(wildcard kmod-free/report/*.c)
RULES_SRC := $(wildcard rules/*.c)
REPLAY_SRC := $(wildcard pcap-tests/replay/*.c)
NFQ_SRC := $(wildcard nfq/*.c)
DNSBL_SRC := $(wildcard nfq/dnsbl/*.c)
# Unit tests: one program a module, beside the module in tests/. Everything but main is linked in as archives.
TEST_SRC := $(wildcard kmod-free/tests/test_*.c rules/tests/test_*.c pcap-tests/tests/test_*.c nfq/tests/test_*.c \
	nfq/dnsbl/tests/test_*.c)
TEST_HELP_SRC := $(wildcard kmod-free/tests/support*.c)
# Programs that the check scripts call (dialogue to capture, capture cut anew).
TEST_TOOL_SRC := $(wildcard pcap-tests/tests/tool_*.c)
FUZZ_SRC := $(wildcard kmod-free/fuzz/fuzz_*.c)
# What scripts/bench measures with.
BENCH_SRC := $(wildcard scripts/lib/bench/*.c)

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
ENGINE_OBJ := $(call obj,$(ENGINE_SRC))
REPORT_OBJ := $(call obj,$(REPORT_SRC))
RULES_OBJ := $(call obj,$(RULES_SRC))
REPLAY_OBJ := $(call obj,$(REPLAY_SRC))
DNSBL_OBJ := $(call obj,$(DNSBL_SRC))
NFQ_OBJ := $(call obj,$(filter-out nfq/main.c,$(NFQ_SRC)))
MAIN_OBJ := $(call obj,nfq/main.c)
ARCHIVES := $(BUILD)/libnfq.a $(BUILD)/libreplay.a $(BUILD)/librules.a $(BUILD)/libdnsbl.a $(BUILD)/libreport.a $(BUILD)/libengine.a
TESTS := $(patsubst %.c,$(BUILD)/%,$(TEST_SRC))
TEST_TOOLS := $(patsubst %.c,$(BUILD)/%,$(TEST_TOOL_SRC))
FUZZ_REPLAY := $(patsubst %.c,$(BUILD)/%_replay,$(FUZZ_SRC))
BENCH_TOOLS := $(patsubst %.c,$(BUILD)/%,$(BENCH_SRC))

Q := $(if $(filter 1,$(V)),,@)

.PHONY: all
all: $(BUILD)/rcptwall ## build build/rcptwall

$(BUILD)/rcptwall: $(MAIN_OBJ) $(ARCHIVES)
	@echo "  LINK $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $(OPT) $(LTO) -o $@ $^ $(shell $(PKG) --libs $(ALL_LIBS))

$(BUILD)/libengine.a: $(ENGINE_OBJ)
$(BUILD)/libreport.a: $(REPORT_OBJ)
$(BUILD)/librules.a: $(RULES_OBJ)
$(BUILD)/libdnsbl.a: $(DNSBL_OBJ)
$(BUILD)/libreplay.a: $(REPLAY_OBJ)
$(BUILD)/libnfq.a: $(NFQ_OBJ)
$(BUILD)/libsupport.a: $(call obj,$(TEST_HELP_SRC))
$(BUILD)/lib%.a:
	@echo "  AR   $@"
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/%.o: %.c Makefile
	@echo "  CC   $<"
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(findstring /tests/,$<),,$(FAT)) $(shell $(PKG) --cflags $(ALL_LIBS) $(if $(findstring /tests/,$<),$(TEST_LIBS))) -c -o $@ $<

# For `rcptwall version`: these libraries don't say their version at run time.
$(MAIN_OBJ): ALL_CFLAGS += -DVERSIONS_BUILT_WITH='"$(foreach l,$(NFQ_LIBS),$l $(shell $(PKG) --modversion $l))"'

$(TESTS) $(TEST_TOOLS): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libsupport.a $(ARCHIVES)
	@echo "  LINK $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $(TEST_LTO) -o $@ $^ $(shell $(PKG) --libs $(TEST_LIBS) $(ALL_LIBS))

# What is measured is linked as the product is.
TEST_LTO := -fno-lto
$(BUILD)/pcap-tests/tests/tool_feed: TEST_LTO := $(OPT) $(LTO)

.PHONY: tests
tests: $(TESTS) $(TEST_TOOLS) $(FUZZ_REPLAY)

.PHONY: check
check: all tests ## unit, model, dialogue and capture tests, corpus replay, ranks, symbols (no root, no network)
	$(Q)BUILD=$(BUILD) scripts/check $(TESTS)

.PHONY: check-asan
check-asan: ## the same tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(Q)$(MAKE) --no-print-directory BUILD=build-asan SANITIZE=address,undefined check

.PHONY: check-valgrind
check-valgrind: tests ## the unit tests under valgrind
	$(Q)BUILD=$(BUILD) scripts/check-valgrind $(TESTS)

.PHONY: check-callgrind
check-callgrind: all tests ## instructions per packet and per kilobyte, against scripts/instructions.tsv
	$(Q)BUILD=$(BUILD) scripts/check-callgrind

# What it measures with is at its options: OPTIONS="--rounds 3 --size 50".
.PHONY: bench-replay
bench-replay: all $(BUILD)/pcap-tests/tests/tool_load ## replay's speed against tcpdump's and Suricata's, with targets
	$(Q)BUILD=$(BUILD) scripts/bench-replay $(OPTIONS)

.PHONY: bench
bench: ## the daemon against the floor: CPU, latency, memory (root); OPTIONS="--rounds 1 --loads short"
	$(Q)BUILD=$(BUILD) scripts/bench $(OPTIONS)

.PHONY: bench-tools
bench-tools: $(BENCH_TOOLS)

$(BENCH_TOOLS): $(BUILD)/%: $(BUILD)/%.o
	@echo "  LINK $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -pthread -o $@ $^ $(shell $(PKG) --libs libmnl)

.PHONY: lint
lint: ## cppcheck, clang-tidy, shellcheck
	$(Q)scripts/lint

# Fuzzing: one target a module. FUZZ=stream T=60 runs kmod-free/fuzz/fuzz_stream.c for 60 s.
FUZZ ?=
T ?= 60
FUZZ_BUILD := build-fuzz
.PHONY: fuzz
fuzz: ## fuzz one module: make fuzz FUZZ=packet T=60
	$(Q)scripts/fuzz "$(FUZZ)" "$(T)"

# Every corpus input through the same target with the plain compiler, each twice.
$(BUILD)/kmod-free/fuzz/%_replay: $(BUILD)/kmod-free/fuzz/%.o $(BUILD)/kmod-free/fuzz/replay_main.o $(BUILD)/libsupport.a $(ARCHIVES)
	@echo "  LINK $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs $(TEST_LIBS) $(ALL_LIBS))

.PHONY: install
install: all ## install to DESTDIR and PREFIX
	install -D -m 0755 $(BUILD)/rcptwall $(DESTDIR)$(PREFIX)/sbin/rcptwall
	install -D -m 0644 rules/rcptwall.conf $(DESTDIR)$(PREFIX)/share/rcptwall/rcptwall.conf
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/rcptwall/examples rules/examples/*
	install -D -m 0644 nfq/rcptwall.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/rcptwall.conf
	install -D -m 0644 nfq/rcptwall.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/rcptwall.conf
	install -D -m 0644 nfq/rcptwall.logrotate $(DESTDIR)$(SYSCONFDIR)/logrotate.d/rcptwall
	install -D -m 0644 scripts/rcptwall.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/rcptwall
	install -d $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 0644 man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 0644 man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|@SBINDIR@|$(PREFIX)/sbin|' nfq/rcptwall.service.in >$(DESTDIR)$(UNITDIR)/rcptwall.service

.PHONY: package
package: ## build/package/rcptwall_*.deb (scripts/install-deps build package)
	$(Q)scripts/package build

.PHONY: clean
clean: ## remove what was built
	rm -rf build build-asan build-fuzz build-clang build-lint

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 24

# Objects that only an archive or a program needs stay, so that nothing is built twice.
.SECONDARY:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
