# SPDX-License-Identifier: MIT
#
# ipcctl. Unit tests are tests/test-*.c. They run on the host and link everything except main.o.
# tests/live-* run the program itself in the guest, with a servicemanager or, for live-doctor,
# without. asan/ has everything again, with the sanitizers of tests/env/host. With these the live
# tests take six minutes in the guest, so they are for `make test-all`.

TOOLS := $(B)/tools
IPCCTL := $(TOOLS)/ipcctl
# In the order of layers, lowest first: see tests/suite/static/calls.
TOOLS_PARTS := options process fail numbers deadline bus state output names streams monitor traffic doctor-checks \
	verb-call verb-describe verb-doctor verb-dump verb-freeze verb-info verb-list verb-monitor verb-policy \
	verb-stats verb-top verb-tree verb-wait verb-watch main
TOOLS_CORE := $(TOOLS_PARTS:%=$(TOOLS)/%.o)
TOOLS_UNIT_TESTS := $(patsubst tools/%.c,$(TOOLS)/%,$(sort $(wildcard tools/tests/test-*.c)))
TOOLS_LIVE_TESTS := $(patsubst tools/%.c,$(TOOLS)/%,$(sort $(wildcard tools/tests/live-*.c)))
TOOLS_ASAN_TESTS := $(TOOLS_UNIT_TESTS:$(TOOLS)/%=$(TOOLS)/asan/%)
TOOLS_ASAN_LIVE_TESTS := $(TOOLS_LIVE_TESTS:$(TOOLS)/%=$(TOOLS)/asan/%)
TOOLS_CFLAGS := $(SCHEMA_CFLAGS) -I$(B)/servicemanager -Idriver/uapi -Itools -Idaemon

TOOLS_HEADERS = $(SCHEMA_HEADERS) $(B)/servicemanager/servicemanager.ipc.h
TOOLS_COMPILE = $(CC) $(ALL_CFLAGS) $(TOOLS_CFLAGS) $(CHECK_CFLAGS) -DIPC_VERSION='"$(VERSION)"' \
	-MD -MP -c -o $@ $<

$(TOOLS)/%.o: tools/%.c | $(TOOLS_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(TOOLS_COMPILE)

$(TOOLS)/asan/%.o: tools/%.c | $(TOOLS_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(TOOLS_COMPILE) $(HOST_asan)

TOOLS_LINKED := $(MANAGER_STUBS) $(SCHEMA_LINKED)
TOOLS_ASAN_LINKED := $(MANAGER_STUBS) $(SCHEMA_ASAN_LINKED)
TOOLS_LINK = $(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../libipc) -pthread -o $@ $^ \
	$(LIBIPC) $(PROTOBUF_C_LIBS) $(SCHEMA_LIBS)
TOOLS_ASAN_LINK = $(TOOLS_LINK) $(HOST_asan) $(call LIBIPC_RPATH,../../libipc)

$(IPCCTL): $(TOOLS_CORE) $(TOOLS_LINKED) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(TOOLS_LINK)

$(TOOLS_UNIT_TESTS): %: %.o $(filter-out $(TOOLS)/main.o,$(TOOLS_CORE)) $(TOOLS_LINKED) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(TOOLS_LINK) $(call LIBIPC_RPATH,../../libipc) $(CHECK_LIBS)

$(TOOLS)/asan/ipcctl: $(TOOLS_CORE:$(TOOLS)/%=$(TOOLS)/asan/%) $(TOOLS_ASAN_LINKED) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(TOOLS_ASAN_LINK)

$(TOOLS_ASAN_TESTS): %: %.o \
		$(patsubst $(TOOLS)/%,$(TOOLS)/asan/%,$(filter-out $(TOOLS)/main.o,$(TOOLS_CORE))) \
		$(TOOLS_ASAN_LINKED) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(TOOLS_ASAN_LINK) $(call LIBIPC_RPATH,../../../libipc) $(CHECK_LIBS)

# The same programs: each runs the ipcctl of the folder above it.
$(TOOLS_ASAN_LIVE_TESTS): $(TOOLS)/asan/%: $(TOOLS)/%
	$(call msg,CP,$@)
	$(Q)cp $< $@

$(TOOLS_LIVE_TESTS): %: %.o $(TOOLS)/tests/live.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(SCHEMA_LIBS) $(CHECK_LIBS)

# A service with many names, for live-list and live-many.
$(TOOLS)/tests/many: %: %.o | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../../libipc) -o $@ $< $(LIBIPC)

# A service that reports its remaining time, for test-limits.
$(TOOLS)/tests/limits.o: TOOLS_CFLAGS += -I$(B)/tests/suite/e2e
$(TOOLS)/tests/limits.o: | $(B)/tests/suite/e2e/stream.ipc.h
$(TOOLS)/tests/limits: %: %.o $(addprefix $(B)/tests/suite/e2e/,stream.ipc.o stream.pb-c.o) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../../libipc) -o $@ $^ $(LIBIPC) $(PROTOBUF_C_LIBS)

.PHONY: install-tools
install-tools: $(IPCCTL)
	$(Q)$(INSTALL) -D -m 755 $(IPCCTL) $(DESTDIR)$(bindir)/ipcctl
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(mandir)/man1 tools/ipcctl.1
	$(Q)$(INSTALL) -D -m 644 tools/completion/ipcctl.bash \
	  $(DESTDIR)$(datadir)/bash-completion/completions/ipcctl
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(datadir)/zsh/site-functions tools/completion/_ipcctl

TEST_BUILDS += $(TOOLS)/tests/limits $(TOOLS)/tests/many $(TOOLS_UNIT_TESTS)
MORE_BUILDS += $(TOOLS_LIVE_TESTS)
UNIT_TESTS += $(TOOLS_UNIT_TESTS) tools/tests/test-completion tools/tests/test-man tools/tests/test-keys \
	tools/tests/test-limits tools/tests/test-users
MORE_UNIT_TESTS += tools/tests/test-many
MORE_GUEST_RAW_TESTS += tools/tests/live-doctor
MORE_GUEST_TESTS += $(TOOLS_LIVE_TESTS)
GUEST_FILES += $(IPCCTL) $(TOOLS)/tests/many
PRODUCTS += $(IPCCTL)
INSTALLS += install-tools

ifneq ($(filter asan,$(HOST_WAYS)),)
MORE_BUILDS += $(TOOLS)/asan/ipcctl $(TOOLS_ASAN_TESTS) $(TOOLS_ASAN_LIVE_TESTS)
MORE_UNIT_TESTS += $(TOOLS_ASAN_TESTS)
LONG_GUEST_TESTS += $(TOOLS_ASAN_LIVE_TESTS)
GUEST_FILES += $(TOOLS)/asan/ipcctl
endif
