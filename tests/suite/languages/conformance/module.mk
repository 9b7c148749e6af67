# SPDX-License-Identifier: MIT
#
# The same client and the same server in each language: each client calls each server. `languages`
# names those that are built here.

CONF_S := tests/suite/languages/conformance
CONF_B := $(B)/$(CONF_S)
CONF_SIDES := client server

# --- C -------------------------------------------------------------------------------------

CONF_C_client := client cases
CONF_C_server := server

# conf_c SIDE: each has its own version of versions.proto.
define conf_c
$(CONF_C_$(1):%=$(CONF_B)/%.o): $(CONF_B)/%.o: $(CONF_S)/%.c \
		| $(CONF_B)/conform.ipc.h $(CONF_B)/$(1)/versions.ipc.h $(IPC_SHARED_HEADERS)
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$(IPC_STUB_CFLAGS) -I$(CONF_B) -I$(CONF_B)/$(1) -pthread \
	  -MD -MP -c -o $$@ $$<

$(CONF_B)/c-$(1): $(CONF_C_$(1):%=$(CONF_B)/%.o) $(CONF_B)/conform.ipc.o $(CONF_B)/conform.pb-c.o \
		$(CONF_B)/$(1)/versions.ipc.o $(CONF_B)/$(1)/versions.pb-c.o | $(LIBIPC)
	$$(call msg,LD,$$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) $$(call LIBIPC_RPATH,../../../../libipc) -pthread -o $$@ $$^ \
	  $$(LIBIPC) $$(PROTOBUF_C_LIBS)
endef
$(foreach side,$(CONF_SIDES),$(eval $(call conf_c,$(side))))

CONF_LANGUAGES := c
CONF_PROGRAMS := $(CONF_SIDES:%=$(CONF_B)/c-%)

# --- C++ -------------------------------------------------------------------------------------

CONF_CXX = $(CXX) -std=c++17 -O1 -g1 $(IPC_CPP_CFLAGS) -pthread -MD -MP -c

# What protoc made.
CONF_PB := $(addprefix $(CONF_B)/,conform.pb.o $(CONF_SIDES:%=%/versions.pb.o))
$(CONF_PB): $(CONF_B)/%.pb.o: $(CONF_B)/%.pb.cc | $(IPC_CPP_SHARED)
	$(call msg,CXX,$@)
	$(Q)$(CONF_CXX) -o $@ $<

# conf_cpp SIDE
define conf_cpp
$(CONF_B)/cpp-$(1).o: $(CONF_S)/$(1).cc \
		| $(CONF_B)/conform.ipc.hpp $(CONF_B)/$(1)/versions.ipc.hpp $(IPC_CPP_SHARED)
	$$(call msg,CXX,$$@)
	$$(Q)$$(CONF_CXX) $$(CPP_WARNINGS) -I$(CONF_B) -I$(CONF_B)/$(1) -o $$@ $$<

$(CONF_B)/cpp-$(1): $(CONF_B)/cpp-$(1).o $(CONF_B)/conform.pb.o $(CONF_B)/$(1)/versions.pb.o \
		$(CPP_B)/ipc.pb.o $(CPP_B)/options.pb.o | $(LIBIPC)
	$$(call msg,LD,$$@)
	$$(Q)$$(CXX) $$(LDFLAGS) $$(call LIBIPC_RPATH,../../../../libipc) -pthread -o $$@ $$^ $$(LIBIPC) \
	  $$(IPC_CPP_LIBS)
endef
$(foreach side,$(CONF_SIDES),$(eval $(call conf_cpp,$(side))))

CONF_LANGUAGES += cpp
CONF_PROGRAMS += $(CONF_SIDES:%=$(CONF_B)/cpp-%)

# --- Python ---------------------------------------------------------------------------------

ifneq ($(PYTHON_TESTED),)
CONF_PYTHON := $(CONF_B)/conform_ipc.py $(CONF_SIDES:%=$(CONF_B)/%/versions_ipc.py)
$(CONF_PYTHON): | $(PYTHON_PACKAGE)
CONF_PROGRAMS += $(CONF_PYTHON)
CONF_LANGUAGES += python
endif

# --- Rust: in the crate of its other tests ----------------------------------------------------

ifneq ($(filter $(RUST_B)/built,$(MORE_BUILDS)),)
CONF_LANGUAGES += rust
CONF_PROGRAMS += $(RUST_B)/built
endif

# --- All of them --------------------------------------------------------------------------------

$(CONF_B)/languages: FORCE
	$(Q)mkdir -p $(@D) && echo $(CONF_LANGUAGES) >$@

MORE_BUILDS += $(CONF_PROGRAMS) $(CONF_B)/languages
MORE_UNIT_TESTS += $(CONF_S)/test-conformance

# The whole table, and nothing else of the tests.
.PHONY: test-languages
test-languages: setup
	+@$(MAKE) $(JOBS) $(CONF_PROGRAMS) $(CONF_B)/languages $(B)/daemon/ipcbusd \
	  $(B)/servicemanager/servicemanager
	@$(CONF_S)/test-conformance --pairs
