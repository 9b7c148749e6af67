/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * ipcbus: the contract between the driver and user space.
 *
 * A process opens a bus once (one open file = one *proc*), maps it once,
 * read-only and shared (the *region*), and then talks through one ioctl,
 * IPCBUS_IOC_EXCHANGE: give buffers back, send one message, wait for one event.
 * Only the process that opened the file may use it, until it calls exec: every
 * ioctl and mmap from elsewhere (after fork or vfork, after exec, through a passed
 * fd) is -ECHILD. When it ends, so does all that it had here, whoever holds fds.
 *
 * Vocabulary: a *node* is an object's home in its owner's proc; a *handle* is
 * another proc's number for a node; handle 0 is the bus's manager; a *call* is
 * answered once, a *oneway* never; a *buffer* is a received message's place in
 * the region, held by the receiver until it gives it back.
 *
 * Buses: /dev/ipcbus opens one, and each mount of a file system "ipcbus" makes
 * another, which the file "bus" in it opens. Each has a manager of its own, and
 * nothing crosses from one to the other. See ipcbus(4) for mount options and for
 * the other files there.
 *
 * Versions: every structure starts with its size in bytes. A shorter structure
 * than the driver knows is completed with zeroes (but not below the _VER0 size:
 * -EINVAL); a longer one must be zero past what the driver knows (-E2BIG).
 * Reserved fields must be zero and unknown flags unset (-EINVAL). Numbers and
 * meanings never change. All fields have the same layout for 32-bit programs.
 *
 * Errors: an ioctl that fails has sent nothing. EXCHANGE then says in its event
 * at which stage (enum ipcbus_stage) and at which index the failure was found.
 *
 *   EINVAL      malformed: short size, reserved field, unknown flag or kind;
 *               a call to a node of the caller's own proc
 *   E2BIG       non-zero tail, or a count over its cap
 *   EFAULT      a pointer to nowhere. An exchange whose event cannot be written
 *               has freed and sent all the same, and what it took is lost; a
 *               batch whose counts cannot be written has been sent as well
 *   ECHILD      not the process that opened the file
 *   ENOTTY      no such ioctl
 *   ENOBUFS     no region: the receiver's (stage TARGET) or the sender's own,
 *               without which no reply can arrive (stage ARGS)
 *   ENOTCONN    handle 0 while the bus has no manager
 *   EBADF       no such handle (stage TARGET), or handle, node or fd in the
 *               object table (stage OBJECT)
 *   EOWNERDEAD  the node's owner died or destroyed it
 *   ESRCH       reply to a call that is not open in this proc
 *   ETIMEDOUT   the deadline passed (stage QUEUE: before a call was sent; REPLY:
 *               over it; BUFFER: over a oneway that waited for room)
 *   ECANCELED   the call was cancelled (stage REPLY)
 *   EHOSTDOWN   the target is frozen
 *   EMSGSIZE    the message can never fit into the receiver's region: it is
 *               larger than all of it, of oneways half of it, of another
 *               user's sender half of that
 *   ENOSPC      the receiver's region is full at the moment
 *   EAGAIN      oneway: their share of the receiver's region, half of its bytes
 *               and of its buffers, is full; poll tells when to try again
 *   EINTR       a signal came while a oneway waited for room
 *   EDQUOT      a limit of the proc or of its user (ipcbus_info) on nodes,
 *               handles, watches, threads, buffers, open calls or fds on their
 *               way is reached, or the sender's user has had its share of the
 *               receiver's region (stage BUFFER); open: too many procs of the
 *               user or on the bus; mmap: too large a region for the bus
 *   ELOOP       calls nested deeper than IPCBUS_MAX_DEPTH; an ipcbus fd in the
 *               object table
 *   EPERM       the receiver takes no fds; the caller may not do this
 *   EMFILE      the receiver has no room for an fd (stage DELIVER); the security
 *               module's own error where that forbids it
 *   ENOENT      no such node or watch; a buffer id that was never handed out
 *   ESTALE      a buffer that was given back before
 *   EBUSY       the bus has a manager; the node is still referred to; the fd
 *               is mapped already
 *   ENOMEM      the kernel has no memory, or (stage BUFFER) the memory cgroup of
 *               the receiver, to which its region is charged
 */
#ifndef _UAPI_LINUX_IPCBUS_H
#define _UAPI_LINUX_IPCBUS_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IPCBUS_VERSION		1

#define IPCBUS_IOC_TYPE		0xBE

