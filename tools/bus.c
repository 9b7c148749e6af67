// SPDX-License-Identifier: MIT
/*
 * The bus and its service manager: see bus.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus.h"
#include "deadline.h"
#include "ipcbus-daemon.h"
#include "ipcctl.h"
#include "schema/json.h"
#include "process.h"
#include "schema/schema.h"
#include "servicemanager.ipc.h"
#include "schema/text.h"

static int fail_denied(void)
{
	char user[64], group[64], hint[256] = "see ipcctl doctor";
	struct stat st;

	/* Never advise to join root's group. */
	if (stat(ctl_bus_path(), &st) == 0 && (st.st_mode & 0060) == 0060 && st.st_gid) {
		user_name(geteuid(), user, sizeof(user));
		group_name(st.st_gid, group, sizeof(group));
		snprintf(hint, sizeof(hint),
			 "join the group %s (usermod -a -G %s %s, as root) and log in again", group,
			 group, user);
	}
	return fail_with(STATUS_DENIED, hint, "no permission to open the bus %s", ctl_bus_path());
}

/* A service may send larger messages as files, but their JSON would need about fifty times as much
 * memory. */
#define MESSAGE_MAX	IPC_REGION_DEFAULT

int bus_open(struct ipc **ret_ipc)
{
	return bus_open_sized(ret_ipc, IPC_REGION_DEFAULT);
}

int bus_open_sized(struct ipc **ret_ipc, size_t region_size)
{
	char text[IPC_ERROR_TEXT_MAX];
	bool limited = deadline_begin();
	int r = ipc_open_sized(ret_ipc, ctl_bus_path(), region_size);

	deadline_end(limited);
	switch (r) {
	case 0:
		ipc_set_message_max(*ret_ipc, MESSAGE_MAX);
		return STATUS_OK;
	case -ENOENT:
	case -ENXIO:
	case -ENODEV:
	case -ECONNREFUSED:
		return fail_no_bus(r);
	case -EPROTO:
		return fail_with(STATUS_NO_BUS, "see ipcctl doctor",
				 "%s is not a socket of ipcbusd, or has another protocol version",
				 ctl_bus_path());
	case -EACCES:
	case -EPERM:
		return fail_denied();
	case -ESRCH:
		return fail_with(STATUS_FAILED, "see ipcctl doctor",
				 "ipcbusd at %s cannot see this process", ctl_bus_path());
	case -ENOTTY:
		return fail_with(STATUS_NO_BUS, NULL, "%s is not a bus", ctl_bus_path());
	default:
		return fail_with(STATUS_FAILED, NULL, "%s",
				 ipc_open_error_text(text, sizeof(text), ctl_bus_path(), r));
	}
}

uint64_t bus_request_usec(void)
{
	uint64_t left = deadline_delay(), usec = deadline_question_usec();

	return left < usec ? left : usec;
}

int bus_manager(struct ipc **ret_ipc, struct service_manager **ret_manager)
{
	struct ipc_proxy *proxy = NULL;
	struct ipc *ipc;
	int status, r;

	status = bus_open(&ipc);
	if (status)
		return status;
	r = ipc_set_timeout(ipc, bus_request_usec());
	if (r == 0)
		r = ipc_get_manager(ipc, &proxy);
	if (r < 0) {
		ipc_unref(ipc);
		return fail_manager(r, /* reported= */ NULL);
	}
	*ret_ipc = ipc;
	*ret_manager = service_manager_from_proxy(proxy);
	return STATUS_OK;
}

bool bus_has_manager(void)
{
	bool limited = deadline_begin();
	int r = ipc_wait_manager(ctl_bus_path(), 0);

	deadline_end(limited);
	return r == 1;
}

