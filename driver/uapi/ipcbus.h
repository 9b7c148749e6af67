/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * ipcbus: the contract between the driver and user space.
 *
 * A process opens a bus and maps the file once, read-only and shared; a second mmap fails with
 * -EBUSY. After that, all messages use IPCBUS_IOC_EXCHANGE. An exchange releases buffers, sends
 * a message, and waits for an event.
 *
 * Vocabulary:
 *   bus      A set of procs that can reach each other: /dev/ipcbus, or a mount of the file system
 *            "ipcbus", opened by its file "bus". A message never leaves its bus.
 *   proc     An open file on a bus. It belongs to the process that opened it.
 *   user     The effective user of that process when it opened the file.
 *   region   The mapping of a proc. The driver copies messages to the proc into it. If the proc
 *            reads a page that no message has used, or that the kernel reclaimed, it gets SIGBUS.
 *   buffer   The memory of a received message in the region.
 *   node     An object of a proc, its owner. Other procs send messages to it.
 *   handle   The number by which a proc refers to a node of another proc. Handle 0 refers to the
 *            bus's manager, usually servicemanager(8).
 *   call     A message that ends with exactly one reply, error or failure.
 *   oneway   A message without a reply.
 *   event    A message or a notification. Each exchange delivers one event.
 *
 * Who may call: Only the process that opened the file may use it, and only until it calls exec. All
 *   its threads may use it at the same time. In any other process (a forked child, after exec, or
 *   with an fd that was passed to it) every ioctl and mmap fails with -ECHILD. A proc ends when its
 *   file is closed and unmapped everywhere. Even if another process still holds the file, it also
 *   ends when the process that opened it exits with an fd of it, or when all processes in the
 *   address space that opened it have exited or called exec.
 *
 * Blocking: Only two ioctls wait for other processes. EXCHANGE with IPCBUS_WAIT and without
 *   IPCBUS_NONBLOCK waits for an event. FREEZE waits for at most timeout_ms. A signal interrupts
 *   both. All other ioctls return at once, but they may sleep to allocate memory.
 *
 * Ownership: The sender keeps its payload, objects and file descriptors, and may change or free
 *   them as soon as the ioctl returns. The receiver owns the buffer of an event until one of its
 *   threads releases it with an exchange. The receiver keeps the objects of the message after it
 *   has released the buffer.
 *
 * Versions: Every argument starts with its size in bytes. A size smaller than the structure here
 *   fails with -EINVAL. A larger argument must be zero after the fields that the driver knows, and
 *   must not be larger than a page (-E2BIG). Reserved fields must be 0 and unknown flags must not
 *   be set (-EINVAL). 32-bit and 64-bit programs use the same layout.
 *
 * Errors: An ioctl returns 0, or -1 with errno. If an exchange fails, it has not sent its message
 *   (but see EFAULT). If it fails at a stage of enum ipcbus_stage, it writes an IPCBUS_EVENT_FAILED
 *   with error, stage and index. If it fails before the first stage, it does not write the event:
 *   its arguments are invalid, it is a call and the caller's region is not mapped (ENOBUFS), or the
 *   thread is new and EDQUOT or ENOMEM prevents its registration.
 *   enum ipcbus_stage and the comment of each ioctl list the errors of that place.
 *   E2BIG       A structure has a tail that is not zero, or a count is above its maximum.
 *   EAGAIN      Oneways fill their half of the receiver's region, or the sender's user has used up
 *               its quota of that half. poll then reports EPOLLOUT when the receiver has released
 *               space or the target is gone. Try again then; the message may still not fit. If the
 *               user has no watch left for this report, the error is EDQUOT.
 *   EBADF       The handle, node or fd does not exist.
 *   EBUSY       Another proc, thread or watch already does this; see the ioctl.
 *   ECANCELED   The call was canceled.
 *   ECHILD      The caller is not the process that opened the file.
 *   EDQUOT      A limit of the proc or of its user (struct ipcbus_info) is reached, or the sender's
 *               user has used up its quota of the receiver's region.
 *   EFAULT      A pointer is not valid. Before it releases or sends, an exchange checks that it can
 *               write to the second page of its structure and to the array of IPCBUS_MORE. If it
 *               cannot write its results later, it has sent, and the event is lost.
 *   EHOSTDOWN   The target is frozen.
 *   EINTR       A signal interrupted FREEZE.
 *   EINVAL      The argument is malformed or inconsistent, or the target is the sender's own node.
 *   ELOOP       Calls are nested deeper than IPCBUS_MAX_DEPTH: in the chain of calls, or on the
 *               sending thread. Or an object is an fd of a bus.
 *   EMFILE      The receiver cannot open another file descriptor. If a security module forbids the
 *               fd, the module chooses the error.
 *   EMSGSIZE    The message is too large for the receiver's region, even if that were empty.
 *   ENOBUFS     The receiver's region is not mapped, or the sender's own, which a call needs.
 *   ENOENT      The node or watch does not exist, or a buffer id was never valid.
 *   ENOMEM      The kernel is out of memory, or the receiver has reached the limit of its memory
 *               cgroup or its user_memory.
 *   ENOSPC      The receiver's region is full. Space appears when the receiver releases buffers.
 *   ENOTCONN    Handle 0 is used and the bus has no manager.
 *   ENOTTY      The driver does not have this ioctl.
 *   EOWNERDEAD  The node is dead: its owner has destroyed it, or died.
 *   EPERM       The caller is not permitted to do this, or the receiver does not accept fds.
 *   ESRCH       The call is not open in this proc, or the process does not exist.
 *   ESTALE      The buffer was already released.
 *   ETIMEDOUT   The deadline passed.
 * ipcbus(4) describes open, mmap and poll, mounts, and the settings for administrators.
 */
