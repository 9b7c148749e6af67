# SPDX-License-Identifier: MIT
#
# Builds the tree that contains this file, for a Buildroot with
# BR2_EXTERNAL=THIS_TREE/packaging/buildroot. packaging/README.md describes the tests of this
# recipe.

IPCBUS_VERSION = local
IPCBUS_SITE = $(realpath $(BR2_EXTERNAL_IPCBUS_PATH)/../..)
IPCBUS_SITE_METHOD = local
# Files that were built in this tree by hand are for another machine.
IPCBUS_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude build
IPCBUS_LICENSE = MIT, GPL-2.0 (driver), GPL-2.0 with Linux-syscall-note (UAPI headers)
IPCBUS_LICENSE_FILES = LICENSES/MIT.txt LICENSES/GPL-2.0-only.txt LICENSES/Linux-syscall-note.txt
IPCBUS_INSTALL_STAGING = YES
IPCBUS_DEPENDENCIES = host-ipcbus host-pkgconf host-protobuf host-protobuf-c jansson protobuf-c systemd
HOST_IPCBUS_DEPENDENCIES = host-pkgconf host-protobuf host-protobuf-c

# PYTHON=false, because the Python package would be built for the build machine. HAVE_GRPC= leaves
# out ipc-gateway.
IPCBUS_BUILD_OPTS = SETUP=no B=build RPATH=no WERROR=0 PYTHON=false HAVE_GRPC= PREFIX=/usr \
	PROTOC="$(HOST_DIR)/bin/protoc" PROTO_INCLUDE="$(HOST_DIR)/include" \
	CC_FOR_BUILD="$(HOSTCC)" CFLAGS_FOR_BUILD="$(HOST_CFLAGS)" LDFLAGS_FOR_BUILD="$(HOST_LDFLAGS)" \
	PKG_CONFIG_FOR_BUILD="env PKG_CONFIG_SYSROOT_DIR=/ PKG_CONFIG_LIBDIR=$(HOST_DIR)/lib/pkgconfig $(PKG_CONFIG_HOST_BINARY)"

IPCBUS_MAKE_OPTS = $(IPCBUS_BUILD_OPTS) \
	CC="$(TARGET_CC)" AR="$(TARGET_AR)" OBJCOPY="$(TARGET_OBJCOPY)" \
	CFLAGS="$(TARGET_CFLAGS)" LDFLAGS="$(TARGET_LDFLAGS)" PKG_CONFIG="$(PKG_CONFIG_HOST_BINARY)"

# The plugin runs on the build machine. The target gets everything else.
IPCBUS_TARGET_INSTALLS = install-libipc install-driver install-servicemanager install-daemon \
	install-tools install-packaging
IPCBUS_STAGING_INSTALLS = install-libipc install-driver install-shared

define IPCBUS_BUILD_CMDS
	$(TARGET_MAKE_ENV) $(MAKE) -C $(@D) $(IPCBUS_MAKE_OPTS)
endef

define IPCBUS_INSTALL_STAGING_CMDS
	$(TARGET_MAKE_ENV) $(MAKE) -C $(@D) $(IPCBUS_MAKE_OPTS) DESTDIR="$(STAGING_DIR)" \
		INSTALLS="$(IPCBUS_STAGING_INSTALLS)" install
endef

define IPCBUS_INSTALL_TARGET_CMDS
	$(TARGET_MAKE_ENV) $(MAKE) -C $(@D) $(IPCBUS_MAKE_OPTS) DESTDIR="$(TARGET_DIR)" \
		INSTALLS="$(IPCBUS_TARGET_INSTALLS)" install
endef

define HOST_IPCBUS_BUILD_CMDS
	$(HOST_MAKE_ENV) $(MAKE) -C $(@D) $(IPCBUS_BUILD_OPTS) CC="$(HOSTCC)" \
		PKG_CONFIG="$(PKG_CONFIG_HOST_BINARY)" build/idl/protoc-gen-ipc
endef

define HOST_IPCBUS_INSTALL_CMDS
	$(HOST_MAKE_ENV) $(MAKE) -C $(@D) $(IPCBUS_BUILD_OPTS) CC="$(HOSTCC)" \
		PKG_CONFIG="$(PKG_CONFIG_HOST_BINARY)" DESTDIR="$(HOST_DIR)" PREFIX= install-idl
endef

define IPCBUS_USERS
	ipcbus -1 ipcbus -1 * - - - ipcbus service manager
endef

IPCBUS_MODULE_SUBDIRS = driver

$(eval $(kernel-module))
$(eval $(generic-package))
$(eval $(host-generic-package))
