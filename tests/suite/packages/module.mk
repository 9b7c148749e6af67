# SPDX-License-Identifier: MIT
#
# `make test-packages`: Debian's packages in booted systems of both releases. Takes too long for
# `make test`. Status 77 is a skip.

.PHONY: test-packages
test-packages: $(B)/setup-deb.done
	@tests/suite/packages/test-packages || [ $$? = 77 ]
