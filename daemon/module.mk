# SPDX-License-Identifier: MIT
#
# ipcbusd: the driver's sources in a daemon. Of the host build's kernel it has the headers and
# the files below, unchanged; those of daemon/kernel are without checkers.

IPCBUSD := $(B)/daemon/ipcbusd
IPCBUSD_SHIM := boot file inode mount notifier priority rcu report shrinker task time tree wait \
	xarray
# Pages are memfds here.
IPCBUSD_DRIVER := $(patsubst driver/%.c,%,$(filter-out driver/mem/pages.c,$(wildcard driver/*.c \
	driver/mem/*.c)))
IPCBUSD_POSIX := main memory socket
IPCBUSD_OWN := $(filter-out $(IPCBUSD_POSIX),$(patsubst daemon/%.c,%,$(wildcard daemon/*.c \
	daemon/kernel/*.c)))
IPCBUSD_OBJECTS := $(IPCBUSD_DRIVER:%=$(B)/daemon/driver/%.o) \
	$(IPCBUSD_SHIM:%=$(B)/daemon/shim/%.o) \
	$(addprefix $(B)/daemon/,$(addsuffix .o,$(IPCBUSD_OWN) $(IPCBUSD_POSIX)))

IPCBUSD_INCLUDES := -Itests/env/host/shim -Idriver/uapi -Idaemon
IPCBUSD_FLAGS := -fno-strict-aliasing -fwrapv -DSHIM_LEAN -DMAX_TASKS=65536 -pthread
# The kernel's own rules of C, in which the driver is written.
IPCBUSD_DRIVER_CFLAGS = -std=gnu11 -Wall $(if $(filter 0,$(WERROR)),,-Werror) $(CFLAGS) \
	-Wno-unknown-warning-option -Wno-dangling-pointer
IPCBUSD_OBJECT = $(IPCBUSD_FLAGS) $(DAEMON_FLAGS) -MMD -MP -c -o $@ $<

$(B)/daemon/driver/%.o: driver/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(IPCBUSD_DRIVER_CFLAGS) $(IPCBUSD_INCLUDES) $(IPCBUSD_OBJECT)

$(B)/daemon/shim/%.o: tests/env/host/shim/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(IPCBUSD_INCLUDES) $(IPCBUSD_OBJECT)

$(IPCBUSD_OWN:%=$(B)/daemon/%.o): $(B)/daemon/%.o: daemon/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(IPCBUSD_INCLUDES) $(IPCBUSD_OBJECT)

$(IPCBUSD_POSIX:%=$(B)/daemon/%.o): $(B)/daemon/%.o: daemon/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Idaemon $(IPCBUSD_OBJECT)

$(IPCBUSD): $(IPCBUSD_OBJECTS)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(DAEMON_FLAGS) $(LDFLAGS) -pthread -o $@ $^

ALL += $(IPCBUSD)
PRODUCTS += $(IPCBUSD)
