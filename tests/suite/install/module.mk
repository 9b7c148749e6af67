# SPDX-License-Identifier: MIT
#
# The result of `make install`: test-install on the host, test-echo in the guest with the files that
# test-install has built, and test-tutorial, which starts its own guest. `make test-releases`
# follows the README on each Debian release, from scratch.

INSTALL_ECHO := $(addprefix $(B)/tests/suite/install/echo/,server client libipc.so.0)

MORE_UNIT_TESTS += tests/suite/install/test-install tests/suite/install/test-tutorial
MORE_GUEST_TESTS += tests/suite/install/test-echo
GUEST_FILES += $(INSTALL_ECHO)

# Status 77 is a skip.
.PHONY: test-releases test-debian13
test-debian13:
	@tests/suite/install/releases --host trixie || [ $$? = 77 ]

test-releases:
	@tests/suite/install/releases || [ $$? = 77 ]
