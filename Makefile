# SPDX-License-Identifier: MIT
#
# The only makefile: variables, the public targets, and the fragments of the folders
# (FOLDER/module.mk). Each fragment writes its own rules and appends to
#
#   PRODUCTS     files to install: `make` builds them
#   INSTALLS     names of targets that `make install` runs
#   TEST_BUILDS  further files that `make test` needs
#   MORE_BUILDS  further files that `make test-more` needs; `make tests` builds all three
#   UNIT_TESTS   executables that tests/run starts on the host
#   GUEST_TESTS  executables that tests/run starts in the guest
#   GUEST_RAW_TESTS  as GUEST_TESTS, but without a servicemanager, so that they can use handle 0
#   DEBUG_TESTS  raw tests only for the kernels of tests/env/debug
#   GUEST_FILES  further files that the guest needs
#
# `make test` runs these tests. The same lists with the prefix MORE_ are for `make test-more`, with
# LONG_ only for `make test-all`. A recipe must begin with $(call msg,WHAT,$@), which also makes the
# target's folder. Its commands must begin with $(Q), so that V=1 shows them. Compilers get -MD -MP:
# if a target has a .d file, it is compiled again when a header or a flag changes. Outputs are below
# $(B), in folders with the names of the source folders.

B ?= build
V ?=

# The version of driver, libipc, the generator, servicemanager and ipcctl.
VERSION ?= 0.9.0

CC ?= gcc
CXX ?= g++
AR ?= ar
OBJCOPY ?= objcopy
PKG_CONFIG ?= pkg-config
INSTALL ?= install
ifeq ($(origin CC),default)
CC := gcc
endif

# ccache avoids repeated compilations, even in different clones. CCACHE_DISABLE=1 turns it off.
ifneq ($(wildcard /usr/lib/ccache/gcc),)
ifeq ($(filter /usr/lib/ccache:%,$(PATH)),)
export PATH := /usr/lib/ccache:$(PATH)
export CCACHE_NOHASHDIR := 1
endif
endif

WARNINGS := -Wall -Wextra
ifneq ($(WERROR),0)
WARNINGS += -Werror
endif
CFLAGS ?= -O2 -g
CXXFLAGS ?= -O2 -g
LDFLAGS ?=

# Compilers for programs that run during the build (the plugin). Set them if CC, AR, OBJCOPY and
# PKG_CONFIG are for another architecture than this machine's.
CC_FOR_BUILD ?= $(CC)
CFLAGS_FOR_BUILD ?= $(CFLAGS)
LDFLAGS_FOR_BUILD ?= $(LDFLAGS)
PKG_CONFIG_FOR_BUILD ?= $(PKG_CONFIG)
ALL_CFLAGS = -std=gnu11 $(WARNINGS) $(CFLAGS)

# Many Makefiles spell this variable prefix.
PREFIX ?= $(if $(findstring command,$(origin prefix)),$(prefix),/usr/local)
DESTDIR ?=
bindir ?= $(PREFIX)/bin
libdir ?= $(PREFIX)/lib
includedir ?= $(PREFIX)/include
datadir ?= $(PREFIX)/share
mandir ?= $(datadir)/man

# The guest's kernel: a name of tests/env/vm/kernels.sh (6.1, 6.12, ...), or `native` for the
# running kernel. Empty: the stock kernel of this Debian release; `make test` then also runs its
# guest tests on the kernels of the other releases.
KERNEL ?=
NATIVE ?=
MORE_KERNELS ?=
ifneq ($(NATIVE),)
KERNEL := native
endif
ifeq ($(KERNEL),)
KERNEL := $(shell . tests/env/vm/kernels.sh && kernel_default)
MORE_KERNELS := $(filter-out $(KERNEL),$(shell . tests/env/vm/kernels.sh && echo $$kernel_stock))
endif

# Not empty if the guest is ARM, which needs another build folder and other compilers.
ARM64 := $(filter arm64-%,$(KERNEL))
ifneq ($(ARM64),)
include tests/env/vm/arm64.mk
endif

# Not empty for make -n: flags of one letter are in the first word, if there are any.
DRY := $(findstring n,$(filter-out -%,$(firstword $(MAKEFLAGS))))

ifeq ($(V),1)
Q :=
msg = @mkdir -p $(@D)
else
Q := @
msg = @mkdir -p $(@D) && printf '  %-8s %s\n' '$(1)' '$(2)'
MAKEFLAGS += --no-print-directory
endif

PRODUCTS :=
INSTALLS :=
TEST_BUILDS :=
MORE_BUILDS :=
DEBUG_TESTS :=
GUEST_FILES :=
$(foreach list,UNIT_TESTS GUEST_TESTS GUEST_RAW_TESTS,\
	$(eval $(list) :=)$(eval MORE_$(list) :=)$(eval LONG_$(list) :=))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# The order matters: a fragment uses variables of previous fragments, and in recipes of all
