// SPDX-License-Identifier: MIT
/*
 * A hostile process, which plays an input. See cells.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../messages.h"
#include "../peer.h"
#include "ipcbus.h"
#include "cells.h"

#define PEERS	  3
#define SEND_SIZE (256UL << 10)
#define MANY_FDS  250
#define WAIT_NSEC 3000000

static const struct stage *stage;
static struct peer peers[PEERS];

/* --- Addresses -------------------------------------------------------------------------- */

static struct peer *peer_of(const struct op *op)
{
	return &peers[(op->where >> 6) % PEERS];
}

static unsigned int cell_of(const struct op *op)
{
	static const unsigned int far[] = { 63, 64, 1000, IPCBUSD_CELLS - 1 };
	unsigned int n = op->where & 63;

	return n < 56 ? n % 4 : far[n % 4];
}

/* Returns an address near a boundary, or in the area. The lower bits of value are the offset. */
static uint64_t wild_address(const struct peer *peer, uint8_t kind, uint32_t value)
{
	uint64_t base = (uintptr_t)peer->area;

	switch (kind % 8) {
	case 0:
		return (uint64_t)value << 32 | value;
	case 1:
		return base + peer->size - value % 300;
	case 2:
		return base - value % 64;
	case 3:
		return base + value % IPCBUSD_SEND_AREA;
	case 4:
		return ~0ULL - value % 4096;
	case 5:
		return (uintptr_t)peer->region + value % PEER_REGION;
	default:
		return base + IPCBUSD_SEND_AREA + value % SEND_SIZE;
	}
}

/* Returns a word with a meaning: of the first page, a cell, or the send area. */
static uint32_t *word_of(const struct peer *peer, const struct op *op)
{
	/* submitted, summary, interrupt */
	static const unsigned int bits[] = { 0, 1, 2, 32, 34 };
	struct ipcbusd_cell *cell = peer_cell(peer, cell_of(op));

	switch (op->b % 8) {
	case 0:
		return (uint32_t *)peer->area + bits[op->value % 5];
	case 1:
	case 2:
		return (uint32_t *)cell + op->value % 16;
	case 3:
		return (uint32_t *)(peer->area + IPCBUSD_SEND_AREA) + op->value % 256;
	default:
		return (uint32_t *)cell->space + op->value % 64;
	}
}

/* --- The socket ---------------------------------------------------------------------------- */

static void open_peer(struct peer *peer)
{
	if (peer->socket >= 0)
		close(peer->socket);
	/* The memory stays mapped: another thread may write there. */
	if (peer_open(peer, stage->path, SEND_SIZE) && peer->socket < 0)
		_exit(0);
	/* The daemon refuses pages that the client has not written. */
	if (peer->area)
		memset(peer->area + IPCBUSD_SEND_AREA, 0, SEND_SIZE);
}

static void connect_peer(struct peer *peer)
{
	if (peer->socket >= 0)
		close(peer->socket);
	*peer = (struct peer){ .socket = bus_connect(stage->path) };
}

/* Uses every part of the area, if the connection has an area. */
static void use_cells(const struct peer *peer)
{
	struct ipcbusd_message message;
	struct ipcbusd_client *page;
	struct peer mapped = *peer;
	void *status;
	int fds[IPCBUSD_MAX_FDS];

	if (receive_all(peer->socket, &message, fds) || fds[1] < 0)
		return;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	mapped.bell = mmap(NULL, sizeof(*mapped.bell), PROT_READ | PROT_WRITE, MAP_SHARED, fds[1],
			   0);
	status = mmap(NULL, sizeof(*mapped.status), PROT_READ, MAP_SHARED, fds[4], 0);
	mapped.number = message.number;
	if (page == MAP_FAILED || mapped.bell == MAP_FAILED || status == MAP_FAILED)
		return;
	mapped.status = status;
	mapped.area = (void *)page;
	memset(page, 0xff, sizeof(*page));
	peer_ring(&mapped, 0);
}