#ifndef _UAPI_LINUX_IPCBUS_H
#define _UAPI_LINUX_IPCBUS_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IPCBUS_VERSION		1 /* the ABI version */
#define IPCBUS_IOC_TYPE		0xBE

/* Each argument is a pointer to the structure. The driver uses the structure's size field and
 * ignores the size that is encoded in the ioctl number. */
#define IPCBUS_IOC_INFO		_IOWR(IPCBUS_IOC_TYPE, 0x00, struct ipcbus_info)
#define IPCBUS_IOC_EXCHANGE	_IOWR(IPCBUS_IOC_TYPE, 0x01, struct ipcbus_exchange)
#define IPCBUS_IOC_SET_MANAGER	_IOW(IPCBUS_IOC_TYPE, 0x03, struct ipcbus_node)
#define IPCBUS_IOC_NODE_CREATE	_IOWR(IPCBUS_IOC_TYPE, 0x04, struct ipcbus_node)
#define IPCBUS_IOC_NODE_DESTROY	_IOW(IPCBUS_IOC_TYPE, 0x05, struct ipcbus_node)
#define IPCBUS_IOC_HANDLE_PUT	_IOW(IPCBUS_IOC_TYPE, 0x06, struct ipcbus_handle)
#define IPCBUS_IOC_WATCH	_IOW(IPCBUS_IOC_TYPE, 0x07, struct ipcbus_handle)
#define IPCBUS_IOC_UNWATCH	_IOW(IPCBUS_IOC_TYPE, 0x08, struct ipcbus_handle)
/* The calling thread no longer uses the file. The argument must be 0 (-EINVAL). If the thread has
 * made a call that has not ended, its reply is discarded. Calls that the thread serves stay open,
 * and any other thread may reply to them. A thread that ends without THREAD_EXIT may count as a
 * thread until new threads come. A call that came back to it before stays queued until it is
 * canceled or its deadline passes. */
#define IPCBUS_IOC_THREAD_EXIT	_IO(IPCBUS_IOC_TYPE, 0x0a)
#define IPCBUS_IOC_CANCEL	_IOW(IPCBUS_IOC_TYPE, 0x0b, struct ipcbus_cancel)
#define IPCBUS_IOC_CALL_INFO	_IOWR(IPCBUS_IOC_TYPE, 0x0c, struct ipcbus_call_info)
#define IPCBUS_IOC_NODE_INFO	_IOWR(IPCBUS_IOC_TYPE, 0x0d, struct ipcbus_node_info)
#define IPCBUS_IOC_FREEZE	_IOWR(IPCBUS_IOC_TYPE, 0x0e, struct ipcbus_freeze)
/* 0x0f: IPCBUS_IOC_MONITOR, in ipcbus-monitor.h */
#define IPCBUS_IOC_SENDER_INFO	_IOWR(IPCBUS_IOC_TYPE, 0x10, struct ipcbus_sender_info)

/* Maximum values for every proc. If a count is above its maximum, the ioctl fails with -E2BIG. */
#define IPCBUS_MAX_IOV		1024	/* parts of a message */
#define IPCBUS_MAX_OBJECTS	64	/* objects in a message */
#define IPCBUS_MAX_RELEASE	256	/* buffers that an exchange releases */
#define IPCBUS_MAX_MORE		31	/* events of an exchange after the first */
#define IPCBUS_MAX_DEPTH	32	/* calls that a chain, or a thread, is in (-ELOOP) */
#define IPCBUS_MAX_REGION	(1U << 30) /* bytes of a region (-EINVAL) */

/* ipcbus_info.features: optional features. The driver has all of them, ipcbusd(8) has none. */
#define IPCBUS_FEATURE_LABEL	(1ULL << 0) /* NODE_WANT_LABEL, event.label */
#define IPCBUS_FEATURE_PRIORITY	(1ULL << 1) /* NODE_PRIORITY, inherited priority */
#define IPCBUS_FEATURE_MOUNT	(1ULL << 2) /* mount -t ipcbus */

/* statfs(2) reports this as the type of a mounted bus. */
#define IPCBUS_SUPER_MAGIC	0x69706362

