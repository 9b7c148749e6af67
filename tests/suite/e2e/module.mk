# SPDX-License-Identifier: MIT
#
# Whole programs on the real driver, in the guest. Each test-*.c is a program with the server of
# server.c as a second process. Programs named test-manager-*.c need a servicemanager, except for
# some that start their own. All other programs are the bus's manager themselves.

E2E := $(B)/tests/suite/e2e
E2E_TESTS := $(patsubst tests/suite/e2e/%.c,$(E2E)/%,$(sort $(wildcard tests/suite/e2e/test-*.c)))
E2E_OWN_MANAGER := $(addprefix $(E2E)/test-manager-,activation exclusive loop policy restart)
E2E_SHARED := fixture process manager server
E2E_COMMON := $(E2E_SHARED:%=$(E2E)/%.o) $(E2E)/e2e.ipc.o $(E2E)/e2e.pb-c.o
E2E_CFLAGS = $(IPC_STUB_CFLAGS) -I$(E2E) -pthread

E2E_WITH_MANAGER := $(filter-out $(E2E_OWN_MANAGER),$(filter $(E2E)/test-manager-%,$(E2E_TESTS)))

GUEST_TESTS += $(E2E_WITH_MANAGER)
GUEST_RAW_TESTS += $(filter-out $(E2E_WITH_MANAGER),$(E2E_TESTS)) tests/suite/e2e/containers
TEST_BUILDS += $(E2E_TESTS)

$(E2E_TESTS:%=%.o) $(E2E_SHARED:%=$(E2E)/%.o) $(E2E)/streams.o $(E2E)/stream-client.o: $(E2E)/%.o: tests/suite/e2e/%.c \
		| $(E2E)/e2e.ipc.h $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(E2E_CFLAGS) -MD -MP -c -o $@ $<

$(E2E_TESTS): %: %.o $(E2E_COMMON) $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../../../libipc) -pthread -o $@ $^ \
	  $(PROTOBUF_C_LIBS) $(CHECK_LIBS) $(LDLIBS)

# Existing event loops, with their libraries.
E2E_LOOPS := $(addprefix $(E2E)/test-loop-,epoll glib sd-event)
$(E2E_LOOPS): $(E2E)/loops.o $(LIBIPC_TEST_A)
$(E2E)/loops.o: tests/suite/e2e/loops.c | $(E2E)/e2e.ipc.h $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(E2E_CFLAGS) -MD -MP -c -o $@ $<
$(E2E)/test-loop-sd-event.o $(E2E)/test-manager-loop.o: E2E_CFLAGS += $(shell $(PKG_CONFIG) --cflags libsystemd)
$(E2E)/test-loop-glib.o: E2E_CFLAGS += $(shell $(PKG_CONFIG) --cflags glib-2.0)
$(E2E)/test-loop-sd-event $(E2E)/test-manager-loop: LDLIBS += $(shell $(PKG_CONFIG) --libs libsystemd)
$(E2E)/test-loop-glib: LDLIBS += $(shell $(PKG_CONFIG) --libs glib-2.0)

# Ask what has no function in the library.
E2E_ASKING := $(addprefix $(E2E)/test-manager-,activation exclusive policy)
$(E2E_ASKING:%=%.o): E2E_CFLAGS += -I$(B)/servicemanager
$(E2E_ASKING:%=%.o): | $(B)/servicemanager/servicemanager.ipc.h
$(E2E_ASKING): $(MANAGER_STUBS)

# Uses a stand-in for systemd.
$(E2E)/test-manager-activation: $(E2E)/systemd.o
$(E2E)/test-manager-activation: LDLIBS += $(LIBSYSTEMD_LIBS)
$(E2E)/systemd.o: tests/suite/e2e/systemd.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(CHECK_CFLAGS) -MD -MP -c -o $@ $<

# Programs of different age in one.
EVOLVE := $(foreach name,evolve-old evolve-new,$(E2E)/$(name).ipc.o \
	$(E2E)/$(name).pb-c.o) $(E2E)/evolve-types.pb-c.o
$(E2E)/test-evolve: $(EVOLVE)
$(E2E)/test-evolve.o: | $(EVOLVE:.o=.h)

# Streams, and a server for them.
E2E_STREAMS := $(addprefix $(E2E)/,streams.o stream.ipc.o stream.pb-c.o)
E2E_STREAMING := $(addprefix $(E2E)/test-,manager-loop stream stream-hostile stream-space threads)
$(E2E_STREAMING): $(E2E_STREAMS)
$(filter-out %-loop %-threads,$(E2E_STREAMING)): $(E2E)/stream-client.o
$(E2E_STREAMING:%=%.o) $(E2E)/streams.o $(E2E)/stream-client.o: | $(E2E)/stream.ipc.h