static void say_hello(struct peer *peer, const struct op *op)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_HELLO }, welcome;
	int fds[4];

	connect_peer(peer);
	if (peer->socket < 0 || receive_message(peer->socket, &welcome, fds))
		return;
	message.nonce = welcome.nonce;
	message.base = 1UL << 32;
	message.size = IPCBUSD_SEND_AREA + SEND_SIZE;
	switch (op->a % 8) {
	case 0:
		message.nonce += op->value;
		break;
	case 1:
		message.base += op->value;
		break;
	case 2:
		message.base = ~0ULL - ((uint64_t)op->value << 12) + 1;
		break;
	case 3:
		message.size = op->value;
		break;
	case 4:
		message.size = (uint64_t)op->value << 12;
		break;
	case 5:
		message.kind = IPCBUSD_READ + op->b % 4;
		memcpy(message.name, op->value & 1 ? "stats" : "0123456789abcdef", 5);
		break;
	case 6:
		message.kind = op->value;
		break;
	default:
		break;
	}
	send_message(peer->socket, &message, op->a & 8 ? STDIN_FILENO : -1);
	/* Sends it twice, or with another message behind it. */
	if (op->a & 16)
		send_message(peer->socket, &message, -1);
	use_cells(peer);
}

static int new_fd(const struct peer *peer, unsigned int kind)
{
	int pair[2], fd;

	switch (kind % 8) {
	case 0:
		return memfd_create("passed", MFD_CLOEXEC);
	case 1:
		return open("/", O_PATH | O_CLOEXEC);
	case 2:
		return eventfd(0, EFD_CLOEXEC);
	case 3:
		return epoll_create1(EPOLL_CLOEXEC);
	case 4:
		if (pipe2(pair, O_CLOEXEC))
			return -1;
		close(pair[0]);
		return pair[1];
	case 5:
		return dup(peer->socket);
	case 6:
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
			return -1;
		/* A socket in its own queue, which only the kernel's garbage collector frees. */
		fd = pair[0];
		(void)!write(pair[1], "", 1);
		close(pair[1]);
		return fd;
	default:
		return peer->area ? dup(peer->fds[kind / 8 % 4]) : dup(STDIN_FILENO);
	}
}

