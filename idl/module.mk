# SPDX-License-Identifier: MIT
#
# The plugin protoc-gen-ipc, the messages that all services share, and the rules for turning .proto
# files of other folders into C.
#
# Other folders declare nothing. They name the outputs as prerequisites, and pattern rules make
# them. For FOLDER/X.proto:
#
#   $(B)/FOLDER/X.pb-c.c  $(B)/FOLDER/X.pb-c.h   the messages
#   $(B)/FOLDER/X.ipc.c   $(B)/FOLDER/X.ipc.h    the stubs, if X has services
#   $(B)/FOLDER/X.pb-c.o  $(B)/FOLDER/X.ipc.o    both compiled
#   $(B)/FOLDER/X.pb-c.pic.o  .ipc.pic.o         both compiled with -fPIC
#
# X.proto may import "ipc/ipc.proto", "ipc/options.proto" and files in its own folder. A program
# that uses the stubs has rules such as these:
#
#   $(B)/demo/server.o: demo/server.c | $(B)/demo/echo.ipc.h
#   	$(call msg,CC,$@)
#   	$(Q)$(CC) $(ALL_CFLAGS) $(IPC_STUB_CFLAGS) -I$(@D) -MD -MP -c -o $@ $<
#   $(B)/demo/server: $(B)/demo/server.o $(B)/demo/echo.ipc.o $(B)/demo/echo.pb-c.o
#
# IPC_STUB_CFLAGS has the folders of the public headers (<ipc/...>) and of protobuf-c's headers. A
# source that needs only <ipc/ipc.pb-c.h> must have $(IPC_SHARED_HEADERS) as an order-only
# prerequisite. $(IPC_SHARED_SOURCE) is compiled only into libipc.

PROTOC ?= protoc
# The folder of descriptor.proto and compiler/plugin.proto, if protoc does not search it by default.
PROTO_INCLUDE ?= /usr/include

PROTOBUF_C_CFLAGS := $(shell $(PKG_CONFIG) --cflags libprotobuf-c 2>/dev/null)
PROTOBUF_C_LIBS := $(shell $(PKG_CONFIG) --libs libprotobuf-c 2>/dev/null || echo -lprotobuf-c)

IPC_STUB_CFLAGS := -I$(B)/include -Ilibipc/include $(PROTOBUF_C_CFLAGS)
IPC_SHARED_SOURCE := $(B)/idl/ipc/ipc.pb-c.c
IPC_SHARED_HEADERS := $(B)/include/ipc/ipc.pb-c.h $(B)/include/ipc/options.pb-c.h

# --- Messages of all services ---------------------------------------------------

$(B)/idl/ipc/ipc.pb-c.c $(B)/idl/ipc/ipc.pb-c.h &: idl/ipc/ipc.proto
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I idl --c_out=$(B)/idl ipc/ipc.proto

$(B)/include/ipc/ipc.pb-c.h: $(B)/idl/ipc/ipc.pb-c.h
	$(call msg,COPY,$@)
	$(Q)cp $< $@

$(B)/include/ipc/options.pb-c.h: idl/ipc/options.pb-c.h
	$(call msg,COPY,$@)
	$(Q)cp $< $@

$(B)/idl/extensions.pb-c.c $(B)/idl/extensions.pb-c.h &: idl/extensions.proto
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I idl --c_out=$(B)/idl extensions.proto

# --- The plugin ----------------------------------------------------------------

IDL_SOURCES := main.c cpp_macros.c plugin.c request.c model.c scope.c naming_c.c naming_cpp.c naming_python.c naming_rust.c types.c options.c source.c \
	diag.c names.c wire.c text.c arena.c check.c \
	parameters.c c_files.c c_messages.c codec.c emit_codec.c emit_header.c emit_source.c emit_server.c emit_client.c emit_stream.c \
	emit_sign.c emit_cpp.c emit_cpp_codec.c emit_python.c emit_python_types.c \
	emit_rust.c emit_rust_types.c rust_names.c rust_files.c
