# SPDX-License-Identifier: MIT
#
# What the shell tests of the generator share: where things are, and TAP output.
# Sourced first, from any folder; leaves the current folder at the top.
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

# report STATUS NAME [FILE]: one TAP line; a failure shows the file
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

# The plan comes last, so that nobody has to count.
finish() {
	echo "1..$count"
	[ "$failed" -eq 0 ]
	exit
}

# generate FOLDER ARGUMENT...: protoc with the plugin; .proto files are found in
# FOLDER and among the installed ones
generate() {
	folder=$1
	shift
	"$PROTOC" -I "$folder" -I idl -I "${PROTO_INCLUDE:-/usr/include}" \
		--plugin=protoc-gen-ipc="$plugin" "$@"
}

# protos FOLDER: the .proto files below it, as protoc is to be told
protos() {
	(cd "$1" && find . -name '*.proto' | sed 's|^\./||' | sort)
}