/* Sends @size bytes of the message, with @n_fds fds. */
static int send_with(const struct peer *peer, const struct ipcbusd_message *message, size_t size,
		     unsigned int n_fds, unsigned int kind)
{
	char space[CMSG_SPACE(MANY_FDS * sizeof(int))] = { 0 };
	struct iovec part = { (void *)message, size };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
	int fds[MANY_FDS], r;

	for (unsigned int i = 0; i < n_fds; i++)
		fds[i] = new_fd(peer, kind + i);
	if (n_fds) {
		struct cmsghdr *header = (void *)space;

		msg.msg_control = space;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(header), fds, n_fds * sizeof(int));
	}
	r = sendmsg(peer->socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
	for (unsigned int i = 0; i < n_fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return r;
}

static void send_any(const struct peer *peer, const struct op *op)
{
	static const unsigned int counts[] = { 0, 1, 2, 5, MANY_FDS };
	/* At most twice as long as a valid message. */
	struct ipcbusd_message message[2] = { {
		.magic = op->value >> 28 == 15 ? op->value : IPCBUSD_MAGIC,
		.version = op->value >> 28 == 14 ? op->value : IPCBUSD_VERSION,
		.kind = op->a % 12,
		.number = op->value % 16 == 15 ? op->value : cell_of(op),
		.base = op->value,
		.size = op->value >> 24 & 1 ? (uint64_t)op->value << 8 : PEER_REGION,
		.nonce = op->value,
	} };
	size_t size = sizeof(*message);

	if (op->value >> 26 == 1)
		size = op->value % sizeof(message);
	send_with(peer, message, size, counts[op->b % 5], op->value >> 4);
}

static void flood(const struct peer *peer, const struct op *op)
{
	struct ipcbusd_message message = {
		.magic = IPCBUSD_MAGIC,
		.version = IPCBUSD_VERSION,
		.kind = op->a & 1 ? IPCBUSD_MAP : IPCBUSD_SEND_FD,
		.number = cell_of(op),
		.size = PEER_REGION,
	};

	for (unsigned int i = 0; i < op->value % 512; i++)
		if (send_with(peer, &message, sizeof(message), op->a & 1 ? 0 : 1, op->b))
			return;
}

static void hang_up(struct peer *peer, const struct op *op)
{
	struct ipcbusd_message bye = { .kind = IPCBUSD_BYE };

	switch (op->a % 4) {
	case 0:
		shutdown(peer->socket, op->b % 3);
		return;
	case 1:
		send_message(peer->socket, &bye, -1);
		return;
	default:
		close(peer->socket);
		peer->socket = -1;
		/* The area and its submitted ioctls stay. */
	}
}

/* --- Cells --------------------------------------------------------------------------------- */

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void submit(const struct peer *peer, const struct op *op)
{
	struct ipcbusd_cell *cell = peer_cell(peer, cell_of(op));

	if (!cell->tid)
		cell->tid = (uint32_t)getpid();
	__atomic_store_n(&cell->state, IPCBUSD_SUBMITTED | (op->value & 1 ? IPCBUSD_SLEEPS : 0),
			 __ATOMIC_SEQ_CST);
	peer_ring(peer, cell_of(op));
}

/* Creates up to four objects, of kinds that value selects, in the send area. */
static void make_objects(const struct peer *peer, struct ipcbus_send *send, uint32_t value)
{
	struct ipcbus_object *object = (void *)(peer->area + IPCBUSD_SEND_AREA);

	send->objects = (uintptr_t)object;
	send->object_count = 1 + value % 4;
	for (unsigned int i = 0; i < send->object_count; i++, value >>= 4)
		object[i] = (struct ipcbus_object){
			.type = (value & 12) == 12 ? value : IPCBUS_OBJECT_NODE + value % 3,
			.value = value & 4 ? STDIN_FILENO : value >> 4 & 7,
			.cookie = (value & 12) == 12 ? value & 1 : 0,
			.tag = value,
		};
}

static void make_parts(const struct peer *peer, struct ipcbus_send *send, uint32_t value)
{
	struct ipcbus_iovec *part = (void *)(peer->area + IPCBUSD_SEND_AREA + 4096);

	send->flags |= IPCBUS_SEND_IOV;
	send->iov_count = value >> 20 == 0xfff ? value : 1 + value % 8;
	for (unsigned int i = 0; i < 8; i++)
		part[i] = (struct ipcbus_iovec){ (uintptr_t)part + 4096 * i, value >> i & 511 };
	send->data = (uintptr_t)part;
	send->data_size = 0;
}

static void make_send(const struct peer *peer, const struct op *op, struct ipcbus_send *send,
		      uint64_t call)
{
	uint32_t value = op->value;

	*send = (struct ipcbus_send){
		.kind = (op->a & 7) % 6,
		.handle = op->b & 3,
		.code = op->b >> 2 & 3,
		.data = (uintptr_t)peer->area + IPCBUSD_SEND_AREA + 8192,
		.data_size = value >> 30 == 3 ? value : value & 0xfff,
	};
	if (send->kind == IPCBUS_SEND_CALL)
		send->flags = (op->b & 16 ? IPCBUS_SEND_ACCEPT_FDS : 0) |
			      (op->b & 32 ? IPCBUS_SEND_ASYNC : 0);
	if (send->kind == IPCBUS_SEND_ONEWAY && op->b & 32)
		send->flags = IPCBUS_SEND_REPLACE;
	if (send->flags & IPCBUS_SEND_ASYNC)
		send->cookie = 1;
	if (send->kind >= IPCBUS_SEND_REPLY) {
		send->handle = 0;
		send->code = send->kind == IPCBUS_SEND_ERROR;
		send->call = op->b & 3 ? call : value & 63;
	}
	if (op->a & 64)
		make_objects(peer, send, value >> 8);
	if (op->a & 128)
		make_parts(peer, send, value);
	if (op->b & 128)
		send->data = wild_address(peer, (uint8_t)(value >> 12), value);
	if (!send->kind)
		*send = (struct ipcbus_send){ 0 };
}

static void exchange(const struct peer *peer, const struct op *op)
{
	struct ipcbusd_cell *cell = peer_cell(peer, cell_of(op));
	struct ipcbus_exchange *x = (void *)cell->space;
	/* The event that the previous exchange returned. */
	struct ipcbus_event event = x->event;
	bool had_event = x->size == sizeof(*x) && event.kind;

	*x = (struct ipcbus_exchange){
		.size = sizeof(*x),
		.flags = (op->a & 8 ? IPCBUS_WAIT : 0) | (op->a & 16 ? IPCBUS_SERVE : 0) |
			 (op->a & 32 ? IPCBUS_NONBLOCK : 0),
	};
	if (!(x->flags & IPCBUS_WAIT))
		x->flags = 0;
	if (op->b & 64) {
		x->release_count = op->value >> 31 ? op->value >> 20 : 1;
		x->release = had_event ? event.buffer : op->value & 63;
	}
	make_send(peer, op, &x->send, had_event ? event.call : op->value & 63);
	cell->cmd = (uint32_t)IPCBUS_IOC_EXCHANGE;
	cell->arg = (uintptr_t)x;
	submit(peer, op);
}

static void any_ioctl(const struct peer *peer, const struct op *op)
{
	static const uint32_t sizes[] = { 104, 224, 32, 24, 24, 24, 24, 24, 24, 8, 0, 16, 24, 40,
					  24, 48, 32 };
	struct ipcbusd_cell *cell = peer_cell(peer, cell_of(op));
	uint32_t *words = (void *)cell->space, number = op->a % 18;

	memset(words, 0, 128);
	words[0] = number < 17 ? sizes[number] : 24;
	words[1] = op->value & 3;
	words[2] = op->value >> 2 & 7;
	words[4] = op->value >> 5 & 15;
	if (op->b & 1)
		words[0] = op->value >> 9;
	if (op->b & 2)
		words[op->value % 32] = op->value;
	cell->cmd = _IOWR(IPCBUS_IOC_TYPE, number, struct ipcbus_node);
	cell->arg = op->b & 4 ? wild_address(peer, op->b >> 3, op->value) : (uintptr_t)words;
	if (number == 17) {
		cell->cmd = IPCBUSD_IOC_POLL;
		cell->arg = op->value % 5;
	} else if (number == 10) {
		cell->cmd = IPCBUS_IOC_THREAD_EXIT;
		cell->arg = 0;
	} else if (number == 2) {
		struct ipcbus_send *sends = (void *)(peer->area + IPCBUSD_SEND_AREA + 16384);
		struct op each = *op;

		for (unsigned int i = 0; i < 4; i++, each.value += 0x1f1)
			make_send(peer, &each, &sends[i], 0);
		words[1] = 1 + op->value % 4;
		memcpy(words + 2, &(uint64_t){ (uintptr_t)sends }, sizeof(uint64_t));
		words[4] = 0;
	}
	submit(peer, op);
}

/* Handles the request as libipc does. */
static int32_t do_ask(const struct peer *peer, unsigned int number, uint32_t ask)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_SEND_FD, .number = number };
	struct pollfd socket = { .fd = peer->socket, .events = POLLIN };
	int fds[4];

	if (ask == IPCBUSD_ASK_SEND_FD)
		return send_message(peer->socket, &message, STDIN_FILENO);
	/* Unless this process requested the fd itself. */
	if (ask == IPCBUSD_ASK_RECEIVE_FD && poll(&socket, 1, 0) == 1)
		return receive_message(peer->socket, &message, fds) ?: fds[0];
	return 0;
}