int bus_policy_problem(struct service_manager *manager, char *text, size_t size)
{
	ipc_auto(service_manager_show_policy_reply_free)
		Ipc__Manager__ShowPolicyReply *reply = NULL;
	Ipc__Manager__ShowPolicyRequest request = IPC__MANAGER__SHOW_POLICY_REQUEST__INIT;
	int r = service_manager_show_policy(manager, &request, &reply, /* error= */ NULL);

	if (r < 0)
		return r;
	if (!reply->outdated && !reply->activations_outdated && !reply->n_problems)
		return BUS_FILES_GOOD;
	/* Warnings, which are listed too, may come before or after the reason of the state. */
	snprintf(text, size, "%s", reply->n_problems ? "" : "a file is wrong");
	for (size_t i = 0, used = 0; i < reply->n_problems && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? "; " : "",
					 reply->problems[i]);
	text_clean(text);
	if (reply->outdated)
		return BUS_POLICY_OUTDATED;
	return reply->activations_outdated ? BUS_ACTIVATIONS_OUTDATED : BUS_FILES_WITH_WARNING;
}

/* --- Names ---------------------------------------------------------------------- */

json_t *bus_row(struct bus_process *last, const char *name, pid_t pid, uid_t uid,
		const char *interface)
{
	if (last->pid != pid || !last->process[0]) {
		process_name(pid, last->process, sizeof(last->process));
		process_unit(pid, last->unit, sizeof(last->unit));
	}
	if (last->uid != uid || !last->user[0])
		user_name(uid, last->user, sizeof(last->user));
	last->pid = pid;
	last->uid = uid;
	return json_pack("{s:o, s:i, s:s, s:s, s:I, s:s, s:o}", "name", text_json(name), "pid",
			 (int)pid, "process", last->process, "unit", last->unit, "uid",
			 (json_int_t)uid, "user", last->user, "interface", text_json(interface));
}

static json_t *entry_row(struct bus_process *last, const Ipc__Manager__Entry *entry)
{
	static const char *const states[] = { "down", "starting", "up" };
	const Ipc__Manager__Activation *of = entry->activation;
	json_t *row = bus_row(last, entry->name, entry->pid, entry->uid, entry->interface);

	if (!of)
		return row;
	row = value_set(row, "state",
			json_string((unsigned int)of->state < 3 ? states[of->state] : "?"));
	row = value_set(row, "start", text_json(*of->unit ? of->unit : of->program));
	row = value_set(row, "file", text_json(of->file));
	row = value_set(row, "failures", json_integer(of->failures));
	row = value_set(row, "problem", text_json(of->problem));
	return value_set(row, "retry_ms", json_integer(of->retry_ms));
}

int bus_bad_pattern(const char *pattern)
{
	return fail_with(STATUS_USAGE, "a pattern is a name, or the beginning of names and a '*'",
			 "\"%s\" is not a valid pattern", pattern);
}

int bus_list(struct service_manager *manager, const char *pattern, bool activatable,
	     json_t **ret_rows)
{
	size_t length = strlen(pattern);
	bool exact = !length || pattern[length - 1] != '*';
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Ipc__Manager__ListRequest request = IPC__MANAGER__LIST_REQUEST__INIT;
	struct bus_process last = { 0 };
	json_t *rows = json_array();
	char after[128] = "", *prefix = strndup(pattern, exact ? length : length - 1);
	bool more = length;

	if (!length) {
		json_decref(rows);
		free(prefix);
		return bus_bad_pattern(pattern);
	}
	if (!prefix) {
		json_decref(rows);
		return fail_memory();
	}
	request.prefix = prefix;
	request.after = after;
	request.activatable = activatable;
	while (more && rows) {
		ipc_auto(service_manager_list_reply_free) Ipc__Manager__ListReply *reply = NULL;
		int r = service_manager_list(manager, &request, &reply, &error);

		if (r < 0) {
			json_decref(rows);
			free(prefix);
			return r == -EINVAL ? bus_bad_pattern(pattern) : fail_manager(r, &error);
		}
		for (size_t i = 0; rows && i < reply->n_entries; i++)
			if (!exact || !strcmp(reply->entries[i]->name, pattern))
				rows = value_append(rows, entry_row(&last, reply->entries[i]));
		/* A name comes before longer names that begin with it. */
		more = !exact && reply->more && reply->n_entries;
		if (more)
			snprintf(after, sizeof(after), "%s",
				 reply->entries[reply->n_entries - 1]->name);
	}
	free(prefix);
	*ret_rows = rows;
	return rows ? STATUS_OK : fail_memory();
}

