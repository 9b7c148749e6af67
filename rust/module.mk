# SPDX-License-Identifier: MIT
#
# Rust: the crates ipcbus-sys and ipcbus. They are built with Debian's compiler and only with crates
# of its librust-*-dev packages, whatever PATH contains. cargo writes Cargo.lock beside its sources,
# and each Debian release has other versions, so they are built from copies in $(B)/rust/w.

CARGO ?= /usr/bin/cargo
RUSTC ?= /usr/bin/rustc
RUSTDOC ?= /usr/bin/rustdoc
# The folder of Debian's packages of crates.
CARGO_REGISTRY ?= /usr/share/cargo/registry

RUST_B := $(B)/rust
RUST_W := $(RUST_B)/w
RUST_FILES := $(sort $(shell find rust -name '*.rs' -o -name Cargo.toml))
RUST_COPIES := $(RUST_FILES:rust/%=$(RUST_W)/%)

# Runs cargo in $(RUST_W). Its own files go to $(RUST_B) too.
RUST_CARGO = cd $(RUST_W) && CARGO_HOME=$(abspath $(RUST_B)/home) RUSTC=$(RUSTC) \
	RUSTDOC=$(RUSTDOC) CARGO_TARGET_DIR=$(abspath $(RUST_B)/target) \
	IPCBUS_GENERATED=$(abspath $(RUST_B)/gen) EXAMPLES=$(abspath examples) IPC_PROTO_DIR=$(abspath idl) \
	PROTOC_GEN_IPC=$(abspath $(B)/idl/protoc-gen-ipc) IPCBUS_LIB_DIR=$(abspath $(B)/libipc) LD_LIBRARY_PATH=$(abspath $(B)/libipc) \
	$(CARGO) --config 'source.crates-io.replace-with="debian"' \
	--config 'source.debian.directory="$(CARGO_REGISTRY)"' --offline

$(RUST_COPIES): $(RUST_W)/%: rust/%
	$(Q)mkdir -p $(@D) && cp -p $< $@
	$(Q)case $@ in */w/Cargo.toml) sed -i 's/"tests"]/"tests", "examples"]/' $@;; esac

# The examples are a member of the workspace here. In an installation they are a separate program.
RUST_EXAMPLES := $(sort $(shell find examples/rust -name '*.rs' -o -name Cargo.toml))
RUST_COPIES += $(RUST_EXAMPLES:examples/rust/%=$(RUST_W)/examples/%)
$(RUST_EXAMPLES:examples/rust/%=$(RUST_W)/examples/%): $(RUST_W)/examples/%: examples/rust/%
	$(Q)mkdir -p $(@D) && cp -p $< $@

RUST_GENERATED := $(addprefix $(RUST_B)/gen/,$(addsuffix .ipc.rs,\
	desk kinds conform judge judge2 client/versions server/versions))
$(RUST_B)/gen/desk.ipc.rs: tests/suite/languages/cpp/desk.proto
$(RUST_B)/gen/kinds.ipc.rs: python/tests/kinds.proto
$(RUST_B)/gen/conform.ipc.rs $(RUST_B)/gen/client/versions.ipc.rs $(RUST_B)/gen/server/versions.ipc.rs: \
	$(RUST_B)/gen/%.ipc.rs: tests/suite/languages/conformance/%.proto
$(RUST_B)/gen/judge.ipc.rs $(RUST_B)/gen/judge2.ipc.rs: $(RUST_B)/gen/%.ipc.rs: tests/suite/languages/judge/%.proto
$(RUST_GENERATED): $(B)/idl/protoc-gen-ipc
	$(call msg,PROTOC,$@)
	$(Q)mkdir -p $(@D) && $(PROTOC) -I $(dir $(filter %.proto,$^)) -I idl \
	  --plugin=protoc-gen-ipc=$(B)/idl/protoc-gen-ipc --ipc_out=lang=rust:$(@D) $(filter %.proto,$^)

# Messages that every program shares are part of the crate.
RUST_GOOGLE_PROTOS := any api duration empty field_mask source_context struct timestamp type wrappers
RUST_GOOGLE := $(addprefix $(RUST_W)/ipcbus/src/,google.rs descriptor.rs)
$(RUST_GOOGLE) &: $(B)/idl/protoc-gen-ipc
	$(call msg,PROTOC,$@)
	$(Q)mkdir -p $(RUST_B)/google && $(PROTOC) -I $(PROTO_INCLUDE) --plugin=protoc-gen-ipc=$< \
	  --ipc_out=lang=rust:$(RUST_B)/google \
	  $(patsubst %,google/protobuf/%.proto,$(RUST_GOOGLE_PROTOS) descriptor)
	$(Q)cd $(RUST_B)/google/google/protobuf && \
	  { echo '// SPDX-License-Identifier: MIT' && cat $(RUST_GOOGLE_PROTOS:%=%.ipc.rs); } \
	    >$(abspath $(RUST_W))/ipcbus/src/google.rs && \
	  { echo '// SPDX-License-Identifier: MIT' && cat descriptor.ipc.rs; } \
	    >$(abspath $(RUST_W))/ipcbus/src/descriptor.rs

$(RUST_B)/layout: rust/tests/layout.c | $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Ilibipc/include -MD -MP -MF $@.d -o $@ $<

# The interfaces of the examples.
RUST_PROTOS := $(foreach name,echo chat clock frames files,examples/$(name)/$(name).proto)

# Builds all programs at once, because cargo itself determines which files are out of date.
$(RUST_B)/built: $(RUST_COPIES) $(RUST_GENERATED) $(RUST_GOOGLE) $(RUST_PROTOS) $(LIBIPC_TEST_A) | $(LIBIPC)
	$(call msg,CARGO,$@)
	$(Q)$(RUST_CARGO) build -q --workspace
	$(Q)touch $@

# For test-rust: runs the examples of the documentation.
.PHONY: rust-doctest
rust-doctest: $(RUST_B)/built
	$(Q)$(RUST_CARGO) test --doc --workspace

.PHONY: rust
rust: $(RUST_B)/built

# The folder in which Debian's packages install crates.
cratedir ?= $(datadir)/cargo/registry

# Installs a folder of Debian's registry: a manifest, sources, and an empty list of checksums.
.PHONY: install-rust
install-rust: $(RUST_GOOGLE)
	$(Q)for crate in ipcbus-sys ipcbus; do \
	  to=$(DESTDIR)$(cratedir)/$$crate-$(VERSION); \
	  (cd rust/$$crate && find . -name '*.rs' -o -name Cargo.toml) | while read -r file; do \
	    $(INSTALL) -D -m 644 rust/$$crate/$$file $$to/$$file || exit; \
	  done && \
	  { [ $$crate != ipcbus ] || $(INSTALL) -m 644 -t $$to/src $(RUST_GOOGLE); } && \
	  echo '{"package":"","files":{}}' >$$to/.cargo-checksum.json && \
	  chmod 644 $$to/.cargo-checksum.json || exit; \
	done

# If Debian's Rust is not installed, nothing of this is built or tested.
ifneq ($(if $(ARM64),,$(and $(wildcard $(CARGO)),$(wildcard $(CARGO_REGISTRY)/prost-derive-*),$(wildcard $(CARGO_REGISTRY)/tokio-*))),)
MORE_BUILDS += $(RUST_B)/built $(RUST_B)/layout
MORE_UNIT_TESTS += rust/tests/test-rust
endif

# The installed files are sources and need no compiler.
PRODUCTS += $(RUST_GOOGLE)
INSTALLS += install-rust