static void serve_asks(const struct peer *peer, const struct op *op)
{
	struct ipcbusd_cell *cell = peer_cell(peer, cell_of(op));
	uint64_t until = now() + WAIT_NSEC;
	uint32_t state;

	while (now() < until) {
		state = __atomic_load_n(&cell->state, __ATOMIC_SEQ_CST) & IPCBUSD_STATE;
		if (state == IPCBUSD_DONE || state == IPCBUSD_FREE)
			return;
		if (state == IPCBUSD_ASKS) {
			cell->reply = do_ask(peer, cell_of(op), cell->ask);
			__atomic_store_n(&cell->state, IPCBUSD_REPLIED, __ATOMIC_SEQ_CST);
			peer_ring(peer, cell_of(op));
		}
		sched_yield();
	}
}

static void wait_done(const struct peer *peer, const struct op *op)
{
	struct ipcbusd_cell *cell = peer_cell(peer, cell_of(op));
	uint64_t until = now() + WAIT_NSEC;

	while (now() < until &&
	       (__atomic_load_n(&cell->state, __ATOMIC_SEQ_CST) & IPCBUSD_STATE) != IPCBUSD_DONE)
		sched_yield();
}

static void reply(const struct peer *peer, const struct op *op)
{
	struct ipcbusd_cell *cell = peer_cell(peer, cell_of(op));

	cell->reply = op->a & 1 ? (int32_t)op->value : (int32_t)op->value % 8;
	__atomic_store_n(&cell->state, IPCBUSD_REPLIED, __ATOMIC_SEQ_CST);
	peer_ring(peer, cell_of(op));
}

