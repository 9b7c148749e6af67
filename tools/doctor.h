/* SPDX-License-Identifier: MIT */
/*
 * ipcctl doctor in two steps: doctor-facts.c collects facts about the system, and
 * doctor-checks.c makes findings of them without looking at the system. So a test can have
 * any defect.
 */
#ifndef IPCCTL_DOCTOR_H
#define IPCCTL_DOCTOR_H

#include <ipc/ipc.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "daemon.h"
#include "ipcbus.h"

/**
 * struct facts - facts about the system
 * @root: prefix of all paths: "" or a folder that has /dev, /lib, /sys...
 * @device: path of the bus
 * @kind: what is there
 * @reason: why it is this one
 * @release: release of the running kernel
 * @user: name of the user of ipcctl
 * @uid: of that user
 * @confined: no process here can load a module, as in a container
 * @loaded: the module is loaded
 * @file: file of the module for this kernel, or ""
 * @indexed: modprobe finds @file
 * @vermagic: kernel for which @file was built
 * @signer: signer of @file, or ""
 * @refusal: last line of the kernel's log that refuses the module, or ""
 * @secure_boot: Secure Boot is on
 * @lockdown: lockdown mode of the kernel, or ""
 * @sig_enforce: the kernel's option module.sig_enforce is on
 * @headers: the headers of the kernel are installed
 * @dkms: a source of the module is installed for DKMS
 * @device_error: 0, or -errno of stat(@device)
 * @mode: mode of the device
 * @group: name of the group of the device
 * @owner: name of its user
 * @peer: who listens, if @kind is IPC_BUS_DAEMON
 * @open_error: 0, or -errno of open(@device), or of connecting to it
 * @info: @info.version is that of the driver
 * @info_error: 0, or -errno of IPCBUS_IOC_INFO, or of opening the bus of a daemon
 * @manager: 1: a service manager replies, 0: there is none, or -errno: -ETIMEDOUT: it does not
 *	reply
 * @policy: number of policy files, or -errno
 * @policy_error: what the service manager finds wrong in them, or ""
 * @outdated: what is wrong in the files of the running service manager, whose rules are older for
 *	that; "" if they are not, or if this user may not know
 */
struct facts {
	const char *root;
	const char *device;
	enum ipc_bus_kind kind;
	enum ipc_bus_reason reason;
	char release[128];
	char user[64];
	uid_t uid;
	bool confined;
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
	char owner[64];
	struct daemon_peer peer;
	int open_error;
	struct ipcbus_info info;
	int info_error;
	int manager;
	int policy;
	char policy_error[512];
	char outdated[512];
};

/* The caller sets root, device, kind and reason, and the rest to zero. */
void facts_gather(struct facts *facts);

/* An array of findings: objects with check, state ("ok", "warning", "error" or "unknown"),
 * text and, if there is a remedy, fix: a command. NULL: no memory. */
json_t *facts_check(const struct facts *facts);

#endif