/* The argument is a pointer to the structure named behind the number. */
#define IPCBUS_IOC_INFO		_IO(IPCBUS_IOC_TYPE, 0x00) /* ipcbus_info */
#define IPCBUS_IOC_EXCHANGE	_IO(IPCBUS_IOC_TYPE, 0x01) /* ipcbus_exchange */
#define IPCBUS_IOC_SEND_BATCH	_IO(IPCBUS_IOC_TYPE, 0x02) /* ipcbus_batch */
#define IPCBUS_IOC_SET_MANAGER	_IO(IPCBUS_IOC_TYPE, 0x03) /* ipcbus_node */
#define IPCBUS_IOC_NODE_CREATE	_IO(IPCBUS_IOC_TYPE, 0x04) /* ipcbus_node */
#define IPCBUS_IOC_NODE_DESTROY	_IO(IPCBUS_IOC_TYPE, 0x05) /* ipcbus_node */
#define IPCBUS_IOC_HANDLE_PUT	_IO(IPCBUS_IOC_TYPE, 0x06) /* ipcbus_handle */
#define IPCBUS_IOC_WATCH	_IO(IPCBUS_IOC_TYPE, 0x07) /* ipcbus_handle */
#define IPCBUS_IOC_UNWATCH	_IO(IPCBUS_IOC_TYPE, 0x08) /* ipcbus_handle */
#define IPCBUS_IOC_SET_THREADS	_IO(IPCBUS_IOC_TYPE, 0x09) /* ipcbus_threads */
#define IPCBUS_IOC_THREAD_EXIT	_IO(IPCBUS_IOC_TYPE, 0x0a) /* no argument: 0 */
#define IPCBUS_IOC_CANCEL	_IO(IPCBUS_IOC_TYPE, 0x0b) /* ipcbus_cancel */
#define IPCBUS_IOC_CALL_INFO	_IO(IPCBUS_IOC_TYPE, 0x0c) /* ipcbus_call_info */
#define IPCBUS_IOC_NODE_INFO	_IO(IPCBUS_IOC_TYPE, 0x0d) /* ipcbus_node_info */
#define IPCBUS_IOC_FREEZE	_IO(IPCBUS_IOC_TYPE, 0x0e) /* ipcbus_freeze */
#define IPCBUS_IOC_SENDER_INFO	_IO(IPCBUS_IOC_TYPE, 0x10) /* ipcbus_sender_info */
#define IPCBUS_IOC_MONITOR	_IO(IPCBUS_IOC_TYPE, 0x0f) /* ipcbus_monitor, in ipcbus-monitor.h */

/* Caps, the same for everybody. Counts above them are -E2BIG. */
#define IPCBUS_MAX_IOV		1024	/* parts of one message */
#define IPCBUS_MAX_OBJECTS	64	/* objects in one message */
#define IPCBUS_MAX_RELEASE		256	/* buffers given back at once */
#define IPCBUS_MAX_BATCH	256	/* messages in one batch */
#define IPCBUS_MAX_DEPTH	32	/* calls open in one chain of calls */
#define IPCBUS_MAX_REGION	(1U << 30) /* bytes of one region */

/* What a driver may have beyond the first; never asked for by failing calls. */
#define IPCBUS_FEATURE_DEADLINE	(1ULL << 0) /* send.deadline */
#define IPCBUS_FEATURE_CANCEL	(1ULL << 1) /* CANCEL, CALL_INFO, EVENT_CANCELED */
#define IPCBUS_FEATURE_ASYNC	(1ULL << 2) /* SEND_ASYNC */
#define IPCBUS_FEATURE_WRITABLE	(1ULL << 3) /* oneways: deadline, EPOLLOUT */
#define IPCBUS_FEATURE_CLEAR	(1ULL << 4) /* SEND_CLEAR */
#define IPCBUS_FEATURE_QUOTA	(1ULL << 5) /* shares and limits by user */
#define IPCBUS_FEATURE_REPLACE	(1ULL << 6) /* SEND_REPLACE */
#define IPCBUS_FEATURE_FREEZE	(1ULL << 7) /* FREEZE, WATCH_FROZEN */
#define IPCBUS_FEATURE_LABEL	(1ULL << 8) /* NODE_WANT_LABEL, event.label */
#define IPCBUS_FEATURE_PRIORITY	(1ULL << 9) /* NODE_PRIORITY, lent priorities */
#define IPCBUS_FEATURE_NODE_INFO (1ULL << 10) /* NODE_INFO */
#define IPCBUS_FEATURE_SENDER_INFO	(1ULL << 11) /* CALLER */
#define IPCBUS_FEATURE_MONITOR	(1ULL << 12) /* MONITOR, EVENT_TAP, EVENT_SPAM */
#define IPCBUS_FEATURE_WATCH_MANAGER	(1ULL << 13) /* WATCH_ARRIVAL, EVENT_MANAGER */
#define IPCBUS_FEATURE_MOUNT	(1ULL << 14) /* mount -t ipcbus */

/* Every feature that this header describes. The value grows with the header. */
#define IPCBUS_FEATURES_ALL	((IPCBUS_FEATURE_MOUNT << 1) - 1)

