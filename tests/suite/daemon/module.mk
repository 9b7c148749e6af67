# SPDX-License-Identifier: MIT
#
# ipcbusd with real processes, and what attacks it. ipcbusd-asan is the same with sanitizers.

DAEMON_B := $(B)/tests/suite/daemon
IPCBUSD_ASAN := $(DAEMON_B)/asan/daemon/ipcbusd

$(DAEMON_B)/hostile: tests/suite/daemon/hostile.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Idaemon -Idriver/uapi -MMD -MP $(LDFLAGS) -o $@ $<

# A build of its own, in one folder below.
$(IPCBUSD_ASAN): $(IPCBUSD_OBJECTS) FORCE
	+$(Q)$(MAKE) B=$(DAEMON_B)/asan DAEMON_FLAGS="$(HOST_asan)" $@

ALL += $(DAEMON_B)/hostile $(IPCBUSD_ASAN)
UNIT_TESTS += tests/suite/daemon/test-e2e tests/suite/daemon/test-hostile
