# SPDX-License-Identifier: MIT
#
# ipc-gateway, and its tests: real gRPC clients in Python, on a bus of ipcbusd. Without gRPC's C
# core, none of it is built. The gateway calls functions of libgrpc and libgpr.

GATEWAY := $(B)/gateway
GATEWAY_PACKAGES := grpc libcrypto libsystemd
HAVE_GRPC := $(shell $(PKG_CONFIG) --exists $(GATEWAY_PACKAGES) 2>/dev/null && echo yes)

# In the order of layers, lowest first, with + between files of one subject: see
# tests/suite/static/calls.
GATEWAY_PARTS := log net-accept net-vsock net-tls net+net-call+net-client status metadata metrics peer-policy \
	peer-limits export-target stream relay export reflection builtin import-stream import link-frame \
	link+link-call+link-name+link-oneway+link-queue+link-table gateway main
GATEWAY_OBJECTS := $(patsubst %,$(GATEWAY)/%.o,$(subst +, ,$(GATEWAY_PARTS)))
# ipc-gateway reads policies with servicemanager's code.
GATEWAY_LINKED := $(SCHEMA_LINKED) $(B)/libipc/base/map.o \
	$(addprefix $(B)/servicemanager/,policy.o policy-parse.o config.o trust.o)
GATEWAY_CFLAGS := $(SCHEMA_CFLAGS) -Igateway -Iservicemanager -Idriver/uapi -pthread
GATEWAY_LIBS := -lgrpc -lgpr -lcrypto $(LIBSYSTEMD_LIBS) $(PROTOBUF_C_LIBS)

$(GATEWAY)/%.o: gateway/%.c | $(SCHEMA_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(GATEWAY_CFLAGS) -DIPC_VERSION='"$(VERSION)"' -MD -MP -c -o $@ $<

# For reflection: the descriptors that services leave out of their descriptions, and the descriptors of
# the gateway's own services and details of errors.
GATEWAY_PROTOS := grpc/health/v1/health.proto grpc/reflection/v1/reflection.proto google/rpc/error_details.proto
GATEWAY_ALPHA := grpc/reflection/v1alpha/reflection.proto

# The versions of reflection differ only by the package.
$(GATEWAY)/protos/$(GATEWAY_ALPHA): gateway/protos/grpc/reflection/v1/reflection.proto
	$(call msg,GEN,$@)
	$(Q)sed 's/reflection\.v1;/reflection.v1alpha;/' $< >$@

$(GATEWAY)/descriptor.inc: GATEWAY_DESCRIBED = -I $(PROTO_INCLUDE) google/protobuf/descriptor.proto
$(GATEWAY)/own.inc: GATEWAY_DESCRIBED = -I gateway/protos -I $(GATEWAY)/protos $(GATEWAY_PROTOS) $(GATEWAY_ALPHA)
$(GATEWAY)/own.inc: $(addprefix gateway/protos/,$(GATEWAY_PROTOS)) $(GATEWAY)/protos/$(GATEWAY_ALPHA)
$(GATEWAY)/descriptor.inc $(GATEWAY)/own.inc:
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) $(GATEWAY_DESCRIBED) --descriptor_set_out=$@.set
	$(Q)od -An -v -tu1 $@.set | sed 's/\([0-9]\) *\( \|$$\)/\1,\2/g' >$@

$(GATEWAY)/reflection.o: $(GATEWAY)/descriptor.inc $(GATEWAY)/own.inc
$(GATEWAY)/reflection.o: GATEWAY_CFLAGS += -I$(GATEWAY)

$(GATEWAY)/ipc-gateway: $(GATEWAY_OBJECTS) $(GATEWAY_LINKED) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../libipc) -pthread -o $@ $^ \
	  $(LIBIPC) $(GATEWAY_LIBS)

# --- Tests -----------------------------------------------------------------------------

GATEWAY_TESTS := $(GATEWAY)/tests

GATEWAY_SERVER := $(GATEWAY_TESTS)/server.o $(GATEWAY_TESTS)/streams.o

$(GATEWAY_SERVER): $(GATEWAY_TESTS)/%.o: gateway/tests/%.c | $(GATEWAY_TESTS)/interop.ipc.h $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(IPC_STUB_CFLAGS) -I$(@D) -pthread -MD -MP -c -o $@ $<

$(GATEWAY_TESTS)/server: $(GATEWAY_SERVER) $(GATEWAY_TESTS)/interop.ipc.o \
		$(GATEWAY_TESTS)/interop.pb-c.o | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../../libipc) -pthread -o $@ $^ \
	  $(LIBIPC) $(PROTOBUF_C_LIBS)

$(GATEWAY_TESTS)/python/%_pb2.py: gateway/tests/%.proto $(wildcard idl/ipc/*.proto)
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I gateway/tests -I idl --python_out=$(@D) $(<F) ipc/ipc.proto ipc/options.proto

$(GATEWAY_TESTS)/python/%_ipc.py: gateway/tests/%.proto $(B)/idl/protoc-gen-ipc
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I gateway/tests -I idl --plugin=protoc-gen-ipc=$(B)/idl/protoc-gen-ipc \
	  --ipc_out=lang=python:$(@D) $(<F)

$(GATEWAY_TESTS)/interop.set: gateway/tests/interop.proto $(wildcard idl/ipc/*.proto)
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I gateway/tests -I idl --include_imports --descriptor_set_out=$@ interop.proto

$(GATEWAY_TESTS)/two-buses.so: gateway/tests/two-buses.c $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Ilibipc/include -shared -fPIC -o $@ $<

# Programs that work across a link without changes.
GATEWAY_ACROSS := $(addprefix $(B)/tests/suite/e2e/test-,call object async death bytes stream \
	stream-space stream-parent raw serve loop-epoll loop-glib loop-sd-event)

.PHONY: install-gateway test-gateway test-gateway-guests
install-gateway: $(GATEWAY)/ipc-gateway
	$(Q)$(INSTALL) -D -m 755 $< $(DESTDIR)$(bindir)/ipc-gateway
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(mandir)/man8 gateway/ipc-gateway.8

ifneq ($(HAVE_GRPC),)
GATEWAY_BUILT := $(GATEWAY)/ipc-gateway $(GATEWAY_TESTS)/server $(GATEWAY_TESTS)/interop.set \
	$(GATEWAY_TESTS)/two-buses.so \
	$(addprefix $(GATEWAY_TESTS)/python/interop_,pb2.py ipc.py)
MORE_BUILDS += $(GATEWAY_BUILT)
PRODUCTS += $(GATEWAY)/ipc-gateway
INSTALLS += install-gateway
MORE_UNIT_TESTS += gateway/tests/test-gateway
LONG_UNIT_TESTS += gateway/tests/test-guests

test-gateway: $(GATEWAY_BUILT) $(IPCBUSD) $(MANAGER) $(IPCCTL) $(PYTHON_PACKAGE) $(GATEWAY_ACROSS)
	$(Q)gateway/tests/test-gateway

test-gateway-guests: $(GATEWAY_BUILT) $(MANAGER) $(IPCCTL) $(DRIVER_KO)
	$(Q)gateway/tests/test-guests

bench-gateway: bench-gateway-programs $(GATEWAY_BUILT) $(IPCBUSD) $(MANAGER) $(IPCCTL) $(PYTHON_PACKAGE)
	$(Q)bench/gateway-run
	$(Q)STREAMS=1000 gateway/tests/test-gateway many_streams
else
test-gateway test-gateway-guests bench-gateway:
	$(Q)echo 'ipc-gateway: libgrpc-dev is not installed; see make setup' >&2; exit 1
endif
