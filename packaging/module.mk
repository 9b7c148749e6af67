# SPDX-License-Identifier: MIT
#
# Files that integrate servicemanager into the system: its unit, its user, the permissions of the
# device, and the units that it may start. Also the units of ipcbusd, for all users and for a single
# user (user/). Nothing enables these by default.

unitdir ?= $(PREFIX)/lib/systemd/system
userunitdir ?= $(PREFIX)/lib/systemd/user
sysusersdir ?= $(PREFIX)/lib/sysusers.d
udevdir ?= $(PREFIX)/lib/udev/rules.d
polkitdir ?= $(datadir)/polkit-1/rules.d

UNITS := $(patsubst packaging/%.in,$(B)/packaging/%,$(wildcard packaging/*.service.in packaging/*.socket.in))
ifeq ($(HAVE_GRPC),)
UNITS := $(filter-out %/ipc-gateway@.service,$(UNITS))
endif
USER_UNITS := $(patsubst packaging/%.in,$(B)/packaging/%,$(wildcard packaging/user/*.in))

$(UNITS) $(USER_UNITS): $(B)/packaging/%: packaging/%.in FORCE
	$(call msg,GEN,$@)
	$(Q)sed -e 's|@bindir@|$(bindir)|' $< >$@

.PHONY: units
units: $(UNITS) $(USER_UNITS)

.PHONY: install-packaging
INSTALLS += install-packaging
install-packaging: $(UNITS) $(USER_UNITS)
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(unitdir) $(UNITS)
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(userunitdir) $(USER_UNITS)
	$(Q)$(INSTALL) -D -m 644 packaging/sysusers.conf $(DESTDIR)$(sysusersdir)/ipcbus.conf
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(udevdir) packaging/60-ipcbus.rules
	$(Q)$(INSTALL) -D -m 644 packaging/ipcbus-units.rules \
	  $(DESTDIR)$(polkitdir)/60-ipcbus-units.rules

# Files for security modules, which are not loaded by default. See docs/guide/mac.md.
macdir ?= $(datadir)/ipcbus

.PHONY: install-mac
INSTALLS += install-mac
install-mac:
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(macdir)/apparmor packaging/apparmor/usr.bin.servicemanager
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(macdir)/apparmor/abstractions \
	  packaging/apparmor/abstractions/ipcbus
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(macdir)/selinux packaging/selinux/ipcbus.te \
	  packaging/selinux/ipcbus.fc

TEST_BUILDS += $(UNITS) $(USER_UNITS)
UNIT_TESTS += packaging/test-unit packaging/test-polkit packaging/test-mac packaging/test-upgrade packaging/test-doc-links
# These tests build everything twice.
LONG_UNIT_TESTS += packaging/test-recipes packaging/test-deb

.PHONY: deb
deb: $(B)/setup-deb.done
	@VERSION=$(VERSION) packaging/deb
