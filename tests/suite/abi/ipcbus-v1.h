/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * ipcbus: the contract between the driver and user space.
 *
 * A process opens /dev/ipcbus once (one open file = one *proc*), maps it once,
 * read-only and shared (the *region*), and then talks through one ioctl,
 * IPCBUS_IOC_EXCHANGE: give buffers back, send one message, wait for one event.
 * Only the process that opened the file may use it, until it calls exec: every
 * ioctl and mmap from elsewhere (after fork or vfork, after exec, through a passed
 * fd) is -ECHILD. When it ends, so does all that it had here, whoever holds fds.
 *
 * Vocabulary: a *node* is an object's home in its owner's proc; a *handle* is
 * another proc's number for a node; handle 0 is the bus's manager; a *call* is
 * replied to once, a *oneway* never; a *buffer* is a received message's place in
 * the region, held by the receiver until it releases it.
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
 *   EMSGSIZE    the message can never fit into the receiver's region
 *   ENOSPC      the receiver's region is full at the moment
 *   EAGAIN      oneway: their quota of the receiver's region, half of its bytes
 *               and of its buffers, is full
 *   EDQUOT      a limit on nodes, handles, threads or buffers is reached
 *   ELOOP       calls nested deeper than IPCBUS_MAX_DEPTH; an ipcbus fd in the
 *               object table
 *   EPERM       the receiver takes no fds
 *   EMFILE      the receiver has no space for an fd (stage DELIVER); the security
 *               module's own error where that forbids it
 *   ENOENT      no such node or watch; a buffer id that was never handed out
 *   ESTALE      a buffer that was released before
 *   EBUSY       the bus has a manager; the node is still referred to; the fd
 *               is mapped already
 *   ENOMEM      the kernel has no memory
 */
#ifndef _UAPI_LINUX_IPCBUS_H
#define _UAPI_LINUX_IPCBUS_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IPCBUS_VERSION		1

#define IPCBUS_IOC_TYPE		0xBE

/* The argument is a pointer to the structure named behind the number. */
#define IPCBUS_IOC_INFO		_IOWR(IPCBUS_IOC_TYPE, 0x00, struct ipcbus_info)
#define IPCBUS_IOC_EXCHANGE	_IOWR(IPCBUS_IOC_TYPE, 0x01, struct ipcbus_exchange)
#define IPCBUS_IOC_SEND_BATCH	_IOWR(IPCBUS_IOC_TYPE, 0x02, struct ipcbus_batch)
#define IPCBUS_IOC_SET_MANAGER	_IOW(IPCBUS_IOC_TYPE, 0x03, struct ipcbus_node)
#define IPCBUS_IOC_NODE_CREATE	_IOWR(IPCBUS_IOC_TYPE, 0x04, struct ipcbus_node)
#define IPCBUS_IOC_NODE_DESTROY	_IOW(IPCBUS_IOC_TYPE, 0x05, struct ipcbus_node)
#define IPCBUS_IOC_HANDLE_PUT	_IOW(IPCBUS_IOC_TYPE, 0x06, struct ipcbus_handle)
#define IPCBUS_IOC_WATCH	_IOW(IPCBUS_IOC_TYPE, 0x07, struct ipcbus_handle)
#define IPCBUS_IOC_UNWATCH	_IOW(IPCBUS_IOC_TYPE, 0x08, struct ipcbus_handle)
#define IPCBUS_IOC_SET_THREADS	_IOW(IPCBUS_IOC_TYPE, 0x09, struct ipcbus_threads)
#define IPCBUS_IOC_THREAD_EXIT	_IO(IPCBUS_IOC_TYPE, 0x0a) /* no argument: 0 */