# fragments.
FRAGMENTS := driver shim daemon idl libipc servicemanager python rust tests/env/host schema tools gateway examples packaging scripts bench \
	tests/env/debug tests/env/coverage tests/suite/kernel tests/suite/abi tests/suite/cost \
	tests/suite/budget tests/suite/crash tests/suite/daemon tests/suite/channels tests/suite/e2e tests/suite/hostile tests/suite/fault \
	tests/suite/guide tests/suite/idl tests/suite/install tests/suite/kit tests/suite/languages/foreign tests/suite/languages/cpp tests/suite/languages/conformance tests/suite/languages/guest tests/suite/languages/judge tests/suite/languages/services tests/suite/fuzz tests/suite/packages tests/suite/ports tests/suite/mutants \
	tests/suite/static
include $(FRAGMENTS:%=%/module.mk)

ifneq ($(ARM64),)
$(eval $(arm64_only))
endif

.PHONY: all tests help setup demo test test-more test-all bench install uninstall clean style \
  run-test run-test-more run-test-long FORCE $(INSTALLS)

all: $(PRODUCTS)

tests: $(PRODUCTS) $(TEST_BUILDS) $(MORE_BUILDS) $(B)/tests.list

help:
	@printf '%s\n' \
	  'make             build what is installed into $(B)/ (V=1 shows the commands)' \
	  'make tests       build all tests as well' \
	  'make setup       install the Debian packages that are missing' \
	  'make demo        set up, build and show what ipcbus does, with ipcbusd: without a' \
	  '                 module, root or a guest' \
	  'make demo GUEST=1  the same with the driver in the kernel of a guest' \
	  'make test        set up, build and run the tests of the host, of ipcbusd and of one' \
	  '                 guest; ends in a line of totals' \
	  'make test-more   the other tests: more kernels, sanitizers, languages, attacks, fuzzers' \
	  'make test-all    both, and other compilers, analyzers and kernels with checkers' \
	  'make test-debug  the tests of the driver in user-mode Linux, which checks itself' \
  'make test-debug-more  what kernels with KASAN, KCSAN and KMSAN find alone' \
	  'make test-debug-all  every guest test in every kernel with checkers (over 1 h)' \
	  'make test-releases  make demo and make test in minimal roots of Debian 12 and 13' \
	  'make test-debian13  the tests of the host in a root of Debian 13 that is kept' \
	  'make test-packages  install, boot, upgrade and remove the packages on Debian 12 and 13' \
	  'make test-ports  the module and its tests on armhf, s390x and riscv64' \
	  'make test-mutants  whether the tests find changes of the code (COUNT=300 SEED=1)' \
	  'make crash       kill, close and unmap at random moments (TIME=600 seconds, SEED=)' \
	  'make test-gateway  ipc-gateway with gRPC programs that others wrote' \
  'make test-gateway-guests  the same between guests, over vsock and a network (1 to 2 min)' \
	  'make test-hostile  attacks on services, clients, servicemanager and ipcctl' \
	  'make test-languages  clients and servers in C, C++, Python and Rust with each other' \
	  'make test-kills  clients of ipcbusd, 10,000 times, and ipcbusd, 100 times, killed under traffic' \
	  'make test-cost   what operations cost when others have created much' \
	  'make bench       instructions per round trip against the peers (FORMAT=tsv)' \
	  'make bench-native  times on this machine against the peers (2 min, FORMAT=tsv)' \
	  'make bench-gateway  the same through ipc-gateway, against a plain gRPC server' \
	  'make install     into DESTDIR and PREFIX (now $(PREFIX))' \
	  'make uninstall   remove what install put there' \
	  'make install-module  the module, for kernel KVER (now $(KVER))' \
	  'make deb         Debian packages, into $(B)/deb/' \
	  'make guide       HTML of the documentation, in $(B)/guide/' \
	  'make style       check the sources against the house style' \
	  'make clean       remove $(B)/' \
	  '' \
	  'KERNEL=6.1       which kernel the guest runs; see tests/env/vm/README.md' \
	  'NATIVE=1         demo: with the driver in this very kernel (needs root)'

# Lists the tests for programs that a person starts (tests/run, tests/env/vm/run), one "KIND PATH" a
# line.
listed = printf '$(2)unit %s\n' $($(1)UNIT_TESTS); printf '$(2)raw %s\n' $($(1)GUEST_RAW_TESTS); \
	printf '$(2)guest %s\n' $($(1)GUEST_TESTS);

$(B)/tests.list: FORCE
	@mkdir -p $(@D)
	@{ $(call listed,,) $(call listed,MORE_,more-) $(call listed,LONG_,long-) \
	   printf 'debug %s\n' $(DEBUG_TESTS); printf 'file %s\n' $(GUEST_FILES); \
	 } | grep ' .' >$@.new || :
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# Install the packages before the fragments ask pkg-config, which needs a second make. SETUP=no
# installs nothing, for systems other than Debian.
SETUP ?= yes

setup: $(B)/setup.done
	@:

# For `make setup all`: if make creates an included file, it reads all makefiles again.
ifeq ($(if $(DRY),,$(filter setup,$(MAKECMDGOALS))),setup)
include $(B)/setup.done
endif

