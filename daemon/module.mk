# SPDX-License-Identifier: MIT
#
# ipcbusd: the driver's sources in a daemon, on the kernel of shim/ and daemon/kernel.

IPCBUSD := $(B)/daemon/ipcbusd
# Pages are memfds here.
IPCBUSD_DRIVER := $(patsubst driver/%.c,%,$(filter-out driver/mem/pages.c,$(wildcard driver/*.c \
	driver/mem/*.c)))
# In the order of layers, lowest first, with + between files of one subject: see
# tests/suite/static/calls. kernel/ is below all.
IPCBUSD_PARTS := socket account+closer area-watch memory pidns process admin-requests poll cell+user fds client \
	payer connection startup main
IPCBUSD_POSIX := account area-watch closer connection main memory payer pidns socket startup
IPCBUSD_OWN := $(filter-out $(IPCBUSD_POSIX),$(subst +, ,$(IPCBUSD_PARTS))) \
	$(patsubst daemon/%.c,%,$(wildcard daemon/kernel/*.c))

IPCBUSD_INCLUDES := $(SHIM_INCLUDES) -Idaemon
IPCBUSD_FLAGS := -flto=auto -fno-strict-aliasing -fwrapv -DSHIM_LEAN -DMAX_TASKS=65536 -pthread \
	-DIPC_VERSION='"$(VERSION)"'
# Flags of another build, as a pattern-specific variable of its folder.
DAEMON_FLAGS :=
IPCBUSD_OBJECT = $(IPCBUSD_FLAGS) $(DAEMON_FLAGS) -MD -MP -c -o $@ $<

# $(call ipcbusd_in,FOLDER): rules for FOLDER/ipcbusd
define ipcbusd_in
$(1)/driver/%.o: driver/%.c
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(SHIM_DRIVER_CFLAGS) $$(CFLAGS) $$(IPCBUSD_INCLUDES) $$(IPCBUSD_OBJECT)

$(1)/shim/%.o: shim/%.c
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$(IPCBUSD_INCLUDES) $$(IPCBUSD_OBJECT)

$(IPCBUSD_OWN:%=$(1)/%.o): $(1)/%.o: daemon/%.c
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$(IPCBUSD_INCLUDES) $$(IPCBUSD_OBJECT)

$(IPCBUSD_POSIX:%=$(1)/%.o): $(1)/%.o: daemon/%.c
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(ALL_CFLAGS) -Idaemon $$(IPCBUSD_OBJECT)

$(1)/ipcbusd: $(IPCBUSD_DRIVER:%=$(1)/driver/%.o) $(SHIM:%.c=$(1)/%.o) \
		$(addprefix $(1)/,$(addsuffix .o,$(IPCBUSD_OWN) $(IPCBUSD_POSIX)))
	$$(call msg,LD,$$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(IPCBUSD_FLAGS) $$(DAEMON_FLAGS) $$(LDFLAGS) -o $$@ $$^
endef

$(eval $(call ipcbusd_in,$(B)/daemon))

.PHONY: install-daemon
install-daemon: $(IPCBUSD)
	$(Q)$(INSTALL) -D -m 755 $(IPCBUSD) $(DESTDIR)$(bindir)/ipcbusd
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(mandir)/man8 daemon/ipcbusd.8

PRODUCTS += $(IPCBUSD)
INSTALLS += install-daemon
