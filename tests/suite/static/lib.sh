# SPDX-License-Identifier: MIT
#
# Shared by the static checks; each sources it from the top of the tree. A check is an executable
# that prints TAP: one `check NAME COMMAND...` after the other, then `checks_done`. COMMAND passes
# if it exits with 0 and prints nothing. Its output describes the faults.
#
# shellcheck shell=bash

B=${B:-build}
static=$B/static
checks=0
checks_failed=0

# A make started here must not be part of the make that started us.
unset MAKEFLAGS MFLAGS MAKELEVEL

mkdir -p "$static"
complaints=$(mktemp)
trap 'rm -f "$complaints"' EXIT

check() {
	local name=$1 status=0
	shift
	checks=$((checks + 1))
	"$@" >"$complaints" 2>&1 || status=$?
	if [ $status = 0 ] && [ ! -s "$complaints" ]; then
		echo "ok $checks - $name"
		return
	fi
	checks_failed=$((checks_failed + 1))
	echo "not ok $checks - $name"
	head -n 60 "$complaints" | sed 's/^/# /'
	[ $status = 0 ] || echo "# ended with status $status"
}

check_skip() {
	checks=$((checks + 1))
	echo "ok $checks - $1 # SKIP $2"
}

checks_done() {
	echo "1..$checks"
	[ $checks_failed = 0 ]
}

# Prints all files of the tree that match the patterns: those that git tracks or would track.
tree_files() {
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do
			[ ! -f "$f" ] || echo "$f"
		done
	else
		local pattern expression=()
		for pattern in "$@"; do
			expression+=(-o -path "./$pattern")
		done
		find . -path "./$B" -prune -o -type f \( "${expression[@]:1}" \) -print | sed 's|^\./||'
	fi
}

# Handwritten C: not the generator's expected output.
tree_sources() {
	tree_files '*.c' '*.h' | grep -vE '^tests/suite/idl/(golden|compile|fail)/'
}

# Checks that build run one at a time, because two runs may share $(B).
only_one() {
	exec 9>"$static/.lock"
	flock 9
}

# compile_all NAME COMPILER CFLAGS: compiles all C of user space, in a separate folder; shows only
# warnings and errors.
compile_all() {
	local status=0
	only_one
	make B="$static/$1" CC="$2" CFLAGS="$3" user-space -j2 -k -s >"$static/$1.log" 2>&1 || status=$?
	grep -vE '^(make|  )' "$static/$1.log" || :
	return $status
}

compile_with_clang() { compile_all clang "$PWD/tests/suite/static/noting clang" '-O1 -g -DNOTED'; }
