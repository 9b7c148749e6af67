/* SPDX-License-Identifier: MIT */
/*
 * The contract between ipcbusd and its clients. docs/daemon.md has the reasons.
 *
 * A client connects to the daemon's socket (SOCK_SEQPACKET). The connection stands for the open
 * file. Each message is one struct ipcbusd_message. A reply has the kind of its request, and @error
 * is 0 or -errno. A side that receives another magic or version ends the connection, and so does
 * the daemon after an unexpected message. The daemon sends WELCOME first. The client then sends
 * HELLO, once. Afterwards the socket carries only file descriptors and the messages below: ioctls
 * never use it. If the daemon dies, the socket hangs up and the cells do not change, so a thread
 * that waits for its cell must also check the socket.
 *
 * The *area* is memory that the client and the daemon share: the cells, then the send area. The
 * daemon creates the area and seals its size. The client maps it at the address that it sent in
 * HELLO. Pointers in UAPI structures must point into pages of the area that the client has written:
 * other addresses fail with -EFAULT.
 * When the client first rings, the daemon seals the area (F_SEAL_FUTURE_WRITE): from then on it
 * cannot be mapped for writing, and it has no holes. If the client prevents that, its connection
 * ends.
 *
 * A *cell* belongs to one thread of the client. To run an ioctl, the thread fills in cmd and arg,
 * stores IPCBUSD_SUBMITTED, rings, and waits until the state is IPCBUSD_DONE. To ring, it sets by
 * atomic OR the cell's bit and then its bit in @summary. Then it increments the client's number in
 * @rings of the bell. Finally it wakes the worker if @asleep of the status is 1. If FUTEX_WAKE
 * wakes no thread and @asleep is still 1, the worker is about to sleep and may miss the ring,
 * because the client cannot change the futex. So the client must ring again soon, while @summary is
 * not 0. A worker that is frozen misses a ring as well, so the client must also ring again each
 * second. The daemon reads each field once.
 *
 * The descriptions of enum ipcbusd_state say which side may write in each state. If a client writes
 * anything else, it harms only its own calls and the wake-ups of clients of the same user, which
 * share the bell.
 */
#ifndef IPCBUS_DAEMON_H
#define IPCBUS_DAEMON_H

#include <linux/types.h>

#define IPCBUSD_MAGIC		0x69706362U
#define IPCBUSD_VERSION		2

#define IPCBUSD_CELLS		1024	/* threads of a client */
#define IPCBUSD_CLIENTS		4096	/* clients of a user */
#define IPCBUSD_CELL_SIZE	4096
/* Bytes. An area consists of whole pages and extends beyond IPCBUSD_SEND_AREA. */
#define IPCBUSD_MAX_AREA	(1ULL << 32)
/* Maximum number of fds in a message of the daemon. */
#define IPCBUSD_MAX_FDS		5

/**
 * enum ipcbusd_state - state of a cell, which determines the side that owns it
 * @IPCBUSD_FREE: owned by the client, which stores SUBMITTED
 * @IPCBUSD_SUBMITTED: an ioctl for the daemon, which stores TAKEN
 * @IPCBUSD_TAKEN: the daemon runs the ioctl, then stores DONE or ASKS
 * @IPCBUSD_DONE: owned by the client; result is set. The client stores FREE.
 * @IPCBUSD_ASKS: the daemon requests an operation that only the client can do: see @ask. The client
 *	does it, stores REPLIED and rings.
 * @IPCBUSD_REPLIED: a reply for the daemon, which stores TAKEN
 * @IPCBUSD_STATE: mask of the state; the other bits are flags. The client may set them in
 *	SUBMITTED, TAKEN and REPLIED, by compare-and-swap. DONE and ASKS clear them.
 * @IPCBUSD_SLEEPS: the client waits for this word with FUTEX_WAIT. The daemon wakes it when it
 *	stores DONE or ASKS.
 * @IPCBUSD_SIGNALLED: a signal arrived: the daemon must end the ioctl as the kernel would. The
 *	client must ring after setting the flag, and continue to wait.
 */
