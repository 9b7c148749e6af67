# SPDX-License-Identifier: MIT
#
# Which kernels the guest can run and what Debian calls their packages. Sourced
# by the scripts of this folder and asked by the Makefile; the only place that
# knows about kernel versions. A kernel is named by its series: 6.1, 6.12.

# Bump when `fetch` lays the cache out differently: older folders are redone.
kernel_layout=1

kernel_cache_root() {
	printf '%s\n' "${IPCBUS_CACHE:-${XDG_CACHE_HOME:-${HOME:?not set; set IPCBUS_CACHE}/.cache}/ipcbus}"
}

# The folder of kernel $1, once fetched: vmlinuz, version, headers/, modules/.
kernel_cache() {
	printf '%s/kernel-%s\n' "$(kernel_cache_root)" "$1"
}

# The file in it that says that all of it is there.
kernel_ready() {
	printf '%s/ready-%s\n' "$(kernel_cache "$1")" "$kernel_layout"
}

# The series of a version: 6.1.0-56-amd64 -> 6.1
kernel_series() {
	printf '%s\n' "$1" | sed -E 's/^([0-9]+\.[0-9]+).*/\1/'
}

# The version behind Debian's meta package, as apt knows it; empty if it does
# not (package lists never fetched, or not Debian).
kernel_stock_version() {
	apt-cache depends linux-image-amd64 2>/dev/null |
		sed -n 's/.*Depends: linux-image-\([0-9].*\)$/\1/p' | head -n 1
}

# The kernel that belongs to the Debian release of this machine. Releases are
# spelled out because make asks each time and apt takes its time to answer.
kernel_default() {
	case $(. /etc/os-release 2>/dev/null && printf '%s-%s' "${ID:-}" "${VERSION_ID:-}") in
	debian-12) echo 6.1 ;;
	debian-13) echo 6.12 ;;
	*) kernel_series "$(kernel_stock_version)" ;;
	esac
}

# The version of kernel $1 that can be fetched now; fails with a reason.
kernel_version() {
	kv_stock=$(kernel_stock_version)
	if [ -z "$kv_stock" ]; then
		echo "apt knows no linux-image-amd64: run 'apt-get update' (make setup does)" >&2
		return 1
	fi
	if [ "$(kernel_series "$kv_stock")" != "$1" ]; then
		echo "no kernel $1 here: this Debian's own is $(kernel_series "$kv_stock") ($kv_stock)" >&2
		return 1
	fi
	printf '%s\n' "$kv_stock"
}

# The packages to unpack for version $1: the image, and all that building a
# module takes.
kernel_packages() {
	printf 'linux-image-%s\nlinux-headers-%s\n' "$1" "$1"
	apt-cache depends "linux-headers-$1" |
		sed -n 's/.*Depends: \(linux-headers-.*-common\|linux-kbuild-.*\)$/\1/p'
}

# Modules of the stock kernel that the guest gets, as patterns under kernel/.
kernel_modules='drivers/android/*'

# Names that --kernel and KERNEL= take, for messages.
kernel_names='6.1 (Debian 12), 6.12 (Debian 13), uml, kasan, kcsan, kmsan'