/* What statfs(2) says of a mounted bus. */
#define IPCBUS_SUPER_MAGIC	0x69706362

/**
 * struct ipcbus_info - what this driver is (IPCBUS_IOC_INFO)
 * @size: sizeof(struct ipcbus_info)
 * @version: out: IPCBUS_VERSION of the driver
 * @features: out: IPCBUS_FEATURE_*
 * @region_size: out: bytes of this proc's region, 0 while not mapped
 * @max_nodes: out: nodes this proc may have
 * @max_handles: out: handles this proc may have
 * @max_buffers: out: buffers that may be in this proc's region at once
 * @max_threads: out: threads of this proc that may use the file
 * @user_procs: out: open files that all procs of this one's user may be together
 * @user_nodes: out: nodes of all of them
 * @user_handles: out: handles, likewise
 * @user_watches: out: watches, likewise
 * @user_calls: out: calls and oneways that they sent and that are not over, and
 *	one that each thread keeps
 * @user_files: out: fds in messages of theirs that nobody took yet
 *
 * A proc's user is the effective one of who opened the file. What goes beyond is
 * -EDQUOT (open, too). Of the region of another user's proc, a user's calls may
 * take half of what is left, all that its messages have there counted as left:
 * -EDQUOT beyond; its oneways likewise of the oneways' half: -EAGAIN. Replies count
 * as nobody's.
 */
struct ipcbus_info {
	__u32 size;
	__u32 version;
	__u64 features;
	__u64 region_size;
	__u32 max_nodes;
	__u32 max_handles;
	__u32 max_buffers;
	__u32 max_threads;
	__u32 user_procs;
	__u32 user_nodes;
	__u32 user_handles;
	__u32 user_watches;
	__u32 user_calls;
	__u32 user_files;
} __attribute__((aligned(8)));

#define IPCBUS_INFO_SIZE_VER0	40

/**
 * enum ipcbus_object_type - what an entry of the object table is
 * @IPCBUS_OBJECT_NODE: sent: a node of the sender's own, by its id;
 *	received: a node of the receiver's own that came home, unless it is
 *	dead: then a handle like any dead one
 * @IPCBUS_OBJECT_HANDLE: sent: a handle of the sender's; received: a handle
 *	of the receiver's, with one count for the receiver to put
 * @IPCBUS_OBJECT_FD: sent: an open fd of the sender's; received: a new fd,
 *	O_CLOEXEC, the receiver's to close
 */
enum ipcbus_object_type {
	IPCBUS_OBJECT_NODE = 1,
	IPCBUS_OBJECT_HANDLE = 2,
	IPCBUS_OBJECT_FD = 3,
};

/**
 * struct ipcbus_object - one entry of a message's object table
 * @type: enum ipcbus_object_type
 * @flags: 0
 * @value: node id, handle or fd
 * @cookie: sent: 0; received: the cookie of a node that came home, else 0
 * @tag: any number of the sender's; arrives unchanged. Ties the entry to a
 *	place in the payload, which the driver never looks into.
 *
 * Objects are installed in the receiver when the message is delivered, all or
 * none, and are the receiver's own from then on; the sender keeps its own. If
 * they cannot be, a caller learns it; a oneway is dropped and counted as lost in
 * debugfs.
 */
struct ipcbus_object {
	__u32 type;
	__u32 flags;
	__u64 value;
	__u64 cookie;
	__u64 tag;
} __attribute__((aligned(8)));

/**
 * struct ipcbus_iovec - one part of a message in the sender's memory
 * @base: address
 * @size: bytes
 */
struct ipcbus_iovec {
	__u64 base;
	__u64 size;
} __attribute__((aligned(8)));

/**
 * enum ipcbus_send_kind - what is sent
 * @IPCBUS_SEND_NONE: nothing
 * @IPCBUS_SEND_CALL: a call: the sending thread owes itself a wait for the
 *	reply. Goes to the thread of the target that waits deeper in this very
 *	chain of calls if there is one, else to any thread that serves.
 * @IPCBUS_SEND_ONEWAY: no reply. Oneways to one node arrive in order, one at
 *	a time: the next when the buffer of the one before was given back.
 * @IPCBUS_SEND_REPLY: answers @call. From any thread of the proc, once. When
 *	it fails the call stays open and may be answered again. A reply to a
 *	caller that is gone is dropped without an error.
 * @IPCBUS_SEND_ERROR: answers @call with a failure: @code is an errno, 1 to
 *	4095; the payload may explain.
 */
enum ipcbus_send_kind {
	IPCBUS_SEND_NONE = 0,
	IPCBUS_SEND_CALL = 1,
	IPCBUS_SEND_ONEWAY = 2,
	IPCBUS_SEND_REPLY = 3,
	IPCBUS_SEND_ERROR = 4,
};

