/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * ipcbus: seeing what happens on a bus, for administrators' tools. What is said of
 * structures, versions and errors in ipcbus.h holds here too.
 */
#ifndef _UAPI_LINUX_IPCBUS_MONITOR_H
#define _UAPI_LINUX_IPCBUS_MONITOR_H

#include "ipcbus.h"

#define IPCBUS_MONITOR_MESSAGES	(1U << 0) /* CALL, ONEWAY, REPLY, ERROR */
#define IPCBUS_MONITOR_FAILURES	(1U << 1) /* FAILED */
#define IPCBUS_MONITOR_REPORTS	(1U << 2) /* SPAM, STARVED */

/**
 * struct ipcbus_monitor - see what happens on the bus (IPCBUS_IOC_MONITOR)
 * @size: sizeof(struct ipcbus_monitor)
 * @flags: IPCBUS_MONITOR_*, which replaces what was asked for before; 0: no more
 * @pid: only what this process sends or gets, by its id in the caller's pid
 *	namespace (-ESRCH if there is none); 0: all
 * @max_data: bytes of each payload to copy at most; 0: none
 *
 * For who has CAP_SYS_ADMIN in the bus's user namespace, else -EPERM; at most 8
 * on a bus (-EDQUOT). Each record comes as an IPCBUS_EVENT_RECORD to any thread that
 * serves, in a buffer to be given back. Records have the share of the region that
 * oneways have; what finds no room there is lost, and the next that does says how
 * many. Nobody waits for a monitor. Its own traffic is not shown to it.
 */
struct ipcbus_monitor {
	__u32 size;
	__u32 flags;
	__u32 pid;
	__u32 max_data;
} __attribute__((aligned(8)));

#define IPCBUS_MONITOR_SIZE_VER0 16

/**
 * enum ipcbus_record_kind - what a record is about
 * @IPCBUS_RECORD_CALL: a call was made and will be queued next; FAILED with its id
 *	takes that back
 * @IPCBUS_RECORD_ONEWAY: the same of a oneway
 * @IPCBUS_RECORD_REPLY: an answer will be handed over next
 * @IPCBUS_RECORD_ERROR: the same of an error reply
 * @IPCBUS_RECORD_FAILED: a message was not sent, or was sent and then failed: as
 *	in the event that its sender got, or would get
 * @IPCBUS_RECORD_SPAM: the sender was told IPCBUS_EVENT_SPAM
 * @IPCBUS_RECORD_STARVED: a message waited long because no thread was free
 */
enum ipcbus_record_kind {
	IPCBUS_RECORD_CALL = 1,
	IPCBUS_RECORD_ONEWAY = 2,
	IPCBUS_RECORD_REPLY = 3,
	IPCBUS_RECORD_ERROR = 4,
	IPCBUS_RECORD_FAILED = 5,
	IPCBUS_RECORD_SPAM = 6,
	IPCBUS_RECORD_STARVED = 7,
};

/**
 * struct ipcbus_monitor_record - the head of a record
 * @size: bytes of the head; the payload's copy follows
 * @kind: enum ipcbus_record_kind
 * @time: nanoseconds of CLOCK_MONOTONIC
 * @id: the message's: that of a call is also its reply's; 0 if it came to none
 * @parent: CALL: the call in which the sender made it, or 0
 * @lost: records that were lost since the one before
 * @data_size: bytes of the payload
 * @data_kept: bytes of it that follow; none of a message sent with IPCBUS_SEND_CLEAR
 * @object_count: entries of the object table
 * @objects: where in the record that is (struct ipcbus_record_object)
 * @flags: IPCBUS_SEND_* as sent
 * @code: as sent
 * @node: the target's id in its owner
 * @error: ERROR, FAILED: -errno
 * @stage: FAILED: enum ipcbus_stage
 * @index: FAILED: which buffer, part or object
 * @from_pid: the sender's process as seen in the monitor's pid namespace; 0
 *	where it cannot be seen
 * @from_tid: its thread
 * @from_uid: its effective user id in the monitor's user namespace
 * @from_gid: its effective group id, likewise
 * @to_pid: the receiver's process
 * @to_tid: REPLY, ERROR, STARVED: its thread; else 0: not known yet
 * @value: SPAM: buffers of the sender's in the receiver's region; STARVED: how
 *	long it waited, in milliseconds
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
	__u32 value;
	__u64 reserved;
} __attribute__((aligned(8)));

#define IPCBUS_MONITOR_RECORD_SIZE_VER0	120

/**
 * struct ipcbus_record_object - an object as nobody's
 * @type: IPCBUS_OBJECT_NODE or IPCBUS_OBJECT_FD
 * @pid: NODE: its owner's process
 * @node: NODE: its id there
 * @tag: the sender's
 */
struct ipcbus_record_object {
	__u32 type;
	__u32 pid;
	__u64 node;
	__u64 tag;
} __attribute__((aligned(8)));

#endif /* _UAPI_LINUX_IPCBUS_MONITOR_H */
