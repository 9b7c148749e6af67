# SPDX-License-Identifier: MIT
#
# Functions shared by the scripts here: the list of fuzzers, and how to start each. Sourced from the
# top of the tree.
#
# shellcheck shell=bash disable=SC2034

B=${B:-build}
fuzz_all=(range registry policy activation schema table skeleton streams codec driver)

# fuzz_is_built: if not, prints the reason
fuzz_is_built() {
	local name
	for name in "$@"; do
		if [ ! -x "$B/tests/suite/fuzz/$name" ]; then
			echo "fuzz: $B/tests/suite/fuzz/$name is not built: is clang installed? make setup" >&2
			return 1
		fi
	done
}

# Sets `options` for a fuzzer, including the maximum length of inputs.
fuzz_options() {
	options=(-timeout=20 -rss_limit_mb=1500 -print_final_stats=1)
	case $1 in
	driver) options+=(-max_len=320 -entropic=0) ;;
	schema) options+=(-max_len=20000) ;;
	*) options+=(-max_len=600) ;;
	esac
}

# Prints the existing folders of a fuzzer's inputs in the tree.
fuzz_inputs() {
	find "tests/suite/fuzz/$1/corpus" "tests/suite/fuzz/$1/crashes" -maxdepth 0 -type d 2>/dev/null
}
