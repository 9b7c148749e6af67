// SPDX-License-Identifier: MIT
/*
 * ipcctl doctor: collects facts about everything that a bus needs, and prints the findings.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <ipc/ipc.h>

#include "bus.h"
#include "doctor.h"
#include "ipcbus-daemon.h"
#include "ipcctl.h"
#include "schema/json.h"
#include "output.h"
#include "process.h"
#include "servicemanager.ipc.h"
#include "verbs.h"

/* Of each request to the service manager, and of the daemon's first message. */
#define MANAGER_TIMEOUT_USEC 5000000

/* --- The module ------------------------------------------------------------------ */

/* Writes the first path that matches the glob pattern. Returns true if there is one. */
static bool find_path(const char *pattern, char *path, size_t size)
{
	glob_t found;

	if (glob(pattern, GLOB_BRACE, NULL, &found))
		return false;
	snprintf(path, size, "%s", found.gl_pathv[0]);
	globfree(&found);
	return true;
}

/* Returns true in a container: there even root lacks the capability to load a module, or the user
 * namespace is not the first. */
static bool is_confined(void)
{
	unsigned int inside = 0, outside = 0, count = UINT32_MAX;
	FILE *map = fopen("/proc/self/uid_map", "re");

	if (map && fscanf(map, "%u %u %u", &inside, &outside, &count) != 3)
		count = UINT32_MAX;
	if (map)
		fclose(map);
	return prctl(PR_CAPBSET_READ, CAP_SYS_MODULE) == 0 || count != UINT32_MAX;
}

static void examine_module(struct facts *facts)
{
	char pattern[256], source[256];

	facts->confined = is_confined();
	facts->loaded = access("/sys/module/ipcbus", F_OK) == 0;
	snprintf(pattern, sizeof(pattern), "/lib/modules/%s/{updates,updates/dkms,extra}/ipcbus.ko*",
		 facts->release);
	find_path(pattern, facts->file, sizeof(facts->file));
	facts->dkms = find_path("/usr/src/ipcbus-*/dkms.conf", source, sizeof(source));
}

static bool has_units(const char *folder)
{
	char pattern[128], path[128];

	snprintf(pattern, sizeof(pattern), "{/etc,/usr/lib,/usr/local/lib,/lib}/systemd/%s/ipcbusd.socket",
		 folder);
	return access("/run/systemd/system", F_OK) == 0 && find_path(pattern, path, sizeof(path));
}

/* --- The device, the driver, the service manager ------------------------------------- */

/* Returns 1 if the service manager replies, 0 if there is none, or -errno. */
static int ask_manager(struct facts *facts, const char *path)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct ipc_proxy *proxy = NULL;
	int r = ipc_wait_manager(path, 0);

	if (r == 1)
		r = ipc_open(&ipc, path);
	if (!ipc)
		return r;
	r = ipc_set_timeout(ipc, MANAGER_TIMEOUT_USEC);
	if (r == 0)
		r = ipc_get_manager(ipc, &proxy);
	manager = service_manager_from_proxy(proxy);
	if (r == 0)
		r = ipc_proxy_ping(proxy, /* error= */ NULL);
	if (r == 0)
		facts->policy = bus_policy_problem(manager, facts->outdated,
						   sizeof(facts->outdated));
	return r == 0 ? 1 : r == -ENOTCONN ? 0 : r;
}

static void open_device(struct facts *facts, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		facts->open_error = -errno;
		return;
	}
	facts->info.size = sizeof(facts->info);
	if (ioctl(fd, IPCBUS_IOC_INFO, &facts->info) < 0)
		facts->info_error = -errno;
	close(fd);
}

/* Checks the daemon's first message: libipc would wait for a daemon that does not send it. */
static void open_socket(struct facts *facts, const char *path)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	uint64_t features = 0;

	daemon_ask(path, MANAGER_TIMEOUT_USEC / 1000, &facts->peer);
	facts->open_error = facts->peer.connect_error;
	facts->info_error = facts->peer.welcome_error;
	if (!facts->info_error && facts->peer.version != IPCBUSD_VERSION)
		facts->info_error = -EPROTO;
	if (facts->open_error || facts->info_error)
		return;
	facts->info_error = ipc_open(&ipc, path);
	if (!facts->info_error)
		facts->info_error = ipc_get_features(ipc, &facts->info.version, &features);
}

static void examine_device(struct facts *facts)
{
	const char *path = facts->bus;
	struct stat st;

	if (stat(path, &st) < 0) {
		facts->device_error = -errno;
		return;
	}
	facts->mode = st.st_mode & 07777;
	group_name(st.st_gid, facts->group, sizeof(facts->group));
	user_name(st.st_uid, facts->owner, sizeof(facts->owner));
	if (facts->kind == IPC_BUS_DAEMON)
		open_socket(facts, path);
	else
		open_device(facts, path);
	if (!facts->open_error && !facts->info_error)
		facts->manager = ask_manager(facts, path);
}

/* --- The verb ----------------------------------------------------------------------- */

static enum color color_of(const char *state)
{
	return !strcmp(state, "ok")	 ? COLOR_GREEN :
	       !strcmp(state, "error")	 ? COLOR_RED :
	       !strcmp(state, "warning") ? COLOR_YELLOW :
					   COLOR_DIM;
}

/* Returns an enum status. Texts contain names of files, so they must be cleaned by out_text(). */
static int put_finding(const json_t *finding)
{
	char *text = out_text(json_object_get(finding, "text"));
	const char *state = value_text(finding, "result"), *fix = value_text(finding, "fix");

	if (!text)
		return fail_memory();
	printf("%s%-8s%s %-11s %s\n", out_color(color_of(state)), state, out_plain(),
	       value_text(finding, "check"), text);
	if (fix)
		printf("%21s%sfix:%s %s\n", "", out_color(COLOR_BOLD), out_plain(), fix);
	free(text);
	return STATUS_OK;
}

static int run(int argc, char **argv)
{
	const struct ctl_bus *bus = ctl_bus();
	struct facts facts = { .bus = bus->path, .kind = bus->kind, .reason = bus->reason };
	int status = STATUS_OK;
	json_t *findings, *finding;
	struct utsname name;
	size_t i;

	(void)argc;
	(void)argv;
	uname(&name);
	snprintf(facts.release, sizeof(facts.release), "%s", name.release);
	facts.uid = geteuid();
	user_name(facts.uid, facts.user, sizeof(facts.user));
	examine_module(&facts);
	facts.system_units = has_units("system");
	facts.user_units = has_units("user");
	examine_device(&facts);
	findings = facts_check(&facts);
	if (!findings)
		return fail_memory();
	json_array_foreach(findings, i, finding) {
		if (!strcmp(value_text(finding, "result"), "error"))
			status = STATUS_FAILED;
		if (!ctl.json && put_finding(finding))
			status = STATUS_FAILED;
	}
	if (ctl.json)
		return out_json(findings) ?: status;
	json_decref(findings);
	return status;
}

const struct verb verb_doctor = {
	.name = "doctor",
	.arguments = "",
	.summary = "check the system, and print how to fix what is wrong",
	.description =
		"Says which bus programs open, and why. For a device, checks the module; for a socket, the\n"
		"daemon behind it. Then checks the permission to open it, the ABI version, the service\n"
		"manager, its policy and activation files. Each line begins with ok, warning, error or\n"
		"unknown; the command that fixes a problem follows. The status is 1 if there is an error.\n",
	.example = "  sudo ipcctl doctor\n",
	.run = run,
};
