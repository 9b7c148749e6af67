/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * ipcbus: the contract between the driver and user space.
 *
 * A process opens a bus once and maps it once (else -EBUSY), read-only and shared. From then on
 * IPCBUS_IOC_EXCHANGE moves all messages: it releases, sends one message, and waits for one event.
 *
 * Vocabulary:
 *   bus      Procs that can reach each other: /dev/ipcbus, or one mount of a file system "ipcbus",
 *            which the file "bus" in it opens. Nothing crosses from one bus to another.
 *   proc     One open file on a bus. It belongs to the process that opened it.
 *   user     The effective user of that process when it opened the file.
 *   region   The mapping of a proc. The driver copies messages to the proc into it. Reading a page
 *            that no message has touched, or that was reclaimed, raises SIGBUS.
 *   buffer   The place of one received message in the region.
 *   node     An object that others can call, in the proc of its owner.
 *   handle   The number by which a proc refers to a node of another proc. Handle 0 refers to the
 *            bus's manager, which usually is servicemanager(8).
 *   call     A message that ends with one reply, one error or one failure.
 *   oneway   A message without a reply.
 *   event    What one exchange delivers: a message or a notification.
 *
 * Who may call: Only the process that opened the file may use it, and only until it calls exec.
 *   All its threads may use it at the same time. Elsewhere every ioctl and mmap fails with -ECHILD:
 *   in a child, after exec, and through a passed fd. A proc ends when its file is closed and
 *   unmapped everywhere, and at the latest when all processes in the address space that opened it
 *   have exited or called exec, whoever still holds the file.
 *
 * Blocking: Two things wait for other processes: EXCHANGE with IPCBUS_WAIT and without
 *   IPCBUS_NONBLOCK for an event, and FREEZE for timeout_ms at most. A signal ends both. All other
 *   ioctls return at once. They may sleep for kernel memory.
 *
 * Ownership: The sender keeps its payload, objects and file descriptors. It may change or free
 *   them as soon as the ioctl returns. The receiver owns the buffer of an event until any of its
 *   threads releases it by an exchange. It owns the objects of the message even after that.
 *
 * Versions: Every argument starts with its size in bytes, at least that of the structure here
 *   (-EINVAL). A longer one must be zero in the rest, and not larger than a page (-E2BIG). Reserved
 *   fields must be zero, and unknown flags not set (-EINVAL). 32-bit and 64-bit programs use the
 *   same layout.
 *
 * Errors: An ioctl returns 0, or -1 with errno. An exchange that fails has sent nothing (but see
 *   EFAULT). If it fails at a later stage than ARGS, it also writes an IPCBUS_EVENT_FAILED with
 *   error, stage and index. enum ipcbus_stage and each ioctl's comment say more of errors there.
 *   E2BIG       A structure has a tail that is not zero, or a count is above its cap.
 *   EAGAIN      Oneways occupy their half of the receiver's region, or the sender's user its quota
 *               of that half. poll reports EPOLLOUT when to try again: when the receiver has
 *               released space, or the target is gone. The message may still not fit. If the
 *               user has no watch left for this report, the error is EDQUOT.
 *   EBADF       There is no such handle, node or fd.
 *   EBUSY       Somebody else is there first: see the ioctl.
 *   ECANCELED   The call was canceled.
 *   ECHILD      The caller is not the process that opened the file.
 *   EDQUOT      A limit of the proc or of its user (struct ipcbus_info) is reached, or the quota
 *               of the sender's user in the receiver's region.
 *   EFAULT      A pointer is not valid. Before it does anything, an exchange checks that it can
 *               write to the second page of its structure and to the array of IPCBUS_MORE. If its
 *               results cannot be written afterwards, it has sent, and the event is lost.
 *   EHOSTDOWN   The target is frozen.
 *   EINTR       A signal came in FREEZE.
 *   EINVAL      The argument is malformed or contradicts itself. The target is the sender's node.
 *   ELOOP       Calls are nested deeper than IPCBUS_MAX_DEPTH. An object is an fd of a bus.
 *   EMFILE      The receiver cannot open another file descriptor. If a security module forbids it,
 *               the error is the module's.
 *   EMSGSIZE    The message can never fit into the receiver's region.
 *   ENOBUFS     A region is not mapped: the receiver's, or the sender's own, which a reply needs.
 *   ENOENT      There is no such node or watch. A buffer id was never handed out.
 *   ENOMEM      The kernel, the receiver's memory cgroup or its user_memory has nothing left.
 *   ENOSPC      The receiver's region is full at the moment.
 *   ENOTCONN    Handle 0 is used and the bus has no manager.
 *   ENOTTY      There is no such ioctl.
 *   EOWNERDEAD  The owner of the node died, or destroyed the node.
 *   EPERM       The caller may not do this. The receiver does not accept fds.
 *   ESRCH       There is no such call open in this proc, or no such process.
 *   ESTALE      The buffer was already released.
 *   ETIMEDOUT   The deadline passed.
 * ipcbus(4) describes open, mmap and poll, mounts, and what administrators need.
 */