/* Caps, the same for everybody. Counts above them are -E2BIG. */
#define IPCBUS_MAX_IOV		1024	/* parts of one message */
#define IPCBUS_MAX_OBJECTS	64	/* objects in one message */
#define IPCBUS_MAX_RELEASE		256	/* buffers released at once */
#define IPCBUS_MAX_BATCH	256	/* messages in one batch */
#define IPCBUS_MAX_DEPTH	32	/* calls open in one chain of calls */
#define IPCBUS_MAX_REGION	(1U << 30) /* bytes of one region */

/**
 * struct ipcbus_info - what this driver is (IPCBUS_IOC_INFO)
 * @size: sizeof(struct ipcbus_info)
 * @version: out: IPCBUS_VERSION of the driver
 * @features: out: bits of features added after version 1; none yet
 * @region_size: out: bytes of this proc's region, 0 while not mapped
 * @max_nodes: out: nodes this proc may have
 * @max_handles: out: handles this proc may have
 * @max_buffers: out: buffers that may be in this proc's region at once
 * @max_threads: out: threads of this proc that may use the file
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
 *	a time: the next when the buffer of the one before was released.
 * @IPCBUS_SEND_REPLY: replies to @call. From any thread of the proc, once. When
 *	it fails the call stays open and may be replied to again. A reply to a
 *	caller that is gone is dropped without an error.
 * @IPCBUS_SEND_ERROR: replies to @call with a failure: @code is an errno, 1 to
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
 * @reserved: 0
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
	__u64 reserved[2];
} __attribute__((aligned(8)));

/**
 * enum ipcbus_stage - where a failure was found
 * @IPCBUS_STAGE_ARGS: in the structure itself
 * @IPCBUS_STAGE_RELEASE: giving buffers back; the index is the buffer's place.
 *	Those before it were released.
 * @IPCBUS_STAGE_TARGET: finding the target of the message, or the call
 * @IPCBUS_STAGE_BUFFER: finding space in the receiver's region
 * @IPCBUS_STAGE_COPY: copying the payload; the index is the part's
 * @IPCBUS_STAGE_OBJECT: taking the objects; the index is the entry's
 * @IPCBUS_STAGE_QUEUE: handing the message to the receiver
 * @IPCBUS_STAGE_DELIVER: installing the objects in the receiver, which never
 *	saw the message; the index is the entry's
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
};

/**
 * enum ipcbus_event_kind - what happened
 * @IPCBUS_EVENT_NONE: nothing to do (without IPCBUS_WAIT, or nonblocking)
 * @IPCBUS_EVENT_INTERRUPTED: a signal, or another thread closed an fd of the
 *	file. What was to be freed and sent is done; wait again without it.
 * @IPCBUS_EVENT_CALL: somebody calls a node of this proc; reply to @call
 * @IPCBUS_EVENT_ONEWAY: the same without a reply
 * @IPCBUS_EVENT_REPLY: the reply to this thread's last call
 * @IPCBUS_EVENT_ERROR: the reply is a failure raised by the server: @error
 *	is its -errno, the payload may explain
 * @IPCBUS_EVENT_FAILED: the call failed in the driver: @error, @stage, @index;
 *	-EOWNERDEAD when the server died over it. Also filled in when the ioctl
 *	itself returns an error.
 * @IPCBUS_EVENT_DEAD: the node of a watched handle is dead; @cookie is the
 *	watch's. Comes once; the watch is gone.
 * @IPCBUS_EVENT_IDLE: nobody refers to the node with @cookie any more and no
 *	message to it is on its way, open or not released; or a
 *	message that would have carried it was not sent. It may be sent again all
 *	the same: NODE_DESTROY with IF_IDLE settles it.
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
};

#define IPCBUS_EVENT_SPAWN	(1U << 0) /* please start one more thread */
#define IPCBUS_EVENT_ACCEPT_FDS	(1U << 1) /* CALL: the reply may bring fds */

