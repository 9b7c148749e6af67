# SPDX-License-Identifier: MIT
#
# What came of a run of the guest. Sourced by tests/env/vm/run, after guest.sh.

# last_words CONSOLE QEMU MESSAGE: prints MESSAGE, and the last lines of the console and of QEMU
last_words() {
	say "$3"
	tail -q -n 15 "$1" "$2" >&2
}

# verdict ENDED FOLDER CONSOLE: exit as the run should. ENDED is QEMU's status or
# 124 for too late; FOLDER has the guest's report and QEMU's own words.
verdict() {
	local ended=$1 report=$2/report console=$3 failed='' status
	status=$(sed -n 's/^status //p' "$report" 2>/dev/null || :)

	# The kernel's own complaints first, then the guest's.
	if kernel_complaints <"$console" >"$2/complaints"; then
		say "the kernel complained:"
		head -n 80 "$2/complaints" >&2
		failed=1
	fi
	if grep -q '^problem ' "$report" 2>/dev/null; then
		sed -n 's/^problem /vm: /p' "$report" >&2
		failed=1
	fi
	if [ "$ended" = 124 ]; then
		say "not done after $timeout seconds, stopped"
	elif ! is_up; then
		last_words "$console" "$2/qemu" "the guest did not come up; its last words:"
		failed=1
	elif [ "$ended" != 0 ]; then
		say "QEMU failed:"
		cat "$2/qemu" >&2
		failed=1
	elif [ "$(tail -n 1 "$report" 2>/dev/null)" != end ]; then
		[ -n "$failed" ] || last_words "$console" "$2/qemu" \
			"the guest ended before it was done; its last words:"
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