#ifndef _UAPI_LINUX_IPCBUS_H
#define _UAPI_LINUX_IPCBUS_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IPCBUS_VERSION		1
#define IPCBUS_IOC_TYPE		0xBE

/* The argument is a pointer to the structure. Its own size counts, not that in the number. */
#define IPCBUS_IOC_INFO		_IOWR(IPCBUS_IOC_TYPE, 0x00, struct ipcbus_info)
#define IPCBUS_IOC_EXCHANGE	_IOWR(IPCBUS_IOC_TYPE, 0x01, struct ipcbus_exchange)
#define IPCBUS_IOC_SET_MANAGER	_IOW(IPCBUS_IOC_TYPE, 0x03, struct ipcbus_node)
#define IPCBUS_IOC_NODE_CREATE	_IOWR(IPCBUS_IOC_TYPE, 0x04, struct ipcbus_node)
#define IPCBUS_IOC_NODE_DESTROY	_IOW(IPCBUS_IOC_TYPE, 0x05, struct ipcbus_node)
#define IPCBUS_IOC_HANDLE_PUT	_IOW(IPCBUS_IOC_TYPE, 0x06, struct ipcbus_handle)
#define IPCBUS_IOC_WATCH	_IOW(IPCBUS_IOC_TYPE, 0x07, struct ipcbus_handle)
#define IPCBUS_IOC_UNWATCH	_IOW(IPCBUS_IOC_TYPE, 0x08, struct ipcbus_handle)
#define IPCBUS_IOC_SET_THREADS	_IOW(IPCBUS_IOC_TYPE, 0x09, struct ipcbus_threads)
/* The calling thread will not use the file any more. The argument is 0 (else -EINVAL). The reply to
 * a call that the thread waits for is dropped. Calls that it serves stay open for other threads. */
#define IPCBUS_IOC_THREAD_EXIT	_IO(IPCBUS_IOC_TYPE, 0x0a)
#define IPCBUS_IOC_CANCEL	_IOW(IPCBUS_IOC_TYPE, 0x0b, struct ipcbus_cancel)
#define IPCBUS_IOC_CALL_INFO	_IOWR(IPCBUS_IOC_TYPE, 0x0c, struct ipcbus_call_info)
#define IPCBUS_IOC_NODE_INFO	_IOWR(IPCBUS_IOC_TYPE, 0x0d, struct ipcbus_node_info)
#define IPCBUS_IOC_FREEZE	_IOWR(IPCBUS_IOC_TYPE, 0x0e, struct ipcbus_freeze)
/* 0x0f: IPCBUS_IOC_MONITOR, in ipcbus-monitor.h */
#define IPCBUS_IOC_SENDER_INFO	_IOWR(IPCBUS_IOC_TYPE, 0x10, struct ipcbus_sender_info)

/* Caps for every proc. A count above its cap fails with -E2BIG. */
#define IPCBUS_MAX_IOV		1024	/* parts of one message */
#define IPCBUS_MAX_OBJECTS	64	/* objects in one message */
#define IPCBUS_MAX_RELEASE	256	/* buffers that one exchange releases */
#define IPCBUS_MAX_MORE		31	/* events of one exchange, beside the first */
#define IPCBUS_MAX_DEPTH	32	/* calls open in one chain of calls (-ELOOP) */
#define IPCBUS_MAX_REGION	(1U << 30) /* bytes of one region (-EINVAL) */

/* ipcbus_info.features: what only some buses have. The driver has all, ipcbusd(8) none of these. */
#define IPCBUS_FEATURE_LABEL	(1ULL << 0) /* NODE_WANT_LABEL, event.label */
#define IPCBUS_FEATURE_PRIORITY	(1ULL << 1) /* NODE_PRIORITY, inherited priority */
#define IPCBUS_FEATURE_MOUNT	(1ULL << 2) /* mount -t ipcbus */

/* statfs(2) reports this as the type of a mounted bus. */
#define IPCBUS_SUPER_MAGIC	0x69706362

