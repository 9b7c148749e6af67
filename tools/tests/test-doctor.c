// SPDX-License-Identifier: MIT
/*
 * ipcctl doctor on made-up systems.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../tests/run-cases.h"
#include "doctor.h"
#include "ipcbus-daemon.h"

static struct facts facts;
static json_t *findings;

/* A system without defects. */
static void be_well(void)
{
	static const struct facts well = {
		.bus = "/dev/ipcbus",
		.kind = IPC_BUS_DEVICE,
		.reason = IPC_BUS_BY_DEVICE,
		.release = "6.1.0-9-amd64",
		.user = "joe",

		.loaded = true,
		.file = "/lib/modules/6.1.0-9-amd64/updates/dkms/ipcbus.ko",
		.dkms = true,
		.mode = 0660,
		.group = "ipcbus",
		.manager = 1,
		.info = { .version = IPCBUS_VERSION },
	};

	facts = well;
}

static void be_examined(void)
{
	json_decref(findings);
	findings = facts_check(&facts);
	ck_assert_ptr_nonnull(findings);
}

static const char *finding_of(const char *check, const char *key)
{
	json_t *finding;
	size_t i;

	json_array_foreach(findings, i, finding)
		if (!strcmp(json_string_value(json_object_get(finding, "check")), check)) {
			const char *text = json_string_value(json_object_get(finding, key));

			return text ? text : "";
		}
	ck_abort_msg("no check %s", check);
	return "";
}

/* Asserts that only this check fails, with this state and text, and names a fix with these
 * words. */
static void is_defect(const char *check, const char *state, const char *text, const char *fix)
{
	be_examined();
	ck_assert_str_eq(finding_of(check, "result"), state);
	ck_assert_msg(strstr(finding_of(check, "text"), text) != NULL, "%s",
		      finding_of(check, "text"));
	ck_assert_msg(strstr(finding_of(check, "fix"), fix) != NULL, "%s",
		      finding_of(check, "fix"));
}

static void is_fine(const char *check)
{
	ck_assert_str_eq(finding_of(check, "result"), "ok");
	ck_assert_str_eq(finding_of(check, "fix"), "");
}

START_TEST(health)
{
	static const char *const checks[] = { "bus", "module",	"permission",
					      "abi", "manager", "policy" };

	be_examined();
	ck_assert_uint_eq(json_array_size(findings), 6);
	for (size_t i = 0; i < 6; i++)
		is_fine(checks[i]);
}
END_TEST

/* A system without a module, with a daemon of its user. */
static void use_daemon(void)
{
	facts.loaded = facts.dkms = false;
	facts.file[0] = '\0';
	facts.bus = "/run/user/7/ipcbus/bus";
	facts.kind = IPC_BUS_DAEMON;
	facts.reason = IPC_BUS_BY_USER_DAEMON;
	facts.uid = facts.peer.uid = 54321;
	facts.peer.pid = 123;
	facts.peer.version = IPCBUSD_VERSION;
	facts.mode = 0600;
	strcpy(facts.group, "joe");
	strcpy(facts.owner, "joe");
}

START_TEST(health_of_a_daemon)
{
	static const char *const checks[] = { "bus", "daemon",	"permission",
					      "abi", "manager", "policy" };

	use_daemon();
	be_examined();
	ck_assert_uint_eq(json_array_size(findings), 6);
	for (size_t i = 0; i < 6; i++)
		is_fine(checks[i]);
	ck_assert_ptr_nonnull(strstr(finding_of("bus", "text"), "a socket of ipcbusd, because "
							    "there is no /dev/ipcbus"));
	ck_assert_ptr_nonnull(strstr(finding_of("daemon", "text"), "process 123 of user 54321"));
	facts.uid = 0;
	is_defect("daemon", "warning", "user 54321 runs this bus, and can read", "of your own: ipcbusd");
	facts.uid = 8;
	facts.peer.uid = 0;
	be_examined();
	is_fine("daemon");
}
END_TEST

START_TEST(no_bus)
{
	facts.kind = IPC_BUS_NONE;
	facts.reason = IPC_BUS_NOT_FOUND;
	facts.device_error = -ENOENT;
	is_defect("bus", "error", "there is no bus", "ipcbusd &");
	facts.reason = IPC_BUS_BY_ENVIRONMENT;
	facts.bus = "/x/bus";
	is_defect("bus", "error", "/x/bus, because $IPCBUS_BUS names it; it does not exist",
		  "ipcbusd --bus /x/bus");
	facts.bus = "/x/\xff\033[1m";
	is_defect("bus", "error", "/x/??[1m, because", "ipcbusd --bus /x/??[1m");
	facts.kind = IPC_BUS_UNKNOWN;
	facts.device_error = -EACCES;
	is_defect("bus", "unknown", "it cannot be examined", "");
	facts.device_error = 0;
	is_defect("bus", "unknown", "it is not a bus", "");
}
END_TEST

