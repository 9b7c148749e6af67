# SPDX-License-Identifier: MIT
#
# Python: the package ipcbus, in $(B)/python/ipcbus, with its extension _core. PYTHON is Debian's
# own interpreter, even if PATH has another one first. The extension uses the stable interface of
# CPython 3.11, so that a single build works with 3.11 and later.

PYTHON ?= /usr/bin/python3
PYTHON_B := $(B)/python
PYTHON_INCLUDE := $(shell $(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))' 2>/dev/null)
PYTHON_SOURCES := $(sort $(wildcard python/core/*.c))
PYTHON_OBJECTS := $(PYTHON_SOURCES:python/%.c=$(PYTHON_B)/%.o)
PYTHON_FILES := $(sort $(wildcard python/ipcbus/*.py python/ipcbus/*.pyi python/ipcbus/py.typed))
PYTHON_PACKAGE := $(PYTHON_FILES:python/%=$(PYTHON_B)/%) $(PYTHON_B)/ipcbus/_core.abi3.so

$(PYTHON_OBJECTS): $(PYTHON_B)/%.o: python/%.c | $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -fPIC -fvisibility=hidden $(IPC_STUB_CFLAGS) -I$(PYTHON_INCLUDE) \
	  -MD -MP -c -o $@ $<

$(PYTHON_B)/ipcbus/_core.abi3.so: $(PYTHON_OBJECTS) $(LIBIPC_TEST_A) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) -shared $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../../libipc) -o $@ $^ $(LIBIPC)

$(PYTHON_FILES:python/%=$(PYTHON_B)/%): $(PYTHON_B)/%: python/%
	$(call msg,COPY,$@)
	$(Q)cp $< $@

# Messages and stubs of any folder: for FOLDER/X.proto
#   $(B)/FOLDER/X_pb2.py, X_pb2.pyi   protobuf's messages
#   $(B)/FOLDER/X_ipc.py, X_ipc.pyi   clients and services
$(B)/%_ipc.py $(B)/%_ipc.pyi $(B)/%_pb2.py $(B)/%_pb2.pyi: %.proto $(B)/idl/protoc-gen-ipc
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I $(<D) -I idl --plugin=protoc-gen-ipc=$(B)/idl/protoc-gen-ipc \
	  --python_out=$(@D) --pyi_out=$(@D) --ipc_out=lang=python:$(@D) $<

.PRECIOUS: $(B)/%_ipc.py $(B)/%_ipc.pyi $(B)/%_pb2.py $(B)/%_pb2.pyi

# Messages that all services share. Generated modules import them as ipc.ipc_pb2. A class must not
# be named None in Python, so the types leave it out.
PYTHON_SHARED := $(foreach name,ipc options,$(PYTHON_B)/ipc/$(name)_pb2.py $(PYTHON_B)/ipc/$(name)_pb2.pyi)

$(PYTHON_SHARED) &: idl/ipc/ipc.proto idl/ipc/options.proto
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I idl --python_out=$(PYTHON_B) --pyi_out=$(PYTHON_B) ipc/ipc.proto ipc/options.proto
	$(Q)sed -i '/^class None(/,/^$$/d' $(PYTHON_B)/ipc/ipc_pb2.pyi

PYTHON_PACKAGE += $(PYTHON_SHARED)
PYTHON_EXAMPLES := echo chat clock frames files
PYTHON_TESTED := $(foreach name,$(PYTHON_EXAMPLES),$(B)/examples/$(name)/$(name)_ipc.py) \
	$(B)/python/tests/kinds_ipc.py

# Debian's Python searches one folder for all versions below /usr, and a folder for each version
# elsewhere.
PYTHON_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
pythondir ?= $(PREFIX)/lib/python$(if $(filter /usr,$(PREFIX)),3,$(PYTHON_VERSION))/dist-packages

.PHONY: install-python
install-python: $(PYTHON_PACKAGE)
	$(Q)$(INSTALL) -d $(DESTDIR)$(pythondir)/ipcbus $(DESTDIR)$(pythondir)/ipc
	$(Q)$(INSTALL) -m 644 $(filter $(PYTHON_B)/ipcbus/%,$^) $(DESTDIR)$(pythondir)/ipcbus
	$(Q)$(INSTALL) -m 644 $(filter $(PYTHON_B)/ipc/%,$^) $(DESTDIR)$(pythondir)/ipc

# If there is no Python to build for, nothing of this is built or tested.
ifneq ($(if $(ARM64),,$(wildcard $(PYTHON_INCLUDE)/Python.h)),)
TEST_BUILDS += $(PYTHON_TESTED)
PRODUCTS += $(PYTHON_PACKAGE)
INSTALLS += install-python
UNIT_TESTS += python/tests/test-python
MORE_UNIT_TESTS += python/tests/test-types python/tests/test-wheel
endif