int bus_no_service(const char *name)
{
	return fail_with(STATUS_NOT_FOUND, "ipcctl list shows the registered services",
			 "no service is registered as %s", name);
}

int bus_proxy(struct ipc *ipc, const char *name, struct ipc_proxy **ret_proxy)
{
	if (!strcmp(name, "servicemanager"))
		return ipc_get_manager(ipc, ret_proxy);
	return ipc_proxy_get(ipc, name, NULL, ret_proxy);
}

static const char *silent_hint(void)
{
	return may_read_state() ? "it may still be working, or be stopped (SIGSTOP); see ipcctl "
				  "stats, which omits direct channels" :
				  "it may still be working, or be stopped (SIGSTOP)";
}

const char *bus_silent_hint(struct ipc *ipc, const char *name)
{
	struct ipc_name_info info = { .size = sizeof(info) };
	static char hint[96];

	/* The service manager may not reply either. */
	ipc_set_timeout(ipc, DEADLINE_DELAY_USEC / 2);
	if (ipc_check_name(ipc, name, &info) < 0 || !process_is_stopped(info.pid))
		return silent_hint();
	snprintf(hint, sizeof(hint), "its process is stopped (SIGSTOP); continue it: kill -CONT %d",
		 (int)info.pid);
	return hint;
}

int bus_no_reply(struct ipc *ipc, const char *name, const struct ipc_error *reported)
{
	unsigned int ms = deadline_question_usec() / 1000;

	return fail_reported(STATUS_TIMEOUT, bus_silent_hint(ipc, name), reported,
			     "service %s did not reply within %u.%03u s", name, ms / 1000,
			     ms % 1000);
}

/* Getting a name takes long if the service manager is silent, or if it starts the service. */
static int fail_get(struct ipc *ipc, const char *name)
{
	struct ipc_name_info info = { .size = sizeof(info) };

	ipc_set_timeout(ipc, DEADLINE_DELAY_USEC / 2);
	if (ipc_check_name(ipc, name, &info) == -ETIMEDOUT)
		return fail_manager(-ETIMEDOUT, /* reported= */ NULL);
	return bus_no_reply(ipc, name, /* reported= */ NULL);
}

int bus_find(const char *name, struct ipc **ret_ipc, struct ipc_proxy **ret_proxy)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int status, r;

	status = bus_open(&ipc);
	if (status)
		return status;
	deadline_message(silent_hint(), "service %s did not reply", name);
	ipc_set_timeout(ipc, bus_request_usec());
	r = bus_proxy(ipc, name, ret_proxy);
	if (r == -EINVAL)
		return fail_with(STATUS_USAGE, NAME_HINT, "\"%s\" is not a valid name", name);
	if (r == -ENOENT)
		return bus_no_service(name);
	if (r < 0)
		return r == -ETIMEDOUT ? fail_get(ipc, name) : fail_errno(r, name);
	ipc_set_timeout(ipc, IPC_NEVER);
	*ret_ipc = ipc;
	ipc = NULL;
	return STATUS_OK;
}

int bus_describe(const char *name, struct ipc **ret_ipc, struct ipc_proxy **ret_proxy,
		 struct schema **ret_schema)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int status, r;

	status = bus_find(name, &ipc, &proxy);
	if (status)
		return status;
	ipc_set_timeout(ipc, bus_request_usec());
	r = schema_introspect(proxy, ret_schema, &error);
	ipc_set_timeout(ipc, IPC_NEVER);
	if (r == -ENOENT || r == -EBADMSG || r == -EOPNOTSUPP)
		return fail_with(STATUS_NOT_FOUND,
				 "an older protoc-gen-ipc may have made its stubs",
				 "service %s does not describe its interface", name);
	if (r < 0)
		return r == -ETIMEDOUT ? bus_no_reply(ipc, name, &error) :
					 fail_call(r, &error, name);
	*ret_ipc = ipc;
	*ret_proxy = proxy;
	ipc = NULL;
	proxy = NULL;
	return STATUS_OK;
}

