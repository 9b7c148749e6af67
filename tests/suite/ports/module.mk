# SPDX-License-Identifier: MIT
#
# `make test-ports`: the module compiles for armhf and s390x. Not part of `make test`:
# it downloads 100 MB of compilers for each.

.PHONY: test-ports
test-ports: setup
	@tests/suite/ports/test-ports