/**
 * struct ipcbus_info - what the driver is and what it allows (IPCBUS_IOC_INFO)
 * @size: sizeof(struct ipcbus_info)
 * @version: out: IPCBUS_VERSION of the driver
 * @features: out: IPCBUS_FEATURE_*
 * @region_size: out: bytes of this proc's region; 0 while it is not mapped
 * @max_nodes: out: nodes that this proc may have
 * @max_handles: out: handles that this proc may have; handle 0 counts once it was used
 * @max_buffers: out: buffers, and queued calls that need none, that the region may have at once
 * @max_threads: out: threads of this proc that may use the file
 * @user_procs: out: open files that all procs of this proc's user may be together, on all buses
 * @user_nodes: out: nodes that they may have together
 * @user_handles: out: handles that they may have together
 * @user_watches: out: watches that they may have together, and full regions that they poll for
 * @user_calls: out: calls and oneways that have not ended, one a thread, and up to 64 spare ones
 * @user_files: out: fds in their requests and in replies to them that no receiver has taken; also
 *	limited to RLIMIT_NOFILE of the process that sends one
 * @user_threads: out: their threads that use a bus
 * @user_memory: out: KiB that their regions may occupy, and tables of more than 128 handles
 *
 * What exceeds one of these limits fails with -EDQUOT, also in open(2). If a message exceeds
 * user_memory of its receiver, the sender gets -ENOMEM. A user's limits hold for all buses.
 *
 * Quota in a region of another user: Other users together may occupy seven eighths of a region. A
 * user's calls and oneways may occupy at most half of what others leave free of that part. Beyond
 * that a call fails with -EDQUOT and a oneway with -EAGAIN. Both rules also apply to oneways alone
 * within the oneway half, and to the number of buffers and queued calls without. Replies are free.
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
	__u32 user_threads;
	__u32 user_memory;
} __attribute__((aligned(8)));

/**
 * enum ipcbus_object_type - what an entry of the object table is
 * @IPCBUS_OBJECT_NODE: To send: a node of the sender, by its id. Received: a node of the receiver
 *	that came home. If that node is dead, the receiver gets a handle to a dead node instead.
 * @IPCBUS_OBJECT_HANDLE: To send: a handle of the sender. Received: a handle of the receiver, with
 *	one more count. The receiver puts the count by HANDLE_PUT.
 * @IPCBUS_OBJECT_FD: To send: an open fd of the sender; O_PATH fails with -EBADF. Received: a new
 *	fd with O_CLOEXEC. The receiver closes it.
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
 * @cookie: To send: 0. Received: the cookie of a node that came home, else 0.
 * @tag: any number; the driver delivers it unchanged. It ties the entry to a place in the payload,
 *	which the driver does not read.
 *
 * The driver installs the objects in the receiver when it delivers the message: all of them or
 * none. If it cannot, a call ends with FAILED at stage DELIVER, and a oneway is dropped and counted
 * as lost in debugfs.
 */
struct ipcbus_object {
	__u32 type;
	__u32 flags;
	__u64 value;
	__u64 cookie;
	__u64 tag;
} __attribute__((aligned(8)));

/**
 * struct ipcbus_iovec - one part of a payload in the sender's memory
 * @base: address
 * @size: bytes; may be 0
 */
struct ipcbus_iovec {
	__u64 base;
	__u64 size;
} __attribute__((aligned(8)));

/**
 * enum ipcbus_send_kind - what an exchange sends
 * @IPCBUS_SEND_NONE: nothing
 * @IPCBUS_SEND_CALL: a call. The sending thread must later wait for the reply, unless the call is
 *	async. If a thread of the target waits deeper in the same chain of calls, it gets the call.
 *	Otherwise any thread that serves gets it.
 *	A call that a thread sends before its earlier call has ended is nested in the earlier
 *	call: both count for IPCBUS_MAX_DEPTH, and the thread gets the end of the later call first.
 * @IPCBUS_SEND_ONEWAY: a message without a reply. Oneways to one node are delivered in order and
 *	one at a time (but see IPCBUS_MORE). The next one is delivered when the receiver has
 *	released the buffer of the one before.
 * @IPCBUS_SEND_REPLY: the reply to @call. Any thread of the proc may send it, once. If it fails,
 *	the call stays open and the proc may reply again. If the caller no longer waits, the reply
 *	is dropped and the exchange succeeds.
 * @IPCBUS_SEND_ERROR: a reply that reports a failure. @code is an errno from 1 to 4095. The
 *	payload may explain it. All else is as for IPCBUS_SEND_REPLY.
 */
enum ipcbus_send_kind {
	IPCBUS_SEND_NONE = 0,
	IPCBUS_SEND_CALL = 1,
	IPCBUS_SEND_ONEWAY = 2,
	IPCBUS_SEND_REPLY = 3,
	IPCBUS_SEND_ERROR = 4,
};

#define IPCBUS_SEND_IOV		(1U << 0) /* @data is an array of ipcbus_iovec */
#define IPCBUS_SEND_ACCEPT_FDS	(1U << 1) /* CALL: the reply may contain fds */
#define IPCBUS_SEND_ASYNC	(1U << 2) /* CALL: the thread does not wait for it */
#define IPCBUS_SEND_CLEAR	(1U << 3) /* the buffer is zeroed when it is released */
#define IPCBUS_SEND_REPLACE	(1U << 4) /* ONEWAY: replaces an older one */
#define IPCBUS_SEND_DETACHED	(1U << 5) /* CALL: outlives the call that the thread serves */

