# SPDX-License-Identifier: MIT
#
# ipcbus.ko for kernel $(KERNEL), built by that kernel's own kbuild in
# $(B)/driver/$(KERNEL), where links stand for the sources: the source folder
# stays clean and several kernels' builds live side by side. The headers are
# fetched on first use; KERNEL=native takes those of the kernel that runs here.

ifneq ($(wildcard driver/Kbuild),)

DRIVER_DIR := $(B)/driver/$(KERNEL)
DRIVER_KO := $(DRIVER_DIR)/ipcbus.ko
DRIVER_SOURCES := $(wildcard driver/*.[chS] driver/Kbuild driver/uapi/*.h)

ifeq ($(KERNEL),native)
DRIVER_BUILD := /lib/modules/$(shell uname -r)/build
DRIVER_READY := $(DRIVER_BUILD)/Makefile
else
DRIVER_BUILD := $(shell . tests/vm/kernels.sh && kernel_cache $(KERNEL))/build
DRIVER_READY := $(shell . tests/vm/kernels.sh && kernel_ready $(KERNEL))

$(DRIVER_READY):
	@tests/vm/fetch $(KERNEL) >/dev/null
endif

# CC here is the kernel's business, not that of who builds the libraries.
# 6.12 asks for pahole and a vmlinux that headers do not have: BTF is off.
KERNEL_CC ?= gcc
KERNEL_MAKE = CC=$(KERNEL_CC) $(shell . tests/debug/flavours.sh && flavour_make $(KERNEL))

$(DRIVER_KO): $(DRIVER_SOURCES) $(DRIVER_READY)
	$(call msg,KBUILD,$@)
	@find $(@D) -xtype l -delete
	@ln -sfn $(patsubst %,$(CURDIR)/%,$(filter-out driver/uapi/%,$(DRIVER_SOURCES)) driver/uapi) $(@D)
	+$(Q)$(MAKE) -s -C $(DRIVER_BUILD) M=$(abspath $(@D)) $(KERNEL_MAKE) \
	  CONFIG_DEBUG_INFO_BTF_MODULES= modules
	@touch $@

ALL += $(DRIVER_KO)
GUEST_FILES += $(DRIVER_KO)

endif

# What a program that talks to the driver itself needs; the module is built
# where it runs (docs/, packaging).
.PHONY: install-driver
INSTALLS += install-driver
install-driver:
	$(Q)$(INSTALL) -d $(DESTDIR)$(includedir) $(DESTDIR)$(mandir)/man4
	$(Q)$(INSTALL) -m 644 driver/uapi/ipcbus.h $(DESTDIR)$(includedir)
	$(Q)$(INSTALL) -m 644 driver/ipcbus.4 $(DESTDIR)$(mandir)/man4