/**
 * struct ipcbus_info - ABI version, features and limits of the driver (IPCBUS_IOC_INFO)
 * @size: sizeof(struct ipcbus_info)
 * @version: out: ABI version of the driver, for information: structures only grow at their end,
 *	and @features names the operations that may be missing
 * @features: out: IPCBUS_FEATURE_*
 * @region_size: out: bytes of this proc's region; 0 while it is not mapped
 * @max_nodes: out: nodes that this proc may have
 * @max_handles: out: handles that this proc may have; handle 0 counts once the proc has used it
 * @max_buffers: out: buffers plus queued calls without a buffer that the region may have at once
 * @max_threads: out: threads of this proc that may use the file
 * @user_procs: out: open files of all procs of this proc's user, on all buses
 * @user_nodes: out: nodes of all procs of the user
 * @user_handles: out: handles of all procs of the user
 * @user_watches: out: watches of all procs of the user, plus full regions that they poll for
 * @user_calls: out: calls and oneways of the user that have not ended; the driver also counts one
 *	unused call per thread and up to 64 more that it keeps for reuse
 * @user_files: out: fds in requests of the user, and in the replies to them, that no receiver has
 *	taken. If the call ends before, by its deadline or by another process, they count until the
 *	driver has closed them. RLIMIT_NOFILE of the sending process is a limit as well.
 * @user_threads: out: threads of the user that use a bus
 * @user_memory: out: KiB for regions of the user and for handle tables with more than 128 handles
 *
 * If a request exceeds any of these limits, it fails with -EDQUOT, and so does open(2). If a
 * message exceeds user_memory of its receiver, the sender gets -ENOMEM. A user's limits apply to
 * all buses together.
 *
 * Quota in a region of another user: All users other than the receiver's may together occupy seven
 * eighths of a region. The calls and oneways of a user may occupy at most half of the part that
 * the remaining users leave free. If a message exceeds this quota, a call fails with -EDQUOT and a
 * oneway with -EAGAIN. The same two rules apply to oneways within their half of the region, and to
 * the number of buffers and queued calls. Replies do not count.
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
 * enum ipcbus_object_type - type of an entry in the object table
 * @IPCBUS_OBJECT_NODE: To send: the id of a node of the sender. Received: a node of the receiver.
 *	If that node is dead, the receiver gets a handle to a dead node instead.
 * @IPCBUS_OBJECT_HANDLE: To send: a handle of the sender. Received: a handle of the receiver. Each
 *	delivery adds a count, and the receiver must put each count with HANDLE_PUT.
 * @IPCBUS_OBJECT_FD: To send: an open fd of the sender; O_PATH fails with -EBADF. Received: a new
 *	fd with O_CLOEXEC. The receiver must close it.
 */
enum ipcbus_object_type {
	IPCBUS_OBJECT_NODE = 1,
	IPCBUS_OBJECT_HANDLE = 2,
	IPCBUS_OBJECT_FD = 3,
};

/**
 * struct ipcbus_object - an entry of a message's object table
 * @type: enum ipcbus_object_type
 * @flags: 0
 * @value: node id, handle or fd
 * @cookie: To send: 0. Received: the node's cookie for IPCBUS_OBJECT_NODE, else 0.
 * @tag: any number; the driver delivers it unchanged. Programs use it to connect the entry with a
 *	place in the payload, which the driver does not read.
 *
 * The driver installs the objects in the receiver when it delivers the message. It installs all of
 * them or none. If it cannot install them, a call ends with FAILED at stage DELIVER. A oneway is
 * discarded, and counted in debugfs.
 */
struct ipcbus_object {
	__u32 type;
	__u32 flags;
	__u64 value;
	__u64 cookie;
	__u64 tag;
} __attribute__((aligned(8)));

/**
 * struct ipcbus_iovec - a part of a payload in the sender's memory
 * @base: address
 * @size: bytes; may be 0
 */
struct ipcbus_iovec {
	__u64 base;
	__u64 size;
} __attribute__((aligned(8)));

/**
 * enum ipcbus_send_kind - kind of message that an exchange sends
 * @IPCBUS_SEND_NONE: no message
 * @IPCBUS_SEND_CALL: a call. Unless the call is async, the sending thread must wait for the reply.
 *	If a thread of the target waits in the same chain of calls, that thread gets the call.
 *	Otherwise any serving thread of the target gets it. If the sending thread has an earlier
 *	call that has not ended, the new call is nested in it: both count for IPCBUS_MAX_DEPTH, and
 *	the thread gets the end of the later call first.
 * @IPCBUS_SEND_ONEWAY: a message without a reply. Oneways to a node are delivered in order and
 *	one at a time (but see IPCBUS_MORE). The next oneway is delivered when the receiver has
 *	released the buffer of the previous oneway.
 * @IPCBUS_SEND_REPLY: the reply to @call. Any thread of the proc may send it, once. If the exchange
 *	fails, the call stays open and the proc may reply again. If the caller no longer waits, the
 *	reply is discarded and the exchange succeeds.
 * @IPCBUS_SEND_ERROR: a reply that reports a failure. @code is an errno from 1 to 4095, and the
 *	payload may explain it. Otherwise like IPCBUS_SEND_REPLY.
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
#define IPCBUS_SEND_ASYNC	(1U << 2) /* CALL: any thread gets the reply */
#define IPCBUS_SEND_CLEAR	(1U << 3) /* zero the buffer when it is released */
#define IPCBUS_SEND_REPLACE	(1U << 4) /* ONEWAY: replace an older oneway */
#define IPCBUS_SEND_DETACHED	(1U << 5) /* CALL: independent of the served call */