/**
 * struct ipcbus_send - one message to send
 * @kind: enum ipcbus_send_kind. For IPCBUS_SEND_NONE all other fields are 0.
 * @flags: IPCBUS_SEND_IOV, _ACCEPT_FDS, _ASYNC, _CLEAR, _REPLACE and _DETACHED
 * @handle: CALL, ONEWAY: the target
 * @code: CALL, ONEWAY: any number; the receiver gets it in its event (the method). ERROR: the
 *	errno. REPLY: 0.
 * @call: REPLY, ERROR: the call, from the event that delivered it. Otherwise 0.
 * @data: address of the payload, or of its parts with IPCBUS_SEND_IOV
 * @data_size: bytes of the payload, all parts together
 * @iov_count: number of parts, at most IPCBUS_MAX_IOV; 0 without IPCBUS_SEND_IOV. The sizes of the
 *	parts must add up to @data_size (-EINVAL, stage COPY).
 * @object_count: entries of the object table, at most IPCBUS_MAX_OBJECTS
 * @objects: address of an array of struct ipcbus_object
 * @deadline: CALL: absolute nanoseconds of CLOCK_MONOTONIC as the sender reads it. Then, or up to
 *	two ticks later, the call ends with -ETIMEDOUT. A late reply may win. A call made while
 *	serving another one ends no later than that one. 0: as that one, or never. Otherwise 0.
 * @cookie: CALL: any number. IPCBUS_IOC_CANCEL finds the call by it, and the event that ends the
 *	call has it. Otherwise 0.
 *
 * The driver copies the payload once, from the sender's memory into the receiver's region. There
 * it starts at a multiple of 8 bytes. The driver reads the object table once, before it acts on
 * any entry.
 *
 * IPCBUS_SEND_ASYNC: The call belongs to the proc instead of the thread. Any thread that serves
 * gets its REPLY, ERROR or FAILED, once. IPCBUS_SEND_DETACHED: The call inherits no deadline from
 * the call that the thread serves, and is not canceled with it.
 *
 * IPCBUS_SEND_REPLACE: The oneway replaces an older one that came from the same proc, goes to the
 * same node, has the flag and the same @code, and was not yet taken by a thread. The driver drops
 * the older one with its objects. The new one goes to the end of the queue. It needs space beside
 * the older one. If it fails, the older one stays.
 *
 * IPCBUS_SEND_CLEAR: The driver overwrites payload and object table with zeroes when the receiver
 * releases the buffer, or when the message is dropped. It does so before the release returns and
 * before the space is used again. Every kind of message may have the flag.
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
 * @IPCBUS_STAGE_RELEASE: while releasing buffers. @index is the position of the buffer; those
 *	before it were released. ENOENT, ESTALE, EFAULT.
 * @IPCBUS_STAGE_TARGET: while finding the target or the call. EBADF, ENOTCONN, EOWNERDEAD, EINVAL,
 *	ENOBUFS, ESRCH; EDQUOT for ipcbus_info.user_calls, or at the first use of handle 0; ENOMEM;
 *	for IPCBUS_NODE_WANT_LABEL also errors of a security module.
 * @IPCBUS_STAGE_BUFFER: while reserving space in the receiver's region. EMSGSIZE, ENOSPC, EDQUOT,
 *	EAGAIN, ENOMEM, EOWNERDEAD. EMSGSIZE: the message is larger than the region, or a oneway
 *	is larger than half of it. For calls and oneways of another user these limits are seven
 *	sixteenths of that.
 * @IPCBUS_STAGE_COPY: while copying the payload. @index is the part. EFAULT, EINVAL.
 * @IPCBUS_STAGE_OBJECT: while reading the objects. @index is the entry. EBADF, EINVAL, EPERM,
 *	ELOOP, ENOTCONN, EFAULT, ENOMEM; EDQUOT for user_files, handle 0, parameter user_handles.
 * @IPCBUS_STAGE_QUEUE: while queueing the message. EHOSTDOWN, EOWNERDEAD, ELOOP, ETIMEDOUT; EDQUOT
 *	for async calls. FAILED of a call that was queued: EOWNERDEAD.
 * @IPCBUS_STAGE_DELIVER: while installing the objects in the receiver, which did not get the
 *	message. @index is the entry. EMFILE, EDQUOT, ENOMEM, and errors of a security module.
 * @IPCBUS_STAGE_REPLY: while waiting for the reply. ETIMEDOUT, ECANCELED.
 */
enum ipcbus_stage {
	IPCBUS_STAGE_RELEASE = 1,
	IPCBUS_STAGE_TARGET = 2,
	IPCBUS_STAGE_BUFFER = 3,
	IPCBUS_STAGE_COPY = 4,
	IPCBUS_STAGE_OBJECT = 5,
	IPCBUS_STAGE_QUEUE = 6,
	IPCBUS_STAGE_DELIVER = 7,
	IPCBUS_STAGE_REPLY = 8,
};

