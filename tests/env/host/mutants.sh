# SPDX-License-Identifier: MIT
#
# Shared by scripts that test with mutants: each puts deliberate bugs into copies of files, links a
# test of the host build with the copy, and expects the test to fail. A bug whose sed script no
# longer matches the file is a failure, too. Sourced from the top of the tree by a script that
# defines two functions:
#
#   build FOLDER FILE   builds a program with $work/FILE.c instead of FOLDER/FILE.c
#   run CASE            runs it
#
# With MUTANTS=fit in the environment, nothing is built or run: only the sed scripts are checked.
# That takes a second (scripts/pre-commit).
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

# objects_but FILE OBJECT...: all objects except FILE's, and those whose source no longer exists
objects_but() {
	local file=$1 object
	shift
	for object; do
		[ "${object##*/}" != "$file.o" ] && [ -e "$(source_of "$object" 2>/dev/null)" ] && echo "$object"
	done
	return 0
}

# The first source file in the compiler's list of dependencies.
source_of() { grep -om 1 '[^ ]*\.c\b' "${1%.o}.d"; }

# [wanted=REGEX] mutant NAME FOLDER/FILE CASE SED...: the case must detect the file changed by sed,
# with a message that matches REGEX.
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