enum ipcbusd_state {
	IPCBUSD_FREE = 0,
	IPCBUSD_SUBMITTED = 1,
	IPCBUSD_TAKEN = 2,
	IPCBUSD_DONE = 3,
	IPCBUSD_ASKS = 4,
	IPCBUSD_REPLIED = 5,
	IPCBUSD_STATE = 0xff,
	IPCBUSD_SLEEPS = 0x100,
	IPCBUSD_SIGNALLED = 0x200,
};

/**
 * enum ipcbusd_ask - operation that the daemon requests from the thread that owns the cell
 * @IPCBUSD_ASK_SEND_FD: send the fd with the number ask_fd over the socket, as SEND_FD with this
 *	cell. reply: 0 or -errno.
 * @IPCBUSD_ASK_RECEIVE_FD: receive the RECEIVE_FD of this cell, which the daemon has sent, and
 *	install its fd in this process. reply: the number of the fd, or -errno.
 * @IPCBUSD_ASK_CLOSE_FD: close the fd ask_fd, a number that an earlier reply returned; reply: 0
 */
enum ipcbusd_ask {
	IPCBUSD_ASK_SEND_FD = 1,
	IPCBUSD_ASK_RECEIVE_FD = 2,
	IPCBUSD_ASK_CLOSE_FD = 3,
};

/* Requests of a cell in addition to the ioctls of ipcbus.h. */
/* arg: the IPCBUSD_POLL_* conditions that make the fds of HELLO readable. */
#define IPCBUSD_IOC_POLL	_IO('D', 1)
#define IPCBUSD_POLL_EVENT	1U	/* the first fd: an event is queued */
/* The second fd: a refused oneway may be retried. The condition stays true until the client clears
 * the flag, even if the driver refuses more oneways in the meantime. */
#define IPCBUSD_POLL_WRITABLE	2U
/* ipcbusd_client.event is not 0 while an event is queued. */
#define IPCBUSD_POLL_WORD	4U

/* Features of ipcbus.h that the daemon does not offer and clears in struct ipcbus_info: the daemon
 * does not schedule threads, does not ask security modules, and has one bus per socket. */
#define IPCBUSD_NOT_OFFERED \
	(IPCBUS_FEATURE_LABEL | IPCBUS_FEATURE_PRIORITY | IPCBUS_FEATURE_MOUNT)

/**
 * struct ipcbusd_cell - cell of a thread
 * @state: enum ipcbusd_state; a futex
 * @tid: the thread; must be set before its first ioctl
 * @cmd: the number of the ioctl
 * @result: the return value of the ioctl
 * @arg: the argument of the ioctl
 * @ask: enum ipcbusd_ask
 * @ask_fd: the fd of @ask
 * @reply: the reply to @ask
 * @space: free for use by the client, as for the structure at @arg
 */
struct ipcbusd_cell {
	__u32 state;
	__u32 tid;
	__u32 cmd;
	__s32 result;
	__u64 arg;
	__u32 ask;
	__s32 ask_fd;
	__s32 reply;
	__u32 reserved[7];
	__u8 space[IPCBUSD_CELL_SIZE - 64];
};

/**
 * struct ipcbusd_client - the first page of an area
 * @submitted: a bit for each cell that the daemon must examine
 * @summary: a bit for each word of @submitted
 * @interrupt: if not 0 at a ring, the waits of all threads end, as when an fd of the file is closed
 * @event: a futex, if the client requested IPCBUSD_POLL_WORD: 1 while an event is queued. When it
 *	becomes 1, the daemon wakes all its waiters.
 */
struct ipcbusd_client {
	__u64 submitted[IPCBUSD_CELLS / 64];
	__u64 summary;
	__u32 interrupt;
	__u32 event;
};

/**
 * struct ipcbusd_bell - memory that all clients of a user write
 * @rings: how often each client rang; wraps around
 *
 * New clients must be able to map the bell for writing, so it cannot be sealed, and clients can
 * punch holes. So the daemon does not map it, but reads it by pread(2).
 */
struct ipcbusd_bell {
	__u32 rings[IPCBUSD_CLIENTS];
};