/* --- Memory -------------------------------------------------------------------------------- */

/**
 * struct race - values that the other thread writes in turn
 * @word: NULL: none
 * @values: the original value, and another
 */
static struct race {
	uint32_t *word;
	uint32_t values[2];
} race;

static void *run_race(void *unused)
{
	for (unsigned int i = 0;; i++) {
		uint32_t *word = __atomic_load_n(&race.word, __ATOMIC_ACQUIRE);

		if (word)
			__atomic_store_n(word, race.values[i & 1], __ATOMIC_RELAXED);
	}
	return unused;
}

static void start_race(const struct peer *peer, const struct op *op)
{
	static bool runs;
	pthread_t thread;

	__atomic_store_n(&race.word, NULL, __ATOMIC_RELEASE);
	race.values[0] = *word_of(peer, op);
	race.values[1] = op->a & 1 ? op->value : race.values[0] + op->a;
	__atomic_store_n(&race.word, word_of(peer, op), __ATOMIC_RELEASE);
	if (!runs)
		runs = !pthread_create(&thread, NULL, run_race, NULL);
}

static void set_bits(const struct peer *peer, const struct op *op)
{
	struct ipcbusd_client *page = (void *)peer->area;
	struct ipcbusd_bell *bell = peer->bell;
	uint64_t bits = op->a & 1 ? ~0ULL : (uint64_t)op->value << (op->value % 33);

	page->submitted[op->b % 16] = bits;
	page->summary = op->a & 2 ? ~0ULL : 1ULL << op->b % 16;
	page->interrupt = op->a >> 2 & 1;
	if (stage->owns_bell && op->a & 8)
		bell->rings[op->b] = (uint32_t)bits;
	else
		for (unsigned int i = 0; i < IPCBUSD_CLIENTS; i++)
			__atomic_fetch_add(&bell->rings[i], (uint32_t)(bits >> i % 64 & 1),
					   __ATOMIC_SEQ_CST);
	if (op->a & 64)
		syscall(SYS_futex, &peer->status->asleep, FUTEX_WAKE, 1, NULL, NULL, 0);
	peer_ring(peer, cell_of(op));
}