/* The system's units are root's, a user's those of the user. A bus that the environment names has
 * none. */
START_TEST(installed_units_are_suggested)
{
	facts.kind = IPC_BUS_NONE;
	facts.reason = IPC_BUS_NOT_FOUND;
	facts.device_error = -ENOENT;
	facts.uid = 7;
	facts.user_units = true;
	is_defect("bus", "error", "there is no bus", ": systemctl --user enable --now ipcbusd.socket");
	facts.uid = 0;
	is_defect("bus", "error", "there is no bus", "ipcbusd & then servicemanager &");
	facts.system_units = true;
	is_defect("bus", "error", "there is no bus", ": systemctl enable --now ipcbusd.socket");

	be_well();
	facts.kind = IPC_BUS_DAEMON;
	facts.user_units = facts.system_units = true;
	facts.reason = IPC_BUS_BY_USER_DAEMON;
	facts.manager = 0;
	is_defect("manager", "error", "no service", "systemctl --user start ipcbusd-servicemanager");
	facts.manager = -ETIMEDOUT;
	is_defect("manager", "error", "reply", "systemctl --user restart ipcbusd-servicemanager");
	facts.reason = IPC_BUS_BY_SYSTEM_DAEMON;
	is_defect("manager", "error", "reply", "systemctl restart ipcbusd-servicemanager");
	facts.reason = IPC_BUS_BY_ENVIRONMENT;
	is_defect("manager", "error", "reply", "servicemanager --bus");
}
END_TEST

static bool has_check(const char *check)
{
	json_t *finding;
	size_t i;

	json_array_foreach(findings, i, finding)
		if (!strcmp(json_string_value(json_object_get(finding, "check")), check))
			return true;
	return false;
}

/* In a container, a module can be neither loaded nor built. */
START_TEST(container_gets_no_advice_about_modules)
{
	be_well();
	facts.confined = true;
	facts.loaded = false;
	facts.file[0] = '\0';
	facts.kind = IPC_BUS_NONE;
	facts.reason = IPC_BUS_NOT_FOUND;
	facts.device_error = -ENOENT;
	be_examined();
	ck_assert(!has_check("module"));
	ck_assert_ptr_nonnull(strstr(finding_of("bus", "fix"), "ipcbusd &"));
	ck_assert_ptr_nonnull(strstr(finding_of("bus", "fix"), "on the host"));

	/* The bus was a daemon's. */
	facts.bus = "/run/user/7/ipcbus/bus";
	facts.reason = IPC_BUS_BY_ENVIRONMENT;
	be_examined();
	ck_assert_ptr_nonnull(strstr(finding_of("bus", "fix"), "ipcbusd --bus /run/user/7"));
	facts.confined = false;
	be_examined();
	ck_assert(!has_check("module"));
}
END_TEST

START_TEST(daemon_does_not_listen)
{
	use_daemon();
	facts.peer = (struct daemon_peer){ .connect_error = -ECONNREFUSED };
	facts.open_error = -ECONNREFUSED;
	is_defect("daemon", "error", "no daemon listens", "ipcbusd --bus /run/user/7/ipcbus/bus");
	ck_assert_str_eq(finding_of("permission", "result"), "unknown");
	ck_assert_str_eq(finding_of("abi", "result"), "unknown");
	ck_assert_str_eq(finding_of("manager", "result"), "unknown");
	facts.open_error = facts.peer.connect_error = -ETIMEDOUT;
	is_defect("daemon", "error", "accepts no connections", "kill -CONT");
	ck_assert_str_eq(finding_of("permission", "result"), "unknown");
	facts.open_error = facts.peer.connect_error = -EACCES;
	is_defect("daemon", "unknown", "cannot connect", "");
	is_defect("permission", "error", "joe has no permission to open /run/user/7/ipcbus/bus "
					 "(mode 0600, group joe)", "--mode 666");
	facts.mode = 0660;
	is_defect("permission", "error", "mode 0660", "usermod -a -G joe joe");
}
END_TEST

static void refuse(int error)
{
	facts.info_error = facts.peer.welcome_error = error;
}

START_TEST(daemon_refuses)
{
	use_daemon();
	refuse(-ETIMEDOUT);
	is_defect("daemon", "error", "does not reply", "kill -CONT 123");
	is_defect("abi", "unknown", "does not say", "");
	refuse(-EPROTO);
	is_defect("daemon", "error", "is not an ipcbusd", "ps 123");
	refuse(-EDQUOT);
	is_defect("daemon", "error", "as many connections", "prlimit --pid 123");
	refuse(-ENFILE);
	is_defect("daemon", "error", "no free file descriptor", "prlimit --pid 123");
	refuse(0);
	facts.info_error = -ESRCH;
	is_defect("abi", "error", "does not let this process open", "PID namespace");
	facts.info_error = -EFBIG;
	is_defect("abi", "error", "does not let this process open", "ulimit -f unlimited");
	facts.info_error = -EPROTO;
	facts.peer.version = 99;
	is_defect("abi", "error", "the daemon has protocol version 99", "upgrade");
	refuse(0);
	facts.peer.version = IPCBUSD_VERSION;
	facts.manager = 0;
	be_examined();
	ck_assert_str_eq(finding_of("manager", "fix"),
			 "servicemanager --bus /run/user/7/ipcbus/bus &");
	facts.manager = -ETIMEDOUT;
	is_defect("manager", "error", "does not reply", "start it again: servicemanager");
}
END_TEST

