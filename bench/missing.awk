# SPDX-License-Identifier: MIT
#
# Names the figures that the guest planned and did not measure, and fails if there are any. bench/run
# starts it.

BEGIN { FS = "\t" }

{ name = $2 " of " $4 " bytes over " $3 }

$1 == "plan" { planned[name] }

$1 != "plan" && (NF == 5 || NF == 8) { delete planned[name] }

END {
	for (name in planned) {
		print "bench: not measured: " name
		missing = 1
	}
	exit missing
}