#define IPCBUS_SEND_IOV		(1U << 0) /* @data is an ipcbus_iovec array */
#define IPCBUS_SEND_ACCEPT_FDS	(1U << 1) /* CALL: the reply may bring fds */
#define IPCBUS_SEND_ASYNC	(1U << 2) /* CALL: the thread does not wait for it */
#define IPCBUS_SEND_CLEAR	(1U << 3) /* wiped when it is given back */
#define IPCBUS_SEND_REPLACE	(1U << 4) /* ONEWAY: instead of an older one */

/**
 * struct ipcbus_send - one message to send
 * @kind: enum ipcbus_send_kind; the rest is 0 for IPCBUS_SEND_NONE
 * @flags: IPCBUS_SEND_*
 * @handle: CALL, ONEWAY: the target
 * @code: CALL, ONEWAY: any number for the receiver (method); ERROR: errno
 * @call: REPLY, ERROR: the call, from the event that brought it
 * @data: address of the payload, or of its parts with IPCBUS_SEND_IOV
 * @data_size: bytes of the payload, all parts together
 * @iov_count: parts; 0 without IPCBUS_SEND_IOV. Their sizes must add up to
 *	@data_size (-EINVAL).
 * @object_count: entries of the object table, at most IPCBUS_MAX_OBJECTS
 * @objects: address of an array of struct ipcbus_object
 * @deadline: CALL: when the caller stops waiting; a call made while serving
 *	another ends no later than that one. ONEWAY: until when to wait for
 *	room, which is for the first come for whom it is enough. Nanoseconds of
 *	CLOCK_MONOTONIC; 0: CALL: as the call that the thread serves, else
 *	never; ONEWAY: not at all, -EAGAIN.
 * @cookie: CALL: any number, for IPCBUS_IOC_CANCEL and, of an async call, in
 *	the event that ends it
 *
 * An async call (IPCBUS_SEND_ASYNC) belongs to the proc, not to the thread: its
 * REPLY, ERROR or FAILED comes once, to any thread that serves, with @cookie.
 *
 * A oneway with IPCBUS_SEND_REPLACE takes the place of an older one of the same
 * proc to the same node that had the flag and the same @code too, if no thread took
 * that yet: the older one is dropped, with its objects, and the new one goes to
 * the queue's end. Where the oneways' share is full the older one's room counts.
 *
 * A message with IPCBUS_SEND_CLEAR, of whatever kind, is overwritten with zeroes,
 * payload and object table, when the receiver gives its buffer back, or when it
 * is dropped: before that returns and before the room is used again.
 *
 * The payload is copied once, from here into the receiver's region, where it
 * starts 8-byte aligned. The driver reads the object table once, before it
 * acts on any of it.
 */
struct ipcbus_send {
	__u32 kind;
	__u32 flags;
	__u32 handle;
	__u32 code;
	__u64 call;
	__u64 data;
	__u64 data_size;
	__u32 iov_count;
	__u32 object_count;
	__u64 objects;
	__u64 deadline;
	__u64 cookie;
} __attribute__((aligned(8)));

/**
 * enum ipcbus_stage - where a failure was found
 * @IPCBUS_STAGE_ARGS: in the structure itself
 * @IPCBUS_STAGE_RELEASE: giving buffers back; the index is the buffer's place.
 *	Those before it were given back.
 * @IPCBUS_STAGE_TARGET: finding the target of the message, or the call
 * @IPCBUS_STAGE_BUFFER: finding room in the receiver's region
 * @IPCBUS_STAGE_COPY: copying the payload; the index is the part's
 * @IPCBUS_STAGE_OBJECT: taking the objects; the index is the entry's
 * @IPCBUS_STAGE_QUEUE: handing the message to the receiver
 * @IPCBUS_STAGE_DELIVER: installing the objects in the receiver, which never
 *	saw the message; the index is the entry's
 * @IPCBUS_STAGE_REPLY: waiting for the answer: deadline passed, or cancelled
 */
enum ipcbus_stage {
	IPCBUS_STAGE_ARGS = 1,
	IPCBUS_STAGE_RELEASE = 2,
	IPCBUS_STAGE_TARGET = 3,
	IPCBUS_STAGE_BUFFER = 4,
	IPCBUS_STAGE_COPY = 5,
	IPCBUS_STAGE_OBJECT = 6,
	IPCBUS_STAGE_QUEUE = 7,
	IPCBUS_STAGE_DELIVER = 8,
	IPCBUS_STAGE_REPLY = 9,
};

