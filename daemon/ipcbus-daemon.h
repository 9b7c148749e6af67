/* SPDX-License-Identifier: MIT */
/*
 * The contract between ipcbusd and its clients: docs/daemon.md has the reasons.
 *
 * A client connects to the daemon's socket (SOCK_SEQPACKET), which stands for the open
 * file. Each message is one struct ipcbusd_message. The daemon begins, with WELCOME; HELLO
 * comes first from the client, once. After that
 * the socket carries file descriptors only, and nothing of the hot path.
 *
 * The *area* is memory that both share: slots first, then the send area. The daemon makes
 * it and seals its size. The client maps it at the address that it named in HELLO. What
 * the UAPI structures point to must lie in it; elsewhere is -EFAULT.
 *
 * A *slot* belongs to one thread of the client. An ioctl is: fill in cmd and arg, store
 * IPCBUSD_SUBMITTED, set the slot's bit and the client's bit, ring, and wait until the
 * state is IPCBUSD_DONE. The daemon reads each field once.
 *
 * Who writes what: the table at enum ipcbusd_state. Whatever else a client writes harms
 * its own calls, and the wake-ups of its own user's programs, which share a bell.
 */
#ifndef IPCBUS_DAEMON_H
#define IPCBUS_DAEMON_H

#include <linux/types.h>

#define IPCBUSD_MAGIC		0x69706362U
#define IPCBUSD_VERSION		1

#define IPCBUSD_SLOTS		1024	/* threads of one client */
#define IPCBUSD_CLIENTS		4096	/* clients of one user */
#define IPCBUSD_SLOT_SIZE	4096
#define IPCBUSD_MAX_AREA	(1ULL << 32)

/**
 * enum ipcbusd_state - of a slot: whose it is
 * @IPCBUSD_FREE: the client's. The client stores SUBMITTED.
 * @IPCBUSD_SUBMITTED: an ioctl for the daemon, which makes it TAKEN
 * @IPCBUSD_TAKEN: the daemon works. It stores DONE or ASKS. The client may add flags.
 * @IPCBUSD_DONE: the client's; result is set. The client stores FREE.
 * @IPCBUSD_ASKS: the daemon needs something that only the client can do: see @ask. The
 *	client does it and stores REPLIED.
 * @IPCBUSD_REPLIED: for the daemon, which makes it TAKEN
 * @IPCBUSD_STATE: these bits are the state; others are flags
 * @IPCBUSD_SLEEPS: the client waits by FUTEX_WAIT for this word. It sets the flag by
 *	compare-and-swap; the daemon wakes it when it stores DONE or ASKS, which have no flag.
 * @IPCBUSD_SIGNALLED: a signal came: the ioctl is to end as it does in the kernel. The
 *	client sets the flag by compare-and-swap, rings, and waits on without a limit.
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
 * enum ipcbusd_ask - what the daemon asks of the thread whose slot it is
 * @IPCBUSD_ASK_SEND_FD: send the fd with the number ask_fd over the socket, as SEND_FD
 *	with this slot. reply: 0 or -errno.
 * @IPCBUSD_ASK_RECEIVE_FD: take a RECEIVE_FD from the socket, whose fd becomes one of this
 *	process. reply: its number, or -errno.
 * @IPCBUSD_ASK_CLOSE_FD: close the number ask_fd, which an earlier reply gave
 */
enum ipcbusd_ask {
	IPCBUSD_ASK_SEND_FD = 1,
	IPCBUSD_ASK_RECEIVE_FD = 2,
	IPCBUSD_ASK_CLOSE_FD = 3,
};

/* What a slot may ask for beside the ioctls of ipcbus.h. */
/* arg: IPCBUSD_POLL_*: the fds of the HELLO are readable when one of these is true. */
#define IPCBUSD_IOC_POLL	_IO('D', 1)
#define IPCBUSD_POLL_EVENT	1U	/* the first of the two fds: an event is queued */
/* The second: a refused oneway may be sent again. That stays true until the client takes the flag
 * back, whatever else is refused meanwhile. */
#define IPCBUSD_POLL_WRITABLE	2U

/* Features of ipcbus.h that the daemon does not offer, and takes out of struct ipcbus_info. It
 * schedules nobody, does not ask security modules, and one socket is one bus. */
