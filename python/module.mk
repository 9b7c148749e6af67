# SPDX-License-Identifier: MIT
#
# Python: the package ipcbus, in $(B)/python/ipcbus, with its extension _core. PYTHON is
# Debian's own, whatever PATH finds. The extension uses the stable interface of CPython 3.11, so
# one build serves 3.11 and later.

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
	  -MMD -MP -c -o $@ $<

$(PYTHON_B)/ipcbus/_core.abi3.so: $(PYTHON_OBJECTS) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) -shared $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../../libipc) -o $@ $^ $(LIBIPC)

$(PYTHON_FILES:python/%=$(PYTHON_B)/%): $(PYTHON_B)/%: python/%
	$(call msg,COPY,$@)
	$(Q)cp $< $@

# Where there is no Python to build for, nothing of this is built or tested.
ifneq ($(if $(ARM64),,$(wildcard $(PYTHON_INCLUDE)/Python.h)),)
ALL += $(PYTHON_PACKAGE)
UNIT_TESTS += python/tests/test-python
endif
