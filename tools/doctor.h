/* SPDX-License-Identifier: MIT */
/*
 * ipcctl doctor in two steps: doctor-facts.c looks at the system and decides
 * nothing; doctor-checks.c makes findings of the facts and looks at nothing. So any
 * illness can be had in a test.
 */
#ifndef IPCCTL_DOCTOR_H
#define IPCCTL_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "ipcbus.h"

/**
 * struct facts - what was seen of the system
 * @root: where it lies: "" or a folder that has /dev, /lib, /sys...
 * @device: the bus's path
 * @release: of the kernel that runs
 * @user: who asks, by name
 * @loaded: the module is in the kernel
 * @file: the module's file for this kernel, or ""
 * @indexed: modprobe finds it
 * @vermagic: what that was built for
 * @signer: who signed it, or ""
 * @refusal: what the kernel last said when it would not have the module, or ""
 * @secure_boot: the firmware insists on signatures
 * @lockdown: so does the kernel: its mode, or "" where it has none
 * @sig_enforce: so does the kernel by its own option
 * @headers: the kernel's headers are there
 * @dkms: a source of the module is there for DKMS
 * @device_error: why the device cannot be looked at, a negative errno
 * @mode: of the device
 * @group: of the device, by name
 * @open_error: why it cannot be opened, a negative errno
 * @info: what the driver says of itself
 * @info_error: why it does not, a negative errno
 * @manager: 1 there is a service manager, 0 none, or a negative errno
 * @policy: files of policy, or a negative errno
 */
struct facts {
	const char *root;
	const char *device;
	char release[128];
	char user[64];
	bool loaded;
	char file[512];
	bool indexed;
	char vermagic[256];
	char signer[256];
	char refusal[256];
	bool secure_boot;
	char lockdown[64];
	bool sig_enforce;
	bool headers;
	bool dkms;
	int device_error;
	mode_t mode;
	char group[64];
	int open_error;
	struct ipcbus_info info;
	int info_error;
	int manager;
	int policy;
};

/* root and device must be set, the rest zero. */
void facts_gather(struct facts *facts);

/* An array of findings: objects with check, state ("ok", "warning", "error" or
 * "unknown"), text and, where there is something to do, fix: a command. NULL: no
 * memory. */
json_t *facts_check(const struct facts *facts);

#endif
