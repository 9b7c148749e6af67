# SPDX-License-Identifier: MIT
#
# ipcctl. Unit tests are tests/test-*.c. They run on the host and link everything except main.o.
# tests/live-* run the program itself in the guest, with a servicemanager or, for live-doctor,
# without. asan/ has everything again, with the sanitizers of tests/env/host. With these the live
# tests take six minutes in the guest, so they are for `make test-all`.

TOOLS := $(B)/tools
IPCCTL := $(TOOLS)/ipcctl
TOOLS_CORE := $(patsubst tools/%.c,$(TOOLS)/%.o,$(sort $(wildcard tools/*.c)))
TOOLS_UNIT_TESTS := $(patsubst tools/%.c,$(TOOLS)/%,$(sort $(wildcard tools/tests/test-*.c)))
TOOLS_LIVE_TESTS := $(patsubst tools/%.c,$(TOOLS)/%,$(sort $(wildcard tools/tests/live-*.c)))
TOOLS_ASAN_TESTS := $(TOOLS_UNIT_TESTS:$(TOOLS)/%=$(TOOLS)/asan/%)
TOOLS_ASAN_LIVE_TESTS := $(TOOLS_LIVE_TESTS:$(TOOLS)/%=$(TOOLS)/asan/%)
TOOLS_PACKAGES := jansson
TOOLS_CFLAGS := $(IPC_STUB_CFLAGS) -I$(B)/servicemanager -I$(B)/idl -Idriver/uapi -Itools -Idaemon \
	$(shell $(PKG_CONFIG) --cflags $(TOOLS_PACKAGES) 2>/dev/null)
TOOLS_LIBS := $(shell $(PKG_CONFIG) --libs $(TOOLS_PACKAGES) 2>/dev/null || echo -ljansson)

TOOLS_HEADERS = $(IPC_SHARED_HEADERS) $(B)/servicemanager/servicemanager.ipc.h \
	$(B)/idl/google/protobuf/descriptor.pb-c.h
TOOLS_COMPILE = $(CC) $(ALL_CFLAGS) $(TOOLS_CFLAGS) $(CHECK_CFLAGS) -DIPC_VERSION='"$(VERSION)"' \
	-MD -MP -c -o $@ $<

$(TOOLS)/%.o: tools/%.c | $(TOOLS_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(TOOLS_COMPILE)

$(TOOLS)/asan/%.o: tools/%.c | $(TOOLS_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(TOOLS_COMPILE) $(HOST_asan)

TOOLS_LINKED := $(MANAGER_STUBS) $(IDL_DESCRIPTOR) $(B)/libipc/base/wire.o
TOOLS_LINK = $(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../libipc) -pthread -o $@ $^ \
	$(LIBIPC) $(PROTOBUF_C_LIBS) $(TOOLS_LIBS)
TOOLS_ASAN_LINK = $(TOOLS_LINK) $(HOST_asan) $(call LIBIPC_RPATH,../../libipc)

$(IPCCTL): $(TOOLS_CORE) $(TOOLS_LINKED) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(TOOLS_LINK)

$(TOOLS_UNIT_TESTS) $(TOOLS)/tests/testee: %: %.o $(TOOLS_LINKED) $(filter-out $(TOOLS)/main.o,$(TOOLS_CORE)) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(TOOLS_LINK) $(call LIBIPC_RPATH,../../libipc) $(CHECK_LIBS)

$(TOOLS)/asan/ipcctl: $(TOOLS_CORE:$(TOOLS)/%=$(TOOLS)/asan/%) $(TOOLS_LINKED) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(TOOLS_ASAN_LINK)

$(TOOLS_ASAN_TESTS) $(TOOLS)/asan/tests/testee: %: %.o $(TOOLS_LINKED) \
		$(patsubst $(TOOLS)/%,$(TOOLS)/asan/%,$(filter-out $(TOOLS)/main.o,$(TOOLS_CORE))) \
		| $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(TOOLS_ASAN_LINK) $(call LIBIPC_RPATH,../../../libipc) $(CHECK_LIBS)

$(TOOLS)/tests/test_json_pb2.py: tools/tests/test-json.proto tools/tests/test-json2.proto
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I tools/tests -I idl --python_out=$(@D) $(^F)
$(TOOLS)/tests/testee $(TOOLS)/asan/tests/testee: | $(TOOLS)/tests/test-json.set $(TOOLS)/tests/test_json_pb2.py

# test-json runs the testee of its folder.
$(TOOLS)/asan/tests/test-json: tools/tests/test-json | $(TOOLS)/asan/tests/testee
	$(call msg,CP,$@)
	$(Q)cp $< $@

# The same programs: each runs the ipcctl of the folder above it.
$(TOOLS_ASAN_LIVE_TESTS): $(TOOLS)/asan/%: $(TOOLS)/%
	$(call msg,CP,$@)
	$(Q)cp $< $@

$(TOOLS_LIVE_TESTS): %: %.o $(TOOLS)/tests/live.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(TOOLS_LIBS) $(CHECK_LIBS)

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

$(TOOLS)/tests/test-%.set: tools/tests/test-%.proto $(wildcard idl/ipc/*.proto)
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I tools/tests -I idl --include_imports --descriptor_set_out=$@ $(<F)

$(TOOLS)/tests/test-schema $(TOOLS)/asan/tests/test-schema: | $(TOOLS)/tests/test-schema.set
$(TOOLS)/tests/test-groups $(TOOLS)/asan/tests/test-groups: | $(TOOLS)/tests/test-groups.set

.PHONY: install-tools
install-tools: $(IPCCTL)
	$(Q)$(INSTALL) -D -m 755 $(IPCCTL) $(DESTDIR)$(bindir)/ipcctl
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(mandir)/man1 tools/ipcctl.1
	$(Q)$(INSTALL) -D -m 644 tools/completion/ipcctl.bash \
	  $(DESTDIR)$(datadir)/bash-completion/completions/ipcctl
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(datadir)/zsh/site-functions tools/completion/_ipcctl

TEST_BUILDS += $(TOOLS)/tests/limits $(TOOLS)/tests/testee $(TOOLS)/tests/many $(TOOLS_UNIT_TESTS)
MORE_BUILDS += $(TOOLS_LIVE_TESTS)
UNIT_TESTS += $(TOOLS_UNIT_TESTS) tools/tests/test-completion tools/tests/test-json tools/tests/test-man tools/tests/test-keys \
	tools/tests/test-limits tools/tests/test-users
MORE_UNIT_TESTS += tools/tests/test-many
MORE_GUEST_RAW_TESTS += tools/tests/live-doctor
MORE_GUEST_TESTS += $(TOOLS_LIVE_TESTS)
GUEST_FILES += $(IPCCTL) $(TOOLS)/tests/many
PRODUCTS += $(IPCCTL)
INSTALLS += install-tools

ifneq ($(filter asan,$(HOST_WAYS)),)
MORE_BUILDS += $(TOOLS)/asan/ipcctl $(TOOLS_ASAN_TESTS) $(TOOLS)/asan/tests/test-json $(TOOLS_ASAN_LIVE_TESTS)
MORE_UNIT_TESTS += $(TOOLS_ASAN_TESTS) $(TOOLS)/asan/tests/test-json
LONG_GUEST_TESTS += $(TOOLS_ASAN_LIVE_TESTS)
GUEST_FILES += $(TOOLS)/asan/ipcctl
endif
