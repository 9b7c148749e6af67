# SPDX-License-Identifier: MIT
#
# Rust: the crates ipcbus-sys and ipcbus, built by Debian's own compiler with the crates of its
# librust-*-dev packages alone, whatever PATH finds. They are built from copies in $(B)/rust/w,
# because cargo writes Cargo.lock beside its sources, and another release has other versions.

CARGO ?= /usr/bin/cargo
RUSTC ?= /usr/bin/rustc
RUSTDOC ?= /usr/bin/rustdoc
# Where Debian's packages put crates.
CARGO_REGISTRY ?= /usr/share/cargo/registry

RUST_B := $(B)/rust
RUST_W := $(RUST_B)/w
RUST_FILES := $(sort $(shell find rust -name '*.rs' -o -name Cargo.toml))
RUST_COPIES := $(RUST_FILES:rust/%=$(RUST_W)/%)

# Cargo, in $(RUST_W). What it writes of its own goes to $(RUST_B) too.
RUST_CARGO = cd $(RUST_W) && CARGO_HOME=$(abspath $(RUST_B)/home) RUSTC=$(RUSTC) \
	RUSTDOC=$(RUSTDOC) CARGO_TARGET_DIR=$(abspath $(RUST_B)/target) \
	IPCBUS_GENERATED=$(abspath $(RUST_B)/gen) EXAMPLES=$(abspath examples) IPC_PROTO_DIR=$(abspath idl) \
	PROTOC_GEN_IPC=$(abspath $(B)/idl/protoc-gen-ipc) IPCBUS_LIB_DIR=$(abspath $(B)/libipc) LD_LIBRARY_PATH=$(abspath $(B)/libipc) \
	$(CARGO) --config 'source.crates-io.replace-with="debian"' \
	--config 'source.debian.directory="$(CARGO_REGISTRY)"' --offline

$(RUST_COPIES): $(RUST_W)/%: rust/%
	$(Q)mkdir -p $(@D) && cp -p $< $@
	$(Q)case $@ in */w/Cargo.toml) sed -i 's/"tests"]/"tests", "examples"]/' $@;; esac

# The examples are a member of the workspace here, and a program of their own elsewhere.
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

# Messages that every program shares, which are part of the crate. `make rust-google` writes them
# again, from the files that protoc has, if what protoc-gen-ipc writes has changed.
RUST_GOOGLE_PROTOS := any api duration empty field_mask source_context struct timestamp type wrappers
RUST_GOOGLE := rust/ipcbus/src
.PHONY: rust-google
rust-google: $(B)/idl/protoc-gen-ipc
	$(Q)mkdir -p $(RUST_B)/google && $(PROTOC) --plugin=protoc-gen-ipc=$< \
	  --ipc_out=lang=rust:$(RUST_B)/google \
	  $(patsubst %,google/protobuf/%.proto,$(RUST_GOOGLE_PROTOS) descriptor)
	$(Q)cd $(RUST_B)/google/google/protobuf && \
	  { echo '// SPDX-License-Identifier: MIT' && cat $(RUST_GOOGLE_PROTOS:%=%.ipc.rs); } \
	    >$(abspath $(RUST_GOOGLE))/google.rs && \
	  { echo '// SPDX-License-Identifier: MIT' && cat descriptor.ipc.rs; } \
	    >$(abspath $(RUST_GOOGLE))/descriptor.rs

$(RUST_B)/layout: rust/tests/layout.c | $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Ilibipc/include -MD -MP -MF $@.d -o $@ $<

# Those of the examples.
RUST_PROTOS := $(foreach name,echo chat clock frames files,examples/$(name)/$(name).proto)

# All programs at once: cargo knows what is old.
$(RUST_B)/built: $(RUST_COPIES) $(RUST_GENERATED) $(RUST_PROTOS) | $(LIBIPC)
	$(call msg,CARGO,$@)
	$(Q)$(RUST_CARGO) build -q --workspace
	$(Q)touch $@

# For test-rust: what the documentation shows.
.PHONY: rust-doctest
rust-doctest: $(RUST_B)/built
	$(Q)$(RUST_CARGO) test --doc --workspace

.PHONY: rust
rust: $(RUST_B)/built

# Where Debian's packages have crates.
cratedir ?= $(datadir)/cargo/registry

# A folder of Debian's registry: a manifest, sources, and checksums, of which it wants none.
.PHONY: install-rust
install-rust:
	$(Q)for crate in ipcbus-sys ipcbus; do \
	  to=$(DESTDIR)$(cratedir)/$$crate-$(VERSION); \
	  (cd rust/$$crate && find . -name '*.rs' -o -name Cargo.toml) | while read -r file; do \
	    $(INSTALL) -D -m 644 rust/$$crate/$$file $$to/$$file || exit; \
	  done && echo '{"package":"","files":{}}' >$$to/.cargo-checksum.json && \
	  chmod 644 $$to/.cargo-checksum.json || exit; \
	done

# Where Debian's Rust is not installed, nothing of this is built or tested.
ifneq ($(if $(ARM64),,$(and $(wildcard $(CARGO)),$(wildcard $(CARGO_REGISTRY)/prost-derive-*),$(wildcard $(CARGO_REGISTRY)/tokio-*))),)
MORE_BUILDS += $(RUST_B)/built $(RUST_B)/layout
MORE_UNIT_TESTS += rust/tests/test-rust
endif

# Sources alone, which need no compiler.
INSTALLS += install-rust
