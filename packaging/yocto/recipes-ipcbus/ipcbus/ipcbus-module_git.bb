# SPDX-License-Identifier: MIT
#
# The kernel module. The kernel needs CONFIG_MMU_NOTIFIER, which CONFIG_KVM and some other options
# select.

SUMMARY = "Calls between processes with kernel-checked objects (kernel module)"
require ipcbus-tree.inc

inherit module

EXTRA_OEMAKE += "-C ${STAGING_KERNEL_DIR} M=${S}/driver O=${STAGING_KERNEL_BUILDDIR} IPCBUS_RELEASE=${PV}"
MODULES_INSTALL_TARGET = "modules_install"
MAKE_TARGETS = "modules"
RPROVIDES:${PN} += "kernel-module-ipcbus"