/* The daemon has the same open file, so this process can change its flags and its content. */
static void change_poll_fd(const struct peer *peer, const struct op *op)
{
	int fd = peer->fds[2 + (op->b & 1)];
	uint64_t number = op->a & 8 ? op->value : ~0ULL - 1;
	const struct itimerspec timer = {
		.it_value.tv_nsec = op->value % 1000000000,
		.it_interval.tv_nsec = op->a & 32 ? op->value % 1000000 : 0,
	};

	if (op->a & 1)
		fcntl(fd, F_SETFL, 0);
	if (op->a & 2)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	if (op->a & 16)
		timerfd_settime(fd, op->a & 1, &timer, NULL);
	if (op->a & 4) {
		struct pollfd can_read = { .fd = fd, .events = POLLIN };

		if (poll(&can_read, 1, 0) == 1)
			(void)!read(fd, &number, sizeof(number));
	} else {
		struct pollfd can_write = { .fd = fd, .events = POLLOUT };

		if (poll(&can_write, 1, 0) == 1 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
			(void)!write(fd, &number, sizeof(number));
		if (op->a & 1)
			fcntl(fd, F_SETFL, 0);
	}
}

static void punch(const struct peer *peer, const struct op *op)
{
	const int fds[] = { peer->fds[0], peer->region_fd, peer->fds[1], peer->fds[0] };
	int fd = fds[op->a % (stage->owns_bell ? 4 : 2)];
	off_t at = (off_t)(op->value & ~4095U) % (off_t)peer->size;

	switch (op->b % 6) {
	case 0:
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)peer->size);
		break;
	case 1:
		(void)!ftruncate(fd, at);
		break;
	case 2:
		fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, at, 4096);
		break;
	case 3:
		madvise(peer->area + at % (off_t)peer->size, 4096, MADV_REMOVE);
		break;
	case 4:
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
		break;
	default:
		fchmod(fd, 0);
		(void)!pwrite(fd, &op->value, sizeof(op->value), at);
	}
}

/* --- The process ---------------------------------------------------------------------------- */

static void do_fork(const struct op *op)
{
	pid_t pid = fork();

	/* A parent that stops or exits leaves the connection to its child. */
	if (pid > 0 && op->b & 1)
		_exit(0);
}

static void step_of_process(struct peer *peer, const struct op *op)
{
	switch (op->what % WHAT_COUNT) {
	case OPEN:
		open_peer(peer);
		break;
	case CONNECT:
		connect_peer(peer);
		break;
	case HELLO:
		say_hello(peer, op);
		break;
	case FORK:
		do_fork(op);
		break;
	case STOP:
		raise(SIGSTOP);
		break;
	case DIE:
		raise(SIGKILL);
		break;
	case MESSAGE:
		send_any(peer, op);
		break;
	case FLOOD:
		flood(peer, op);
		break;
	case CLOSE:
		hang_up(peer, op);
		break;
	default:
		break;
	}
}

static void step_of_cell(const struct peer *peer, const struct op *op)
{
	struct ipcbusd_cell *cell = peer_cell(peer, cell_of(op));

	switch (op->what % WHAT_COUNT) {
	case EXCHANGE:
		exchange(peer, op);
		break;
	case IOCTL:
		any_ioctl(peer, op);
		break;
	case SERVE_ASKS:
		serve_asks(peer, op);
		break;
	case WAIT_DONE:
		wait_done(peer, op);
		break;
	case STATE:
		__atomic_store_n(&cell->state, op->a & 1 ? op->value : op->value % 8,
				 __ATOMIC_SEQ_CST);
		peer_ring(peer, cell_of(op));
		break;
	case FLAG:
		__atomic_fetch_or(&cell->state, op->a & 1 ? IPCBUSD_SIGNALLED : IPCBUSD_SLEEPS,
				  __ATOMIC_SEQ_CST);
		peer_ring(peer, cell_of(op));
		break;
	case REPLY:
		reply(peer, op);
		break;
	case TID:
		cell->tid = op->a & 1 ? op->value : 1;
		break;
	case POKE:
		*word_of(peer, op) = op->a & 1 ? op->value : op->a;
		peer_ring(peer, cell_of(op));
		break;
	case RACE:
		start_race(peer, op);
		break;
	case BITS:
		set_bits(peer, op);
		break;
	case POLL_FD:
		change_poll_fd(peer, op);
		break;
	case HOLE:
		punch(peer, op);
		break;
	default:
		break;
	}
}

void play(const struct stage *where, const struct input *input)
{
	stage = where;
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < PEERS; i++)
		peers[i].socket = -1;
	open_peer(&peers[0]);
	for (unsigned int i = 0; i < input->n; i++) {
		const struct op *op = &input->op[i];
		struct peer *peer = peer_of(op);

		if (peer->area)
			step_of_cell(peer, op);
		step_of_process(peer, op);
	}
	_exit(0);
}
