# SPDX-License-Identifier: MIT
#
# libipc, servicemanager, ipcbusd and ipcctl; with -native, protoc-gen-ipc. packaging/README.md
# describes the tests of this recipe.

SUMMARY = "Calls between processes with kernel-checked objects"
require ipcbus-tree.inc

DEPENDS = "protobuf-native protobuf-c-native protobuf-c"
DEPENDS:append:class-target = " ipcbus-native jansson systemd"
RRECOMMENDS:${PN}:class-target = "kernel-module-ipcbus"

inherit pkgconfig features_check systemd useradd
REQUIRED_DISTRO_FEATURES:class-target = "systemd"

# PYTHON=false, because the Python package would be built for the build machine. HAVE_GRPC= leaves
# out ipc-gateway.
EXTRA_OEMAKE = "SETUP=no B=build RPATH=no WERROR=0 PYTHON=false HAVE_GRPC= PREFIX=${prefix} \
	bindir=${bindir} libdir=${libdir} includedir=${includedir} datadir=${datadir} mandir=${mandir} \
	unitdir=${systemd_system_unitdir} userunitdir=${systemd_user_unitdir} \
	PROTOC=${STAGING_BINDIR_NATIVE}/protoc PROTO_INCLUDE=${STAGING_INCDIR_NATIVE} \
	'CC=${CC}' 'AR=${AR}' 'OBJCOPY=${OBJCOPY}' 'CFLAGS=${CFLAGS}' 'LDFLAGS=${LDFLAGS}' \
	'CC_FOR_BUILD=${BUILD_CC}' 'CFLAGS_FOR_BUILD=${BUILD_CFLAGS}' 'LDFLAGS_FOR_BUILD=${BUILD_LDFLAGS}' \
	PKG_CONFIG=pkg-config PKG_CONFIG_FOR_BUILD=pkg-config-native"

# The plugin runs on the build machine. The target gets everything else.
IPCBUS_INSTALLS = "install-libipc install-driver install-shared install-servicemanager \
	install-daemon install-tools install-packaging"

do_configure[noexec] = "1"

do_compile() {
	oe_runmake
}

do_compile:class-native() {
	oe_runmake build/idl/protoc-gen-ipc
}

do_install() {
	oe_runmake install DESTDIR=${D} INSTALLS="${IPCBUS_INSTALLS}"
}

do_install:class-native() {
	oe_runmake install-idl DESTDIR=${D}
}

USERADD_PACKAGES = "${PN}"
USERADD_PARAM:${PN} = "--system --no-create-home --shell /sbin/nologin --user-group ipcbus"
SYSTEMD_SERVICE:${PN} = "ipcbus-servicemanager.service"

PACKAGES =+ "libipc ${PN}-tools"
FILES:libipc = "${libdir}/libipc.so.*"
FILES:${PN}-tools = "${bindir}/ipcctl ${datadir}/bash-completion ${datadir}/zsh"
FILES:${PN} += "${systemd_system_unitdir} ${systemd_user_unitdir} ${prefix}/lib/sysusers.d \
	${prefix}/lib/udev ${datadir}/ipcbus/policy.d ${datadir}/polkit-1"
FILES:${PN}-dev += "${datadir}/ipcbus/proto"

BBCLASSEXTEND = "native"
