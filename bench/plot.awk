# SPDX-License-Identifier: MIT
#
# Draws a plot of docs/performance.md as SVG: -v plot=latency, clients or breakdown. bench/plot
# starts it.

BEGIN {
	FS = "[ \t]*[|][ \t]*"
	left = 80; top = 56; width = 560; height = 320; right = 300
	colors = split("#1b5fa8 #4a90d9 #8e44ad #16856b #c0392b #d98200 #6b6b6b #a0522d #2a9d8f", color, " ")
}

# --- The tables of the page --------------------------------------------------------------

# The row before the line of dashes is the head of a table.
/^\|---/ {
	for (i = 2; i < NF; i++)
		head[i] = cells[i]
	columns = NF - 1
	table = head[3] == "4 B" ? "latency" : head[3] == "alone" ? "clients" : \
		head[2] == "instructions in" ? "breakdown" : ""
	next
}
/^\|/ {
	n = split($0, cells, FS)
	if (table == plot) {
		label = cells[2]
		gsub(/`/, "", label)
		row[++rows] = label
		for (i = 3; i <= columns; i++) {
			gsub(/,/, "", cells[i])
			figure[rows, i] = cells[i] + 0
		}
		last_column = columns
		for (i = 3; i <= columns; i++)
			name[i] = head[i]
	}
	next
}
{ table = "" }

# --- Drawing -----------------------------------------------------------------------------

function text(x, y, anchor, words, more) {
	gsub(/&/, "\\&amp;", words)
	gsub(/</, "\\&lt;", words)
	printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s>%s</text>\n", x, y, anchor, more, words
}

function line(x, y, to_x, to_y, more) {
	printf "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"%s/>\n", x, y, to_x, to_y, more
}

function begin(title, under) {
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" " \
		"font-family=\"sans-serif\" font-size=\"12\" fill=\"#222222\">\n", left + width + right,
		top + height + 50
	print "<!-- SPDX-License-Identifier: MIT; drawn by bench/plot from docs/performance.md -->"
	print "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>"
	text(left, 22, "start", title, " font-size=\"15\" font-weight=\"bold\"")
	text(left, 41, "start", under, " fill=\"#555555\"")
}

function commas(n,  words) {
	words = sprintf("%d", n)
	while (words ~ /[0-9][0-9][0-9][0-9]/)
		sub(/[0-9][0-9][0-9](,|$)/, ",&", words)
	return words
}

# The height of n between least and most, from bottom to top, on a logarithmic scale, or on a linear
# scale if least is 0.
function y_of(n) {
	return top + height - height * (least ? log(n / least) / log(most / least) : n / most)
}

function y_axis(ticks,  tick, i, count) {
	count = split(ticks, tick, " ")
	for (i = 1; i <= count; i++) {
		line(left, y_of(tick[i]), left + width, y_of(tick[i]), " stroke=\"#dddddd\"")
		text(left - 8, y_of(tick[i]) + 4, "end", commas(tick[i]), "")
	}
}

# Labels of lines at their right end, sorted by height and moved down until they do not overlap.
function labels(count,  i, j, t, order, at) {
	for (i = 1; i <= count; i++)
		order[i] = i
	for (i = 2; i <= count; i++)
		for (j = i; j > 1 && end_y[order[j]] < end_y[order[j - 1]]; j--) {
			t = order[j]
			order[j] = order[j - 1]
			order[j - 1] = t
		}
	at = -1000
	for (i = 1; i <= count; i++) {
		j = order[i]
		at = end_y[j] > at + 16 ? end_y[j] : at + 16
		line(end_x[j] + 5, end_y[j], left + width + 18, at, " stroke=\"" color[j] "\"")
		text(left + width + 22, at + 4, "start", end_label[j], " fill=\"" color[j] "\"")
	}
}

function curve(i, points, count, label, strong,  j, word, at) {
	printf "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"%s\" points=\"%s\"/>\n", color[i],
		strong ? "3" : "1.5", points
	split(points, word, " ")
	for (j = 1; j <= count; j++) {
		split(word[j], at, ",")
		printf "<circle cx=\"%s\" cy=\"%s\" r=\"%s\" fill=\"%s\"/>\n", at[1], at[2],
			strong ? "4" : "3", color[i]
	}
	end_x[i] = at[1] + 0
	end_y[i] = at[2] + 0
	end_label[i] = label
}

# --- The plots ---------------------------------------------------------------------------

function latency(  i, j, x, n, points, count, lines, shown) {
	shown = "^(ipcbus, (raw ioctl|generated stubs, bytes)|two futexes, memory.*|pipe|" \
		"in-tree binder, raw ioctl|protobuf-c by hand.*|sd-bus, two.*|sd-bus through.*|gRPC.*)$"
	least = 5000; most = 5000000
	begin("Instructions of a call, by the size of its request",
		"user and kernel, both processes; the reply has 4 bytes; both axes are logarithmic")
	y_axis("5000 10000 20000 50000 100000 200000 500000 1000000 2000000 5000000")
	for (j = 3; j <= 7; j++) {
		x[j] = left + width * (j == 3 ? 0 : 4 + 2 * (j == 4 ? 1 : j == 5 ? 3 : j == 6 ? 4 : 5)) / 14
		text(x[j], top + height + 20, "middle", name[j], "")
	}
	text(left + width / 14 * 3, top + height + 20, "middle", "...", "")
	for (i = 1; i <= rows; i++) {
		if (row[i] !~ shown)
			continue
		points = ""
		count = 0
		for (j = 3; j <= 7; j++)
			if (figure[i, j]) {
				points = points sprintf("%.1f,%.1f ", x[j], y_of(figure[i, j]))
				count++
			}
		curve(++lines, points, count, row[i], row[i] ~ /^ipcbus/)
	}
	labels(lines)
}

function clients(  i, j, n, points, count, lines, calls, x) {
	least = 0; most = 150
	begin("Calls in a million instructions, by the number of clients",
		"4 bytes, one server of one thread, one CPU, all in a row with timer ticks")
	y_axis("0 50 100 150")
	for (i = 1; i <= rows; i++) {
		points = ""
		count = 0
		for (j = 3; j <= last_column; j++) {
			n = name[j] == "alone" ? 1 : name[j] + 0
			if (!n || !figure[i, j])
				continue
			x = left + width * log(n) / log(16)
			if (!lines)
				text(x, top + height + 20, "middle", n == 1 ? "1 client" : n, "")
			calls = 1000000 * n / figure[i, j]
			points = points sprintf("%.1f,%.1f ", x, y_of(calls))
			count++
		}
		if (count > 1)
			curve(++lines, points, count, row[i], row[i] ~ /^ipcbus,/)
	}
	labels(lines)
}

# A bar for each column, divided by the rows.
function breakdown(  i, j, x, y, scale, sum, wide, high) {
	begin("Where the instructions of a call go", "client and server together")
	for (j = 3; j <= last_column; j++) {
		sum = 0
		for (i = 1; i <= rows; i++)
			sum += figure[i, j]
		most = sum > most ? sum : most
	}
	scale = (width + right - 70) / most
	high = (height - 40) / (last_column - 2)
	for (j = 3; j <= last_column; j++) {
		x = left
		y = top + 40 + (j - 3) * high
		sum = 0
		for (i = 1; i <= rows; i++) {
			wide = figure[i, j] * scale
			printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", x,
				y + 18, wide, high - 30, color[i]
			if (wide > 50)
				text(x + wide / 2, y + 18 + (high - 30) / 2 + 4, "middle",
					commas(figure[i, j]), " fill=\"#ffffff\"")
			x += wide
			sum += figure[i, j]
		}
		text(left, y + 11, "start", name[j], "")
		text(x + 6, y + 18 + (high - 30) / 2 + 4, "start", commas(sum), "")
	}
	x = left
	for (i = 1; i <= rows; i++) {
		printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", x, top + 6,
			color[i]
		text(x + 17, top + 16, "start", row[i], "")
		x += 30 + 7 * length(row[i])
	}
}

END {
	if (!rows) {
		print "plot: docs/performance.md has no table for " plot > "/dev/stderr"
		exit 1
	}
	if (plot == "latency")
		latency()
	else if (plot == "clients")
		clients()
	else
		breakdown()
	print "</svg>"
}
