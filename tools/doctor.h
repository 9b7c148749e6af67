/* SPDX-License-Identifier: MIT */
/*
 * ipcctl doctor in two steps: verb-doctor.c collects facts about the system, and doctor-checks.c
 * turns them into findings without reading the system. So tests can simulate any problem.
 */
#ifndef IPCCTL_DOCTOR_H
#define IPCCTL_DOCTOR_H

#include <ipc/ipc.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "bus.h"
#include "ipcbus.h"

/**
 * struct facts - facts about the system; 0 or empty if an earlier error prevents a fact
 * @bus: path of the bus
 * @kind: the kind of file there
 * @reason: why programs open this bus
 * @release: release of the running kernel
 * @user: name of the user of ipcctl
 * @uid: of that user
 * @confined: processes here cannot load a module, as in a container
 * @loaded: the module is loaded
 * @file: file of the module for this kernel, or ""
 * @dkms: the source of the module is installed for DKMS
 * @system_units: systemd runs, and the units of ipcbusd for the system are installed
 * @user_units: the same for the units of users
 * @device_error: 0, or -errno of stat(@bus)
 * @mode: mode of @bus
 * @group: name of its group
 * @owner: name of its user
 * @peer: the process that listens, if @kind is IPC_BUS_DAEMON
 * @open_error: 0, or -errno of opening or connecting to @bus
 * @info: @info.version is the ABI version of the driver
 * @info_error: 0, or -errno of IPCBUS_IOC_INFO; of a daemon: @peer.welcome_error, -EPROTO for
 *	another @peer.version, or -errno of opening the bus
 * @manager: 1: a service manager replies; 0: there is none; or -errno, -ETIMEDOUT if it does not
 *	reply, -EHOSTDOWN if it is frozen
 * @policy: state of the files of the running service manager, as bus_policy_problem() returns it
 * @outdated: the problem of these files
 */
struct facts {
	const char *bus;
	enum ipc_bus_kind kind;
	enum ipc_bus_reason reason;
	char release[128];
	char user[64];
	uid_t uid;
	bool confined;
	bool loaded;
	char file[512];
	bool dkms;
	bool system_units;
	bool user_units;
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
	char outdated[512];
};

/* Returns a new array with a finding for each check that applies: an object with check, result
 * ("ok", "warning", "error" or "unknown"), text and, if there is a remedy, fix, which is a command.
 * It keeps no pointer of the facts. If memory is short, returns NULL. */
json_t *facts_check(const struct facts *facts);

#endif