/**
 * enum ipcbus_event_kind - what happened
 * @IPCBUS_EVENT_NONE: Nothing. The exchange did not wait, or had nothing to take.
 * @IPCBUS_EVENT_INTERRUPTED: A signal came, or another thread closed a file descriptor of the
 *	file. The exchange has released and sent. Wait again, without releasing and sending the
 *	same once more.
 * @IPCBUS_EVENT_CALL: A call to a node of this proc. Reply to @call.
 * @IPCBUS_EVENT_ONEWAY: A oneway to a node of this proc. Release @buffer to get the next one of
 *	the same node. If more came with it, that takes all their buffers.
 * @IPCBUS_EVENT_REPLY: The reply to this thread's last call, or to an async call.
 * @IPCBUS_EVENT_ERROR: The same, but the server replied with an error. @error is the negative
 *	errno; the payload may explain it.
 * @IPCBUS_EVENT_FAILED: The driver ended the call, or an exchange failed. @error, @stage and
 *	@index say why. If the server died over the call, @error is -EOWNERDEAD.
 * @IPCBUS_EVENT_DEAD: The node of a watched handle is dead. @cookie is the watch's, which ends. The
 *	handle stays. Oneways of the dead owner that wait for an earlier oneway come later.
 * @IPCBUS_EVENT_IDLE: Nobody refers to the node with @cookie any more, and no message to it is
 *	queued, open or held in a buffer. The event also comes if a message that contained the node
 *	could not be sent, or was a reply that nobody waits for. The node may become referenced
 *	again. Only NODE_DESTROY with IPCBUS_NODE_IF_IDLE is conclusive.
 * @IPCBUS_EVENT_CANCELED: Nobody waits for the reply to @call any more: it was canceled, its
 *	deadline passed, or the caller is gone. The server must still reply, to close the call.
 *	Calls that its thread made meanwhile are canceled too, except async ones. Another thread
 *	may get this event before it gets the call itself.
 * @IPCBUS_EVENT_FROZEN: The owner of a handle that is watched with IPCBUS_WATCH_FROZEN is frozen.
 *	@cookie is the watch's, and the watch stays.
 * @IPCBUS_EVENT_THAWED: The same owner is no longer frozen.
 * @IPCBUS_EVENT_MANAGER: The bus has a manager, or a new one. @cookie is that of the manager
 *	watch, which stays. Managers that came before the event was delivered are one event.
 *	The last one may be gone by then.
 * @IPCBUS_EVENT_RECORD: For monitors: the payload starts with a struct ipcbus_monitor_record.
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

/* All threads of the pool are busy, and the proc has fewer than ipcbus_threads.max. Start one more
 * thread that serves. The driver does not ask again before that thread waits with IPCBUS_SERVE. */
#define IPCBUS_EVENT_SPAWN	(1U << 0)
#define IPCBUS_EVENT_ACCEPT_FDS	(1U << 1) /* CALL: the reply may contain fds */

/**
 * struct ipcbus_event - one event; the driver writes all fields
 * @kind: enum ipcbus_event_kind
 * @flags: IPCBUS_EVENT_SPAWN and _ACCEPT_FDS
 * @call: CALL, CANCELED: the number to reply with, which counts calls of this proc. Otherwise 0.
 * @cookie: CALL, ONEWAY, IDLE, CANCELED: the node's. DEAD, FROZEN, THAWED, MANAGER: the watch's.
 *	REPLY, ERROR, FAILED: that of the call.
 * @buffer: id of the buffer; 0 if there is none. Release it when payload, object table and label
 *	are no longer needed.
 * @offset: where the payload starts in the region
 * @data_size: bytes of the payload
 * @objects: where the object table (struct ipcbus_object) starts in the region
 * @object_count: entries of the object table
 * @code: CALL, ONEWAY: as sent. FROZEN, THAWED: the number of this event among those of the watch.
 *	If two threads get one each, the higher number is the later one.
 * @error: ERROR, FAILED: negative errno
 * @stage: FAILED: enum ipcbus_stage
 * @index: FAILED: which buffer, part or object; else 0
 * @thread: this thread's number, for ipcbus_exchange.thread. 0 if the ioctl failed.
 * @pid: CALL, ONEWAY, REPLY, ERROR: the sender's process id in the receiver's pid namespace; 0 if
 *	it is not visible there
 * @tid: the sender's thread id, likewise
 * @uid: the sender's effective user id when it sent, in the receiver's user namespace
 * @gid: the sender's effective group id when it sent, likewise
 * @deadline: CALL: when the call ends, by CLOCK_MONOTONIC as this thread reads it; 0: never
 * @label: CALL, ONEWAY to a node with IPCBUS_NODE_WANT_LABEL: where the security module's label of
 *	the sending thread starts in the region. It ends with a zero byte and is part of @buffer.
 * @label_size: bytes of the label without the zero byte; 0 if there is no label
 * @more: ONEWAY: how many events ipcbus_exchange.more got; else 0
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
	__u32 more;
	__u64 reserved;
} __attribute__((aligned(8)));

#define IPCBUS_WAIT		(1U << 0) /* wait for an event */
#define IPCBUS_SERVE		(1U << 1) /* with WAIT: also take work of the proc */
#define IPCBUS_NONBLOCK		(1U << 2) /* with WAIT: EVENT_NONE instead of sleeping */
#define IPCBUS_MORE		(1U << 3) /* with SERVE: also oneways that follow the first event */

