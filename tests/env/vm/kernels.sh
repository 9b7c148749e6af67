# SPDX-License-Identifier: MIT
#
# Which kernels the guest can run, where Debian has them, and what builds a
# module for them. Sourced by the scripts of this folder and asked by the
# Makefile; the only place that knows about kernel versions. A kernel is named by
# its series: 6.1, 6.12; kinds beside Debian's usual one have theirs in front. That of
# backports has no series, as Debian replaces it by a newer one, which ends the old one.
#
#   kernel     Debian               compiler
#   6.1        bookworm             gcc 12
#   6.12       trixie               gcc 14
#   backports  trixie-backports     gcc 14       the newest there, 7.3 today
#   rt-6.1     bookworm             gcc 12       PREEMPT_RT
#   arm64-6.1  bookworm for arm64   gcc 12, from amd64

# Bump when `fetch` lays the cache out differently: older folders are redone.
kernel_layout=1

# Those that `make test` runs the driver's tests on, beside this release's own.
kernel_stock='6.1 6.12 backports'

# Names that --kernel and KERNEL= take, for messages.
kernel_names='6.1, 6.12, backports, rt-6.1, arm64-6.1 (Debian), uml, kasan, kcsan, kmsan'

kernel_is_known() {
	case $1 in
	6.1 | 6.12 | backports | rt-6.1 | arm64-6.1) true ;;
	*) false ;;
	esac
}

# Debian's release that kernel $1 comes from, as tests/env/vm/apt takes it.
kernel_release() {
	case $1 in
	6.1 | rt-6.1) echo bookworm ;;
	arm64-6.1) echo bookworm:arm64 ;;
	6.12) echo trixie ;;
	backports) echo trixie+backports ;;
	esac
}

# The release whose compiler builds modules for kernel $1: a kernel may need options that older
# compilers lack.
kernel_tools_release() {
	kernel_release "$1" | sed 's/[:+].*//'
}

# Packages of that compiler, and libraries of the kernel's own build tools.
kernel_tools_packages() {
	case $1 in
	arm64-*) echo gcc-12-aarch64-linux-gnu binutils-aarch64-linux-gnu libelf1 ;;
	6.1 | rt-6.1) echo gcc-12 binutils libelf1 ;;
	*) echo gcc-14 binutils libelf1t64 ;;
	esac
}

kernel_tools_gcc() { kernel_tools_packages "$1" | sed 's/^gcc-\([0-9]*\).*/\1/'; }

# What its programs' names begin with.
kernel_tools_prefix() { case $1 in arm64-*) echo aarch64-linux-gnu- ;; esac; }

# More for the make that builds a module.
kernel_make() {
	case $1 in arm64-*) echo "ARCH=arm64 CROSS_COMPILE=$(kernel_tools_prefix "$1") CC=$(kernel_tools_prefix "$1")gcc" ;; esac
}

kernel_arch() { case $1 in arm64-*) echo arm64 ;; *) echo amd64 ;; esac; }

# The package that depends on the newest image of kernel $1's kind.
kernel_meta() {
	case $1 in
	rt-*) echo linux-image-rt-amd64 ;;
	*) echo "linux-image-$(kernel_arch "$1")" ;;
	esac
}

# What versions of kernel $1 begin with, as a regular expression: rt-6.1 -> 6\.1[.-]
kernel_series() {
	case $1 in
	backports) echo '[0-9]' ;;
	*) printf '%s\n' "$1" | sed -E 's/^([a-z0-9]+-)?([0-9]+)\.([0-9]+)$/\2\\.\3[.-]/' ;;
	esac
}

kernel_cache_root() {
	printf '%s\n' "${IPCBUS_CACHE:-${XDG_CACHE_HOME:-${HOME:?not set; set IPCBUS_CACHE}/.cache}/ipcbus}"
}

# The folder of kernel $1 after fetching: vmlinuz, version, headers/, modules/, and tools/bin if the
# machine's own compiler differs.
kernel_cache() {
	printf '%s/kernel-%s\n' "$(kernel_cache_root)" "$1"
}

# The file in it that says that all of it is there.
kernel_ready() {
	printf '%s/ready-%s\n' "$(kernel_cache "$1")" "$kernel_layout"
}

# The folder of headers and libraries for programs of architecture $1.
kernel_sysroot() {
	printf '%s/sysroot-%s-%s\n' "$(kernel_cache_root)" "$(kernel_codename)" "$1"
}

# This machine's Debian release; empty elsewhere.
kernel_codename() {
	(. /etc/os-release 2>/dev/null && [ "${ID:-}" = debian ] &&
		printf '%s\n' "${VERSION_CODENAME:-}") || :
}

# The kernel of this Debian release, or the first on other distributions.
kernel_default() {
	case $(kernel_codename) in
	trixie) echo 6.12 ;;
	*) echo 6.1 ;;
	esac
}