/**
 * enum ipcbus_event_kind - what happened
 * @IPCBUS_EVENT_NONE: nothing to do (without IPCBUS_WAIT, or nonblocking)
 * @IPCBUS_EVENT_INTERRUPTED: a signal, or another thread closed an fd of the
 *	file. What was to be freed and sent is done; wait again without it.
 * @IPCBUS_EVENT_CALL: somebody calls a node of this proc; answer @call
 * @IPCBUS_EVENT_ONEWAY: the same without an answer
 * @IPCBUS_EVENT_REPLY: the answer to this thread's last call, or to an async
 *	call
 * @IPCBUS_EVENT_ERROR: the answer is a failure raised by the server: @error
 *	is its -errno, the payload may explain
 * @IPCBUS_EVENT_FAILED: the call failed in the driver: @error, @stage, @index;
 *	-EOWNERDEAD when the server died over it. Also filled in when the ioctl
 *	itself returns an error.
 * @IPCBUS_EVENT_DEAD: the node of a watched handle is dead; @cookie is the
 *	watch's. Comes once; the watch is gone.
 * @IPCBUS_EVENT_IDLE: nobody refers to the node with @cookie any more and no
 *	message to it is on its way, unanswered or not given back; or a
 *	message that would have carried it was not sent. It may be sent again all
 *	the same: NODE_DESTROY with IF_IDLE settles it.
 * @IPCBUS_EVENT_CANCELED: nobody waits for the answer to @call, which a thread
 *	of this proc took, any more: cancelled, expired, or the caller is gone.
 *	It is still to be answered, if only to be closed; calls made meanwhile
 *	by the thread that serves it, but for async ones, have been cancelled
 *	as well. May overtake the call's own event to another thread.
 * @IPCBUS_EVENT_FROZEN: the owner of a handle watched with IPCBUS_WATCH_FROZEN is
 *	frozen; @cookie is the watch's, which goes on
 * @IPCBUS_EVENT_THAWED: likewise: it is not any more
 * @IPCBUS_EVENT_MANAGER: there is a manager, or a new one; @cookie is that of
 *	the watch for it, which goes on. Several that came before the event
 *	was taken are one event, and the last may be gone again by then.
 * @IPCBUS_EVENT_RECORD: a monitor's: the payload is a struct ipcbus_monitor_record and what
 *	it says
 */
enum ipcbus_event_kind {
	IPCBUS_EVENT_NONE = 0,
	IPCBUS_EVENT_INTERRUPTED = 1,
	IPCBUS_EVENT_CALL = 2,
	IPCBUS_EVENT_ONEWAY = 3,
	IPCBUS_EVENT_REPLY = 4,
	IPCBUS_EVENT_ERROR = 5,
	IPCBUS_EVENT_FAILED = 6,
	IPCBUS_EVENT_DEAD = 7,
	IPCBUS_EVENT_IDLE = 8,
	IPCBUS_EVENT_CANCELED = 9,
	IPCBUS_EVENT_FROZEN = 10,
	IPCBUS_EVENT_THAWED = 11,
	IPCBUS_EVENT_RECORD = 12,
	IPCBUS_EVENT_MANAGER = 13,
};

#define IPCBUS_EVENT_SPAWN	(1U << 0) /* please start one more thread */
#define IPCBUS_EVENT_ACCEPT_FDS	(1U << 1) /* CALL: the reply may bring fds */
/*
 * The oneway just sent was one of too many: less than a fifth of the receiver's
 * room for oneways is left, and the sender has more than a quarter of that room,
 * or 50 buffers, in it. Not said again before there is room.
 */
#define IPCBUS_EVENT_SPAM	(1U << 2)

/**
 * struct ipcbus_event - one event; the driver writes all of it
 * @kind: enum ipcbus_event_kind
 * @flags: IPCBUS_EVENT_*
 * @call: CALL: the number to answer with; CANCELED: that number; REPLY,
 *	ERROR, FAILED: of own call
 * @cookie: CALL, ONEWAY, IDLE, CANCELED: the node's; DEAD, FROZEN,
 *	THAWED, MANAGER: the watch's; REPLY, ERROR, FAILED: the call's own
 * @buffer: id to give back when done with payload and object table; 0 if none
 * @offset: the payload in the region
 * @data_size: bytes of the payload
 * @objects: the object table in the region (struct ipcbus_object)
 * @object_count: entries of it
 * @code: CALL, ONEWAY: as sent; FROZEN, THAWED: counts the watch's such events, so
 *	that two threads know which of theirs is the later
 * @error: ERROR, FAILED: -errno
 * @stage: FAILED: enum ipcbus_stage
 * @index: FAILED: which buffer, part or object, else 0
 * @thread: this thread's number, for ipcbus_exchange.thread; 0 when FAILED
 *	came with an ioctl error
 * @pid: CALL, ONEWAY, REPLY, ERROR: the sender's process id as seen in the
 *	receiver's pid namespace; 0 where it cannot be seen
 * @tid: its thread id, likewise
 * @uid: its effective user id when it sent, in the receiver's user namespace
 * @gid: its effective group id, likewise
 * @deadline: CALL: when the caller stops waiting, nanoseconds of
 *	CLOCK_MONOTONIC; 0: never
 * @label: CALL, ONEWAY to a node with IPCBUS_NODE_WANT_LABEL: what the security
 *	module calls the sending thread, in the region like @offset, with a 0 at
 *	its end; part of @buffer
 * @label_size: bytes of it, without the 0; 0 where there is no such module, or
 *	it has no label
 * @reserved0: 0
 * @reserved: 0
 */
