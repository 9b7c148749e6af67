# SPDX-License-Identifier: MIT
#
# libipc-test as its users get it: the archive, the shared library, and buses of ipcbusd.

KIT_B := $(B)/tests/suite/kit

$(KIT_B)/cases.o: tests/suite/kit/cases.c | $(EXAMPLES)/testing/shop.ipc.h $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(IPC_STUB_CFLAGS) -I$(EXAMPLES)/testing $(CHECK_CFLAGS) -MD -MP -c -o $@ $<

$(KIT_B)/cases: $(KIT_B)/cases.o $(EXAMPLES)/testing/shop.ipc.o $(EXAMPLES)/testing/shop.pb-c.o \
		$(LIBIPC_TEST_A) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../../../libipc) -o $@ $^ $(LIBIPC) \
	  $(PROTOBUF_C_LIBS) $(CHECK_LIBS)

TEST_BUILDS += $(KIT_B)/cases
UNIT_TESTS += tests/suite/kit/test-kit
