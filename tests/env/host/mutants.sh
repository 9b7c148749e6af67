# SPDX-License-Identifier: MIT
#
# What scripts that test by mutants share: each puts bugs on purpose into copies of files,
# links a test of the host build with the copy, and wants the test to fail. A bug that
# does not fit the file any more is a failure, too. Sourced from the top of the tree by
# a script that has two functions of its own:
#
#   build FOLDER FILE   make a program of $work/FILE.c in place of FOLDER/FILE.c
#   run CASE            run it
#
# With MUTANTS=fit in the environment nothing is built or run: whether each bug fits its file
# is all that is looked at. It takes a second (scripts/pre-commit).
#
# shellcheck shell=bash

B=${B:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0 failed=0

# Where the driver's sources find theirs.
driver_includes=(-Ishim -Idriver/uapi -Idriver -Idriver/mem)

# compile OUTPUT ARGUMENT...: as the host build does
compile() {
	local output=$1
	shift
	"${CC:-gcc}" -std=gnu11 -O1 -g -w -fsanitize=address,undefined -fno-sanitize-recover=all \
		-fno-omit-frame-pointer -fno-strict-aliasing -fwrapv -pthread \
		-o "$work/$output" "$@"
}

# objects_but FILE OBJECT...: all but that of FILE, and those whose source is no more
objects_but() {
	local file=$1 object
	shift
	for object; do
		[ "${object##*/}" != "$file.o" ] && [ -e "$(source_of "$object" 2>/dev/null)" ] && echo "$object"
	done
	return 0
}

# The first of what the compiler says that it read.
source_of() { grep -om 1 '[^ ]*\.c\b' "${1%.o}.d"; }

# [wanted=REGEX] mutant NAME FOLDER/FILE CASE SED...: what sed makes of the file must be
# found by the case, with a complaint like that.
mutant() {
	local name=$1 folder=${2%/*} file=${2##*/} case=$3
	shift 3
	number=$((number + 1))
	sed "$@" "$folder/$file.c" >"$work/$file.c"
	if cmp -s "$folder/$file.c" "$work/$file.c"; then
		verdict "$name" "it does not fit $folder/$file.c any more"
	elif [ "${MUTANTS:-}" = fit ]; then
		verdict "$name" ""
	elif ! build "$folder" "$file"; then
		verdict "$name" "it does not build"
	elif { run "$case" >"$work/output" 2>&1; } 2>/dev/null; then
		verdict "$name" "it was not found"
	elif ! grep -q -e "${wanted:-}" "$work/output"; then
		verdict "$name" "something else was found:"
		sed 's/^/# /' "$work/output" | head -n 20
	else
		verdict "$name" ""
		grep -h -m 3 '^# \|^repeat it\|^host kernel\|ERROR: ' "$work/output" | sed 's/^#*/#/'
	fi
}

# verdict NAME COMPLAINT
verdict() {
	if [ -z "$2" ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		echo "# $2"
		failed=$((failed + 1))
	fi
}

mutants_done() { [ $failed = 0 ]; }
