/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * ipcbus: observing a bus, for administrators' tools.
 *
 * ipcbus.h describes structures, versions and general errors. They apply here too.
 */
#ifndef _UAPI_LINUX_IPCBUS_MONITOR_H
#define _UAPI_LINUX_IPCBUS_MONITOR_H

#include "ipcbus.h"

#define IPCBUS_IOC_MONITOR	_IOW(IPCBUS_IOC_TYPE, 0x0f, struct ipcbus_monitor)

#define IPCBUS_MONITOR_MESSAGES	(1U << 0) /* CALL, ONEWAY, REPLY, ERROR */
#define IPCBUS_MONITOR_FAILURES	(1U << 1) /* FAILED */

/**
 * struct ipcbus_monitor - get a record of what happens on the bus (IPCBUS_IOC_MONITOR)
 * @size: sizeof(struct ipcbus_monitor)
 * @flags: IPCBUS_MONITOR_*. They replace those of an earlier call. 0: stop.
 * @pid: only what this process sends or receives, by its id in the caller's pid namespace;
 *	0: everything
 * @max_data: how many bytes of each payload to copy at most; 0: none
 *
 * A thread that serves gets each record as an IPCBUS_EVENT_RECORD. The monitor releases its
 * buffer like any other. Records may occupy as much of the region as oneways. If there is
 * no space, the record is lost, and the next one says how many were lost. No sender waits
 * for a monitor. A monitor gets no records of its own messages.
 *   - EDQUOT: the bus has 8 monitors already
 *   - EINVAL: @pid or @max_data is set and @flags is 0
 *   - ENOBUFS: the caller has not mapped its region
 *   - EPERM: the caller does not have CAP_SYS_ADMIN; with the module's parameter userns_control,
 *     in the bus's user namespace
 *   - ESRCH: there is no process @pid
 */
struct ipcbus_monitor {
	__u32 size;
	__u32 flags;
	__u32 pid;
	__u32 max_data;
} __attribute__((aligned(8)));

/**
 * enum ipcbus_record_kind - what a record reports
 * @IPCBUS_RECORD_CALL: A call that will be queued next. If that fails, a FAILED with the
 *	same id follows.
 * @IPCBUS_RECORD_ONEWAY: A oneway that will be queued next. As for CALL.
 * @IPCBUS_RECORD_REPLY: A reply that will be handed to the caller next.
 * @IPCBUS_RECORD_ERROR: An error reply that will be handed to the caller next.
 * @IPCBUS_RECORD_FAILED: A message was not sent, or it was sent and failed then. error,
 *	stage and index are those of the event that its sender got, or would have got.
 */
enum ipcbus_record_kind {
	IPCBUS_RECORD_CALL = 1,
	IPCBUS_RECORD_ONEWAY = 2,
	IPCBUS_RECORD_REPLY = 3,
	IPCBUS_RECORD_ERROR = 4,
	IPCBUS_RECORD_FAILED = 5,
};

/**
 * struct ipcbus_monitor_record - the head of a record
 * @size: bytes of the head. The copy of the payload follows it.
 * @kind: enum ipcbus_record_kind
 * @time: nanoseconds of CLOCK_MONOTONIC
 * @id: number of the message, of no other message on any bus. A reply has the number of its
 *	call. 0 if the message never got one. Numbers are in no order, and they are not those
 *	of ipcbus_event.call, which each proc counts for itself.
 * @parent: CALL: the call that the sender served when it made this one, or 0
 * @lost: how many records were lost since the last one
 * @data_size: bytes of the payload
 * @data_kept: bytes of it that follow. 0 if the message has IPCBUS_SEND_CLEAR.
 * @object_count: entries of the object table
 * @objects: offset in the record of the object table (struct ipcbus_record_object)
 * @flags: IPCBUS_SEND_* as sent
 * @code: as sent
 * @node: the id of the target in its owner
 * @error: ERROR, FAILED: negative errno
 * @stage: FAILED: enum ipcbus_stage
 * @index: FAILED: which buffer, part or object
 * @from_pid: the sender's process in the monitor's pid namespace; 0 if it is not visible
 *	there
 * @from_tid: the sender's thread, likewise; 0 for a oneway or async call that failed after it was
 *	sent
 * @from_uid: the sender's effective user id in the monitor's user namespace
 * @from_gid: the sender's effective group id, likewise
 * @to_pid: the receiver's process, as @from_pid
 * @to_tid: REPLY, ERROR: the receiver's thread. Otherwise 0, because no thread has
 *	taken the message yet.
 * @reserved: 0
 */
struct ipcbus_monitor_record {
	__u32 size;
	__u32 kind;
	__u64 time;
	__u64 id;
	__u64 parent;
	__u64 lost;
	__u64 data_size;
	__u32 data_kept;
	__u32 object_count;
	__u32 objects;
	__u32 flags;
	__u32 code;
	__u32 node;
	__s32 error;
	__u32 stage;
	__u32 index;
	__u32 from_pid;
	__u32 from_tid;
	__u32 from_uid;
	__u32 from_gid;
	__u32 to_pid;
	__u32 to_tid;
	__u32 reserved;
} __attribute__((aligned(8)));

/**
 * struct ipcbus_record_object - an object of a recorded message; the monitor gets no
 *	reference to it
 * @type: IPCBUS_OBJECT_NODE or IPCBUS_OBJECT_FD
 * @pid: NODE: the process of its owner
 * @node: NODE: its id there
 * @tag: as sent
 */
struct ipcbus_record_object {
	__u32 type;
	__u32 pid;
	__u64 node;
	__u64 tag;
} __attribute__((aligned(8)));

#endif /* _UAPI_LINUX_IPCBUS_MONITOR_H */