/**
 * struct ipcbus_send - a message to send
 * @kind: enum ipcbus_send_kind. For IPCBUS_SEND_NONE all other fields but @deadline must be 0.
 * @flags: IPCBUS_SEND_IOV, _ACCEPT_FDS, _ASYNC, _CLEAR, _REPLACE and _DETACHED
 * @handle: CALL, ONEWAY: the target
 * @code: CALL, ONEWAY: any number, usually the method; the event has it. ERROR: errno. REPLY: 0.
 * @call: REPLY, ERROR: the call, from the event that delivered it. CALL: 0, or event.thread of a
 *	thread of the target: only that thread gets the call. If it does not listen, the call fails
 *	with -ESRCH. ONEWAY: 0.
 * @data: address of the payload, or of its parts with IPCBUS_SEND_IOV
 * @data_size: bytes of the payload, all parts together
 * @iov_count: number of parts, at most IPCBUS_MAX_IOV; 0 without IPCBUS_SEND_IOV. The sizes of the
 *	parts must add up to @data_size (-EINVAL, stage COPY).
 * @object_count: entries of the object table, at most IPCBUS_MAX_OBJECTS
 * @objects: address of an array of struct ipcbus_object
 * @deadline: CALL: absolute nanoseconds of the sender's CLOCK_MONOTONIC. At the deadline, or up to
 *	two ticks later, the call ends with -ETIMEDOUT, unless its reply arrives first. If the
 *	thread makes the call while it serves another call, the new call also ends at the deadline
 *	of the served call. 0: no deadline of its own. NONE: 0, or until when the thread listens,
 *	which requires IPCBUS_WAIT without IPCBUS_SERVE and IPCBUS_NONBLOCK (-EINVAL). Must be 0
 *	for other kinds.
 * @cookie: CALL: any number. IPCBUS_IOC_CANCEL finds the call by it, and the event that ends the
 *	call returns it. Must be 0 for other kinds.
 *
 * The driver copies the payload once, from the sender's memory into the receiver's region, to an
 * offset that is a multiple of 8. The driver reads the object table once, before it acts on any
 * entry.
 *
 * IPCBUS_SEND_ASYNC: The call belongs to the proc instead of the thread. Its REPLY, ERROR or FAILED
 * event goes to any serving thread, once. IPCBUS_SEND_DETACHED: The call does not inherit a
 * deadline from the call that the thread serves, and is not canceled with it.
 *
 * IPCBUS_SEND_REPLACE: The oneway replaces an older oneway from the same proc to the same node that
 * has this flag and the same @code, and that no thread has taken. The driver discards the older
 * oneway with its objects. The new oneway goes to the end of the queue. Both need space at the same
 * time. If the exchange fails, the older oneway stays queued.
 *
 * IPCBUS_SEND_CLEAR: When the receiver releases the buffer, or when the message is discarded, the
 * driver overwrites the payload and the object table with zeroes. It does so before the release
 * returns and before it reuses the space. Every kind of message may have the flag.
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
 * enum ipcbus_stage - the step of an exchange or a call that failed
 * @IPCBUS_STAGE_RELEASE: while releasing buffers. @index is the position of the buffer; the buffers
 *	before it were released. ENOENT, ESTALE, EFAULT.
 * @IPCBUS_STAGE_TARGET: while finding the target or the call. EBADF, ENOTCONN, EOWNERDEAD, EINVAL,
 *	ENOBUFS, ESRCH; EDQUOT for ipcbus_info.user_calls, or at the first use of handle 0; ENOMEM;
 *	for IPCBUS_NODE_WANT_LABEL also errors of a security module.
 * @IPCBUS_STAGE_BUFFER: while reserving space in the receiver's region. EMSGSIZE, ENOSPC, EDQUOT,
 *	EAGAIN, ENOMEM, EOWNERDEAD. EMSGSIZE: payload, object table and label of a call or reply
 *	are together larger than the region, or a oneway is larger than half of it. If the
 *	receiver belongs to another user, the limits for calls and oneways are 7/16 of these.
 * @IPCBUS_STAGE_COPY: while copying the payload. @index is the part. EFAULT, EINVAL.
 * @IPCBUS_STAGE_OBJECT: while reading the objects. @index is the entry. EBADF, EINVAL, EPERM,
 *	ELOOP, ENOTCONN, EFAULT, ENOMEM; EDQUOT for user_files, handle 0, parameter user_handles.
 * @IPCBUS_STAGE_QUEUE: while queueing the message. EHOSTDOWN, EOWNERDEAD, ELOOP, ETIMEDOUT; EDQUOT
 *	if the ends of 16384 async calls of the proc were not delivered; ESRCH for directed calls.
 *	If a call fails after it was queued: EOWNERDEAD.
 * @IPCBUS_STAGE_DELIVER: while installing the objects in the receiver. The receiver does not get
 *	the message. @index is the entry. EMFILE, EDQUOT, ENOMEM, and errors of a security module.
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
 * enum ipcbus_event_kind - kind of event
 * @IPCBUS_EVENT_NONE: No event. The exchange did not wait, or found no event to take.
 * @IPCBUS_EVENT_INTERRUPTED: A signal came, another thread closed a file descriptor of the file, or
 *	the time until which the thread listens is over. The exchange has already released and sent.
 *	Wait again, but do not release and send again.
 * @IPCBUS_EVENT_CALL: A call to a node of this proc. The proc must reply to @call.
 * @IPCBUS_EVENT_ONEWAY: A oneway to a node of this proc. The next oneway of the node is delivered
 *	after @buffer is released. If IPCBUS_MORE delivered several, all their buffers must be
 *	released.
 * @IPCBUS_EVENT_REPLY: The reply to the latest call of this thread that has not ended, or to an
 *	async call of the proc.
 * @IPCBUS_EVENT_ERROR: As REPLY, but the server replied with an error. @error is the negative
 *	errno, and the payload may explain it.
 * @IPCBUS_EVENT_FAILED: The driver ended the call, or the exchange failed. @error, @stage and
 *	@index give the reason. If the server died while it served the call, @error is -EOWNERDEAD.
 * @IPCBUS_EVENT_DEAD: The node of a watched handle is dead. @cookie is the cookie of the watch. The
 *	watch has ended, the handle stays. Oneways that the dead process sent and that are still
 *	queued behind other oneways are delivered after this event.
 * @IPCBUS_EVENT_IDLE: The node with @cookie has no references any more, and no message to it is
 *	queued, open or held in a buffer. The event also comes if a message that contained the node
 *	could not be sent, or was a reply to a caller that no longer waits. The node may become
 *	referenced again at any time. Only NODE_DESTROY with IPCBUS_NODE_IF_IDLE gives a definite
 *	result.
 * @IPCBUS_EVENT_CANCELED: The caller no longer waits for the reply to @call: the call was canceled,
 *	its deadline passed, or the caller is gone. The server must still reply, to close the call.
 *	Calls that the serving thread made in the meantime are canceled too, except async and
 *	detached calls. If several threads serve, this event may arrive before the thread that took
 *	the call returns with it.
 * @IPCBUS_EVENT_MANAGER: The bus has a new manager. @cookie is the cookie of the manager watch,
 *	which stays. If the manager changes several times before delivery, one event is delivered.
 *	The manager may be gone again by then.
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
	IPCBUS_EVENT_RECORD = 10,
	IPCBUS_EVENT_MANAGER = 11,
};

#define IPCBUS_EVENT_ACCEPT_FDS	(1U << 0) /* CALL: the reply may contain fds */

