# SPDX-License-Identifier: MIT
#
# Merges the rounds of bench-native: medians of its figures, and of the ratios of p50 to the p50 of
# the futex pair and of seqpacket in the same round. Prints tables, or with -v format=tsv a line for
# each figure. bench/native starts it.

BEGIN {
	FS = "\t"
	rows = split("spin call|shared call|pipe call|seqpacket call|ipcbus call|ipcbusd call|channels call|" \
		"seqpacket typed|ipcbus typed|ipcbusd typed|channels typed|sd-bus typed|dbus-broker typed|grpc typed", row, "|")
	split("spin ring|futex pair|pipe|Unix seqpacket|ipcbus, raw ioctl|ipcbusd, libipc's bytes|the same, channels|" \
		"protobuf-c, seqpacket|ipcbus, stubs|ipcbusd, stubs|the same, channels|sd-bus, no bus|dbus-broker|gRPC, C core", label, "|")
}

{
	cell = $2 " " $3 " " $4 " " $5 " " $6 " " $7
	n = ++rounds[cell]
	order[!(cell in first) ? ++cells : 0] = cell
	first[cell] = 1
	calls[cell] += $8
	for (i = 9; i <= 15; i++)
		value[cell, i, n] = $i
	p50[cell, $1] = $9
	if ($1 + 0 > most)
		most = $1 + 0
}