struct ipcbus_event {
	__u32 kind;
	__u32 flags;
	__u64 call;
	__u64 cookie;
	__u64 buffer;
	__u64 offset;
	__u64 data_size;
	__u64 objects;
	__u32 object_count;
	__u32 code;
	__s32 error;
	__u32 stage;
	__u32 index;
	__u32 thread;
	__u32 pid;
	__u32 tid;
	__u32 uid;
	__u32 gid;
	__u64 deadline;
	__u64 label;
	__u32 label_size;
	__u32 reserved0;
	__u64 reserved;
} __attribute__((aligned(8)));

#define IPCBUS_WAIT		(1U << 0) /* wait for an event */
#define IPCBUS_SERVE		(1U << 1) /* with WAIT: also take work of the proc */
#define IPCBUS_NONBLOCK		(1U << 2) /* with WAIT: EVENT_NONE, not sleep */

/**
 * struct ipcbus_exchange - give back, send, wait, in this order
 * @size: sizeof(struct ipcbus_exchange)
 * @flags: IPCBUS_WAIT, IPCBUS_SERVE, IPCBUS_NONBLOCK. O_NONBLOCK on the file
 *	means IPCBUS_NONBLOCK always.
 * @thread: @event.thread of an earlier exchange of the same thread, or 0.
 *	Only a hint that saves a search; a wrong one does no harm.
 * @release_count: buffers to give back
 * @release: their ids: the id itself if one, else the address of an array of
 *	__u64. Objects that arrived in them stay the receiver's.
 * @send: the message
 * @event: out; all of it is written, also when the ioctl fails at a stage
 *	after ARGS
 *
 * A thread that has a call outstanding waits for its reply, and for calls of
 * the same chain that come back to this proc; IPCBUS_SERVE changes nothing
 * then. A call that a thread took and left open when it waits again may be
 * answered later, by any thread. Returns 0 or -errno.
 */
struct ipcbus_exchange {
	__u32 size;
	__u32 flags;
	__u32 thread;
	__u32 release_count;
	__u64 release;
	struct ipcbus_send send;
	struct ipcbus_event event;
} __attribute__((aligned(8)));

#define IPCBUS_EXCHANGE_SIZE_VER0 224

/**
 * struct ipcbus_batch - several oneways in one system call
 * @size: sizeof(struct ipcbus_batch)
 * @count: messages, at most IPCBUS_MAX_BATCH
 * @sends: address of an array of struct ipcbus_send, each a ONEWAY
 * @done: out: how many were sent
 * @stage: out: where the next one failed, else 0
 * @index: out: likewise
 * @flags: 0; out: IPCBUS_EVENT_SPAM if one of them was
 *
 * Stops at the first that fails. Returns 0 when all were sent, else the
 * -errno of the one that was not: the first @done are on their way.
 */
struct ipcbus_batch {
	__u32 size;
	__u32 count;
	__u64 sends;
	__u32 done;
	__u32 stage;
	__u32 index;
	__u32 flags;
} __attribute__((aligned(8)));

#define IPCBUS_BATCH_SIZE_VER0	32

#define IPCBUS_NODE_ACCEPT_FDS	(1U << 0) /* CREATE: messages may bring fds */
#define IPCBUS_NODE_IF_IDLE	(1U << 1) /* DESTROY: -EBUSY if referred to */
#define IPCBUS_NODE_WANT_LABEL	(1U << 2) /* CREATE: messages bring event.label */
#define IPCBUS_NODE_PRIORITY	(1U << 3) /* CREATE: @policy, @priority are set */