/**
 * struct ipcbus_event - an event; the driver writes all fields
 * @kind: enum ipcbus_event_kind
 * @flags: IPCBUS_EVENT_ACCEPT_FDS
 * @call: CALL, CANCELED: the number of the call, to reply with; unique in this proc. Otherwise 0.
 * @cookie: CALL, ONEWAY, IDLE, CANCELED: cookie of the node. DEAD, MANAGER: cookie of the watch.
 *	REPLY, ERROR, FAILED: cookie of the call.
 * @buffer: id of the buffer, or 0 if the event has none. Release it when the payload, the object
 *	table and the label are no longer needed.
 * @offset: offset of the payload in the region
 * @data_size: bytes of the payload
 * @objects: offset of the object table (struct ipcbus_object) in the region
 * @object_count: entries of the object table
 * @code: CALL, ONEWAY: ipcbus_send.code
 * @error: ERROR, FAILED: negative errno
 * @stage: FAILED: enum ipcbus_stage
 * @index: FAILED: position of the buffer, part or object; see enum ipcbus_stage. Otherwise 0.
 * @thread: number of the calling thread, for ipcbus_exchange.thread; 0 if the ioctl failed
 * @pid: CALL, ONEWAY, REPLY, ERROR: the sender's process id in the receiver's pid namespace; 0 if
 *	it is not visible there
 * @tid: the sender's thread id in the same pid namespace; 0 if it is not visible there
 * @uid: the sender's effective user id when it sent, in the receiver's user namespace
 * @gid: the sender's effective group id when it sent, in the receiver's user namespace
 * @deadline: CALL: when the call ends, in nanoseconds of the receiver's CLOCK_MONOTONIC; 0: never
 * @label: CALL, ONEWAY to a node with IPCBUS_NODE_WANT_LABEL: offset in the region of the security
 *	module's label of the sending thread. The label ends with a zero byte and is part of
 *	@buffer.
 * @label_size: bytes of the label without the zero byte; 0 if there is no label
 * @more: ONEWAY: number of events written to ipcbus_exchange.more. Otherwise 0.
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
#define IPCBUS_NONBLOCK		(1U << 2) /* with WAIT: EVENT_NONE, no sleep */
#define IPCBUS_MORE		(1U << 3) /* with SERVE: also take oneways that follow */

