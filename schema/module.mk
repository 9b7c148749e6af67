# SPDX-License-Identifier: MIT
#
# What ipcctl and ipc-gateway share: descriptions of services, and their messages as bytes and as
# JSON. A program links $(SCHEMA_LINKED), of which the linker takes only the needed files, and
# $(SCHEMA_LIBS) if it uses JSON. Unit tests are tests/test-*.c. asan/ has everything again, with the
# sanitizers of tests/env/host.

SCHEMA := $(B)/schema
# In the order of layers, lowest first: see tests/suite/static/calls.
SCHEMA_PARTS := wire text json json-text schema local known decode encode proto
SCHEMA_OBJECTS := $(SCHEMA_PARTS:%=$(SCHEMA)/%.o)
SCHEMA_UNIT_TESTS := $(patsubst schema/%.c,$(SCHEMA)/%,$(sort $(wildcard schema/tests/test-*.c)))
SCHEMA_ASAN_TESTS := $(SCHEMA_UNIT_TESTS:$(SCHEMA)/%=$(SCHEMA)/asan/%)
SCHEMA_PACKAGES := jansson
SCHEMA_CFLAGS := $(IPC_STUB_CFLAGS) -I. -I$(B)/idl \
	$(shell $(PKG_CONFIG) --cflags $(SCHEMA_PACKAGES) 2>/dev/null)
SCHEMA_LIBS := $(shell $(PKG_CONFIG) --libs $(SCHEMA_PACKAGES) 2>/dev/null || echo -ljansson) -lm
SCHEMA_HEADERS := $(IPC_SHARED_HEADERS) $(B)/idl/google/protobuf/descriptor.pb-c.h

SCHEMA_BELOW := $(IDL_DESCRIPTOR) $(B)/libipc/base/wire.o
SCHEMA_LINKED := $(SCHEMA)/schema.a $(SCHEMA_BELOW)
SCHEMA_ASAN_LINKED := $(SCHEMA)/asan/schema.a $(SCHEMA_BELOW)
SCHEMA_COMPILE = $(CC) $(ALL_CFLAGS) $(SCHEMA_CFLAGS) $(CHECK_CFLAGS) -MD -MP -c -o $@ $<

$(SCHEMA)/%.o: schema/%.c | $(SCHEMA_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(SCHEMA_COMPILE)

$(SCHEMA)/asan/%.o: schema/%.c | $(SCHEMA_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(SCHEMA_COMPILE) $(HOST_asan)

$(SCHEMA)/schema.a: $(SCHEMA_OBJECTS)
$(SCHEMA)/asan/schema.a: $(SCHEMA_OBJECTS:$(SCHEMA)/%=$(SCHEMA)/asan/%)
$(SCHEMA)/schema.a $(SCHEMA)/asan/schema.a:
	$(call msg,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# --- Tests -----------------------------------------------------------------------------

SCHEMA_LINK = $(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../../libipc) -pthread -o $@ $^ \
	$(LIBIPC) $(PROTOBUF_C_LIBS) $(SCHEMA_LIBS) $(CHECK_LIBS)

$(SCHEMA_UNIT_TESTS) $(SCHEMA)/tests/testee: %: %.o $(SCHEMA_LINKED) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(SCHEMA_LINK)

$(SCHEMA_ASAN_TESTS) $(SCHEMA)/asan/tests/testee: %: %.o $(SCHEMA_ASAN_LINKED) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(SCHEMA_LINK) $(HOST_asan) $(call LIBIPC_RPATH,../../../libipc)

$(SCHEMA)/tests/test_json_pb2.py: schema/tests/test-json.proto schema/tests/test-json2.proto
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I schema/tests -I idl --python_out=$(@D) $(^F)
$(SCHEMA)/tests/testee $(SCHEMA)/asan/tests/testee: | $(SCHEMA)/tests/test-json.set $(SCHEMA)/tests/test_json_pb2.py

# test-json runs the testee of its folder.
$(SCHEMA)/asan/tests/test-json: schema/tests/test-json | $(SCHEMA)/asan/tests/testee
	$(call msg,CP,$@)
	$(Q)cp $< $@

$(SCHEMA)/tests/test-%.set: schema/tests/test-%.proto $(wildcard idl/ipc/*.proto)
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I schema/tests -I idl --include_imports --descriptor_set_out=$@ $(<F)

$(SCHEMA)/tests/test-schema $(SCHEMA)/asan/tests/test-schema: | $(SCHEMA)/tests/test-schema.set
$(SCHEMA)/tests/test-groups $(SCHEMA)/asan/tests/test-groups: | $(SCHEMA)/tests/test-groups.set

TEST_BUILDS += $(SCHEMA)/tests/testee $(SCHEMA_UNIT_TESTS)
UNIT_TESTS += $(SCHEMA_UNIT_TESTS) schema/tests/test-json

ifneq ($(filter asan,$(HOST_WAYS)),)
MORE_BUILDS += $(SCHEMA_ASAN_TESTS) $(SCHEMA)/asan/tests/test-json
MORE_UNIT_TESTS += $(SCHEMA_ASAN_TESTS) $(SCHEMA)/asan/tests/test-json
endif