/**
 * struct ipcbus_node - a node of the caller's own
 * @size: sizeof(struct ipcbus_node)
 * @flags: IPCBUS_NODE_*
 * @node: NODE_CREATE: out: its id, from 1; else: which
 * @cookie: NODE_CREATE: any number of the owner's, in each event of the node;
 *	else 0
 * @policy: NODE_CREATE with IPCBUS_NODE_PRIORITY: SCHED_OTHER, SCHED_FIFO or
 *	SCHED_RR; else 0
 * @priority: likewise: a nice value, -20 to 19, or 1 to 99; else 0
 *
 * A node lives until its owner destroys it or dies; then calls that wait for it
 * fail with -EOWNERDEAD and watches fire. Calls that a thread of the owner took
 * before stay open until they are answered, or the owner dies.
 * SET_MANAGER makes the node handle 0 of the bus, until it is destroyed:
 * -EBUSY while there is another, -EPERM unless the effective user is that of
 * the first manager of this bus since the driver was loaded or the bus mounted,
 * or root, globally or in the user namespace in which the bus was mounted.
 *
 * Priority: a thread that takes a call runs with its caller's, nice or realtime
 * class, as the caller had it when it sent, from then until the call is answered,
 * nobody waits for it any more, or the thread waits again without having answered;
 * then with its own again. IPCBUS_NODE_PRIORITY sets the least that a node's
 * messages are served with: calls whose callers have less, and oneways, which lend
 * nothing else. -EPERM if the owner could not set it for itself (RLIMIT_NICE,
 * RLIMIT_RTPRIO, CAP_SYS_NICE). A realtime thread is never lowered; SCHED_BATCH and
 * SCHED_IDLE lend their nice value and are kept by who borrows; SCHED_DEADLINE is
 * not lent. What a thread was lent its children do not inherit, and what others
 * set for it meanwhile is lost. Messages of a better priority overtake others
 * that wait for any thread, but not in the same node's row of oneways.
 */
struct ipcbus_node {
	__u32 size;
	__u32 flags;
	__u64 node;
	__u64 cookie;
	__u32 policy;
	__s32 priority;
} __attribute__((aligned(8)));

#define IPCBUS_NODE_SIZE_VER0	24

/**
 * struct ipcbus_node_info - who is interested in a node of the caller's own
 *	(IPCBUS_IOC_NODE_INFO)
 * @size: sizeof(struct ipcbus_node_info)
 * @flags: 0
 * @node: which; -ENOENT if there is none
 * @cookie: out: the node's; all outs are 0 on the way in
 * @refs: out: what refers to it: others' handles, objects in messages on their
 *	way, being handle 0, and messages of its owner's own that brought it home
 *	and were not given back
 * @pending: out: messages to it on their way or with its owner: calls until
 *	they are answered, oneways until they are given back
 * @oneways: out: those of them that wait for the oneway before
 * @watches: out: how many want to know of its death
 *
 * A moment's truth: only NODE_DESTROY with IF_IDLE can act on it. That succeeds
 * when @refs and @pending are 0.
 */
struct ipcbus_node_info {
	__u32 size;
	__u32 flags;
	__u64 node;
	__u64 cookie;
	__u32 refs;
	__u32 pending;
	__u32 oneways;
	__u32 watches;
} __attribute__((aligned(8)));

#define IPCBUS_NODE_INFO_SIZE_VER0 40

#define IPCBUS_WATCH_FROZEN	(1U << 0) /* also: when the owner is frozen, thawed */
#define IPCBUS_WATCH_MANAGER	(1U << 1) /* of handle 0: when a manager comes */

/**
 * struct ipcbus_handle - a handle of the caller's
 * @size: sizeof(struct ipcbus_handle)
 * @handle: which
 * @count: HANDLE_PUT: how many counts to put (each delivery brought one; -EBADF
 *	and none is put if it has fewer); the handle is gone with the last, and so
 *	is its watch. WATCH, UNWATCH: 0
 * @flags: WATCH, UNWATCH: IPCBUS_WATCH_*; else 0
 * @cookie: WATCH: for its events; else 0
 *
 * WATCH: one watch a handle (-EBUSY); on a dead node it fires at once.
 * Handle 0 can be watched without being counted and is never put.
 * UNWATCH: 0 means that the event will not come any more, -ENOENT that there
 * is no watch, or that the event was taken before or, of handle 0 after a new
 * manager came, still will be.
 * IPCBUS_WATCH_FROZEN: FROZEN and THAWED events besides, until DEAD; FROZEN comes
 * first if the owner is frozen now. What changes back before the event was taken is
 * not told. UNWATCH is without the flag.
 * IPCBUS_WATCH_MANAGER, with handle 0: another watch, one a proc (-EBUSY), that
 * needs no manager. EVENT_MANAGER comes each time that a node becomes the bus's
 * manager, the caller's own too, and at once if there is one. It goes on until
 * UNWATCH with the same flag; afterwards no event comes.
 */
struct ipcbus_handle {
	__u32 size;
	__u32 handle;
	__u32 count;
	__u32 flags;
	__u64 cookie;
} __attribute__((aligned(8)));

#define IPCBUS_HANDLE_SIZE_VER0	24

/**
 * struct ipcbus_threads - the pool (IPCBUS_IOC_SET_THREADS)
 * @size: sizeof(struct ipcbus_threads)
 * @max: threads that may serve before the driver stops asking for more with
 *	IPCBUS_EVENT_SPAWN; 0: never ask (the default). At most
 *	ipcbus_info.max_threads (-EINVAL). Said again, it also forgets that a
 *	thread was asked for and did not come.
 */
