// SPDX-License-Identifier: MIT
/*
 * Judges the facts, and finds the command that fixes a problem. Each check produces a finding.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "doctor.h"
#include "ipcbus-daemon.h"
#include "process.h"
#include "schema/text.h"

static const char ok[] = "ok", warning[] = "warning", error[] = "error", unknown[] = "unknown";

/**
 * struct finding - the result of a check
 * @state: one of the four above
 * @text: a sentence
 * @fix: a command, or ""
 */
struct finding {
	const char *state;
	char text[1024];
	char fix[512];
};

static void find(struct finding *finding, const char *state, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void fix(struct finding *finding, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void find(struct finding *finding, const char *state, const char *format, ...)
{
	va_list args;

	finding->state = state;
	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
	text_clean(finding->text);
}

static void fix(struct finding *finding, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(finding->fix, sizeof(finding->fix), format, args);
	va_end(args);
	text_clean(finding->fix);
}

/* --- The bus ----------------------------------------------------------------------- */

static const char on_the_host[] =
	"on the host: modprobe ipcbus; then give the device to the container: docker run --device /dev/ipcbus";

static const char *device_fix(const struct facts *facts)
{
	if (facts->confined)
		return on_the_host;
	return facts->loaded ? "udevadm trigger --name-match=ipcbus" : "load the module, see below";
}

/* Returns the command that manages the units of ipcbusd for this bus, or NULL without units. */
static const char *unit_manager(const struct facts *facts)
{
	bool none = facts->reason == IPC_BUS_NOT_FOUND;

	if (facts->reason == IPC_BUS_BY_SYSTEM_DAEMON || (none && !facts->uid))
		return facts->system_units ? "systemctl" : NULL;
	if (facts->reason == IPC_BUS_BY_USER_DAEMON || none)
		return facts->user_units ? "systemctl --user" : NULL;
	return NULL;
}

static void check_bus(const struct facts *facts, struct finding *finding)
{
	const char *reason = bus_reason(facts->reason), *units = unit_manager(facts);

	if (facts->kind == IPC_BUS_DAEMON) {
		find(finding, ok, "programs open %s, a socket of ipcbusd, %s", facts->bus,
		     reason);
	} else if (facts->kind == IPC_BUS_DEVICE) {
		find(finding, ok, "programs open the device %s, %s", facts->bus, reason);
	} else if (facts->kind == IPC_BUS_UNKNOWN) {
		find(finding, unknown, "programs open %s, %s; %s", facts->bus, reason,
		     facts->device_error == -EACCES ? "it cannot be examined" : "it is not a bus");
	} else if (facts->reason == IPC_BUS_NOT_FOUND) {
		find(finding, error, "there is no bus: no /dev/ipcbus, and no socket of ipcbusd");
		fix(finding, "%s; or, without a module: %s%s", device_fix(facts),
		    units ? units : "ipcbusd & then servicemanager &",
		    units ? " enable --now ipcbusd.socket" : "");
	} else {
		find(finding, error, "programs open %s, %s; it does not exist", facts->bus,
		     reason);
		if (strcmp(facts->bus, "/dev/ipcbus"))
			fix(finding, "ipcbusd --bus %s &, or mount -t ipcbus none FOLDER for FOLDER/bus%s",
			    facts->bus,
			    facts->reason == IPC_BUS_BY_ENVIRONMENT ?
				    ", or for another bus: unset IPCBUS_BUS" : "");
		else
			fix(finding, "%s", device_fix(facts));
	}
}

/* Explains why a daemon accepted the connection and did not welcome it. */
static void check_refusal(const struct facts *facts, struct finding *finding)
{
	const struct daemon_peer *peer = &facts->peer;
	const char *what = strerror(-peer->welcome_error);
	int pid = peer->pid;

	switch (peer->welcome_error) {
	case -ETIMEDOUT:
		what = "does not reply; it may be stopped (SIGSTOP)";
		fix(finding, "kill -CONT %d, or start the daemon again", pid);
		break;
	case -EPROTO:
		what = "is not an ipcbusd";
		fix(finding, "ps %d; a bus elsewhere: ipcbusd --bus PATH", pid);
		break;
	case -EDQUOT:
		what = "has as many connections of this user as a user may have";
		fix(finding, "end programs that use the bus, or raise the daemon's limit of files: "
			     "prlimit --pid %d --nofile", pid);
		break;
	case -ESRCH:
		what = "cannot see the processes of this user";
		fix(finding, "if /proc has hidepid=, mount it with gid= and a group of ipcbusd, or run "
			     "ipcbusd as root; otherwise run it in the PID namespace of its clients");
		break;
	case -EOVERFLOW:
		what = "cannot identify this user";
		fix(finding, "map the user into its user namespace (/proc/%d/uid_map)", pid);
		break;
	case -ENFILE:
		what = "has no free file descriptor";
		fix(finding, "prlimit --pid %d --nofile=65536, and start it with such a limit", pid);
		break;
	}
	find(finding, error, "process %d at %s %s", pid, facts->bus, what);
}

static void check_daemon(const struct facts *facts, struct finding *finding)
{
	const struct daemon_peer *peer = &facts->peer;
	char user[64];

	if (peer->connect_error == -ECONNREFUSED) {
		find(finding, error, "no daemon listens at %s: it has ended, and the socket is left",
		     facts->bus);
		fix(finding, "ipcbusd --bus %s &", facts->bus);
	} else if (peer->connect_error == -ETIMEDOUT) {
		find(finding, error,
		     "the daemon at %s accepts no connections, and too many processes wait for it; it "
		     "may be stopped (SIGSTOP)", facts->bus);
		fix(finding, "ss -xlp | grep %s for its PID, then kill -CONT PID, or start it again",
		    facts->bus);
	} else if (peer->connect_error) {
		find(finding, unknown, "cannot connect to %s: %s", facts->bus,
		     strerror(-peer->connect_error));
	} else if (peer->welcome_error) {
		check_refusal(facts, finding);
	} else if (peer->uid && peer->uid != facts->uid) {
		user_name(peer->uid, user, sizeof(user));
		find(finding, warning,
		     "process %d of user %s runs this bus, and can read and change all messages",
		     (int)peer->pid, user);
		fix(finding, "if you do not trust this user, a bus of your own: ipcbusd &");
	} else {
		user_name(peer->uid, user, sizeof(user));
		find(finding, ok, "ipcbusd replies; its socket is of process %d of user %s",
		     (int)peer->pid, user);
	}
}

/* --- The module ------------------------------------------------------------------ */

static void check_missing(const struct facts *facts, struct finding *finding)
{
	find(finding, error,
	     "the module ipcbus is not loaded, and no file of it was found for kernel %s",
	     facts->release);
	if (facts->dkms)
		fix(finding, "apt install linux-headers-%s && dkms autoinstall -k %s && modprobe ipcbus",
		    facts->release, facts->release);
	else
		fix(finding, "install the package ipcbus-dkms, or in the source: make install-module");
}

static void check_module(const struct facts *facts, struct finding *finding)
{
	if (facts->loaded) {
		find(finding, ok, "the module ipcbus is loaded");
	} else if (!facts->file[0]) {
		check_missing(facts, finding);
	} else {
		find(finding, error, "the module ipcbus is not loaded");
		fix(finding,
		    "modprobe ipcbus; at every boot: echo ipcbus >/etc/modules-load.d/ipcbus.conf; if "
		    "its key is rejected: mokutil --import /var/lib/dkms/mok.pub, reboot and enroll "
		    "it; if its format is wrong: dkms install --force ipcbus -k %s", facts->release);
	}
}

/* --- The device ------------------------------------------------------------------ */

static void check_permission(const struct facts *facts, struct finding *finding)
{
	bool is_socket = facts->kind == IPC_BUS_DAEMON;

	if (facts->device_error == -ENOENT) {
		find(finding, unknown, "no device to open");
	} else if (facts->device_error) {
		find(finding, error, "cannot examine %s: %s", facts->bus,
		     strerror(-facts->device_error));
		fix(finding, "ls -ld %s", facts->bus);
	} else if (facts->open_error == -EACCES || facts->open_error == -EPERM) {
		find(finding, error, "user %s has no permission to open %s (mode %04o, group %s)",
		     facts->user, facts->bus, facts->mode, facts->group);
		/* Never advise to join root's group. */
		if (is_socket && !(facts->mode & 020 && strcmp(facts->group, "root")))
			fix(finding, "user %s may allow it: ipcbusd --mode 666, or chmod of the socket",
			    facts->owner);
		else if (facts->mode & 040 && strcmp(facts->group, "root"))
			fix(finding, "usermod -a -G %s %s, and log in again", facts->group,
			    facts->user);
		else
			fix(finding, "groupadd -f ipcbus && chgrp ipcbus %s && chmod 0660 %s",
			    facts->bus, facts->bus);
	} else if (is_socket && facts->open_error) {
		find(finding, unknown, "no daemon to connect to");
	} else if (facts->open_error) {
		find(finding, error, "cannot open %s: %s", facts->bus,
		     strerror(-facts->open_error));
		fix(finding, "dmesg | grep ipcbus");
	} else {
		find(finding, ok, "user %s has permission to open %s (mode %04o, group %s)",
		     facts->user, facts->bus, facts->mode, facts->group);
	}
}

static const char upgrade_daemon[] =
	"upgrade the packages ipcbus-tools and libipc0, and start ipcbusd again";

/* --- The driver -------------------------------------------------------------------- */

static void check_daemon_error(const struct facts *facts, struct finding *finding)
{
	if (facts->peer.welcome_error) {
		find(finding, unknown, "the daemon does not say");
	} else if (facts->peer.version != IPCBUSD_VERSION) {
		find(finding, error, "the daemon has protocol version %u, these tools have %u",
		     facts->peer.version, IPCBUSD_VERSION);
		fix(finding, upgrade_daemon);
	} else if (facts->info_error == -EMFILE) {
		find(finding, error, "cannot open the bus: %s", ipc_strerror(facts->info_error));
		fix(finding, "ulimit -n 64");
	} else {
		find(finding, error, "the daemon does not let this process open the bus: %s",
		     strerror(-facts->info_error));
		if (facts->info_error == -ESRCH)
			fix(finding, "run ipcbusd in the PID namespace of its clients, or in one above it");
		else if (facts->info_error == -EFBIG)
			fix(finding, "run ipcbusd without a limit of file sizes: ulimit -f unlimited");
	}
}

static void check_abi(const struct facts *facts, struct finding *finding)
{
	bool is_socket = facts->kind == IPC_BUS_DAEMON;

	if (facts->device_error || facts->open_error) {
		find(finding, unknown, "no bus to ask");
	} else if (is_socket && facts->info_error) {
		check_daemon_error(facts, finding);
	} else if (facts->info_error == -ENOTTY) {
		find(finding, error, "%s is not a bus", facts->bus);
		fix(finding, "ls -l %s; the bus is /dev/ipcbus, or \"bus\" of a mount",
		    facts->bus);
	} else if (facts->info_error) {
		find(finding, error, "cannot read the ABI version of the bus: %s",
		     strerror(-facts->info_error));
		fix(finding, "rmmod ipcbus && modprobe ipcbus, or reboot");
	} else if (facts->info.version != IPCBUS_VERSION) {
		find(finding, error, "the bus has ABI version %u, these tools have %u",
		     facts->info.version, IPCBUS_VERSION);
		if (is_socket)
			fix(finding, upgrade_daemon);
		else
			fix(finding, "upgrade the packages ipcbus-dkms, ipcbus-tools and libipc0, "
				     "then: rmmod ipcbus && modprobe ipcbus, or reboot");
	} else {
		find(finding, ok, "the bus has ABI version %u, the same as these tools",
		     facts->info.version);
	}
}

static void check_manager(const struct facts *facts, struct finding *finding)
{
	const char *units = unit_manager(facts);

	if (facts->device_error || facts->open_error || facts->info_error) {
		find(finding, unknown, "no bus to look for a service manager");
	} else if (facts->manager > 0) {
		find(finding, ok, "a service manager runs on %s", facts->bus);
	} else if (facts->manager == -ETIMEDOUT || facts->manager == -EHOSTDOWN) {
		find(finding, error, "the service manager on %s %s", facts->bus,
		     facts->manager == -ETIMEDOUT ? "does not reply" : "is frozen");
		if (units)
			fix(finding, "%s restart ipcbusd-servicemanager", units);
		else if (facts->kind == IPC_BUS_DAEMON)
			fix(finding, "continue it (kill -CONT), or end it and start it again: "
				     "servicemanager --bus %s &",
			    facts->bus);
		else
			fix(finding,
			    "systemctl restart ipcbus-servicemanager; see also ipcctl stats");
	} else if (facts->manager < 0) {
		find(finding, unknown, "cannot find out whether a service manager runs: %s",
		     strerror(-facts->manager));
	} else {
		find(finding, error, "no service manager runs on %s", facts->bus);
		if (units)
			fix(finding, "%s start ipcbusd-servicemanager", units);
		else
			fix(finding, "%sservicemanager --bus %s &",
			    facts->kind == IPC_BUS_DAEMON ?
				    "" :
				    "systemctl start ipcbus-servicemanager, or: ",
			    facts->bus);
	}
}

static void check_policy(const struct facts *facts, struct finding *finding)
{
	if (facts->manager <= 0) {
		find(finding, unknown, "no service manager to ask");
	} else if (facts->policy < 0) {
		find(finding, unknown, "cannot read the policy: %s",
		     facts->policy == -EPERM ?
			     "only root and the user of the service manager may" :
			     ipc_strerror(facts->policy));
	} else if (facts->policy == BUS_FILES_WITH_WARNING) {
		find(finding, warning, "the files are in force, but have a problem: %s",
		     facts->outdated);
		fix(finding, "correct the file, then: ipcctl policy reload");
	} else if (facts->policy != BUS_FILES_GOOD) {
		find(finding, error, "the service manager cannot read its %s from before, or none: %s",
		     facts->policy == BUS_ACTIVATIONS_OUTDATED ? "activation files, and uses those" :
								 "policy, and uses its rules",
		     facts->outdated);
		fix(finding, "correct the file, then: ipcctl policy reload");
	} else {
		find(finding, ok, "the files have no problem; ipcctl policy show prints the rules");
	}
}

/* Checks of any bus, of a daemon, and of the module that this system can load. */
enum { OF_ANY = 1, OF_DAEMON = 2, OF_MODULE = 4 };

static int checks_for(const struct facts *facts)
{
	if (facts->kind == IPC_BUS_DAEMON)
		return OF_ANY | OF_DAEMON;
	/* A path that does not exist may have been that of a daemon. */
	if (facts->kind != IPC_BUS_DEVICE && !facts->loaded && strcmp(facts->bus, "/dev/ipcbus"))
		return OF_ANY;
	return OF_ANY | (facts->confined ? 0 : OF_MODULE);
}

json_t *facts_check(const struct facts *facts)
{
	static const struct {
		const char *name;
		void (*check)(const struct facts *facts, struct finding *finding);
		int of;
	} checks[] = {
		{ "bus", check_bus, OF_ANY },
		{ "daemon", check_daemon, OF_DAEMON },
		{ "module", check_module, OF_MODULE },
		{ "permission", check_permission, OF_ANY },
		{ "abi", check_abi, OF_ANY },
		{ "manager", check_manager, OF_ANY },
		{ "policy", check_policy, OF_ANY },
	};
	int wanted = checks_for(facts);
	json_t *findings = json_array();

	for (size_t i = 0; findings && i < sizeof(checks) / sizeof(*checks); i++) {
		struct finding finding = { .state = ok };
		json_t *row;

		if (!(checks[i].of & wanted))
			continue;
		checks[i].check(facts, &finding);
		row = json_pack("{s:s, s:s, s:s, s:s*}", "check", checks[i].name, "result",
				finding.state, "text", finding.text, "fix",
				finding.fix[0] ? finding.fix : NULL);
		if (json_array_append_new(findings, row) < 0) {
			json_decref(findings);
			findings = NULL;
		}
	}
	return findings;
}
