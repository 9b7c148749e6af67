# SPDX-License-Identifier: MIT
#
# Hostile peers: attacks by an ordinary user, in the guest. `make test-hostile` runs only these. Its
# last line is "hostile: N attacks, N succeeded".

HOSTILE := $(B)/tests/suite/hostile
HOSTILE_ATTACKS := $(HOSTILE)/attacks
HOSTILE_OBJECTS := $(patsubst tests/suite/hostile/%.c,$(HOSTILE)/%.o,$(sort $(wildcard tests/suite/hostile/*.c)))

MORE_GUEST_RAW_TESTS += tests/suite/hostile/test-hostile
GUEST_FILES += $(HOSTILE_ATTACKS)
MORE_BUILDS += $(HOSTILE_ATTACKS)

$(HOSTILE_OBJECTS): $(HOSTILE)/%.o: tests/suite/hostile/%.c \
		| $(E2E)/e2e.ipc.h $(E2E)/stream.ipc.h $(B)/servicemanager/servicemanager.ipc.h $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(E2E_CFLAGS) -I$(B)/servicemanager -MD -MP -c -o $@ $<

$(HOSTILE_ATTACKS): $(HOSTILE_OBJECTS) $(addprefix $(E2E)/,e2e.ipc.o e2e.pb-c.o stream.ipc.o stream.pb-c.o) \
		$(MANAGER_STUBS) $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../../../libipc) -pthread -o $@ $^ \
	  $(PROTOBUF_C_LIBS) -lutil

.PHONY: test-hostile run-hostile
test-hostile: setup
	+@$(MAKE) run-hostile

run-hostile: tests
	@tests/env/vm/run --cpus 1 --no-servicemanager -- tests/suite/hostile/test-hostile