struct ipcbus_threads {
	__u32 size;
	__u32 max;
} __attribute__((aligned(8)));

#define IPCBUS_THREADS_SIZE_VER0 8

/**
 * struct ipcbus_cancel - end calls of the caller's own (IPCBUS_IOC_CANCEL)
 * @size: sizeof(struct ipcbus_cancel)
 * @flags: 0
 * @cookie: of the calls, not 0
 *
 * Every open call of this proc with that cookie, whichever thread made it,
 * fails with -ECANCELED at stage REPLY. -ENOENT if there is none (any more): its
 * answer is there or was taken.
 */
struct ipcbus_cancel {
	__u32 size;
	__u32 flags;
	__u64 cookie;
} __attribute__((aligned(8)));

#define IPCBUS_CANCEL_SIZE_VER0	16

#define IPCBUS_CALL_CANCELED	(1U << 0) /* nobody waits for the answer */

/**
 * struct ipcbus_call_info - a call that this proc took and did not answer yet
 * @size: sizeof(struct ipcbus_call_info)
 * @flags: out: IPCBUS_CALL_*
 * @call: which
 * @deadline: out: as in its event
 *
 * -ESRCH if it is not open here.
 */
struct ipcbus_call_info {
	__u32 size;
	__u32 flags;
	__u64 call;
	__u64 deadline;
} __attribute__((aligned(8)));

#define IPCBUS_CALL_INFO_SIZE_VER0 24

#define IPCBUS_SENDER_ALIVE	(1U << 0) /* there, if only to be waited for */

/**
 * struct ipcbus_sender_info - is the sender of a message still there?
 *	(IPCBUS_IOC_SENDER_INFO)
 * @size: sizeof(struct ipcbus_sender_info)
 * @flags: out: IPCBUS_SENDER_*; all outs are 0 on the way in
 * @call: a call that this proc took and did not answer yet (-ESRCH), or 0
 * @buffer: if @call is 0: of a oneway, delivered and not given back (-ENOENT,
 *	-ESTALE; -EINVAL: there is no oneway in it)
 * @pid: out: its process id in this proc's pid namespace; 0 if it is gone, or
 *	cannot be seen from here
 * @reserved: 0
 *
 * A pid is not used again while its process is there. So a pidfd from
 * pidfd_open(event.pid), asked for before this said IPCBUS_SENDER_ALIVE, is the
 * sender's and nobody else's. The process may run another program since.
 */
struct ipcbus_sender_info {
	__u32 size;
	__u32 flags;
	__u64 call;
	__u64 buffer;
	__u32 pid;
	__u32 reserved;
} __attribute__((aligned(8)));

#define IPCBUS_SENDER_INFO_SIZE_VER0	32

#define IPCBUS_FREEZE_THAW	(1U << 0) /* thaw instead */
#define IPCBUS_FREEZE_QUERY	(1U << 1) /* change nothing */

#define IPCBUS_FROZEN_CALL	(1U << 0) /* a call came, and was refused */
#define IPCBUS_FROZEN_ONEWAY	(1U << 1) /* a oneway came, and is kept */
#define IPCBUS_FROZEN_NOW	(1U << 2) /* it is frozen */

/**
 * struct ipcbus_freeze - a process takes no part (IPCBUS_IOC_FREEZE)
 * @size: sizeof(struct ipcbus_freeze)
 * @flags: IPCBUS_FREEZE_*, one at most
 * @pid: the process, as seen in the caller's pid namespace
 * @timeout_ms: how long to wait for calls that came before; 0 with a flag
 * @received: out: IPCBUS_FROZEN_*: what came since it was frozen last
 * @pending: out: calls that came and are not answered
 *
 * Acts on all files that the process has open on the caller's bus: -ESRCH if there
 * is none, -EPERM unless the caller's effective user opened them or it has
 * CAP_KILL in their user namespace. From the beginning on new calls to it fail with
 * -EHOSTDOWN (stage QUEUE); once those that came before are answered it is frozen: its
 * threads get nothing more, poll says that there is nothing, and oneways, answers and
 * all other events are kept for it. It may still send, answer and give back.
 * -EAGAIN: calls were left when the time was over, @pending of them, or it was thawed
 * meanwhile; -EINTR: a signal; -EBUSY: somebody else is freezing it. Then it is not
 * frozen by this. Freezing what is frozen, or thawing what is not, changes nothing.
 * A frozen process that is killed is dead like any other. It may be stopped while it
 * is frozen: nobody waits for it then.
 */
struct ipcbus_freeze {
	__u32 size;
	__u32 flags;
	__u32 pid;
	__u32 timeout_ms;
	__u32 received;
	__u32 pending;
} __attribute__((aligned(8)));

#define IPCBUS_FREEZE_SIZE_VER0	24

#endif /* _UAPI_LINUX_IPCBUS_H */
