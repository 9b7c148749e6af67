# SPDX-License-Identifier: MIT
#
# What users get by `make install`: test-install on the host, and test-echo
# and test-tutorial in the guest with what that one has built.

INSTALL_ECHO := $(addprefix $(B)/tests/install/echo/,server client libipc.so.0)

UNIT_TESTS += tests/install/test-install
GUEST_TESTS += tests/install/test-echo
GUEST_FILES += $(INSTALL_ECHO)
GUEST_TESTS += tests/install/test-tutorial
GUEST_FILES += $(addprefix $(B)/tests/install/tutorial/,server client run prints libipc.so.0)