/**
 * struct ipcbus_exchange - release, send and wait, in this order (IPCBUS_IOC_EXCHANGE)
 * @size: sizeof(struct ipcbus_exchange)
 * @flags: IPCBUS_WAIT, IPCBUS_SERVE, IPCBUS_NONBLOCK, IPCBUS_MORE
 * @thread: event.thread of an earlier exchange of the same thread, or 0. It is a hint that saves a
 *	search. A wrong value does no harm.
 * @release_count: number of buffers to release, at most IPCBUS_MAX_RELEASE
 * @release: If release_count is 0: 0. If 1: the buffer id. Else: address of an array of __u64.
 * @send: the message to send
 * @event: out: the event. The driver does not read this field. It writes all of it, unless the
 *	exchange fails before its first stage.
 * @more: with IPCBUS_MORE: address of an array of struct ipcbus_event for the oneways after @event
 * @more_count: with IPCBUS_MORE: entries of that array, at most IPCBUS_MAX_MORE
 * @reserved: 0. Without IPCBUS_MORE the driver does not read @more, @more_count and @reserved.
 *
 * Without IPCBUS_WAIT the exchange releases, sends and returns with EVENT_NONE. With IPCBUS_WAIT it
 * also takes an event:
 *   - If the thread made a call that has not ended, it gets the end of this call, or a call to this
 *     proc that belongs to the same chain. IPCBUS_SERVE makes no difference.
 *   - Else, if IPCBUS_SERVE is set, it gets the next event of the proc: a call, a oneway, the end
 *     of an async call, or a notification.
 *   - Else there is no event that it could get. It sleeps until it is interrupted.
 * If send.kind is IPCBUS_SEND_NONE and send.deadline is set, the thread also *listens* until that
 * time, whether it is in a call or not. It gets a call that is directed to it by send.call, or
 * EVENT_INTERRUPTED at that time. If it is in a call, the directed call is nested in that call: the
 * thread serves it first, and both count for IPCBUS_MAX_DEPTH, as do the calls that the thread
 * makes in the meantime. Any event ends the listening; the thread gets other calls that were
 * directed to it before by its next waits.
 * If no event is available, the thread sleeps. If IPCBUS_NONBLOCK is set, or O_NONBLOCK on the
 * file, it returns EVENT_NONE instead.
 *
 * IPCBUS_MORE must be used with IPCBUS_SERVE. If the exchange takes a oneway, it also takes the
 * oneways to the same node that are queued behind it, in order, and sets event.more to their
 * number. The next oneway of the node is delivered when all these buffers are released. The
 * exchange takes no further oneways if other work waits for a thread, if the next oneway has
 * IPCBUS_SEND_REPLACE, or if the node has a priority. The exchange first checks that the whole
 * array is writable.
 *
 * If a thread takes a call and then waits again without a reply, the call stays open. Any thread of
 * the proc may reply to it later.
 *
 * If the exchange fails at the stages RELEASE to QUEUE, enum ipcbus_stage lists the errors. If the
 * send fails, the buffers have been released and the exchange does not wait. If a call fails after
 * it was sent, the exchange returns 0 with EVENT_FAILED.
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
#define IPCBUS_NODE_IF_IDLE	(1U << 1) /* DESTROY: -EBUSY if the node is in use */
#define IPCBUS_NODE_WANT_LABEL	(1U << 2) /* CREATE: events have event.label */
#define IPCBUS_NODE_PRIORITY	(1U << 3) /* CREATE: @sched_policy and @priority are set */