/**
 * struct ipcbusd_status - memory that all clients of a user can only read
 * @asleep: a futex; 1 means that the daemon's worker sleeps, so that a client that rang must wake
 * it
 * @monitors: how many clients monitor the bus, and one more with --clock=manual. While it is not 0,
 *	clients must not use direct channels.
 */
struct ipcbusd_status {
	__u32 asleep;
	__u32 monitors;
};

/* Offsets of the cells and of the send area in an area. */
#define IPCBUSD_FIRST_CELL	4096ULL
#define IPCBUSD_SEND_AREA	(IPCBUSD_FIRST_CELL + (__u64)IPCBUSD_CELLS * IPCBUSD_CELL_SIZE)

/**
 * enum ipcbusd_message_kind - kind of a message on the socket
 * @IPCBUSD_WELCOME: From the daemon, first: a random @nonce, or @error, after which the daemon
 *	closes the socket. The kernel reports which process repeats the nonce.
 * @IPCBUSD_HELLO: From the client: the @nonce, and @base and @size of the area. The process that
 *	connected must send it. Reply: @error, or the client's @number at the bell, the time of the
 *	daemon's CLOCK_MONOTONIC in @size, in nanoseconds, and five fds: area, bell, two fds to
 *	poll, and status. No other process gets this open file of the area. When it is neither
 *	open nor mapped any more, the daemon ends the client. So the client must map it with
 *	MADV_DONTFORK and close the fd, and never open the area again for writing.
 * @IPCBUSD_MAP: From the client, one at a time: @size of its region, below 4 GiB. Reply: @error, or
 *	the region's fd, which can be mapped for reading only. Corresponds to mmap() of the
 *	device, but at the end of the connection the daemon frees the pages. Then mappings read
 *	zeros.
 * @IPCBUSD_SEND_FD: From the client, with one fd: @number of the cell that the daemon asked for the
 *	fd. If the daemon asked no such cell, it ends the connection.
 * @IPCBUSD_RECEIVE_FD: From the daemon, with one fd: @number of the cell.
 * @IPCBUSD_READ: The @name of a file that the driver has in debugfs, such as "state". Reply:
 *	@error, or an fd with the text of the file.
 * @IPCBUSD_SET: The @name of a parameter of the driver (ipcbus(4)), and its new value in @number.
 *	Reply: @error, or the previous value in @number.
 * @IPCBUSD_ADVANCE: The nanoseconds by which to advance the daemon's clock, in @size. Reply:
 *	@error, or the new time in @size. If the clock was not started with --clock=manual, the
 *	error is -EOPNOTSUPP. Timers that became due have run before the reply.
 * @IPCBUSD_FAIL: The @size-th allocation of the driver from now, in ioctls of process @number, must
 *	fail. If @number is 0, allocations of all processes count. A @size of 0 cancels the
 *	request. Reply: in @size, the number of allocations that remained until the previously
 *	requested failure.
 * @IPCBUSD_BYE: From the client, before it closes. The daemon closes its end of the socket after it
 *	has released all of the client's resources, as close() of the device does before it
 *	returns.
 *
 * READ, SET, ADVANCE and FAIL come from the client instead of HELLO, with the @nonce. Only root and
 * the user who runs the daemon may send them. The daemon replies and closes the socket.
 */
enum ipcbusd_message_kind {
	IPCBUSD_HELLO = 1,
	IPCBUSD_MAP = 2,
	IPCBUSD_SEND_FD = 3,
	IPCBUSD_RECEIVE_FD = 4,
	IPCBUSD_BYE = 5,
	IPCBUSD_WELCOME = 6,
	IPCBUSD_READ = 7,
	IPCBUSD_SET = 8,
	IPCBUSD_ADVANCE = 9,
	IPCBUSD_FAIL = 10,
};

struct ipcbusd_message {
	__u32 magic;
	__u32 version;
	__u32 kind;
	__s32 error;
	__u32 number;
	__u32 reserved;
	__u64 base;
	__u64 size;
	__u64 nonce;
	char name[16];
};

#endif /* IPCBUS_DAEMON_H */
