# SPDX-License-Identifier: MIT
#
# Functions shared by the generator's shell tests: paths and TAP output. Source it first, from any
# folder; it changes to the top of the tree.
set -eu

cd "$(dirname "$0")/../../.."
B=${B:-build}
CC=${CC:-gcc}
CXX=${CXX:-g++}
PROTOC=${PROTOC:-protoc}
plugin=$B/idl/protoc-gen-ipc
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

count=0
failed=0

# report STATUS NAME [FILE]: prints a TAP line; a failure prints the file
report() {
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
		return
	fi
	echo "not ok $count - $2"
	[ $# -lt 3 ] || sed 's/^/#   /' "$3"
	failed=$((failed + 1))
}

# Prints the plan last, so that the number of tests need not be known.
finish() {
	echo "1..$count"
	[ "$failed" -eq 0 ]
	exit
}

# generate FOLDER ARGUMENT...: runs protoc with the plugin; .proto files are searched in FOLDER and
# among the installed files
generate() {
	folder=$1
	shift
	"$PROTOC" -I "$folder" -I idl -I "${PROTO_INCLUDE:-/usr/include}" \
		--plugin=protoc-gen-ipc="$plugin" "$@"
}

# protos FOLDER: prints the .proto files in it, as protoc needs them
protos() {
	(cd "$1" && find . -name '*.proto' | sed 's|^\./||' | sort)
}
