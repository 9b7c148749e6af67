# SPDX-License-Identifier: MIT
#
# Builds ipcbus.ko for kernel $(KERNEL) and each of $(MORE_KERNELS), with that
# kernel's kbuild, in $(B)/driver/KERNEL. That folder contains links to the sources, so
# the source folder stays clean and several kernels have separate builds. Kernel headers
# are fetched on first use. KERNEL=native uses the headers of the running kernel.

ifneq ($(wildcard driver/Kbuild),)

DRIVER_KO := $(B)/driver/$(KERNEL)/ipcbus.ko
DRIVER_SOURCES := $(wildcard driver/*.[ch] driver/mem/*.[ch] driver/Kbuild driver/uapi/*.h)

# Folder of the kernel @, and the file that exists if the kernel is complete.
KERNEL_CACHE := $(shell . tests/env/vm/kernels.sh && kernel_cache @)
KERNEL_READY := $(shell . tests/env/vm/kernels.sh && kernel_ready @)

# The kernel's compiler, independent of CC for the libraries. If the machine does not have
# it, tests/env/vm/fetch has fetched it. From 6.12 on, BTF needs pahole and a vmlinux,
# which kernel headers do not contain. So BTF is off.
KERNEL_CC ?= gcc
KERNEL_MAKE = CONFIG_DEBUG_INFO_BTF_MODULES= CONFIG_PAHOLE_VERSION=0 CC=$(KERNEL_CC) \
	$(shell . tests/env/debug/flavours.sh && flavour_make $(1)) \
	$(shell . tests/env/vm/kernels.sh && kernel_make $(1))

driver_build = $(if $(filter native,$(1)),/lib/modules/$(shell uname -r)/build,$(subst @,$(1),$(KERNEL_CACHE))/build)
driver_ready = $(if $(filter native,$(1)),$(call driver_build,native)/Makefile,$(subst @,$(1),$(KERNEL_READY)))

# $(call kbuild,KERNEL): the command that builds a module in the folder of the target. make -n
# only prints it, because the folder that kbuild needs does not exist then.
kbuild = $(if $(DRY),:) PATH="$(subst @,$(1),$(KERNEL_CACHE))/tools/bin:$$PATH" $(MAKE) -s \
	-C $(call driver_build,$(1)) M=$(abspath $(@D)) IPCBUS_RELEASE=$(VERSION) $(call KERNEL_MAKE,$(1)) \
	modules

# driver_for KERNEL
define driver_for
ifneq ($(1),native)
$(call driver_ready,$(1)):
	@tests/env/vm/fetch $(1) >/dev/null
endif

$(B)/driver/$(1)/ipcbus.ko: $(DRIVER_SOURCES) $(call driver_ready,$(1))
	$$(call msg,KBUILD,$$@)
	@find $$(@D) -xtype l -delete
	@mkdir -p $$(@D)/mem
	@ln -sfn $(patsubst %,$(CURDIR)/%,$(filter-out driver/uapi/% driver/mem/%,$(DRIVER_SOURCES)) driver/uapi) $$(@D)
	@ln -sfn $(patsubst %,$(CURDIR)/%,$(filter driver/mem/%,$(DRIVER_SOURCES))) $$(@D)/mem
	+$$(Q)$$(call kbuild,$(1))
	@touch $$@
endef

$(foreach kernel,$(sort $(KERNEL) $(MORE_KERNELS)),$(eval $(call driver_for,$(kernel))))

TEST_BUILDS += $(DRIVER_KO)
GUEST_FILES += $(DRIVER_KO)

# If a driver cannot be built, its file must not exist: tests/run counts that as a failure.
.PHONY: more-drivers
more-drivers: $(MORE_KERNELS:%=more-driver-%)
more-driver-%:
	+@$(MAKE) $(B)/driver/$*/ipcbus.ko || rm -f $(B)/driver/$*/ipcbus.ko

endif

# Builds the module for kernel KVER in a separate folder, and installs it in the folder for
# modules that are not part of the kernel's package, where modprobe finds it.
KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
DEPMOD ?= $(or $(shell PATH="$$PATH:/sbin:/usr/sbin" command -v depmod),depmod)
MODULE := $(B)/driver/for-$(KVER)

.PHONY: module install-module uninstall-module
module:
	@[ -e $(KDIR)/Makefile ] || { \
	  echo 'module: $(KDIR): no headers of kernel $(KVER)' >&2; \
	  echo 'module: on Debian, as root: apt-get install linux-headers-$(KVER)' >&2; exit 1; }
	$(Q)rm -rf $(MODULE) && mkdir -p $(MODULE)
	$(Q)cp -r $(wildcard driver/*.[ch]) driver/Kbuild driver/mem driver/uapi $(MODULE)
	+$(Q)$(MAKE) -C $(KDIR) M=$(abspath $(MODULE)) IPCBUS_RELEASE=$(VERSION) modules

install-module: module
	+$(Q)$(MAKE) -C $(KDIR) M=$(abspath $(MODULE)) INSTALL_MOD_PATH=$(abspath $(DESTDIR)) \
	  INSTALL_MOD_DIR=updates modules_install
	$(Q)$(DEPMOD) $(if $(DESTDIR),-b $(abspath $(DESTDIR))) $(KVER)
	@if [ -z '$(DESTDIR)' ] && [ -e /sys/module/ipcbus ] && [ '$(KVER)' = "$$(uname -r)" ]; then \
	  echo 'install-module: the old module stays loaded until modprobe -r ipcbus or a reboot'; fi

uninstall-module:
	$(Q)rm -fv $(DESTDIR)/lib/modules/$(KVER)/updates/ipcbus.ko*
	$(Q)$(DEPMOD) $(if $(DESTDIR),-b $(abspath $(DESTDIR))) $(KVER)

# The sources from which DKMS builds the module on the target machine, and the header for
# programs that call the driver directly.
DRIVER_DKMS = $(DESTDIR)$(dkmsdir)/ipcbus-$(VERSION)
dkmsdir ?= $(PREFIX)/src

.PHONY: install-dkms
install-dkms:
	$(Q)$(INSTALL) -d $(DRIVER_DKMS)/mem $(DRIVER_DKMS)/uapi
	$(Q)$(INSTALL) -m 644 $(wildcard driver/*.[ch]) driver/Kbuild $(DRIVER_DKMS)
	$(Q)$(INSTALL) -m 644 $(wildcard driver/mem/*.[ch]) $(DRIVER_DKMS)/mem
	$(Q)$(INSTALL) -m 644 $(wildcard driver/uapi/*.h) $(DRIVER_DKMS)/uapi
	$(Q)sed 's|@VERSION@|$(VERSION)|' packaging/dkms.conf.in >$(DRIVER_DKMS)/dkms.conf

.PHONY: install-driver
INSTALLS += install-driver
install-driver:
	$(Q)$(INSTALL) -d $(DESTDIR)$(includedir) $(DESTDIR)$(mandir)/man4
	$(Q)$(INSTALL) -m 644 driver/uapi/ipcbus.h driver/uapi/ipcbus-monitor.h $(DESTDIR)$(includedir)
	$(Q)$(INSTALL) -m 644 driver/ipcbus.4 $(DESTDIR)$(mandir)/man4
