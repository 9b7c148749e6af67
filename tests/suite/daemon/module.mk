# SPDX-License-Identifier: MIT
#
# ipcbusd with real processes, and what attacks it. asan/ipcbusd is the same with sanitizers.

DAEMON_B := $(B)/tests/suite/daemon
IPCBUSD_ASAN := $(DAEMON_B)/asan/ipcbusd

DAEMON_ATTACKERS := $(DAEMON_B)/hostile $(DAEMON_B)/identity

$(DAEMON_B)/%.o: tests/suite/daemon/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Idaemon -Idriver/uapi -MMD -MP -c -o $@ $<

$(DAEMON_ATTACKERS): %: %.o $(DAEMON_B)/messages.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(DAEMON_B)/asan/%: DAEMON_FLAGS = $(HOST_asan)
$(eval $(call ipcbusd_in,$(DAEMON_B)/asan))

ALL += $(DAEMON_ATTACKERS) $(IPCBUSD_ASAN)
UNIT_TESTS += tests/suite/daemon/test-doctor tests/suite/daemon/test-e2e tests/suite/daemon/test-hostile tests/suite/daemon/test-identity
