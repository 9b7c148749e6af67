# SPDX-License-Identifier: MIT
#
# merge.awk A.info B.info: merges lcov's records of the same sources built in two ways. A line was
# run if it was run in either build. The branches of a line differ between builds, so they are taken
# from the build that covered the larger part of them, or from A if equal. Called by
# tests/env/coverage/run.

BEGIN { FS = "[:,]" }

FNR == 1 { build++ }
$1 == "SF" { file = $2; if (!(file in seen)) { seen[file]; files[++n_files] = file } }
$1 == "FN" && build == 1 { names[file] = names[file] $0 "\n" }
$1 == "FNDA" { if ((file, $3) in called || build == 1) called[file, $3] += $2 }
$1 == "DA" { hits[file, $2] += $3; if ($2 > last[file]) last[file] = $2 }
$1 == "BRDA" {
	records[build, file, $2] = records[build, file, $2] $0 "\n"
	all[build, file, $2]++
	taken[build, file, $2] += $5 > 0
}

# The share that build b took of the branches of a line; -1: there are none.
function share(b, line) {
	return all[b, file, line] ? taken[b, file, line] / all[b, file, line] : -1
}

function print_functions(   n, i, part, found, hit) {
	n = split(names[file], part, "\n")
	for (i = 1; i < n; i++) {
		print part[i]
		split(part[i], name, "[:,]")
		print "FNDA:" called[file, name[3]] + 0 "," name[3]
		found++
		hit += called[file, name[3]] > 0
	}
	print "FNF:" found + 0
	print "FNH:" hit + 0
}

function print_branches(   line, b, found, hit) {
	for (line = 1; line <= last[file]; line++) {
		b = share(2, line) > share(1, line) ? 2 : 1
		printf "%s", records[b, file, line]
		found += all[b, file, line]
		hit += taken[b, file, line]
	}
	print "BRF:" found + 0
	print "BRH:" hit + 0
}

function print_lines(   line, found, hit) {
	for (line = 1; line <= last[file]; line++) {
		if (!((file, line) in hits))
			continue
		print "DA:" line "," hits[file, line]
		found++
		hit += hits[file, line] > 0
	}
	print "LF:" found + 0
	print "LH:" hit + 0
}

END {
	for (i = 1; i <= n_files; i++) {
		file = files[i]
		print "TN:\nSF:" file
		print_functions()
		print_branches()
		print_lines()
		print "end_of_record"
	}
}
