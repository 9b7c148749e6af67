# SPDX-License-Identifier: MIT
#
# What came of a run of the guest. Sourced by tests/vm/run, after guest.sh.

# What the console $1 ends with, for want of a better reason.
last_words() {
	say "the guest ended before it was done; its last words:"
	tail -n 15 "$1" >&2
}

# verdict ENDED FOLDER CONSOLE: exit as the run should. ENDED is QEMU's status or
# 124 for too late; FOLDER has the guest's report and QEMU's own words.
verdict() {
	local ended=$1 report=$2/report console=$3 failed='' status
	status=$(sed -n 's/^status //p' "$report" 2>/dev/null || :)

	# The kernel's own complaints first, then the guest's.
	if grep -qE "$kernel_trouble" "$console"; then
		say "the kernel complained:"
		grep -E -A 20 "$kernel_trouble" "$console" | head -n 80 >&2
		failed=1
	fi
	if grep -q '^problem ' "$report" 2>/dev/null; then
		sed -n 's/^problem /vm: /p' "$report" >&2
		failed=1
	fi
	if [ "$ended" = 124 ]; then
		say "not done after $timeout seconds, stopped"
	elif [ "$ended" != 0 ]; then
		say "QEMU failed:"
		cat "$2/qemu" >&2
		failed=1
	elif [ "$(tail -n 1 "$report" 2>/dev/null)" != end ]; then
		[ -n "$failed" ] || last_words "$console"
		failed=1
	fi

	if [ -z "$failed" ] && [ "$ended" = 0 ] && [ "$status" = 0 ]; then
		rm -f "$console"
		exit 0
	fi
	say "console: $console"
	[ "$ended" != 124 ] || exit 124
	[ -z "$failed" ] || exit 120
	exit "$status"
}
