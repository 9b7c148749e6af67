# SPDX-License-Identifier: MIT
#
# Prints README.md, the second file, with the times of the first, which bench/native --format tsv
# printed. A row is found by its first cell; its columns are those of README.md's table.

BEGIN {
	FS = "\t"
	OFS = "\t"
}

FNR == NR {
	if ($2 == 4 && $3 == 1 && $4 == 0) {
		text = sprintf("%.1f µs, %.1f ×", $9 / 1000, $15)
		if ($15 < 0.1)
			text = sprintf("%.2f µs, < 0.1 ×", $9 / 1000)
		figure[$1, $5 " " $6] = text
	}
	next
}

function ours(cpus, kind,  driver, daemon) {
	driver = figure[cpus, "ipcbus " kind]
	daemon = figure[cpus, "channels " kind] " (ipcbusd, server in `ipc_run()`)"
	return driver ? driver "; " daemon : daemon
}

function row(label, cpus, kind,  text) {
	text = "| " label " | " ours(cpus, kind) " | | " figure[cpus, "dbus-broker " kind] " | " \
		figure[cpus, "grpc " kind] " | " figure[cpus, "seqpacket " kind] " |"
	gsub(/  +/, " ", text)
	return text
}

function replace(label, cpus, kind) {
	if (index($0, "| " label " |") != 1)
		return
	$0 = row(label, cpus, kind)
	replaced++
}

{
	replace("time of it, raw, one CPU ³", "one", "call")
	replace("time of it, typed, one CPU ³", "one", "typed")
	replace("time of it, typed, two CPUs ³", "two", "typed")
	print
}

END {
	if (replaced != 3) {
		print "bench: README.md has not the three rows of times" >"/dev/stderr"
		exit 1
	}
}
