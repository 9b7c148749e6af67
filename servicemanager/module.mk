# SPDX-License-Identifier: MIT
#
# The daemon that maps names to objects, and its tests: the pure parts on the host, the methods and
# the daemon in the guest.

MANAGER := $(B)/servicemanager/servicemanager
MANAGER_STUBS := $(B)/servicemanager/servicemanager.ipc.o $(B)/servicemanager/servicemanager.pb-c.o
MANAGER_HEADERS := $(IPC_SHARED_HEADERS) $(B)/servicemanager/servicemanager.ipc.h

LIBSYSTEMD_LIBS := $(shell $(PKG_CONFIG) --libs libsystemd 2>/dev/null || echo -lsystemd)

MANAGER_SOURCES := $(notdir $(wildcard servicemanager/*.c))
$(MANAGER_SOURCES:%.c=$(B)/servicemanager/%.o): $(B)/servicemanager/%.o: servicemanager/%.c \
		| $(MANAGER_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(IPC_STUB_CFLAGS) -I$(@D) $(CHECK_CFLAGS) \
	  -DIPC_VERSION='"$(VERSION)"' -DIPC_DATADIR='"$(datadir)"' -MD -MP -c -o $@ $<

# Installed programs search the folder that PREFIX determines.
$(B)/servicemanager/main.o: $(B)/servicemanager/datadir
ifneq ($(file <$(B)/servicemanager/datadir),$(datadir))
$(B)/servicemanager/datadir: FORCE
	$(call msg,GEN,$@)
	$(Q)echo '$(datadir)' >$@
endif

# In the order of layers, lowest first. Tests build this core, which installs no signal handlers and
# runs no loop.
MANAGER_CORE := log trust loop config registry policy policy-parse activation-config reply access waiter \
	unit activation lookup watch registrant registration manager
MANAGER_PARTS := $(MANAGER_CORE) policy-load main
$(MANAGER): $(MANAGER_PARTS:%=$(B)/servicemanager/%.o) $(MANAGER_STUBS) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../libipc) -o $@ $^ \
	  $(LIBIPC) $(PROTOBUF_C_LIBS) $(LIBSYSTEMD_LIBS)

# Without any file, the rules of the installed file apply.
$(B)/servicemanager/default-policy.inc: servicemanager/default-policy.conf
	$(call msg,GEN,$@)
	$(Q)sed -e 's/["\\]/\\&/g' -e 's/^/"/' -e 's/$$/\\n"/' $< >$@

$(B)/servicemanager/policy-load.o: $(B)/servicemanager/default-policy.inc

$(B)/servicemanager/test-policy: $(addprefix $(B)/servicemanager/,test-policy.o policy.o \
		policy-parse.o policy-load.o registry.o config.o trust.o log.o)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS)

$(B)/servicemanager/test-activation: $(addprefix $(B)/servicemanager/,test-activation.o activation-config.o \
		config.o trust.o log.o registry.o)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS)

$(B)/servicemanager/test-registry: $(B)/servicemanager/test-registry.o \
		$(B)/servicemanager/registry.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS)

MANAGER_GUEST_TESTS := $(B)/servicemanager/test-manager $(B)/servicemanager/test-daemon
$(MANAGER_GUEST_TESTS): %: %.o $(MANAGER_STUBS) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../libipc) -o $@ $^ \
	  $(LIBIPC) $(PROTOBUF_C_LIBS) $(CHECK_LIBS)

install-servicemanager: $(MANAGER)
	$(Q)$(INSTALL) -D -m 755 $(MANAGER) $(DESTDIR)$(bindir)/servicemanager
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(mandir)/man8 servicemanager/servicemanager.8
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(mandir)/man5 servicemanager/ipcbus-policy.5 \
	  servicemanager/ipcbus-services.5
	$(Q)$(INSTALL) -D -m 644 servicemanager/default-policy.conf \
	  $(DESTDIR)$(datadir)/ipcbus/policy.d/00-default.conf

PRODUCTS += $(MANAGER)
TEST_BUILDS += $(B)/servicemanager/test-registry $(B)/servicemanager/test-policy \
	$(B)/servicemanager/test-activation $(MANAGER_GUEST_TESTS)
UNIT_TESTS += $(B)/servicemanager/test-registry $(B)/servicemanager/test-policy \
	$(B)/servicemanager/test-activation
GUEST_TESTS += $(B)/servicemanager/test-manager
GUEST_RAW_TESTS += $(B)/servicemanager/test-daemon
GUEST_FILES += $(MANAGER)
INSTALLS += install-servicemanager