/**
 * struct ipcbus_node - a node of the caller's proc (IPCBUS_IOC_NODE_CREATE,
 *	IPCBUS_IOC_NODE_DESTROY, IPCBUS_IOC_SET_MANAGER)
 * @size: sizeof(struct ipcbus_node)
 * @flags: IPCBUS_NODE_*
 * @node: NODE_CREATE: 0. Out: the id of the new node, at least 1. Otherwise: the id of the node.
 * @cookie: NODE_CREATE: any number. Each event of the node returns it. Otherwise 0.
 * @sched_policy: With IPCBUS_NODE_PRIORITY: SCHED_OTHER, SCHED_FIFO or SCHED_RR. Otherwise 0.
 * @priority: With IPCBUS_NODE_PRIORITY: a nice value from -20 to 19 for SCHED_OTHER, or a
 *	realtime priority from 1 to 99. Otherwise 0.
 *
 * NODE_CREATE creates a node, which exists until its owner destroys it or dies.
 *   - EDQUOT: the limit of nodes of the proc or of its user is reached
 *   - EFAULT: the id could not be written; the node was not created
 *
 * NODE_DESTROY destroys a node. Calls that are queued for it fail with -EOWNERDEAD, queued oneways
 * are discarded, and watches fire. Calls that a thread has taken stay open until the owner replies
 * or dies. If IPCBUS_NODE_IF_IDLE is set, the driver destroys the node only if
 * ipcbus_node_info.refs and pending are 0. Check and destruction are atomic. If sending a reply
 * fails, its call counts as pending again.
 *   - ENOENT: there is no such node
 *   - EBUSY: IPCBUS_NODE_IF_IDLE is set and the node is not idle
 *
 * SET_MANAGER makes the node handle 0 of the bus until it is destroyed. The caller's effective user
 * must be the user that the administrator set as manager_uid (ipcbus(4)), or root in the initial
 * user namespace, or root in the user namespace in which the bus was mounted.
 *   - ENOENT: there is no such node
 *   - EPERM: the caller's effective user may not do this
 *   - EBUSY: the bus already has a manager
 *
 * Inherited priority: If the caller had a better priority when it sent a call, the thread that
 * takes the call runs with that priority: the caller's nice value, or its realtime class and
 * priority. If the node has IPCBUS_NODE_PRIORITY, a thread serves its calls with at least the
 * node's priority, and its oneways with exactly that. Oneways do not boost by their sender's
 * priority. The driver never lowers the priority of a thread.
 *   - A boost never exceeds the priority that the thread may set for itself by RLIMIT_NICE,
 *     RLIMIT_RTPRIO or CAP_SYS_NICE. If the thread may not be realtime, a realtime caller boosts
 *     its nice value.
 *   - SCHED_DEADLINE is not inherited. A SCHED_BATCH or SCHED_IDLE caller passes on its nice value.
 *     A thread of these classes stays in its class.
 *   - A thread runs with the best priority of all messages that it serves. The boost ends when the
 *     exchange that replies returns, or when the thread waits again. Only the thread itself ends
 *     its boost.
 *   - Calls that a boosted thread makes have the boosted priority.
 *   - If the priority of the thread is set during a boost, it stays, unless it equals the boost.
 *   - A boosted thread has SCHED_RESET_ON_FORK, so its children do not inherit the boost. If a
 *     thread already has this flag, it is not boosted. Therefore only one file at a time boosts a
 *     thread.
 *   - The priority of a queued message is the better of its sender's and its node's. A message
 *     overtakes messages of a lower priority that wait for any thread, except oneways of the same
 *     node. If one user floods the queue, its messages and the remaining messages take turns.
 */
struct ipcbus_node {
	__u32 size;
	__u32 flags;
	__u64 node;
	__u64 cookie;
	__u32 sched_policy;
	__s32 priority;
} __attribute__((aligned(8)));

/**
 * struct ipcbus_node_info - usage of a node of the caller's proc (IPCBUS_IOC_NODE_INFO)
 * @size: sizeof(struct ipcbus_node_info)
 * @flags: 0
 * @node: id of the node
 * @cookie: out: the node's cookie. All output fields must be 0 on input (-EINVAL).
 * @refs: out: number of references: handles of other procs, objects in queued messages, handle 0 if
 *	the node is the manager, and received messages that contain the node and whose buffer is not
 *	released
 * @pending: out: messages to the node that have not ended. A call ends with its reply, a oneway
 *	when its buffer is released.
 * @oneways: out: number of @pending that are oneways queued behind another oneway
 * @watches: out: number of death watches on the node
 *
 * The result may be outdated as soon as the ioctl returns. To act on it, use NODE_DESTROY with
 * IPCBUS_NODE_IF_IDLE.
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

#define IPCBUS_WATCH_MANAGER	(1U << 0) /* on handle 0: notify of each new manager */

/**
 * struct ipcbus_handle - a handle of the caller's proc (IPCBUS_IOC_HANDLE_PUT, IPCBUS_IOC_WATCH,
 *	IPCBUS_IOC_UNWATCH)
 * @size: sizeof(struct ipcbus_handle)
 * @handle: the handle
 * @count: HANDLE_PUT: number of counts to put, at least 1 (-EINVAL). Otherwise 0.
 * @flags: WATCH, UNWATCH: 0 or IPCBUS_WATCH_MANAGER. Otherwise 0.
 * @cookie: WATCH: any number; the events of the watch return it. Otherwise 0.
 *
 * HANDLE_PUT puts counts. Each delivery of the handle added a count. When the last count is put,
 * the handle and its watch are gone. Handle 0 has no counts and must not be put.
 *   - EBADF: the handle does not exist, is 0, or has fewer counts; the driver put none
 *
 * WATCH sets a death watch. EVENT_DEAD is delivered once, when the node dies, or at once if it is
 * already dead. A handle has at most one death watch. Handle 0 can be watched too.
 *   - EBADF: there is no such handle
 *   - EBUSY: the handle is already watched
 *   - EDQUOT: the user has too many watches, or too many handles (handle 0)
 *   - ENOTCONN: the handle is 0 and the bus has no manager
 *
 * WATCH of handle 0 with IPCBUS_WATCH_MANAGER sets a manager watch, at most one per proc. The bus
 * does not need a manager for that. EVENT_MANAGER is delivered each time that a node becomes the
 * manager, even a node of the caller. If there is a manager now, it is delivered at once. The watch
 * stays until UNWATCH.
 *   - EBUSY: the proc already has a manager watch
 *   - EDQUOT: the user has too many watches
 *
 * UNWATCH without a flag ends the death watch of the handle. After it returns, no thread takes an
 * event of the watch. UNWATCH of handle 0 with IPCBUS_WATCH_MANAGER ends the manager watch in the
 * same way.
 *   - EBADF: there is no such handle
 *   - ENOENT: there is no watch, or EVENT_DEAD was already delivered; or the handle is 0, a new
 *     manager has registered, and the DEAD event of the old manager is still queued
 */