/**
 * struct ipcbus_exchange - release, send and wait, in this order (IPCBUS_IOC_EXCHANGE)
 * @size: sizeof(struct ipcbus_exchange)
 * @flags: IPCBUS_WAIT, IPCBUS_SERVE, IPCBUS_NONBLOCK, IPCBUS_MORE
 * @thread: event.thread of an earlier exchange of the same thread, or 0. It is a hint that saves a
 *	search. A wrong value is harmless.
 * @release_count: number of buffers to release, at most IPCBUS_MAX_RELEASE
 * @release: ids of these buffers. For one buffer: its id. For more: the address of an array of
 *	__u64. For none: 0.
 * @send: the message to send
 * @event: out: the event. The driver does not read it. It writes all of it, also if the ioctl
 *	fails at a stage after ARGS.
 * @more: with IPCBUS_MORE: address of an array of struct ipcbus_event for what follows @event
 * @more_count: with IPCBUS_MORE: entries of that array, at most IPCBUS_MAX_MORE
 * @reserved: 0. Without IPCBUS_MORE the driver reads none of these three fields.
 *
 * Without IPCBUS_WAIT the exchange releases, sends and returns with EVENT_NONE.
 * With IPCBUS_WAIT it takes one event:
 *   - If the thread made a call that has not ended, it gets the end of this call, or a call of the
 *     same chain that comes back to this proc. IPCBUS_SERVE changes nothing.
 *   - Else, with IPCBUS_SERVE, it gets the next work of the proc: calls, oneways, ends of async
 *     calls, and notifications.
 *   - Else there is nothing to take: it sleeps until it is interrupted.
 * If there is nothing to take, the thread sleeps. With IPCBUS_NONBLOCK, or O_NONBLOCK on the file,
 * it returns EVENT_NONE instead.
 *
 * With IPCBUS_MORE, which needs IPCBUS_SERVE, an exchange that takes a oneway also takes those that
 * wait for it: event.more of them, in their order. The next one is delivered when all buffers are
 * released. None follows while other work waits for a thread, none with IPCBUS_SEND_REPLACE, none
 * of a node with a priority. The exchange checks first that it can write all of them.
 *
 * A thread that takes a call and then waits again without a reply leaves the call open. Any thread
 * may reply to it later.
 *
 * Fails with the errors that enum ipcbus_stage lists for the stages ARGS to QUEUE. If the send
 * fails, the buffers have been released and the exchange does not wait. If a call fails after it
 * was sent, the exchange returns 0 and EVENT_FAILED.
 */
struct ipcbus_exchange {
	__u32 size;
	__u32 flags;
	__u32 thread;
	__u32 release_count;
	__u64 release;
	struct ipcbus_send send;
	struct ipcbus_event event;
	__u64 more;
	__u32 more_count;
	__u32 reserved;
} __attribute__((aligned(8)));

#define IPCBUS_NODE_ACCEPT_FDS	(1U << 0) /* CREATE: messages may contain fds */
#define IPCBUS_NODE_IF_IDLE	(1U << 1) /* DESTROY: -EBUSY if it is referred to */
#define IPCBUS_NODE_WANT_LABEL	(1U << 2) /* CREATE: events have event.label */
#define IPCBUS_NODE_PRIORITY	(1U << 3) /* CREATE: @policy and @priority are set */

/**
 * struct ipcbus_node - a node of the caller's proc (IPCBUS_IOC_NODE_CREATE,
 *	IPCBUS_IOC_NODE_DESTROY, IPCBUS_IOC_SET_MANAGER)
 * @size: sizeof(struct ipcbus_node)
 * @flags: IPCBUS_NODE_*
 * @node: NODE_CREATE: 0. Out: the id of the new node, from 1. Otherwise: the id.
 * @cookie: NODE_CREATE: any number; each event of the node has it. Otherwise 0.
 * @policy: With IPCBUS_NODE_PRIORITY: SCHED_OTHER, SCHED_FIFO or SCHED_RR. Otherwise 0.
 * @priority: With IPCBUS_NODE_PRIORITY: a nice value from -20 to 19 for SCHED_OTHER, or a
 *	realtime priority from 1 to 99. Otherwise 0.
 *
 * NODE_CREATE makes a node. It lives until its owner destroys it or dies.
 *   - EDQUOT: the limit of nodes of the proc or of its user is reached
 *   - EFAULT: the id could not be written; there is no new node
 *
 * NODE_DESTROY ends a node. Calls that wait for it fail with -EOWNERDEAD, oneways are dropped, and
 * watches fire. Calls that a thread took stay open until the owner replies or dies. A reply that
 * fails opens its call again. With IPCBUS_NODE_IF_IDLE it ends a node if ipcbus_node_info.refs and
 * pending are 0, in one step.
 *   - ENOENT: there is no such node
 *   - EBUSY: IPCBUS_NODE_IF_IDLE is set and the node is not idle
 *
 * SET_MANAGER makes the node handle 0 of the bus until it is destroyed. The caller's effective user
 * must be the one that the administrator named by manager_uid (ipcbus(4)), or root in the initial
 * user namespace or in the one in which the bus was mounted.
 *   - ENOENT: there is no such node
 *   - EPERM: the caller's effective user is none of these
 *   - EBUSY: the bus has a manager
 *
 * Inherited priority: A thread that takes a call runs with the priority that the caller had when it
 * sent the call, if that is better: its nice value, or its realtime class and priority.
 * IPCBUS_NODE_PRIORITY sets a minimum for calls to the node, and for oneways, which inherit no
 * priority of their sender. A thread is never lowered.
 *   - A boost never exceeds what RLIMIT_NICE, RLIMIT_RTPRIO or CAP_SYS_NICE allow the thread to set
 *     for itself. If the thread may not be realtime, a realtime caller boosts its nice value.
 *   - SCHED_DEADLINE is not inherited. A SCHED_BATCH or SCHED_IDLE caller passes on its nice value.
 *     A thread keeps such a class.
 *   - A thread runs with the best priority of all messages that it serves. It has its own again
 *     when the exchange that replies returns, or when it waits again. Only it ends its boost.
 *   - Calls that a boosted thread makes have the priority that it runs with.
 *   - A priority that is set for the thread during a boost stays, unless it equals the boost.
 *   - A boosted thread has SCHED_RESET_ON_FORK: its children do not inherit. A thread that has it
 *     already is not boosted, so only one file at a time boosts a thread.
 *   - Messages of a higher priority overtake other messages that wait for any thread. They do not
 *     overtake oneways of the same node. A flood by another user gets every second turn.
 */
