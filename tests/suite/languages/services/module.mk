# SPDX-License-Identifier: MIT
#
# test-services: a typical service in each language. Each program is generated into a separate folder,
# and compiled as a user would.

SERVICES_S := tests/suite/languages/services
SERVICES_B := $(B)/$(SERVICES_S)
SERVICES_LANGUAGES := c cpp
SERVICES_PROTOS := $(shell find $(SERVICES_S) -name '*.proto')
SERVICES_PROTOC = rm -rf $@.gen && mkdir -p $@.gen && $(PROTOC) -I $(SERVICES_S) -I idl \
	--plugin=protoc-gen-ipc=$(B)/idl/protoc-gen-ipc
SERVICES_NAMES := etcd.proto mvccpb/kv.proto

$(SERVICES_B)/c-etcd: $(SERVICES_B)/c-%: $(SERVICES_S)/%.c $(SERVICES_S)/service.h \
		$(SERVICES_PROTOS) $(B)/idl/protoc-gen-ipc $(LIBIPC_A) | $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(SERVICES_PROTOC) --ipc_out=imports:$@.gen $*.proto
	$(Q)$(CC) $(ALL_CFLAGS) $(IPC_STUB_CFLAGS) -I$@.gen $(LDFLAGS) -pthread -o $@ $< \
	  $$(find $@.gen -name '*.c') $(LIBIPC_A) $(PROTOBUF_C_LIBS)

$(SERVICES_B)/cpp-etcd: $(SERVICES_B)/cpp-%: $(SERVICES_S)/%.cc $(SERVICES_S)/service.hpp \
		$(SERVICES_PROTOS) $(B)/idl/protoc-gen-ipc $(CPP_IPC_MESSAGES) | $(IPC_CPP_SHARED) $(LIBIPC)
	$(call msg,CXX,$@)
	$(Q)$(SERVICES_PROTOC) --cpp_out=$@.gen --ipc_out=lang=cpp:$@.gen $(SERVICES_NAMES)
	$(Q)$(CXX) -std=c++17 -O1 -g1 $(IPC_CPP_CFLAGS) -I$@.gen -pthread $(LDFLAGS) \
	  $(call LIBIPC_RPATH,../../../../libipc) -o $@ $< $$(find $@.gen -name '*.cc') \
	  $(CPP_IPC_MESSAGES) $(LIBIPC) $(IPC_CPP_LIBS)

MORE_BUILDS += $(SERVICES_B)/c-etcd $(SERVICES_B)/cpp-etcd

ifneq ($(PYTHON_TESTED),)
SERVICES_LANGUAGES += python
MORE_BUILDS += $(SERVICES_B)/python/built
$(SERVICES_B)/python/built: $(SERVICES_B)/%/built: $(SERVICES_PROTOS) $(B)/idl/protoc-gen-ipc | $(PYTHON_PACKAGE)
	$(call msg,PROTOC,$@)
	$(Q)mkdir -p $(@D) && $(PROTOC) -I $(SERVICES_S) -I idl --plugin=protoc-gen-ipc=$(B)/idl/protoc-gen-ipc \
	  --python_out=$(@D) --ipc_out=lang=python:$(@D) $(SERVICES_NAMES)
	$(Q)touch $@
endif

ifneq ($(filter $(RUST_B)/built,$(MORE_BUILDS)),)
SERVICES_LANGUAGES += rust
MORE_BUILDS += $(SERVICES_B)/rust-etcd
$(SERVICES_B)/rust-etcd: $(SERVICES_B)/rust-%: $(SERVICES_S)/%.rs $(SERVICES_S)/service.rs \
		$(SERVICES_PROTOS) $(B)/idl/protoc-gen-ipc $(RUST_B)/built
	$(call msg,RUSTC,$@)
	$(Q)$(SERVICES_PROTOC) --ipc_out=lang=rust,imports:$@.gen $*.proto
	$(Q)GENERATED=$(abspath $@.gen) $(RUSTC) --edition 2021 -o $@ -L dependency=$(RUST_B)/target/debug/deps \
	  $(foreach crate,ipcbus prost libc,--extern $(crate)=$(firstword $(wildcard $(RUST_B)/target/debug/deps/lib$(crate)-*.rlib))) \
	  -L native=$(B)/libipc $<
endif

$(SERVICES_B)/languages: FORCE
	$(Q)mkdir -p $(@D) && echo $(SERVICES_LANGUAGES) >$@

MORE_BUILDS += $(SERVICES_B)/languages
MORE_UNIT_TESTS += $(SERVICES_S)/test-services
