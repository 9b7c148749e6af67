# SPDX-License-Identifier: MIT
#
# Prints the figures of bench as a table. bench/run starts it.

BEGIN {
	FS = "\t"
	columns = split("call:4 call:4096 call:65536 call:262144 call:1048576 oneway:64 oneway16:64", column, " ")
	split("4 B|4 KB|64 KB|256 KB|1 MB|oneway|in 16s", title, "|")
	besides = split("mean think work nap hog clients2 clients4 clients16", beside, " ")
	rows = split("ipcbus ipcbus-typed ipcbusd-raw ipcbusd ipcbusd-typed channels channels-typed " \
		"ipcbus-stubs ipcbusd-stubs channels-stubs ipcbus-async ipcbusd-async channels-async ipcbus-stream ipcbusd-stream channels-stream futex shared file pipe pipe-each seqpacket stream binder c++-typed seqpacket-typed sd-bus-typed dbus-broker-typed grpc-typed", row, " ")
	for (i = 1; i <= rows; i++)
		known[row[i]]
}

{
	kernel = $1
	stub = $2 == "typed" || $2 == "raw"
	name = stub ? $3 "-" $2 : $3
	if (name == "ipcbusd" && $2 ~ /^oneway/)
		name = "ipcbusd-raw"
	place = (stub ? "call" : $2) ":" $4
	figure[name, place] = $5
	if (!(name in known)) {
		row[++rows] = name
		known[name]
	}
}

function commas(n,  text) {
	text = sprintf("%d", n)
	while (text ~ /[0-9][0-9][0-9][0-9]/)
		sub(/[0-9][0-9][0-9](,|$)/, ",&", text)
	return text
}

function line(label, cells, n,  i) {
	printf "%-18s", label
	for (i = 1; i <= n; i++)
		printf "%10s", cells[i]
	print ""
}

function print_besides(  cells, i, j, any) {
	for (i = 1; i <= rows; i++) {
		any = 0
		for (j = 1; j <= besides; j++) {
			cells[j] = (row[i], beside[j] ":4") in figure ? commas(figure[row[i], beside[j] ":4"]) : "-"
			any = any || cells[j] != "-"
		}
		if (any)
			line(row[i], cells, besides)
	}
}

function print_row(name,  cells, i, any) {
	for (i = 1; i <= columns; i++)
		any = any || (name, column[i]) in figure
	if (!any)
		return
	for (i = 1; i <= columns; i++)
		cells[i] = (name, column[i]) in figure ? commas(figure[name, column[i]]) : "-"
	sub(/-(typed|raw)$/, ", &", name)
	sub(", -", ", ", name)
	line(name, cells, columns)
}

# The ratio of ipcbus to the cheapest peer of the same kind. Memory that both sides may write does
# not count as a peer, because its contents are not checked.
function print_ratio(label, ours, typed,  cells, i, j, best, n, any) {
	for (i = 1; i <= columns; i++) {
		best = 0
		for (j = 1; j <= rows; j++) {
			n = figure[row[j], column[i]]
			if (row[j] !~ /^(ipcbus|c\+\+|shared$|file$)/ && (row[j] ~ /-typed$/) == typed && n && (!best || n < best))
				best = n
		}
		n = figure[ours, column[i]]
		cells[i] = n && best ? sprintf("%.2f", n / best) : "-"
		any = any || cells[i] != "-"
	}
	if (any)
		line(label, cells, columns)
}

END {
	if (!kernel)
		exit 1
	print "Instructions per round trip, user and kernel, both processes; Linux " kernel
	print ""
	line("request of", title, columns)
	for (i = 1; i <= rows; i++)
		print_row(row[i])
	print ""
	print_ratio("ratio", "ipcbus", 0)
	print_ratio("ratio, typed", "ipcbus-typed", 1)
	print ""
	line("4 B, means", beside, besides)
	print_besides()
	print ""
	print "ratio        ipcbus (raw ioctl) to the best other transport, and its generated stubs to"
	print "             the best other typed transport; below 1 is better. shared and file do not"
	print "             count, because they do not check memory that both sides may write."
	print "request of   Two processes of one thread each on one CPU; the reply has 4 bytes."
	print "             The request was written before. The receiver does not read it, except that"
	print "             read() must copy it. A futex moves no payload."
	print "typed        a request with bytes, and a reply with a number. c++: ipcbus in C++, with"
	print "             protobuf's own messages. seqpacket: protobuf-c by hand."
	print "             sd-bus: two connections of D-Bus without a bus. grpc: the C core."
	print "oneway       64 bytes there, then 64 bytes back, per message: sent, woken up for,"
	print "             received and released. In 16s: sixteen there, then sixteen back, with a"
	print "             single system call if there is such a call. pipe-each: one for each."
	print "binder       raw ioctl; the write that sends also frees the buffer; no objects."
	print "mean         of 2,000 calls in a row, including timer ticks. think: the client computes"
	print "             before each call. work: the server computes before each reply. nap: the"
	print "             client sleeps for a millisecond before each call. These times are not"
	print "             counted. hog: a separate process computes all the time. clients2: two"
	print "             clients call all the time."
	print "how          QEMU counts (-icount shift=0: a nanosecond is an instruction),"
	print "             mitigations=off. Smallest of 3 medians of 31 groups of 1 to 16 rounds."
}