struct ipcbus_handle {
	__u32 size;
	__u32 handle;
	__u32 count;
	__u32 flags;
	__u64 cookie;
} __attribute__((aligned(8)));

/**
 * struct ipcbus_cancel - end calls of the caller's proc early (IPCBUS_IOC_CANCEL)
 * @size: sizeof(struct ipcbus_cancel)
 * @flags: 0
 * @cookie: cookie of the calls, not 0
 *
 * Every open call with this cookie, of any thread, ends with -ECANCELED at stage REPLY.
 *   - ENOENT: no call with this cookie is open: unknown, or its end is queued or was delivered
 */
struct ipcbus_cancel {
	__u32 size;
	__u32 flags;
	__u64 cookie;
} __attribute__((aligned(8)));

#define IPCBUS_CALL_CANCELED	(1U << 0) /* the caller no longer waits */

/**
 * struct ipcbus_call_info - state of a call that this proc serves (IPCBUS_IOC_CALL_INFO)
 * @size: sizeof(struct ipcbus_call_info)
 * @flags: 0. Out: IPCBUS_CALL_*
 * @call: the call, from its event
 * @deadline: 0. Out: when the call ends, by the calling thread's CLOCK_MONOTONIC (ns); 0: never
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
 * @call: a call that this proc took and has not replied to, or 0
 * @buffer: if @call is 0: the buffer of a delivered oneway, not released. Otherwise 0.
 * @pid: 0. Out: the sender's pid in this proc's pid namespace; 0 if it is gone or not visible there
 * @reserved: 0
 *
 * The kernel does not reuse a pid while its process exists. To get a reliable pidfd of the sender,
 * call pidfd_open(event.pid) first and this ioctl second. If it reports IPCBUS_SENDER_ALIVE, the
 * pidfd refers to the sender. The sender may have executed another program since it sent.
 *   - EINVAL: neither or both of @call and @buffer are set, or the buffer holds no oneway
 *   - ESRCH: the call is not open in this proc
 *   - ENOENT: the buffer id was never valid
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

#define IPCBUS_FREEZE_THAW	(1U << 0) /* thaw the process */
#define IPCBUS_FREEZE_QUERY	(1U << 1) /* only fill in the outputs */
#define IPCBUS_FROZEN_CALL	(1U << 0) /* a call was refused */
#define IPCBUS_FROZEN_ONEWAY	(1U << 1) /* a oneway was queued */
#define IPCBUS_FROZEN_NOW	(1U << 2) /* the process is frozen */

/**
 * struct ipcbus_freeze - freeze or thaw a process (IPCBUS_IOC_FREEZE)
 * @size: sizeof(struct ipcbus_freeze)
 * @flags: 0, IPCBUS_FREEZE_THAW or IPCBUS_FREEZE_QUERY
 * @pid: the process, in the caller's pid namespace
 * @timeout_ms: how long to wait for open calls, in milliseconds; 0 with a flag
 * @received: out: IPCBUS_FROZEN_*: messages to the process since it was last frozen
 * @pending: out: calls that the process has not replied to
 *
 * The ioctl acts on all files that the process has open on the caller's bus. The effective user of
 * the caller must be the user that opened these files, or the caller must have CAP_KILL (ipcbus(4),
 * userns_control).
 *
 * Freezing has two steps. First, new calls to the process fail with -EHOSTDOWN (stage QUEUE), and
 * the ioctl waits until the process has replied to earlier calls. Then the process is frozen:
 *   - its threads get no event, and poll does not report EPOLLIN,
 *   - oneways, replies and all other events are queued for it,
 *   - it may still send, reply and release.
 * No caller waits for a frozen process, so it may be stopped (SIGSTOP). It stays frozen until it is
 * thawed, even if the caller exits. If a frozen process is killed, it dies like any other process.
 * Freezing a frozen process, or thawing a process that is not frozen, has no effect.
 *
 * If the ioctl fails with any of these errors, the process is not frozen by it:
 *   - EAGAIN: @pending calls were open after @timeout_ms, or the process was thawed in the meantime
 *   - EBUSY: another thread is freezing the process
 *   - EINTR: a signal interrupted the ioctl
 *   - EPERM: the caller may not freeze the process
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