IDL_PROTOS := google/protobuf/descriptor google/protobuf/compiler/plugin
IDL_OBJECTS := $(IDL_SOURCES:%.c=$(B)/idl/%.o) $(IDL_PROTOS:%=$(B)/idl/%.pb-c.o) \
	$(B)/idl/extensions.pb-c.o $(B)/idl/base/wire.o
IDL_CFLAGS := -I$(B)/idl $(shell $(PKG_CONFIG_FOR_BUILD) --cflags libprotobuf-c 2>/dev/null)
IDL_COMPILE = $(CC_FOR_BUILD) -std=gnu11 $(WARNINGS) $(CFLAGS_FOR_BUILD) $(IDL_CFLAGS) -MD -MP -c -o $@ $<
IDL_LIBS := $(shell $(PKG_CONFIG_FOR_BUILD) --libs libprotobuf-c 2>/dev/null || echo -lprotobuf-c)

$(B)/idl/google/protobuf/%.pb-c.c $(B)/idl/google/protobuf/%.pb-c.h: \
		$(PROTO_INCLUDE)/google/protobuf/%.proto
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I $(PROTO_INCLUDE) --c_out=$(B)/idl $<

$(IDL_PROTOS:%=$(B)/idl/%.pb-c.o): %.o: %.c | $(IDL_PROTOS:%=$(B)/idl/%.pb-c.h)
	$(call msg,CC,$@)
	$(Q)$(IDL_COMPILE)

$(B)/idl/extensions.pb-c.o: %.o: %.c
	$(call msg,CC,$@)
	$(Q)$(IDL_COMPILE)

$(B)/idl/base/wire.o: libipc/base/wire.c
	$(call msg,CC,$@)
	$(Q)$(IDL_COMPILE)

$(IDL_SOURCES:%.c=$(B)/idl/%.o): $(B)/idl/%.o: idl/%.c | $(IDL_PROTOS:%=$(B)/idl/%.pb-c.h) \
		$(B)/idl/extensions.pb-c.h
	$(call msg,CC,$@)
	$(Q)$(IDL_COMPILE) -DIPC_VERSION='"$(VERSION)"'

$(B)/idl/protoc-gen-ipc: $(IDL_OBJECTS)
	$(call msg,LD,$@)
	$(Q)$(CC_FOR_BUILD) $(LDFLAGS_FOR_BUILD) -o $@ $^ $(IDL_LIBS)

# Programs of this tree, beside the plugin, link this object too.
IDL_DESCRIPTOR := $(B)/idl/descriptor.pb-c.o
$(IDL_DESCRIPTOR): $(B)/idl/google/protobuf/descriptor.pb-c.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -I$(B)/idl $(PROTOBUF_C_CFLAGS) -MD -MP -c -o $@ $<

# --- Stubs of any folder ---------------------------------------------------------

# The first rule also makes the stubs, if the .proto file has services. It does not list them,
# because a pattern rule must make all of its targets.
$(B)/%.pb-c.c $(B)/%.pb-c.h: %.proto $(B)/idl/protoc-gen-ipc
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I $(<D) -I idl --plugin=protoc-gen-ipc=$(B)/idl/protoc-gen-ipc \
	  --ipc_out=$(@D) $<

$(B)/%.ipc.c $(B)/%.ipc.h: $(B)/%.pb-c.h
	$(Q)touch -c $(B)/$*.ipc.c $(B)/$*.ipc.h

# If these are only intermediate files, make would delete them after use.
.PRECIOUS: $(B)/%.pb-c.c $(B)/%.pb-c.h $(B)/%.ipc.c $(B)/%.ipc.h

IPC_STUB_COMPILE = $(CC) $(ALL_CFLAGS) $(IPC_STUB_CFLAGS) -I$(@D) -MD -MP -c -o $@ $<

$(B)/%.pb-c.o: $(B)/%.pb-c.c | $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(IPC_STUB_COMPILE)

$(B)/%.ipc.o: $(B)/%.ipc.c | $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(IPC_STUB_COMPILE)

