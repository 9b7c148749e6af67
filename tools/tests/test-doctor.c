// SPDX-License-Identifier: MIT
/*
 * ipcctl doctor on made-up systems: facts as they would be seen, and folders that
 * stand for a system's root.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor.h"
#include "ipcbus-daemon.h"

static struct facts facts;
static json_t *findings;

/* A system on which all is well. */
static void be_well(void)
{
	static const struct facts well = {
		.root = "",
		.device = "/dev/ipcbus",
		.kind = IPC_BUS_DEVICE,
		.reason = IPC_BUS_BY_DEVICE,
		.release = "6.1.0-9-amd64",
		.user = "joe",

		.loaded = true,
		.indexed = true,
		.file = "/lib/modules/6.1.0-9-amd64/updates/dkms/ipcbus.ko",
		.vermagic = "6.1.0-9-amd64 SMP",
		.headers = true,
		.dkms = true,
		.mode = 0660,
		.group = "ipcbus",
		.manager = 1,
		.policy = 2,
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

/* Each check but this is well or unknown; this one is so, and names such a command. */
static void is_defect(const char *check, const char *state, const char *text, const char *fix)
{
	be_examined();
	ck_assert_str_eq(finding_of(check, "state"), state);
	ck_assert_msg(strstr(finding_of(check, "text"), text) != NULL, "%s",
		      finding_of(check, "text"));
	ck_assert_msg(strstr(finding_of(check, "fix"), fix) != NULL, "%s",
		      finding_of(check, "fix"));
}

static void is_fine(const char *check)
{
	ck_assert_str_eq(finding_of(check, "state"), "ok");
	ck_assert_str_eq(finding_of(check, "fix"), "");
}

START_TEST(health)
{
	static const char *const checks[] = { "bus",	"module",     "signature", "headers",
					      "device", "permission", "version",   "manager",
					      "policy" };

	be_examined();
	ck_assert_uint_eq(json_array_size(findings), 9);
	for (size_t i = 0; i < 9; i++)
		is_fine(checks[i]);
}
END_TEST

/* A system without a module, with a daemon of its user. */
static void use_daemon(void)
{
	facts.loaded = facts.indexed = facts.headers = facts.dkms = false;
	facts.file[0] = facts.vermagic[0] = '\0';
	facts.device = "/run/user/7/ipcbus/bus";
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
	static const char *const checks[] = { "bus",	 "daemon",  "permission",
					      "version", "manager", "policy" };

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
	facts.device = "/x/bus";
	is_defect("bus", "error", "/x/bus, because $IPCBUS_DEVICE names it; it does not exist",
		  "ipcbusd --bus /x/bus");
	facts.kind = IPC_BUS_UNKNOWN;
	is_defect("bus", "unknown", "it seems to be no bus", "");
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

/* Nothing there can load a module or build one. */
START_TEST(container_gets_no_advice_about_modules)
{
	be_well();
	facts.confined = true;
	facts.loaded = false;
	facts.file[0] = '\0';
	facts.headers = false;
	facts.kind = IPC_BUS_NONE;
	facts.reason = IPC_BUS_NOT_FOUND;
	facts.device_error = -ENOENT;
	be_examined();
	ck_assert(!has_check("module") && !has_check("signature") && !has_check("headers"));
	ck_assert_ptr_nonnull(strstr(finding_of("bus", "fix"), "ipcbusd &"));
	ck_assert_ptr_nonnull(strstr(finding_of("device", "fix"), "on the host"));

	/* The bus was that of a daemon. */
	facts.device = "/run/user/7/ipcbus/bus";
	facts.reason = IPC_BUS_BY_ENVIRONMENT;
	be_examined();
	ck_assert(!has_check("device"));
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
	ck_assert_str_eq(finding_of("permission", "state"), "unknown");
	ck_assert_str_eq(finding_of("version", "state"), "unknown");
	ck_assert_str_eq(finding_of("manager", "state"), "unknown");
	facts.open_error = facts.peer.connect_error = -ETIMEDOUT;
	is_defect("daemon", "error", "accepts no connections", "kill -CONT");
	ck_assert_str_eq(finding_of("permission", "state"), "unknown");
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
	is_defect("version", "unknown", "does not say", "");
	refuse(-EPROTO);
	is_defect("daemon", "error", "is no ipcbusd", "ps 123");
	refuse(-EDQUOT);
	is_defect("daemon", "error", "as many connections", "prlimit --pid 123");
	refuse(-ENFILE);
	is_defect("daemon", "error", "no free file descriptor", "prlimit --pid 123");
	refuse(0);
	facts.info_error = -ESRCH;
	is_defect("version", "error", "does not let this process open", "PID namespace");
	facts.info_error = -EPROTO;
	facts.peer.version = IPCBUSD_VERSION + 1;
	is_defect("version", "error", "the daemon speaks version 2", "upgrade");
	refuse(0);
	facts.peer.version = IPCBUSD_VERSION;
	facts.manager = 0;
	be_examined();
	ck_assert_str_eq(finding_of("manager", "fix"),
			 "servicemanager --device /run/user/7/ipcbus/bus &");
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
	is_defect("device", "error", "because the module is not loaded", "modprobe ipcbus");
	facts.indexed = false;
	is_defect("module", "error", "is not loaded", "depmod && modprobe ipcbus");
	ck_assert_str_eq(finding_of("permission", "state"), "unknown");
	ck_assert_str_eq(finding_of("version", "state"), "unknown");
	ck_assert_str_eq(finding_of("manager", "state"), "unknown");
	is_fine("signature");
}
END_TEST

START_TEST(module_missing)
{
	lose_module();
	facts.file[0] = facts.vermagic[0] = '\0';
	is_defect("module", "error", "no file of it was found for kernel 6.1.0-9-amd64",
		  "dkms autoinstall -k 6.1.0-9-amd64");
	facts.dkms = facts.headers = false;
	is_defect("module", "error", "no file of it", "the package ipcbus-dkms");
	is_defect("headers", "error", "not installed", "apt install linux-headers-6.1.0-9-amd64");
}
END_TEST

START_TEST(module_of_another_kernel)
{
	lose_module();
	strcpy(facts.vermagic, "6.1.0-90-amd64 SMP");
	is_defect("module", "error", "another kernel (6.1.0-90-amd64 SMP)",
		  "dkms install --force ipcbus -k 6.1.0-9-amd64");
	strcpy(facts.vermagic, "6.1.0-9-amd64");
	is_defect("module", "error", "is not loaded", "modprobe");
}
END_TEST

START_TEST(module_refused)
{
	lose_module();
	strcpy(facts.refusal, "ipcbus: Unknown symbol foo (err -2)");
	is_defect("module", "error", "Unknown symbol foo", "dkms install --force");
	facts.secure_boot = true;
	strcpy(facts.lockdown, "none");
	be_examined();
	is_fine("signature");
	strcpy(facts.lockdown, "integrity");
	is_defect("signature", "error", "refuses unsigned modules", "mokutil --import");
	strcpy(facts.signer, "DKMS key");
	strcpy(facts.refusal, "Loading of module with unavailable key is rejected");
	is_defect("signature", "error", "does not know the key of \"DKMS key\"",
		  "mokutil --import");
	facts.refusal[0] = '\0';
	be_examined();
	is_fine("signature");
	facts.file[0] = '\0';
	is_defect("signature", "unknown", "no module was found", "");
	be_well();
	facts.sig_enforce = true;
	be_examined();
	is_fine("signature");
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
	is_defect("version", "error", "the driver has version 2, these tools are for version 1",
		  "modprobe ipcbus");
	facts.info.version = IPCBUS_VERSION;
	facts.info_error = -ENOTTY;
	is_defect("version", "error", "is not a bus", "ls -l");
	facts.info_error = -EINVAL;
	is_defect("version", "error", "cannot read the version", "reboot");
}
END_TEST

START_TEST(other_ailments)
{
	facts.manager = 0;
	is_defect("manager", "error", "no service manager", "systemctl start");
	facts.manager = -EPERM;
	is_defect("manager", "unknown", "cannot find out", "");
	facts.policy = -EACCES;
	is_defect("policy", "unknown", "cannot read", "");
	be_well();
	strcpy(facts.policy_error, "a.conf:1: no rule");
	is_defect("policy", "error", "a.conf:1: no rule", "servicemanager --check-policy");
	be_well();
	strcpy(facts.outdated, "b.conf:2: no such user");
	is_defect("policy", "error", "b.conf:2: no such user", "ipcctl policy reload");
	be_well();
	facts.manager = -ETIMEDOUT;
	is_defect("manager", "error", "does not reply", "systemctl restart");
	facts.manager = -EHOSTDOWN;
	is_defect("manager", "error", "is frozen", "systemctl restart");
	be_well();
	facts.policy = -ENOENT;
	be_examined();
	is_fine("policy");
	facts.headers = false;
	is_defect("headers", "warning", "not installed", "apt install");
	facts.device_error = -ENOENT;
	is_defect("device", "error", "although the module is loaded", "udevadm");
	facts.device = "/run/bus";
	is_defect("device", "error", "/run/bus does not exist", "mount -t ipcbus");
	facts.device_error = -EACCES;
	is_defect("device", "error", "Permission denied", "ls -ld");
}
END_TEST

/* --- Looking -------------------------------------------------------------------- */

static char root[] = "/tmp/doctor.XXXXXX";

/* Writes a file under the root, and its folders. */
static void put_file(const char *path, const void *bytes, size_t size)
{
	char full[1024];
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	file = fopen(full, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
	ck_assert_int_eq(fclose(file), 0);
}

static void put_text(const char *path, const char *text)
{
	put_file(path, text, strlen(text));
}

static void make_root(void)
{
	be_well();
	ck_assert_ptr_nonnull(mkdtemp(root));
}

static int unlink_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void remove_root(void)
{
	nftw(root, unlink_one, 8, FTW_DEPTH | FTW_PHYS);
	json_decref(findings);
	findings = NULL;
}

static void look(void)
{
	memset(&facts, 0, sizeof(facts));
	facts.root = root;
	facts.device = "/dev/ipcbus";
	facts_gather(&facts);
}

START_TEST(nothing_is_there)
{
	look();
	ck_assert(!facts.loaded && !facts.headers && !facts.dkms && !facts.secure_boot);
	ck_assert_str_eq(facts.file, "");
	ck_assert_int_eq(facts.device_error, -ENOENT);
	ck_assert_int_eq(facts.policy, -ENOENT);
	is_defect("module", "error", "not loaded", "ipcbus");
}
END_TEST

START_TEST(files_are_read)
{
	struct utsname name;
	char path[512];

	uname(&name);
	snprintf(path, sizeof(path), "/lib/modules/%s/build/Makefile", name.release);
	put_text(path, "");
	put_text("/sys/module/module/parameters/sig_enforce", "Y\n");
	put_text("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
	put_file("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
		 "\6\0\0\0\1", 5);
	put_text("/usr/src/ipcbus-0.1/dkms.conf", "");
	put_text("/etc/ipcbus/policy.d/50-a.conf", "");
	put_text("/etc/ipcbus/policy.d/README", "");
	put_text("/dev/kmsg", "3,1,1,-;ipcbus: version magic '6.0' should be '6.1'\n");
	put_text("/dev/ipcbus", "");
	look();
	ck_assert(facts.headers && facts.sig_enforce && facts.secure_boot && facts.dkms);
	ck_assert_str_eq(facts.lockdown, "integrity");
	ck_assert_str_eq(facts.release, name.release);
	ck_assert_int_eq(facts.policy, 1);
	ck_assert_str_eq(facts.refusal, "ipcbus: version magic '6.0' should be '6.1'");
	ck_assert_int_eq(facts.info_error, -ENOTTY);
	is_defect("version", "error", "not a bus", "mount");
}
END_TEST

START_TEST(odd_files_do_no_harm)
{
	put_file("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", "\1",
		 1);
	put_text("/sys/kernel/security/lockdown", "]none[");
	put_text("/sys/module/module/parameters/sig_enforce", "");
	put_text("/dev/kmsg", "no semicolon\n");
	look();
	ck_assert(!facts.secure_boot && !facts.sig_enforce);
	ck_assert_str_eq(facts.lockdown, "");
	ck_assert_str_eq(facts.refusal, "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("doctor");
	TCase *tcase = tcase_create("doctor");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, make_root, remove_root);
	tcase_add_test(tcase, health);
	tcase_add_test(tcase, health_of_a_daemon);
	tcase_add_test(tcase, no_bus);
	tcase_add_test(tcase, container_gets_no_advice_about_modules);
	tcase_add_test(tcase, daemon_does_not_listen);
	tcase_add_test(tcase, daemon_refuses);
	tcase_add_test(tcase, module_not_loaded);
	tcase_add_test(tcase, module_missing);
	tcase_add_test(tcase, module_of_another_kernel);
	tcase_add_test(tcase, module_refused);
	tcase_add_test(tcase, no_permission);
	tcase_add_test(tcase, version_mismatch);
	tcase_add_test(tcase, other_ailments);
	tcase_add_test(tcase, nothing_is_there);
	tcase_add_test(tcase, files_are_read);
	tcase_add_test(tcase, odd_files_do_no_harm);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