# The median of list[1] to list[n]; "-" if the list is empty
function median(list, n,  i, j, x) {
	for (i = 2; i <= n; i++) {
		x = list[i]
		for (j = i - 1; j > 0 && list[j] > x; j--)
			list[j + 1] = list[j]
		list[j + 1] = x
	}
	if (!n)
		return "-"
	return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

# If a round had too few calls for a percentile (0), the cell has none.
function figure(cell, field,  i, list) {
	for (i = 1; i <= rounds[cell]; i++) {
		list[i] = value[cell, field, i] + 0
		if ((field == 10 || field == 11) && !list[i])
			return "-"
	}
	return median(list, rounds[cell])
}

function ratio(cell, to,  i, n, list, key, other) {
	split(cell, key, " ")
	other = key[1] " " key[2] " " key[3] " " key[4] " " to
	for (i = 1; i <= most; i++)
		if (p50[cell, i] && p50[other, i])
			list[++n] = p50[cell, i] / p50[other, i]
	return median(list, n)
}

function rounded(format, x) { return x == "-" ? x : sprintf(format, x) }

function commas(x) {
	if (x == "-" || x < 1000)
		return rounded("%d", x)
	return commas(int(x / 1000)) sprintf(",%03d", x % 1000)
}

function print_tsv(cell,  key) {
	split(cell, key, " ")
	printf "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d", key[1], key[2], key[3], key[4], key[5], key[6], \
		rounds[cell], calls[cell]
	for (i = 9; i <= 12; i++)
		printf "\t%s", rounded("%d", figure(cell, i))
	printf "\t%s\t%s\t%s", rounded("%.2f", figure(cell, 13)), \
		rounded("%.2f", ratio(cell, "shared call")), rounded("%.2f", ratio(cell, "seqpacket call"))
	printf "\t%s\t%s\n", rounded("%.2f", figure(cell, 14)), rounded("%d", figure(cell, 15))
}

# A table with all figures of a condition.
function print_condition(title, key,  i, cell, any) {
	for (i = 1; i <= rows; i++) {
		cell = key " " row[i]
		if (!rounds[cell])
			continue
		if (!any++)
			printf "%-24s %10s %10s %10s %10s %9s %8s %8s %9s\n", title, "p50", "p99", "p99.9", \
				"CPU", "switches", "x spin", "x futex", "x packet"
		printf "%-24s %10s %10s %10s %10s %9s %8s %8s %9s\n", label[i], commas(figure(cell, 9)), \
			commas(figure(cell, 10)), commas(figure(cell, 11)), commas(figure(cell, 12)), \
			rounded("%.2f", figure(cell, 13)), rounded("%.2f", ratio(cell, "spin call")), \
			rounded("%.2f", ratio(cell, "shared call")), rounded("%.2f", ratio(cell, "seqpacket call"))
	}
	if (any)
		print ""
}

# A table with a single figure of several conditions.
function print_figures(title, field, keys, titles, times,  i, j, n, key, name, line, any, all, x) {
	n = split(keys, key, "|")
	split(titles, name, "|")
	for (i = 1; i <= rows; i++) {
		line = sprintf("%-24s", label[i])
		any = 0
		for (j = 1; j <= n; j++) {
			cell = key[j] " " row[i]
			any = any || rounds[cell]
			x = figure(cell, field)
			line = line sprintf(" %10s", commas(x == "-" ? x : x * (times ? times : 1)))
		}
		if (!any)
			continue
		if (!all++) {
			printf "%-24s", title
			for (j = 1; j <= n; j++)
				printf " %10s", name[j]
			print ""
		}
		print line
	}
	if (all)
		print ""
}

END {
	if (!cells)
		exit 1
	if (format == "tsv") {
		for (c = 1; c <= cells; c++)
			print_tsv(order[c])
		exit
	}
	print "Nanoseconds of a round trip on this machine; medians of " most (most == 1 ? " round" : " rounds")
	print ""
	print_condition("4 B, one CPU", "one 4 1 0")
	print_condition("4 B, two CPUs", "two 4 1 0")
	print_condition("4 B, any CPU", "any 4 1 0")
	print_condition("4 B, a busy CPU", "busy 4 1 0")
	print_figures("p50 by size", 9, "one 4 1 0|one 4096 1 0|one 65536 1 0|one 1048576 1 0|" \
		"two 4 1 0|two 4096 1 0|two 65536 1 0|two 1048576 1 0", \
		"one: 4 B|4 KB|64 KB|1 MB|two: 4 B|4 KB|64 KB|1 MB")
	work = "one 4 1 0|one 4 1 20|one 4 1 1000|two 4 1 0|two 4 1 20|two 4 1 1000"
	print_figures("p50 by other work", 9, work, "one: none|20 us|1 ms|two: none|20 us|1 ms")
	print_figures("CPU by other work", 12, work, "one: none|20 us|1 ms|two: none|20 us|1 ms")
	print_figures("p50 by clients", 9, "any 4 1 0|any 4 4 0|any 4 16 0", "1|4|16")
	fair = "any 4 24 0|any 4 80 0|any4 4 24 0|any4 4 80 0|mix 4 24 0|mix4 4 24 0"
	titles = "24|80|24: 4 thr.|80: 4 thr.|mixed: 24|24: 4 thr."
	print_figures("fastest to slowest, %", 14, fair, titles, 100)
	print_figures("calls/s of all", 15, fair, titles)
	print "one, two     Client, server and daemon on one CPU; client and server on a CPU each. any: the"
	print "             scheduler decides. a busy CPU: all on one CPU, with a process that computes."
	print "p50 ...      Nanoseconds of a call; the reply has 4 bytes. -: too few calls."
	print "CPU          Nanoseconds of CPU of all processes of the row, for a call; switches: how often"
	print "             these gave up or lost a CPU. The other work does not count."
	print "x spin ...   p50 by that of the spin ring, of the futex pair and of seqpacket, in the same round."
	print "other work   The client computes for 20 us, or sleeps for 1 ms, before each call."
	print "clients      So many call all the time. The figure is of one of them."
	if (rounds["any 4 24 0 channels call"])
		print "fastest ...  Calls of the fastest client for 100 calls of the slowest; 4 thr.: of the server."
	if (rounds["mix 4 24 0 channels call"])
		print "mixed        12 clients have no channel, and the server works for 20 us before each reply."
}
