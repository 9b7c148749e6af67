# SPDX-License-Identifier: MIT
#
# Tests of what protoc-gen-ipc writes: shell tests over golden/, fail/ and
# compile/, and a program over stubs of golden/. test-accept compiles some of the
# files in snippets.py, accept-all all of them, in Rust as well.

IDL_SHELL_TESTS := $(addprefix tests/suite/idl/,test-golden test-fail test-compile test-plugin test-install \
	test-check test-accept)
MORE_UNIT_TESTS += tests/suite/idl/accept-all

IDL_GOLDEN := $(B)/tests/suite/idl/golden
IDL_GOLDEN_NAMES := kinds depths echo presence
IDL_GOLDEN_OBJECTS := $(foreach name,$(IDL_GOLDEN_NAMES),$(IDL_GOLDEN)/$(name).ipc.o \
	$(IDL_GOLDEN)/$(name).pb-c.o)

# protoc --c_out refuses its optional fields.
$(addprefix $(IDL_GOLDEN)/presence,.pb-c.c .pb-c.h .ipc.c .ipc.h) &: \
		tests/suite/idl/golden/presence.proto $(B)/idl/protoc-gen-ipc
	$(call msg,PROTOC,$@)
	$(Q)mkdir -p $(@D) && $(PROTOC) -I $(<D) --plugin=protoc-gen-ipc=$(B)/idl/protoc-gen-ipc \
	  --ipc_out=$(@D) $<

$(B)/tests/suite/idl/test-stubs.o: tests/suite/idl/test-stubs.c | $(IPC_SHARED_HEADERS) \
		$(IDL_GOLDEN_NAMES:%=$(IDL_GOLDEN)/%.ipc.h) \
		$(IDL_PROTOS:%=$(B)/idl/%.pb-c.h)
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(IPC_STUB_CFLAGS) $(CHECK_CFLAGS) -I$(IDL_GOLDEN) -I$(B)/idl \
	  -MD -MP -c -o $@ $<

$(B)/tests/suite/idl/test-stubs: $(B)/tests/suite/idl/test-stubs.o $(IDL_GOLDEN_OBJECTS) \
		$(B)/idl/ipc/ipc.pb-c.o $(IDL_DESCRIPTOR)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PROTOBUF_C_LIBS) $(CHECK_LIBS)

TEST_BUILDS += $(B)/tests/suite/idl/test-stubs
UNIT_TESTS += $(B)/tests/suite/idl/test-stubs $(IDL_SHELL_TESTS)