struct ipcbus_node {
	__u32 size;
	__u32 flags;
	__u64 node;
	__u64 cookie;
	__u32 policy;
	__s32 priority;
} __attribute__((aligned(8)));

/**
 * struct ipcbus_node_info - who refers to a node of the caller's proc (IPCBUS_IOC_NODE_INFO)
 * @size: sizeof(struct ipcbus_node_info)
 * @flags: 0
 * @node: id of the node
 * @cookie: out: the node's cookie. All outputs are 0 on input (-EINVAL).
 * @refs: out: number of references: handles of others, objects in queued messages, one for being
 *	handle 0, and received messages that brought the node home and whose buffer is not released
 * @pending: out: messages to the node that have not ended. A call ends when it is replied to, a
 *	oneway when its buffer is released.
 * @oneways: out: those of them that wait for an earlier oneway
 * @watches: out: number of death watches on the node
 *
 * The result may be outdated at once. To act on it, use NODE_DESTROY with IPCBUS_NODE_IF_IDLE.
 *   - ENOENT: there is no such node
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

#define IPCBUS_WATCH_FROZEN	(1U << 0) /* also notify when the owner is frozen or thawed */
#define IPCBUS_WATCH_MANAGER	(1U << 1) /* on handle 0: notify when there is a new manager */

/**
 * struct ipcbus_handle - a handle of the caller's proc (IPCBUS_IOC_HANDLE_PUT, IPCBUS_IOC_WATCH,
 *	IPCBUS_IOC_UNWATCH)
 * @size: sizeof(struct ipcbus_handle)
 * @handle: the handle
 * @count: HANDLE_PUT: how many counts to put, at least 1 (-EINVAL). Otherwise 0.
 * @flags: WATCH: IPCBUS_WATCH_*. UNWATCH: 0 or IPCBUS_WATCH_MANAGER. Otherwise 0.
 * @cookie: WATCH: any number; the events of the watch have it. Otherwise 0.
 *
 * HANDLE_PUT puts counts. Each delivery of the handle brought one. When the last count is put, the
 * handle and its watch are gone. Handle 0 has no counts and is never put.
 *   - EBADF: there is no such handle, it is 0, or it has fewer counts; none was put
 *
 * WATCH sets a death watch. EVENT_DEAD comes once, when the node dies, or at once if it is dead. A
 * handle has one death watch at a time. Handle 0 can be watched too. With IPCBUS_WATCH_FROZEN,
 * FROZEN and THAWED events come as well, until DEAD. If the owner is frozen now, FROZEN comes
 * first. Changes that are reverted before delivery are not reported.
 *   - EBADF: there is no such handle
 *   - EBUSY: the handle is already watched
 *   - EDQUOT: the user has too many watches, or too many handles (handle 0)
 *   - ENOTCONN: the handle is 0 and the bus has no manager
 *
 * WATCH of handle 0 with IPCBUS_WATCH_MANAGER sets a manager watch, one for each proc. It needs no
 * manager. EVENT_MANAGER comes each time a node becomes the manager, also a node of the caller,
 * and at once if there is a manager. The watch stays until UNWATCH.
 *   - EBUSY: the proc already has a manager watch
 *   - EDQUOT: the user has too many watches
 *
 * UNWATCH without a flag ends the death watch of the handle. Afterwards no thread takes an event
 * of the watch; one that took FROZEN or THAWED before may still be on its way back. UNWATCH of
 * handle 0 with IPCBUS_WATCH_MANAGER ends the manager watch in the same way.
 *   - EBADF: there is no such handle
 *   - ENOENT: there is no watch; or its event was already delivered; or the handle is 0, a new
 *     manager has registered, and the event of the old one is still queued
 */
struct ipcbus_handle {
	__u32 size;
	__u32 handle;
	__u32 count;
	__u32 flags;
	__u64 cookie;
} __attribute__((aligned(8)));

/**
 * struct ipcbus_threads - size of the thread pool (IPCBUS_IOC_SET_THREADS)
 * @size: sizeof(struct ipcbus_threads)
 * @max: up to how many threads the driver asks for one more by IPCBUS_EVENT_SPAWN; 0: it never asks
 *
 * The default is 0. Setting it again also clears a request that no thread followed.
 *   - EINVAL: @max is above ipcbus_info.max_threads
 */