/**
 * struct ipcbus_event - one event; the driver writes all of it
 * @kind: enum ipcbus_event_kind
 * @flags: IPCBUS_EVENT_*
 * @call: CALL: the number to reply with; REPLY, ERROR, FAILED: of own call
 * @cookie: CALL, ONEWAY, IDLE: the node's; DEAD: the watch's
 * @buffer: id to release when done with payload and object table; 0 if none
 * @offset: the payload in the region
 * @data_size: bytes of the payload
 * @objects: the object table in the region (struct ipcbus_object)
 * @object_count: entries of it
 * @code: CALL, ONEWAY: as sent
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
	__u64 reserved[4];
} __attribute__((aligned(8)));

#define IPCBUS_WAIT		(1U << 0) /* wait for an event */
#define IPCBUS_SERVE		(1U << 1) /* with WAIT: also take work of the proc */
#define IPCBUS_NONBLOCK		(1U << 2) /* with WAIT: EVENT_NONE, not sleep */

/**
 * struct ipcbus_exchange - release, send, wait, in this order
 * @size: sizeof(struct ipcbus_exchange)
 * @flags: IPCBUS_WAIT, IPCBUS_SERVE, IPCBUS_NONBLOCK. O_NONBLOCK on the file
 *	means IPCBUS_NONBLOCK always.
 * @thread: @event.thread of an earlier exchange of the same thread, or 0.
 *	Only a hint that saves a search; a wrong one does no harm.
 * @release_count: buffers to release
 * @release: their ids: the id itself if one, else the address of an array of
 *	__u64. Objects that arrived in them stay the receiver's.
 * @send: the message
 * @event: out; all of it is written, also when the ioctl fails at a stage
 *	after ARGS
 *
 * A thread that has a call outstanding waits for its reply, and for calls of
 * the same chain that come back to this proc; IPCBUS_SERVE changes nothing
 * then. A call that a thread took and left open when it waits again may be
 * replied to later, by any thread. Returns 0 or -errno.
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
 * @reserved: 0
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
	__u32 reserved;
} __attribute__((aligned(8)));

#define IPCBUS_BATCH_SIZE_VER0	32

#define IPCBUS_NODE_ACCEPT_FDS	(1U << 0) /* CREATE: messages may bring fds */
#define IPCBUS_NODE_IF_IDLE	(1U << 1) /* DESTROY: -EBUSY if referred to */

/**
 * struct ipcbus_node - a node of the caller's own
 * @size: sizeof(struct ipcbus_node)
 * @flags: IPCBUS_NODE_*
 * @node: NODE_CREATE: out: its id, from 1; else: which
 * @cookie: NODE_CREATE: any number of the owner's, in each event of the node;
 *	else 0
 *
 * A node lives until its owner destroys it or dies; then calls that wait for it
 * fail with -EOWNERDEAD and watches fire. Calls that a thread of the owner took
 * before stay open until they are replied to, or the owner dies.
 * SET_MANAGER makes the node handle 0 of the bus, until it is destroyed:
 * -EBUSY while there is another, -EPERM unless the effective user is that of
 * the first manager since the driver was loaded, or root.
 */
struct ipcbus_node {
	__u32 size;
	__u32 flags;
	__u64 node;
	__u64 cookie;
} __attribute__((aligned(8)));

#define IPCBUS_NODE_SIZE_VER0	24

/**
 * struct ipcbus_handle - a handle of the caller's
 * @size: sizeof(struct ipcbus_handle)
 * @handle: which
 * @count: HANDLE_PUT: how many counts to put (each delivery brought one); the
 *	handle is gone with the last, and so is its watch. WATCH, UNWATCH: 0
 * @flags: 0
 * @cookie: WATCH: for the DEAD event; else 0
 *
 * WATCH: one watch a handle (-EBUSY); on a dead node it fires at once.
 * Handle 0 can be watched without being counted and is never put.
 * UNWATCH: 0 means that the event will not come any more, -ENOENT that there
 * is no watch, or that the event was taken before or, of handle 0 after a new
 * manager came, still will be.
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

#endif /* _UAPI_LINUX_IPCBUS_H */
