/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * ipcbus: observing a bus, for administrators' tools.
 *
 * The rules of ipcbus.h for structures, versions and errors apply here too.
 */
#ifndef _UAPI_LINUX_IPCBUS_MONITOR_H
#define _UAPI_LINUX_IPCBUS_MONITOR_H

#include "ipcbus.h"

#define IPCBUS_IOC_MONITOR	_IOW(IPCBUS_IOC_TYPE, 0x0f, struct ipcbus_monitor)

#define IPCBUS_MONITOR_MESSAGES	(1U << 0) /* CALL, ONEWAY, REPLY, ERROR */
#define IPCBUS_MONITOR_FAILURES	(1U << 1) /* FAILED */

/**
 * struct ipcbus_monitor - observe the messages on a bus (IPCBUS_IOC_MONITOR)
 * @size: sizeof(struct ipcbus_monitor)
 * @flags: IPCBUS_MONITOR_*. They replace the flags of an earlier call. 0: stop monitoring.
 * @pid: observe only messages from or to this process, in the caller's pid namespace; 0: all
 * @max_data: maximum number of bytes of each payload to copy; 0: none
 *
 * Serving threads get each record as an IPCBUS_EVENT_RECORD, and must release its buffer. Records
 * may occupy as much of the region as oneways. If there is no space, the record is lost, and the
 * next record reports the number of lost records. No sender waits for a monitor. A monitor gets no
 * records of its own messages.
 *   - EDQUOT: the bus has 8 monitors already
 *   - EINVAL: @pid or @max_data is set and @flags is 0
 *   - ENOBUFS: the caller has not mapped its region
 *   - EPERM: the caller does not have CAP_SYS_ADMIN. If the module parameter userns_control is set,
 *     CAP_SYS_ADMIN in the bus's user namespace is enough.
 *   - ESRCH: the process @pid does not exist
 */
struct ipcbus_monitor {
	__u32 size;
	__u32 flags;
	__u32 pid;
	__u32 max_data;
} __attribute__((aligned(8)));

/**
 * enum ipcbus_record_kind - kind of record
 * @IPCBUS_RECORD_CALL: A call is about to be queued. If that fails, a FAILED with the same id
 *	follows.
 * @IPCBUS_RECORD_ONEWAY: A oneway is about to be queued. As for CALL.
 * @IPCBUS_RECORD_REPLY: A reply is about to be handed to the caller.
 * @IPCBUS_RECORD_ERROR: An error reply is about to be handed to the caller.
 * @IPCBUS_RECORD_FAILED: A message was not sent, or it failed after it was sent. error, stage and
 *	index are the values in the event of its sender, if its sender still takes the event.
 */
enum ipcbus_record_kind {
	IPCBUS_RECORD_CALL = 1,
	IPCBUS_RECORD_ONEWAY = 2,
	IPCBUS_RECORD_REPLY = 3,
	IPCBUS_RECORD_ERROR = 4,
	IPCBUS_RECORD_FAILED = 5,
};

/**
 * struct ipcbus_monitor_record - head of a record
 * @size: bytes of the head. The copy of the payload follows the head.
 * @kind: enum ipcbus_record_kind
 * @time: nanoseconds of CLOCK_MONOTONIC
 * @id: number of the message, unique on all buses. A reply has the number of its call. 0 if the
 *	message failed before it got a number. The numbers are in no particular order, and are
 *	unrelated to ipcbus_event.call.
 * @parent: CALL: id of the call that the sender served or waited for when it made this call, or 0
 * @lost: number of records lost since the previous record
 * @owner: number of the target node's proc on this bus, as in the file "state"; 0 if unknown
 * @data_size: bytes of the payload
 * @data_kept: bytes of the payload that follow. 0 if the message has IPCBUS_SEND_CLEAR.
 * @object_count: entries of the object table
 * @objects: offset of the object table (struct ipcbus_record_object) in the record
 * @flags: ipcbus_send.flags
 * @code: ipcbus_send.code; REPLY, ERROR: of the call
 * @node: id of the target node in its owner
 * @error: ERROR, FAILED: negative errno
 * @stage: FAILED: enum ipcbus_stage
 * @index: FAILED: position of the buffer, part or object
 * @from_pid: sender's process in the monitor's pid namespace; 0 if it is not visible there
 * @from_tid: sender's thread in it; 0 for a oneway or async call that failed after it was sent
 * @from_uid: the sender's effective user id in the monitor's user namespace
 * @from_gid: the sender's effective group id in the same namespace
 * @to_pid: the receiver's process in the monitor's pid namespace; 0 if it is not visible there
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
	__u64 owner;
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
 * struct ipcbus_record_object - an object of a recorded message, without a reference to it
 * @type: IPCBUS_OBJECT_NODE or IPCBUS_OBJECT_FD
 * @pid: NODE: process id of the node's owner
 * @owner: NODE: number of the node's proc on this bus, as ipcbus_monitor_record.owner
 * @node: NODE: id of the node in its owner
 * @tag: ipcbus_object.tag
 */
struct ipcbus_record_object {
	__u32 type;
	__u32 pid;
	__u64 owner;
	__u64 node;
	__u64 tag;
} __attribute__((aligned(8)));

#endif /* _UAPI_LINUX_IPCBUS_MONITOR_H */
