# SPDX-License-Identifier: MIT
#
# The programs of the other languages with the driver, in a guest; see test-module.

GUEST_CPP := $(addprefix $(CPP_B)/,$(addsuffix .fast,bytes callbacks results typed large))

MORE_BUILDS += $(GUEST_CPP)
MORE_UNIT_TESTS += tests/suite/languages/guest/test-module
