# SPDX-License-Identifier: MIT
#
# The kernels with checkers: their configuration, and the tests that run there. Sourced by the
# scripts of this folder and by tests/env/vm/run.
#
#   uml    a process: KASAN, lockdep, kmemleak, debug objects, fault injection
#   kasan  the same in QEMU, with two processors, preemption, sleep-in-atomic
#   kcsan  data races
#   kmsan  uninitialized memory

flavour_names='uml kasan kcsan kmsan'

flavour_is_known() {
	case " $flavour_names " in *" $1 "*) true ;; *) false ;; esac
}

flavour_fragments() {
	case $1 in
	uml) printf '%s.config\n' common machine-uml checks kasan ;;
	kasan) printf '%s.config\n' common machine-qemu checks checks-qemu kasan ;;
	kcsan) printf '%s.config\n' common machine-qemu checks checks-qemu kcsan ;;
	kmsan) printf '%s.config\n' common machine-qemu kmsan ;;
	esac
}

flavour_arch() { case $1 in uml) echo um ;; *) echo x86_64 ;; esac; }

# KMSAN is clang's alone.
flavour_compiler() { case $1 in kmsan) echo clang ;; *) echo gcc ;; esac; }

flavour_targets() { case $1 in uml) echo linux modules ;; *) echo bzImage modules ;; esac; }

# More for the kernel's command line, and its memory.
flavour_append() { case $1 in uml | kasan) echo kasan_multi_shot ;; esac; }
flavour_memory() { case $1 in kmsan) echo 2G ;; *) echo 1G ;; esac; }

# Options for building the module, in addition to its own Kbuild.
flavour_make() {
	case $1 in
	uml) echo ARCH=um SUBARCH=x86_64 UBSAN_SANITIZE=y ;;
	kasan) echo UBSAN_SANITIZE=y ;;
	kmsan) echo "CC=$(flavour_compiler kmsan)" ;;
	esac
}

# How tests/run runs there, and the timeout of a test. User-mode Linux starts in a second. The
# others are slow: timeouts are longer, some tests run fewer rounds, and cases tagged long, which
# go up to a limit, would take minutes.
flavour_run() {
	case $1 in
	uml) echo --guests $(($(nproc) + 1)) ;;
	*) echo --guests 2 --env CK_TIMEOUT_MULTIPLIER=4 --env CK_EXCLUDE_TAGS=long \
		--env IPCBUS_FEWER_ROUNDS=5 --env IPCBUS_CRASH_SECONDS=20 ;;
	esac
}
flavour_timeout() { case $1 in uml) echo 600 ;; *) echo 900 ;; esac; }

# Tests that do not run in this kernel, as a regular expression of "KIND PATH". Tests that need a
# servicemanager (guest) find none here, because the image contains only tests. Examples measure,
# these kernels run no 32-bit programs, and most programs that use the driver only through libipc
# find nothing new. The budget does not include the checkers' memory. Where time passes only in
# sleep, on one CPU without preemption (uml), tests that race for some seconds would never end.
# Uninitialized memory needs no races (kmsan, the slowest of all). Only uml and kasan support
# injected failures.
flavour_without() {
	local failing='suite/fault/' all='^guest | examples/|abi/i386/|servicemanager/|tools/|e2e/containers$'
	all+='|e2e/test-(manager-.*|loop-.*|evolve|watch|async|call|death|serve|threads'
	all+='|object|stream|stream-space|stream-hostile)$|suite/(hostile|budget)/'
	case $1 in
	uml) echo "$all|kernel/test-(brawl|race|reclaim|unmount|bad-memory|fd-kinds)$|crash/" ;;
	kasan) echo "$all" ;;
	kcsan) echo "$all|$failing" ;;
	kmsan) echo "$all|$failing|/test-(brawl|race|memcg|reclaim|unmount)$|crash/" ;;
	esac
}

# The tests, as a regular expression, that a kernel under QEMU runs in `make test-debug-more`: those
# for which its checkers are needed. Each test runs in uml or in one of these. Two processors matter
# where threads meet (kasan, kcsan) and where memory is freed or reused. Structures that reach user
# space may have holes (kmsan).
flavour_part() {
	local kernel='suite/kernel/test-' threads
	threads="$kernel(brawl|race)$"
	case $1 in
	kasan) echo "$threads|$kernel(bad-memory|fd-kinds|memcg|reclaim|remains|spin|unmount)$|crash/" ;;
	kcsan) echo "$threads|$kernel(cancel|death|freeze|freeze-threads|monitor|poll|priority|thread)$" ;;
	kmsan) echo "$kernel(account|death|fd|info|monitor)$|e2e/test-raw$" ;;
	esac
}
