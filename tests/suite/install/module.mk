# SPDX-License-Identifier: MIT
#
# What users get by `make install`: test-install on the host, test-echo in the guest
# with what that one has built, and test-tutorial, which starts a guest of its own.
# `make test-releases` does what the README says on each Debian release, from nothing.

INSTALL_ECHO := $(addprefix $(B)/tests/suite/install/echo/,server client libipc.so.0)

MORE_UNIT_TESTS += tests/suite/install/test-install tests/suite/install/test-tutorial
MORE_GUEST_TESTS += tests/suite/install/test-echo
GUEST_FILES += $(INSTALL_ECHO)

# Status 77 is a skip.
.PHONY: test-releases
test-releases:
	@tests/suite/install/releases || [ $$? = 77 ]