# If packages are missing, compilers would report headers, and make would report files of build/.
PACKAGES := libprotobuf-c libsystemd $(SCHEMA_PACKAGES)
PLUGIN_PROTO := $(PROTO_INCLUDE)/google/protobuf/compiler/plugin.proto
GOALS := $(filter all tests install,$(or $(MAKECMDGOALS),all))
ifeq ($(DRY)$(filter setup,$(MAKECMDGOALS)),)
ifneq ($(GOALS),)
PACKAGES += $(if $(filter tests,$(GOALS)),check)
ifneq ($(shell $(PKG_CONFIG) --exists $(PACKAGES) 2>&1 && ls $(PLUGIN_PROTO) 2>&1 >/dev/null || echo no),)
$(shell scripts/setup --check >&2)
$(error packages are missing: run `make setup`, or install what has $(PLUGIN_PROTO), and for pkg-config: $(PACKAGES))
endif
endif
endif

SETUPS := $(B)/setup.done $(B)/setup-demo.done $(B)/setup-native.done $(B)/setup-debug.done \
	$(B)/setup-build.done $(B)/setup-arm64.done $(B)/setup-deb.done $(B)/setup-guide.done
$(SETUPS): $(wildcard scripts/packages*) scripts/setup
	@mkdir -p $(@D)
ifneq ($(SETUP),no)
	@scripts/setup $(filter --demo --build --native --debug --arm64 --deb --guide,$(@:$(B)/setup-%.done=--%)) >&2
endif
	@touch $@

# As many jobs as CPUs, unless the user has set a number.
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

test: setup $(if $(ARM64),arm64-setup)
	+@$(MAKE) $(JOBS) run-test

# The place of the driver in the demo: ipcbusd (`daemon`), a guest, or this kernel.
GUEST ?=
SETUP_daemon := demo
SETUP_guest := build
SETUP_native := native
DEMO := $(if $(NATIVE),native,$(if $(GUEST),guest,daemon))

# Check for a native demo before anything is installed.
demo:
	$(if $(NATIVE),@examples/story/native --check)
	+@$(MAKE) $(B)/setup-$(SETUP_$(DEMO)).done
	+@$(MAKE) $(JOBS) demo-$(DEMO)
	@examples/story/$(DEMO)

# With FORMAT=tsv, only figures may be printed to stdout.
bench: $(B)/setup-build.done
	+@$(MAKE) bench-programs >&2
	@bench/run $(if $(FORMAT),--format $(FORMAT))

export B KERNEL MORE_KERNELS

test-more: setup
	+@$(MAKE) $(JOBS) run-test-more

# If a part fails, the other parts still run.
test-all: setup
	+@status=0; for part in run-test run-test-more run-test-long run-test-debug-all; do \
	  $(MAKE) $(JOBS) $$part || status=1; done; exit $$status

TESTS_RUN = $(if $(ARM64),TEST_TIMEOUT=360 )tests/run --guests 2

run-test: $(PRODUCTS) $(TEST_BUILDS) $(B)/tests.list
	@$(TESTS_RUN)

run-test-more: tests more-drivers $(if $(ARM64),,i386-tests)
	@$(TESTS_RUN) --more $(MORE_KERNELS:%=--also %)

run-test-long: tests
	@$(TESTS_RUN) --long

install: $(PRODUCTS)
	+$(Q)for t in $(INSTALLS); do $(MAKE) $$t || exit 1; done

# The installed files are those that `make install` would install, so install them elsewhere and
# list them.
uninstall: $(PRODUCTS)
	$(Q)rm -rf $(B)/uninstall
	$(Q)$(MAKE) -s install DESTDIR='$(CURDIR)/$(B)/uninstall'
	$(Q)cd $(B)/uninstall && find . ! -type d | while read -r f; do \
	  rm -fv "$(DESTDIR)/$$f"; done
	$(Q)cd $(B)/uninstall && find . -depth -type d -path '*/ipc*' | while read -r d; do \
	  rmdir --ignore-fail-on-non-empty "$(DESTDIR)/$$d" || :; done
	$(Q)rm -rf $(B)/uninstall

clean:
	$(Q)rm -rf $(B)

style:
	$(Q)scripts/style

# The compiled files, without those of other builds inside this build folder.
COMPILED := $(basename $(shell find $(B) \( $(foreach part,static coverage mutants arm64 i386 deb driver debug vm uninstall, \
	-path $(B)/$(part) -o) -false \) -prune -o -name '*.d' -print 2>/dev/null))
-include $(COMPILED:=.d)

# If a value changes, everything is compiled again.
FLAGS := $(strip $(foreach name,CC CXX AR CC_FOR_BUILD CFLAGS_FOR_BUILD ALL_CFLAGS CXXFLAGS LDFLAGS VERSION PROTOBUF_C_CFLAGS, \
	$(name)=$($(name))))
$(COMPILED:=.o): $(B)/flags
ifneq ($(file <$(B)/flags),$(FLAGS))
ifeq ($(DRY)$(filter help style clean,$(MAKECMDGOALS)),)
$(shell mkdir -p $(B))$(file >$(B)/flags,$(FLAGS))
else
$(B)/flags: FORCE; @:
endif
endif