static int find_pid(const char *name, pid_t *ret_pid)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	json_t *rows = NULL, *row;
	bool found = false;
	int status;
	size_t i;

	if (!strcmp(name, "servicemanager"))
		return fail_with(STATUS_NOT_FOUND,
				 "use its pid: ipcctl tree, as root, prints it",
				 "the service manager is not a registered service");
	status = bus_manager(&ipc, &manager);
	if (!status)
		status = bus_list(manager, name, false, &rows);
	if (status)
		return status;
	json_array_foreach(rows, i, row) {
		if (strcmp(value_text(row, "name"), name))
			continue;
		found = true;
		*ret_pid = value_number(row, "pid");
	}
	json_decref(rows);
	if (found && !*ret_pid)
		return fail_with(STATUS_NOT_FOUND, "use its pid in place of its name",
				 "the service manager cannot see the process of %s", name);
	return found ? STATUS_OK : bus_no_service(name);
}

int bus_process(const char *text, pid_t *ret_pid)
{
	unsigned long number;
	int status;

	if (!*text || text[strspn(text, "0123456789")])
		return find_pid(text, ret_pid);
	status = number_parse("PID", text, 1, 1 << 22, &number);
	if (!status)
		*ret_pid = number;
	return status;
}

const char *bus_reason(enum ipc_bus_reason reason)
{
	switch (reason) {
	case IPC_BUS_BY_ARGUMENT:
		return "because the command line names it";
	case IPC_BUS_BY_ENVIRONMENT:
		return "because $IPCBUS_BUS names it";
	case IPC_BUS_BY_DEVICE:
		return "because it exists and $IPCBUS_BUS is not set";
	case IPC_BUS_BY_USER_DAEMON:
		return "because there is no /dev/ipcbus, and this user has a daemon";
	case IPC_BUS_BY_SYSTEM_DAEMON:
		return "because there is no /dev/ipcbus, and this user has no daemon";
	case IPC_BUS_NOT_FOUND:
		return "because there is no other bus";
	}
	return "for a reason that this program does not know";
}

/* --- The daemon ----------------------------------------------------------------- */

static int connect_to(int fd, const char *path, int timeout_ms)
{
	struct timeval limit = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int r;

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	/* If the queue of connections stays full, connect() fails with EAGAIN. */
	while ((r = connect(fd, (struct sockaddr *)&address, sizeof(address))) < 0 &&
	       errno == EINTR)
		;
	return r == 0 ? 0 : errno == EAGAIN ? -ETIMEDOUT : -errno;
}

static int read_welcome(int fd, int timeout_ms, uint32_t *ret_version)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	struct ipcbusd_message message;
	ssize_t n;
	int r;

	do
		r = poll(&readable, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	n = recv(fd, &message, sizeof(message), MSG_TRUNC | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	if (n != sizeof(message) || message.magic != IPCBUSD_MAGIC)
		return -EPROTO;
	*ret_version = message.version;
	if (message.version != IPCBUSD_VERSION)
		return 0;
	return message.kind == IPCBUSD_WELCOME ? message.error : -EPROTO;
}

void daemon_ask(const char *path, int timeout_ms, struct daemon_peer *peer)
{
	struct ucred ucred = { 0 };
	socklen_t size = sizeof(ucred);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	*peer = (struct daemon_peer){ 0 };
	peer->connect_error = fd < 0 ? -errno : connect_to(fd, path, timeout_ms);
	if (!peer->connect_error && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &size) < 0)
		peer->connect_error = -errno;
	if (!peer->connect_error) {
		peer->pid = ucred.pid;
		peer->uid = ucred.uid;
		peer->welcome_error = read_welcome(fd, timeout_ms, &peer->version);
	}
	if (fd >= 0)
		close(fd);
}