struct ipcbus_threads {
	__u32 size;
	__u32 max;
} __attribute__((aligned(8)));

/**
 * struct ipcbus_cancel - end calls of the caller's proc early (IPCBUS_IOC_CANCEL)
 * @size: sizeof(struct ipcbus_cancel)
 * @flags: 0
 * @cookie: cookie of the calls, not 0
 *
 * Every open call with this cookie, of any thread, ends with -ECANCELED at stage REPLY.
 *   - ENOENT: no call with this cookie is open; its reply arrived, or was delivered
 */
struct ipcbus_cancel {
	__u32 size;
	__u32 flags;
	__u64 cookie;
} __attribute__((aligned(8)));

#define IPCBUS_CALL_CANCELED	(1U << 0) /* nobody waits for the reply */

/**
 * struct ipcbus_call_info - a call that this proc has not replied to (IPCBUS_IOC_CALL_INFO)
 * @size: sizeof(struct ipcbus_call_info)
 * @flags: 0. Out: IPCBUS_CALL_*
 * @call: the call, from its event
 * @deadline: 0. Out: when the call ends, as in an event for the calling thread
 *
 *   - ESRCH: the call is not open in this proc
 */
struct ipcbus_call_info {
	__u32 size;
	__u32 flags;
	__u64 call;
	__u64 deadline;
} __attribute__((aligned(8)));

#define IPCBUS_SENDER_ALIVE	(1U << 0) /* the process exists, perhaps as a zombie */

/**
 * struct ipcbus_sender_info - whether a sender still exists (IPCBUS_IOC_SENDER_INFO)
 * @size: sizeof(struct ipcbus_sender_info)
 * @flags: 0. Out: IPCBUS_SENDER_*
 * @call: a call that this proc took and did not reply to yet, or 0
 * @buffer: if @call is 0: the buffer of a oneway, delivered and not released. Otherwise 0.
 * @pid: 0. Out: its pid in this proc's pid namespace; 0 if it is gone or not visible there
 * @reserved: 0
 *
 * A pid is not used again while its process exists. So open a pidfd first, with
 * pidfd_open(event.pid), and then use this ioctl. If it reports IPCBUS_SENDER_ALIVE, the pidfd
 * refers to the sender. The process may have executed another program since.
 *   - EINVAL: neither or both of @call and @buffer are set, or the buffer has no oneway
 *   - ESRCH: the call is not open in this proc
 *   - ENOENT: the buffer id was never handed out
 *   - ESTALE: the buffer was released
 */
struct ipcbus_sender_info {
	__u32 size;
	__u32 flags;
	__u64 call;
	__u64 buffer;
	__u32 pid;
	__u32 reserved;
} __attribute__((aligned(8)));

#define IPCBUS_FREEZE_THAW	(1U << 0) /* thaw instead */
#define IPCBUS_FREEZE_QUERY	(1U << 1) /* change nothing */
#define IPCBUS_FROZEN_CALL	(1U << 0) /* a call came, and was refused */
#define IPCBUS_FROZEN_ONEWAY	(1U << 1) /* a oneway came, and is queued */
#define IPCBUS_FROZEN_NOW	(1U << 2) /* the process is frozen */

/**
 * struct ipcbus_freeze - stop a process from taking part, or let it continue (IPCBUS_IOC_FREEZE)
 * @size: sizeof(struct ipcbus_freeze)
 * @flags: 0, IPCBUS_FREEZE_THAW or IPCBUS_FREEZE_QUERY
 * @pid: the process, in the caller's pid namespace
 * @timeout_ms: how long to wait for open calls, in milliseconds; 0 with a flag
 * @received: out: IPCBUS_FROZEN_*: what came since the process was last frozen
 * @pending: out: calls that the process has not replied to
 *
 * The ioctl acts on all files that the process has open on the caller's bus. The caller's
 * effective user must have opened them, or the caller needs CAP_KILL (ipcbus(4), userns_control).
 *
 * Freezing has two steps. From the first one on, new calls to the process fail with -EHOSTDOWN
 * (stage QUEUE). When it has replied to the calls that came before, it is frozen:
 *   - its threads get no event, and poll does not report EPOLLIN,
 *   - oneways, replies and all other events are queued for it,
 *   - it may still send, reply and release.
 * Nobody waits for a frozen process, so it may be stopped. If it is killed, it dies like any
 * other. Freezing a frozen process, or thawing one that is not, changes nothing.
 *
 * If the ioctl fails with one of these errors, it has not frozen the process:
 *   - EAGAIN: @pending calls were open after @timeout_ms, or the process was thawed meanwhile
 *   - EBUSY: somebody else is freezing it
 *   - EINTR: a signal came
 *   - EPERM: the caller may not freeze it
 *   - ESRCH: the process has no file open on this bus
 */
struct ipcbus_freeze {
	__u32 size;
	__u32 flags;
	__u32 pid;
	__u32 timeout_ms;
	__u32 received;
	__u32 pending;
} __attribute__((aligned(8)));

#endif /* _UAPI_LINUX_IPCBUS_H */