#define IPCBUSD_NOT_OFFERED \
	(IPCBUS_FEATURE_LABEL | IPCBUS_FEATURE_PRIORITY | IPCBUS_FEATURE_MOUNT)

/**
 * struct ipcbusd_slot - one thread's
 * @state: enum ipcbusd_state; a futex
 * @tid: the thread, set before its first ioctl
 * @cmd: the ioctl's number
 * @result: what it returned
 * @arg: its argument
 * @ask: enum ipcbusd_ask
 * @ask_fd: see there
 * @reply: see there
 * @space: for the argument, as the client likes
 */
struct ipcbusd_slot {
	__u32 state;
	__u32 tid;
	__u32 cmd;
	__s32 result;
	__u64 arg;
	__u32 ask;
	__s32 ask_fd;
	__s32 reply;
	__u32 reserved[7];
	__u8 space[IPCBUSD_SLOT_SIZE - 64];
};

/**
 * struct ipcbusd_client - the first page of an area
 * @submitted: a bit for each slot that the daemon is to look at
 * @summary: a bit for each word of @submitted
 * @interrupt: not 0: the waits of all threads end, as when an fd of the file is closed
 */
struct ipcbusd_client {
	__u64 submitted[IPCBUSD_SLOTS / 64];
	__u64 summary;
	__u32 interrupt;
	__u32 reserved;
};

/**
 * struct ipcbusd_bell - one for each user, which its clients share
 * @word: a futex: 1: the daemon's worker sleeps. Who exchanges a 1 for a 0 wakes it.
 * @submitted: a bit for each client that the worker is to look at
 * @summary: a bit for each word of @submitted
 */
struct ipcbusd_bell {
	__u32 word;
	__u32 reserved;
	__u64 summary;
	__u64 submitted[IPCBUSD_CLIENTS / 64];
};

/* Where slots and the send area begin in an area. */
#define IPCBUSD_FIRST_SLOT	4096ULL
#define IPCBUSD_SEND_AREA	(IPCBUSD_FIRST_SLOT + (__u64)IPCBUSD_SLOTS * IPCBUSD_SLOT_SIZE)

/**
 * enum ipcbusd_message_kind - what a message of the socket is
 * @IPCBUSD_WELCOME: From the daemon, at once: @nonce, or @error, and then it closes
 * @IPCBUSD_HELLO: From the client: the @nonce, @base and @size of the area. The process that
 *	connected must send it. Reply: @error, or @number of the client at the bell, with four
 *	fds: area, bell, and two to poll. Nobody else has this open file of the area. Once it is
 *	neither open nor mapped anywhere, the client has ended. So the client maps it such that no
 *	child inherits that (MADV_DONTFORK), and closes it.
 * @IPCBUSD_MAP: From the client: @size of its region. Reply: @error, or the region's fd,
 *	which can be mapped for reading only. As mmap() of the device.
 * @IPCBUSD_SEND_FD: From the client, with one fd: @number of the slot that was asked for it. If
 *	none was, the connection ends.
 * @IPCBUSD_RECEIVE_FD: From the daemon, with one fd: @number of the slot
 * @IPCBUSD_READ: From the client, in place of HELLO: the @nonce, and the @name of a file that the
 *	driver has in debugfs, as "state". Reply: @error, or an fd of its text. For root and
 *	for the user who runs the daemon.
 * @IPCBUSD_SET: From the client, in place of HELLO: the @nonce, the @name of a parameter of the
 *	driver (ipcbus(4)), and its new value as @number. Reply: @error, or what it was as
 *	@number. For root and for the user who runs the daemon.
 * @IPCBUSD_ADVANCE: From the client, in place of HELLO: the @nonce, and by how many nanoseconds the
 *	clock of the daemon is to move, as @size. Reply: @error, or its time then as @size.
 *	-EOPNOTSUPP: it goes by itself. What became due is done before the reply. For root and
 *	for the user who runs the daemon.
 * @IPCBUSD_FAIL: From the client, in place of HELLO: the @nonce. The allocation of the driver that
 *	is number @size from now in ioctls of the process @number, or with 0 of any, is to fail; a
 *	@size of 0: none. Reply: as @size, how many were left until the one that was to fail before.
 *	For root and for the user who runs the daemon.
 * @IPCBUSD_BYE: From the client, which closes: the daemon closes its end of the socket once
 *	all is released, as close() of the device does before it returns
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
