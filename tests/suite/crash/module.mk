# SPDX-License-Identifier: MIT
#
# Processes that die during work, in the guest, also with little memory. Short runs are part of
# `make test`. `make crash TIME=600 SEED=N` is a long run of both, in KERNEL if given, followed by a
# run of hostile peers (tests/suite/hostile), three attacks at a time.

CRASH := $(B)/tests/suite/crash
CRASH_TESTS := $(CRASH)/test-crash $(CRASH)/test-memory
CRASH_OBJECTS := $(CRASH_TESTS:%=%.o) $(CRASH)/actors.o

MORE_GUEST_RAW_TESTS += $(CRASH_TESTS)
MORE_BUILDS += $(CRASH_TESTS)

$(CRASH_OBJECTS): $(CRASH)/%.o: tests/suite/crash/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Idriver/uapi -MD -MP -c -o $@ $<

$(CRASH_TESTS): %: %.o $(CRASH)/actors.o $(B)/tests/suite/kernel/raw.o $(B)/tests/suite/kernel/fixture.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(shell $(PKG_CONFIG) --libs check)

TIME ?= 600
SEED ?=

.PHONY: crash run-crash
crash: setup
	+@$(MAKE) run-crash

run-crash: all
	@tests/env/vm/run --no-servicemanager --timeout $$((6 * $(TIME) + 300)) \
	  --env IPCBUS_CRASH_SECONDS=$(TIME) --env IPCBUS_HOSTILE_SECONDS=$(TIME) $(if $(SEED),--env IPCBUS_CRASH_SEED=$(SEED)) \
	  -- sh -c 'tests/suite/crash/test-crash && tests/suite/crash/test-memory && \
	    tests/suite/hostile/test-hostile'
