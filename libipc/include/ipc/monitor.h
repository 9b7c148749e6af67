/* SPDX-License-Identifier: MIT */
/*
 * Seeing what happens on a bus: for administrators' tools. The kernel's header
 * <linux/ipcbus-monitor.h> says what each record means in full.
 */
#ifndef IPC_MONITOR_H
#define IPC_MONITOR_H

#include <ipc/ipc.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IPC_MONITOR_MESSAGES	(1U << 0)	/* calls, oneways, replies, errors */
#define IPC_MONITOR_FAILURES	(1U << 1)	/* messages that failed */
#define IPC_MONITOR_REPORTS	(1U << 2)	/* floods of oneways, too few threads */

enum ipc_record_kind {
	IPC_RECORD_CALL = 1,
	IPC_RECORD_ONEWAY = 2,
	IPC_RECORD_REPLY = 3,
	IPC_RECORD_ERROR = 4,
	IPC_RECORD_FAILED = 5,
	IPC_RECORD_SPAM = 6,
	IPC_RECORD_STARVED = 7,
};

/* What a message was sent with: flags of struct ipc_record. */
#define IPC_RECORD_CLEAR		(1U << 3)	/* a secret: nothing of it is kept */
#define IPC_RECORD_REPLACE		(1U << 4)	/* ONEWAY: as IPC_REPLACE */

#define IPC_RECORD_OBJECTS_MAX	64

/* An object in a message: nobody's, only to look at. */
struct ipc_record_object {
	int is_fd;
	pid_t pid;		/* of its owner; 0: of a fd, or not to be seen from here */
	uint64_t node;		/* its number there */
	uint64_t tag;
};

/* One record. Everything in it is the library's, until the callback returns. */
struct ipc_record {
	enum ipc_record_kind kind;
	uint64_t time;		/* nanoseconds of CLOCK_MONOTONIC */
	uint64_t id;		/* a reply has its call's */
	uint64_t parent;	/* CALL: made while serving this one; or 0 */
	uint64_t lost;		/* records before this one that found no room */
	uint32_t flags;		/* the kernel's, of the message: IPC_RECORD_* and others */
	uint32_t code;		/* the method's number; ERROR: the errno */
	uint32_t node;		/* the target's number with its owner */
	int error;		/* ERROR, FAILED: -errno */
	uint32_t stage;		/* FAILED: the kernel's */
	uint32_t index;
	pid_t from_pid, from_tid;	/* 0 where they cannot be seen from here */
	uid_t from_uid;
	gid_t from_gid;
	pid_t to_pid, to_tid;
	uint32_t value;		/* SPAM: messages; STARVED: milliseconds */
	size_t data_size;	/* bytes of the payload */
	size_t data_kept;	/* of which so many are here */
	const void *data;
	unsigned int n_objects;
	const struct ipc_record_object *objects;
	const void *raw;	/* all of it as the kernel has it, for ipc_record_parse(): */
	size_t raw_size;	/* bytes */
};

/*
 * Calls cb on a serving thread for each record of what flags ask for
 * (IPC_MONITOR_*; 0: no more), of the process pid or, if that is 0, of all; with up
 * to max_data bytes of each payload. It replaces what the connection asked for
 * before; cb and userdata must stay valid until it is closed. A connection of its
 * own with a large region loses least. -EPERM: takes CAP_SYS_ADMIN where the bus
 * was mounted; -EDQUOT: the bus has its 8 monitors; -ESRCH: no such process.
 */
typedef void (*ipc_record_cb)(struct ipc *ipc, const struct ipc_record *record, void *userdata);
int ipc_monitor(struct ipc *ipc, unsigned int flags, pid_t pid, size_t max_data,
		ipc_record_cb cb, void *userdata);

/*
 * Takes apart size bytes that were a record when they were kept, in a file perhaps; it
 * needs no bus, but a machine of the same byte order. ret_objects has room for
 * IPC_RECORD_OBJECTS_MAX. What *ret_record has of it points into record and ret_objects, and is
 * as valid as those. A kind that no kernel knows is let through. 0 or -EBADMSG: it is no
 * record, or cut off. From any thread.
 */
int ipc_record_parse(const void *record, size_t size, struct ipc_record *ret_record,
		  struct ipc_record_object *ret_objects);

#ifdef __cplusplus
}
#endif

#endif /* IPC_MONITOR_H */
