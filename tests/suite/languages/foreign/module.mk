# SPDX-License-Identifier: MIT
#
# A hostile server, for the cases of C++, Python and Rust about texts of peers.

FOREIGN := $(B)/tests/suite/languages/foreign/server

$(FOREIGN): tests/suite/languages/foreign/server.c | $(LIBIPC) $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(IPC_STUB_CFLAGS) $(call LIBIPC_RPATH,../../../../libipc) \
	  -pthread -MD -MP -o $@ $< $(LIBIPC) $(PROTOBUF_C_LIBS)

TEST_BUILDS += $(FOREIGN)