$(B)/%.pb-c.pic.o: $(B)/%.pb-c.c | $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(IPC_STUB_COMPILE) -fPIC

$(B)/%.ipc.pic.o: $(B)/%.ipc.c | $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(IPC_STUB_COMPILE) -fPIC

# --- Installed --------------------------------------------------------------------

protodir ?= $(datadir)/ipcbus/proto

# The plugin is for the machine that builds programs. The other files are for the target.
.PHONY: install-shared
install-idl: $(B)/idl/protoc-gen-ipc install-shared
	$(Q)$(INSTALL) -D -m 755 $(B)/idl/protoc-gen-ipc $(DESTDIR)$(bindir)/protoc-gen-ipc
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(mandir)/man1 idl/protoc-gen-ipc.1

install-shared: $(IPC_SHARED_HEADERS)
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(protodir)/ipc idl/ipc/ipc.proto idl/ipc/options.proto
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(includedir)/ipc $(IPC_SHARED_HEADERS)

PRODUCTS += $(B)/idl/protoc-gen-ipc $(IPC_SHARED_HEADERS)
INSTALLS += install-idl

# --- Unit tests --------------------------------------------------------------------

IDL_TESTS := $(patsubst idl/%.c,$(B)/idl/%,$(sort $(wildcard idl/test-*.c)))
CHECK_CFLAGS := $(shell $(PKG_CONFIG) --cflags check 2>/dev/null)
CHECK_LIBS := $(shell $(PKG_CONFIG) --libs check 2>/dev/null)

$(IDL_TESTS:%=%.o): $(B)/idl/%.o: idl/%.c | $(IDL_PROTOS:%=$(B)/idl/%.pb-c.h) \
		$(B)/idl/extensions.pb-c.h
	$(call msg,CC,$@)
	$(Q)$(IDL_COMPILE) $(CHECK_CFLAGS)

$(IDL_TESTS): %: %.o $(filter-out $(B)/idl/main.o,$(IDL_OBJECTS))
	$(call msg,LD,$@)
	$(Q)$(CC_FOR_BUILD) $(LDFLAGS_FOR_BUILD) -o $@ $^ $(IDL_LIBS) $(CHECK_LIBS)

TEST_BUILDS += $(IDL_TESTS)
UNIT_TESTS += $(IDL_TESTS)

# --- C++ --------------------------------------------------------------------------------

# $(B)/FOLDER/X.pb.cc, X.pb.h and X.ipc.hpp from FOLDER/X.proto. A program that imports
# ipc/ipc.proto or ipc/options.proto also needs $(IPC_CPP_SHARED), compiled by its own compiler.
IPC_CPP_B := $(B)/idl/cpp
IPC_CPP_SHARED := $(IPC_CPP_B)/ipc/ipc.pb.cc $(IPC_CPP_B)/ipc/options.pb.cc
IPC_CPP_CFLAGS := -Ilibipc/include -I$(IPC_CPP_B)
IPC_CPP_LIBS := $(shell $(PKG_CONFIG) --libs protobuf 2>/dev/null || echo -lprotobuf)

$(IPC_CPP_B)/%.pb.cc $(IPC_CPP_B)/%.pb.h: idl/%.proto
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I idl --cpp_out=$(IPC_CPP_B) $<

$(B)/%.pb.cc $(B)/%.pb.h: %.proto
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I $(<D) -I idl --cpp_out=$(@D) $<

$(B)/%.ipc.hpp: %.proto $(B)/idl/protoc-gen-ipc | $(B)/%.pb.h $(IPC_CPP_SHARED)
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I $(<D) -I idl --plugin=protoc-gen-ipc=$(B)/idl/protoc-gen-ipc \
	  --ipc_out=lang=cpp:$(@D) $<

.PRECIOUS: $(B)/%.pb.cc $(B)/%.pb.h $(B)/%.ipc.hpp $(IPC_CPP_B)/%.pb.cc $(IPC_CPP_B)/%.pb.h