static void lose_module(void)
{
	facts.loaded = false;
	facts.device_error = -ENOENT;
}

START_TEST(module_not_loaded)
{
	lose_module();
	is_defect("module", "error", "is not loaded", "modprobe ipcbus");
	is_defect("module", "error", "is not loaded", "mokutil --import");
	ck_assert_str_eq(finding_of("permission", "result"), "unknown");
	ck_assert_str_eq(finding_of("abi", "result"), "unknown");
	ck_assert_str_eq(finding_of("manager", "result"), "unknown");
}
END_TEST

START_TEST(module_missing)
{
	lose_module();
	facts.file[0] = '\0';
	is_defect("module", "error", "no file of it was found for kernel 6.1.0-9-amd64",
		  "dkms autoinstall -k 6.1.0-9-amd64");
	facts.dkms = false;
	is_defect("module", "error", "no file of it", "the package ipcbus-dkms");
}
END_TEST

START_TEST(no_permission)
{
	facts.open_error = -EACCES;
	is_defect("permission", "error",
		  "joe has no permission to open /dev/ipcbus (mode 0660, group ipcbus)",
		  "usermod -a -G ipcbus joe");
	facts.mode = 0600;
	is_defect("permission", "error", "mode 0600", "chgrp ipcbus /dev/ipcbus");
	facts.open_error = -EIO;
	is_defect("permission", "error", "Input/output", "dmesg");
}
END_TEST

START_TEST(version_mismatch)
{
	facts.info.version = IPCBUS_VERSION + 1;
	is_defect("abi", "error", "the bus has ABI version 2, these tools have 1",
		  "modprobe ipcbus");
	facts.kind = IPC_BUS_DAEMON;
	is_defect("abi", "error", "the bus has ABI version 2", "start ipcbusd again");
	facts.kind = IPC_BUS_DEVICE;
	facts.info.version = IPCBUS_VERSION;
	facts.info_error = -ENOTTY;
	is_defect("abi", "error", "is not a bus", "ls -l");
	facts.info_error = -EINVAL;
	is_defect("abi", "error", "cannot read the ABI version", "reboot");
}
END_TEST

START_TEST(other_ailments)
{
	facts.manager = 0;
	is_defect("manager", "error", "no service manager", "systemctl start");
	facts.manager = -EPERM;
	is_defect("manager", "unknown", "cannot find out", "");
	is_defect("policy", "unknown", "no service manager", "");
	be_well();
	facts.policy = -EPERM;
	is_defect("policy", "unknown", "only root", "");
	facts.policy = BUS_POLICY_OUTDATED;
	strcpy(facts.outdated, "b.conf:2: no such user");
	is_defect("policy", "error", "its rules from before, or none: b.conf:2: no such user",
		  "ipcctl policy reload");
	facts.policy = BUS_ACTIVATIONS_OUTDATED;
	is_defect("policy", "error", "activation files, and uses those from before",
		  "ipcctl policy reload");
	facts.policy = BUS_FILES_WITH_WARNING;
	is_defect("policy", "warning", "are in force, but have a problem: b.conf:2: no such user",
		  "ipcctl policy reload");
	be_well();
	facts.manager = -ETIMEDOUT;
	is_defect("manager", "error", "does not reply", "systemctl restart");
	facts.manager = -EHOSTDOWN;
	is_defect("manager", "error", "is frozen", "systemctl restart");
	be_well();
	facts.kind = IPC_BUS_NONE;
	facts.reason = IPC_BUS_NOT_FOUND;
	facts.device_error = -ENOENT;
	is_defect("bus", "error", "there is no bus", "udevadm");
	facts.reason = IPC_BUS_BY_ENVIRONMENT;
	is_defect("bus", "error", "it does not exist", "udevadm");
	facts.bus = "/run/bus";
	is_defect("bus", "error", "/run/bus", "mount -t ipcbus");
	facts.device_error = -EACCES;
	is_defect("permission", "error", "Permission denied", "ls -ld");
}
END_TEST

static void forget(void)
{
	json_decref(findings);
	findings = NULL;
}

int main(void)
{
	return RUN_CASES("doctor", be_well, forget, health, health_of_a_daemon, no_bus,
			 installed_units_are_suggested,
			 container_gets_no_advice_about_modules, daemon_does_not_listen,
			 daemon_refuses, module_not_loaded, module_missing, no_permission,
			 version_mismatch, other_ailments);
}
