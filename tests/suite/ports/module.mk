# SPDX-License-Identifier: MIT
#
# `make test-ports`: the module and its tests on armhf, s390x and riscv64. Not part of `make test`,
# because it downloads 200 MB for each and emulates the processor.

.PHONY: test-ports
test-ports: setup
	@tests/suite/ports/test-ports
