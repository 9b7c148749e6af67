# SPDX-License-Identifier: MIT
#
# Shared by the checks that build the driver; source it after lib.sh. They build it with the
# kernel's own kbuild. A successful result of a tool is cached outside the tree, as long as neither
# the driver nor the kernel nor the tools change.
#
# shellcheck shell=bash

# shellcheck source=tests/env/vm/kernels.sh
. tests/env/vm/kernels.sh
KERNEL=${KERNEL:-$(kernel_default)}
only_one
clean=$(kernel_cache_root)/clean
mkdir -p "$clean"

# key OPTION...: prints a hash of all inputs of a build with these options
key() {
	{
		echo "$KERNEL" "$@"
		if [ "$KERNEL" = native ]; then uname -r; else cat "$(kernel_cache "$KERNEL")/version"; fi
		sparse --version
		gcc --version
		cat tests/suite/static/{driver,analyzer,driver-lib.sh} driver/module.mk driver/Kbuild
		find driver -name '*.[ch]' | LC_ALL=C sort | xargs sha256sum
	} 2>&1 | sha256sum | cut -c1-32
}

# build NAME VARIABLE=...: builds the driver in a new folder
build() {
	local dir=$static/$1
	shift
	rm -rf "$dir/driver"
	make -s B="$dir" KERNEL="$KERNEL" "$@" "$dir/driver/$KERNEL/ipcbus.ko" 2>&1 |
		grep -vE '^(  |make|WARNING: Symbol version dump)' || :
}

# build_once NAME VARIABLE=...: the same, unless a success is cached
build_once() {
	local kept
	kept=$clean/$(key "$@")
	if [ ! -e "$kept" ]; then
		build "$@" >"$static/$1.said"
		cat "$static/$1.said"
		[ ! -e "$static/$1/driver/$KERNEL/ipcbus.ko" ] || [ -s "$static/$1.said" ] || : >"$kept"
	fi
	[ ! -e "$kept" ] || touch "$kept"
	find "$clean" -mtime +30 -delete
}

# A module with a function that has a fault for each tool.
write_mutant() {
	mkdir -p "$static/mutant"
	printf 'obj-m := mutant.o\n' >"$static/mutant/Kbuild"
	cat >"$static/mutant/mutant.c" <<-'END'
		#include <linux/module.h>
		#include <linux/uaccess.h>
		/* sparse: user memory; W=1: a variable that is never used; -fanalyzer: NULL */
		int mutant(int __user *there, int which)
		{
			int *nowhere = which ? &which : NULL, unused;

			unused = 1;
			return *there + *nowhere;
		}
		MODULE_LICENSE("GPL");
	END
}

# finds PATTERN VARIABLE=...: prints a message if the fault is not reported
finds() {
	local pattern=$1 build said
	shift
	if [ "$KERNEL" = native ]; then
		build=/lib/modules/$(uname -r)/build
	else
		build=$(kernel_cache "$KERNEL")/build
	fi
	rm -f "$static"/mutant/*.o
	said=$(make -s -C "$build" M="$PWD/$static/mutant" "$@" modules 2>&1) || :
	grep -q "$pattern" <<<"$said" || printf 'did not find the mutant:\n%s\n' "$said"
}
