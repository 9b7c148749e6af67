/* SPDX-License-Identifier: MIT */
/*
 * A connection to the bus of the options, its service manager, and the names that are
 * registered there. Unless it says otherwise, a function prints what went wrong and
 * returns an enum status; what it returns in ret_ outputs belongs to the caller.
 */
#ifndef IPCCTL_BUS_H
#define IPCCTL_BUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <ipc/ipc.h>

struct schema;
struct service_manager;

/* Why libipc opens this bus, as the end of a sentence: "because there is no /dev/ipcbus". */
const char *bus_reason(enum ipc_bus_reason reason);

int bus_open(struct ipc **ret_ipc);
int bus_open_sized(struct ipc **ret_ipc, size_t region_size);

/* How long a service or the service manager may take to say what it is or knows: --timeout, by
 * default 5 seconds. Prints nothing. */
#define BUS_QUESTION_MS 5000
uint64_t bus_limit_usec(void);

/* What to do about a name that is none. */
#define NAME_HINT                                                                               \
	"a name has 1 to 127 letters, digits, and any of _ . / -; each part between / begins with " \
	"a letter, a digit or _"

/* Opens the bus and finds its service manager, whose replies have this time limit. */
int bus_manager(struct ipc **ret_ipc, struct service_manager **ret_manager);

/**
 * struct bus_process - process and user of the last row; zeroes before the first
 * @pid: the process
 * @uid: its user
 * @process: name of @pid
 * @unit: systemd unit of @pid
 * @user: name of @uid
 */
struct bus_process {
	pid_t pid;
	uid_t uid;
	char process[64];
	char unit[256];
	char user[64];
};

/* A service as an object with name, pid, process, unit, uid, user, interface. Looks up process
 * and user unless they are those of the last row. NULL: no memory. */
json_t *bus_row(struct bus_process *last, const char *name, pid_t pid, uid_t uid,
		const char *interface);

/* Whether its rules are older than its files, because one of them is wrong: what is, cleaned, for
 * root and the service manager's own user. Prints nothing. */
bool bus_policy_problem(struct service_manager *manager, char *text, size_t size);

/* The services whose names begin with prefix: an array of bus_row(). activatable: the names of
 * ipcbus-services(5) instead, whose rows also have state, failures, problem, retry_ms, file, and
 * start: the unit or program. */
int bus_list(struct service_manager *manager, const char *prefix, bool activatable,
	     json_t **ret_rows);

/* The proxy of a name; "servicemanager" is the service manager. 0 or -errno, and nothing
 * is printed. */
int bus_proxy(struct ipc *ipc, const char *name, struct ipc_proxy **ret_proxy);

/* fail_with() for a service that did not reply within that time. */
int bus_no_reply(const char *name);

/* Opens the bus and finds a name as bus_proxy() does. */
int bus_find(const char *name, struct ipc **ret_ipc, struct ipc_proxy **ret_proxy);

/* The same, and asks the service for its interface. */
int bus_describe(const char *name, struct ipc **ret_ipc, struct ipc_proxy **ret_proxy,
		 struct schema **ret_schema);

/* The process "PID" or the one that registered "NAME". */
int bus_process(const char *text, pid_t *ret_pid);

/* --- The daemon of a bus ---------------------------------------------------------- */

/**
 * struct daemon_peer - the daemon behind a socket
 * @connect_error: 0, or -errno of connect(), -ETIMEDOUT if the queue of new connections stays
 *	full; what follows is then 0
 * @pid: who began to listen: the daemon, or systemd, which started it
 * @uid: likewise
 * @welcome_error: 0; -ETIMEDOUT: it does not reply; -EPROTO: it is no ipcbusd; or why it
 *	refuses this client
 * @version: of the protocol that it speaks; 0: unknown
 */
struct daemon_peer {
	int connect_error;
	pid_t pid;
	uid_t uid;
	int welcome_error;
	uint32_t version;
};

/* Connects, and waits for at most timeout_ms for that, and then for the reply. */
void daemon_ask(const char *path, int timeout_ms, struct daemon_peer *peer);

#endif
