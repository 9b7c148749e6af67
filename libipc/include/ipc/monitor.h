/* SPDX-License-Identifier: MIT */
/*
 * Monitors: records of the traffic on a bus, for administrators' tools. The rules and the
 * error list of <ipc/ipc.h> apply. <ipcbus-monitor.h> describes records in full.
 */
#ifndef IPC_MONITOR_H
#define IPC_MONITOR_H

#ifndef IPC_CPP_C_HPP
#include <ipc/ipc.h>
#else /* After <ipc/ipc.hpp>, the C functions are in ipc::c. */
namespace ipc {
namespace c {
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define IPC_MONITOR_MESSAGES	(1U << 0)	/* calls, oneways, replies, errors */
#define IPC_MONITOR_FAILURES	(1U << 1)	/* failures, without error replies */

enum ipc_record_kind {
	IPC_RECORD_CALL = 1,
	IPC_RECORD_ONEWAY = 2,
	IPC_RECORD_REPLY = 3,
	IPC_RECORD_ERROR = 4,
	IPC_RECORD_FAILED = 5,		/* not delivered, or a call without a reply */
};

/* Flags of struct ipc_record, as its message was sent. */
#define IPC_RECORD_CLEAR		(1U << 3)	/* secret: the record has no payload */
#define IPC_RECORD_REPLACE		(1U << 4)	/* ONEWAY: IPC_REPLACE */

enum ipc_record_type {
	IPC_RECORD_OBJECT = 1,
	IPC_RECORD_FILE = 3,
};

/* An object or a file in a recorded message, without a reference to it. The structure does not
 * grow: records have an array of it. */
struct ipc_record_object {
	uint32_t type;		/* enum ipc_record_type; the other fields are for objects */
	uint32_t pid;		/* of the object's process; 0 if not visible */
	uint64_t owner;		/* the object's proc, as owner and node of a record to the object */
	uint64_t node;
	uint64_t tag;		/* as in struct ipc_raw_entry */
};

/* A record. In a callback, the library owns all of it until the callback returns. */
struct ipc_record {
	size_t size;		/* sizeof(struct ipc_record) */
	enum ipc_record_kind kind;
	uint64_t time;		/* nanoseconds, CLOCK_MONOTONIC */
	uint64_t id;		/* of the message; a reply has the id of its call */
	uint64_t parent;	/* CALL: the call that the sender was serving; or 0 */
	uint64_t lost;		/* records lost before this record for lack of space */
	uint32_t flags;		/* IPC_RECORD_* and other flags of the kernel */
	uint32_t method;	/* number of the call's method; FAILED: ipcbus_send.code */
	uint32_t node;		/* the target's number in its proc */
	uint64_t owner;		/* the target's proc, as in ipc_open_state(); 0 if unknown */
	int error;		/* ERROR, FAILED: negative errno */
	uint32_t stage;		/* FAILED: enum ipcbus_stage */
	uint32_t index;		/* FAILED: which object or part; or 0 */
	pid_t from_pid, from_tid;	/* the sender; 0 if not visible */
	uid_t from_uid;
	gid_t from_gid;
	pid_t to_pid, to_tid;	/* the receiver; 0 if not visible or not known yet */
	size_t data_size;	/* bytes of the payload */
	size_t data_kept;	/* bytes of it at data */
	const void *data;
	unsigned int n_objects;	/* objects and files in the message */
	const struct ipc_record_object *objects;
};

/*
 * Call cb on a serving thread for each record of the kinds in flags (IPC_MONITOR_*) that
 * concerns process pid (0: all), with up to max_data bytes of each payload.
 * ipc_payload_message() finds the message in a payload. A later use of this function ends the
 * previous callback, also if it fails. Ending the slot stops the records.
 *
 * Senders do not wait for a monitor: records that do not fit into half of the region are lost. Use
 * a connection of its own with a large region. If several threads serve it, cb runs concurrently.
 * Records of different senders may arrive out of order: time orders them. While a bus has a
 * monitor, its direct channels are not used. A monitor gets no records of its own messages.
 *
 *   -EPERM    The caller needs CAP_SYS_ADMIN; with the module's parameter userns_control, in the
 *             user namespace in which the bus was mounted. On a bus of ipcbusd, root and the user
 *             of ipcbusd may.
 *   -EDQUOT   The bus has 8 monitors already.
 *   -ESRCH    There is no such process.
 */
typedef void (*ipc_record_cb)(struct ipc *ipc, const struct ipc_record *record, void *userdata);
int ipc_monitor(struct ipc *ipc, unsigned int flags, pid_t pid, size_t max_data,
		ipc_record_cb cb, void *userdata, struct ipc_slot **ret_slot);

#ifdef __cplusplus
}
#endif

#ifdef IPC_CPP_C_HPP
} /* namespace c */
} /* namespace ipc */
#endif

#endif /* IPC_MONITOR_H */
