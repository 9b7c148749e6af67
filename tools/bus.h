/* SPDX-License-Identifier: MIT */
/*
 * A connection to the bus of the options, its service manager, and the names that are registered
 * there. If a function fails, it prints an error and returns an enum status, unless its comment
 * says otherwise. The caller owns the values of ret_ outputs.
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

/* Returns why libipc opens this bus, as the end of a sentence: "because there is no
 * /dev/ipcbus". */
const char *bus_reason(enum ipc_bus_reason reason);

int bus_open(struct ipc **ret_ipc);
int bus_open_sized(struct ipc **ret_ipc, size_t region_size);

/* Returns the timeout of the next request to a service, and delays the deadline: the time left of
 * --timeout, at most deadline_question_usec(). */
uint64_t bus_request_usec(void);

/* Print that no service has the name, or that the pattern is invalid. Return the exit status. */
int bus_no_service(const char *name);
int bus_bad_pattern(const char *pattern);

/* The hint for a name that is not valid. */
#define NAME_HINT IPC_NAME_RULE "; each part between / begins with a letter, a digit or _"

/* Opens the bus and finds its service manager. The timeout above applies to each reply. */
int bus_manager(struct ipc **ret_ipc, struct service_manager **ret_manager);

/* Returns whether the bus exists and has a service manager. Prints nothing. */
bool bus_has_manager(void);

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

/* Returns a service as an object with name, pid, process, unit, uid, user, interface. Looks up
 * process and user only if they differ from the last row. If memory is short, returns NULL. */
json_t *bus_row(struct bus_process *last, const char *name, pid_t pid, uid_t uid,
		const char *interface);

/**
 * enum bus_files - state of the policy and activation files of the service manager
 * @BUS_FILES_GOOD: no file has a problem
 * @BUS_POLICY_OUTDATED: a policy file is wrong, so the rules in force are older than the files
 * @BUS_ACTIVATIONS_OUTDATED: only an activation file is wrong, so older files are in force
 * @BUS_FILES_WITH_WARNING: the files are in force, but name an unknown user, for example
 */
enum bus_files {
	BUS_FILES_GOOD,
	BUS_POLICY_OUTDATED,
	BUS_ACTIVATIONS_OUTDATED,
	BUS_FILES_WITH_WARNING,
};

/* Returns enum bus_files, and copies the cleaned problems to text, unless the state is
 * BUS_FILES_GOOD. On failure returns -errno: -EPERM for a user that is neither root nor the user of
 * the service manager. Prints nothing. */
int bus_policy_problem(struct service_manager *manager, char *text, size_t size);

/* Lists the services whose names match the pattern, a name or a prefix and '*', as an array of
 * bus_row(). If activatable, lists the names of activations instead. Their rows also have
 * state, failures, problem, retry_ms, file, and start: the unit or program. */
int bus_list(struct service_manager *manager, const char *pattern, bool activatable,
	     json_t **ret_rows);

/* Gets the proxy of a name; "servicemanager" is the service manager. Returns 0 or -errno, and
 * prints nothing. */
int bus_proxy(struct ipc *ipc, const char *name, struct ipc_proxy **ret_proxy);

/* Returns the hint for a service that did not reply, and changes the timeout of ipc. Valid until
 * the next call. */
const char *bus_silent_hint(struct ipc *ipc, const char *name);

/* Fails for a service that did not reply within the timeout. reported may be NULL. */
int bus_no_reply(struct ipc *ipc, const char *name, const struct ipc_error *reported);

/* Opens the bus and finds a name as bus_proxy() does. */
int bus_find(const char *name, struct ipc **ret_ipc, struct ipc_proxy **ret_proxy);

/* Like bus_find(), and asks the service for its interface. */
int bus_describe(const char *name, struct ipc **ret_ipc, struct ipc_proxy **ret_proxy,
		 struct schema **ret_schema);

/* Finds the process "PID", or the process that registered "NAME". */
int bus_process(const char *text, pid_t *ret_pid);

/* --- The daemon of a bus ---------------------------------------------------------- */

/**
 * struct daemon_peer - the daemon behind a socket
 * @connect_error: 0, or -errno of connect(); -ETIMEDOUT if the queue of new connections stays full.
 *	If it is not 0, the other members are 0.
 * @pid: the process that called listen(): the daemon, or systemd, which started it
 * @uid: user of that process
 * @welcome_error: 0; -ETIMEDOUT if the daemon does not reply; -EPROTO if it is not an ipcbusd; or
 *	the error with which it refuses this client
 * @version: protocol version of the daemon; 0: unknown
 */
struct daemon_peer {
	int connect_error;
	pid_t pid;
	uid_t uid;
	int welcome_error;
	uint32_t version;
};

/* Connects and reads the daemon's first message. Each step takes at most timeout_ms. */
void daemon_ask(const char *path, int timeout_ms, struct daemon_peer *peer);

#endif
