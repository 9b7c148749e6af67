// SPDX-License-Identifier: MIT
/*
 * Speaks to ipcbusd: see device-daemon.h.
 *
 * A thread has a slot, from its first ioctl until it ends, and a part of the send area for
 * what is to be sent. What the daemon writes is trusted, as what the driver writes is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "device-daemon.h"
#include "device-socket.h"
#include "device.h"
#include "ipcbus-daemon.h"
#include "ipcbus.h"

/* The send area: messages are sent from there, because the daemon has it mapped too. A thread takes
 * whole units of it. Memory that is not used costs nothing. */
#define AREA_SIZE	(256UL << 20)
#define UNIT		(64UL << 10)
#define UNITS		(AREA_SIZE / UNIT)
/* What a thread keeps for its next message. */
#define KEEP		((4UL << 20) + UNIT)
#define NO_SLOT		UINT_MAX

struct daemon_thread {
	uint32_t tid;		/* 0: the slot is free */
	uint8_t *piece;		/* its part of the send area, or NULL */
	size_t piece_size;
	int received;		/* an fd that the daemon sent for it, or -errno; INT_MIN: none */
	struct timespec look;	/* when it looks whether the daemon is gone */
};

struct daemon_link {
	uint64_t id;		/* of no other link before or after */
	unsigned int forks;	/* how often processes had forked when it was opened */
	int socket;
	int fds[4];		/* area, bell, events, writable */
	unsigned int number;	/* at the bell */
	uint8_t *area;
	size_t size;
	struct ipcbusd_bell *bell;
	void *region;
	size_t region_size;
	pthread_mutex_t lock;	/* the rest, but each slot's thread has its part to itself */
	unsigned int slots;	/* no slot from this on was ever used */
	struct daemon_thread thread[IPCBUSD_SLOTS];
	uint8_t taken[UNITS];	/* of the send area; under the lock */
	pthread_mutex_t poll_lock;	/* held while polls changes, here and in the daemon */
	unsigned int polls;
	bool gone;		/* the daemon is */
};

/* How often a process had forked before this one came of it, as a child of fork() counts. */
static unsigned int forks;
static pthread_once_t forks_once = PTHREAD_ONCE_INIT;
static int forks_error;

/* What the calling thread waits for may be ended by a signal. */
static __thread bool interruptible;

static void count_fork(void)
{
	forks++;
	interruptible = false;
}

static void forks_init(void)
{
	forks_error = -pthread_atfork(NULL, NULL, count_fork);
}

/* The slot that the calling thread used last. */
static __thread struct {
	uint64_t link;
	unsigned int slot;
} last;

static bool is_gone(const struct daemon_link *link)
{
	struct pollfd fd = { .fd = link->socket };

	return poll(&fd, 1, 0) == 1 && fd.revents & (POLLHUP | POLLERR);
}

/* --- Files ----------------------------------------------------------------------- */

static int send_fd(const struct daemon_link *link, unsigned int number, int fd)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_SEND_FD, .number = number };

	/* A connection in a message of its own bus could keep itself alive. */
	if (socket_is_of_bus(fd, link->socket))
		return -ELOOP;
	return socket_send(link->socket, &message, &fd);
}

/* The message was sent before the daemon asked, but another thread may have taken it. */
static int receive_fd(struct daemon_link *link, unsigned int number)
{
	struct ipcbusd_message message;
	int fds[4], r = 0;

	pthread_mutex_lock(&link->lock);
	while (link->thread[number].received == INT_MIN) {
		r = socket_receive(link->socket, &message, fds);
		if ((r < 0 && r != -EMFILE) || message.number >= IPCBUSD_SLOTS)
			break;
		link->thread[message.number].received = r < 0 ? r : fds[0];
	}
	if (link->thread[number].received != INT_MIN)
		r = link->thread[number].received;
	link->thread[number].received = INT_MIN;
	pthread_mutex_unlock(&link->lock);
	return r;
}

static int do_ask(struct daemon_link *link, unsigned int number, const struct ipcbusd_slot *slot)
{
	switch (slot->ask) {
	case IPCBUSD_ASK_SEND_FD:
		return send_fd(link, number, slot->ask_fd);
	case IPCBUSD_ASK_RECEIVE_FD:
		return receive_fd(link, number);
	case IPCBUSD_ASK_CLOSE_FD:
		close(slot->ask_fd);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* --- Slots ----------------------------------------------------------------------- */

static void wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static struct ipcbusd_slot *slot_at(const struct daemon_link *link, unsigned int number)
{
	return (void *)(link->area + IPCBUSD_FIRST_SLOT + (size_t)number * IPCBUSD_SLOT_SIZE);
}

static struct ipcbusd_client *first_page(const struct daemon_link *link)
{
	return (void *)link->area;
}

static void set_bit(uint64_t *words, unsigned int bit)
{
	__atomic_fetch_or(&words[bit / 64], 1ULL << bit % 64, __ATOMIC_SEQ_CST);
}

/* The daemon is to look at this client. */
static void ring(const struct daemon_link *link)
{
	struct ipcbusd_bell *bell = link->bell;

	set_bit((uint64_t *)bell->submitted, link->number);
	set_bit((uint64_t *)&bell->summary, link->number / 64);
	if (__atomic_load_n(&bell->word, __ATOMIC_SEQ_CST) &&
	    __atomic_exchange_n(&bell->word, 0, __ATOMIC_SEQ_CST))
		wake(&bell->word);
}

static void ring_slot(const struct daemon_link *link, unsigned int number)
{
	struct ipcbusd_client *page = first_page(link);

	set_bit((uint64_t *)page->submitted, number);
	set_bit((uint64_t *)&page->summary, number / 64);
	ring(link);
}

/* Says to the daemon that a signal came, which ends the ioctl. False: it is this thread's turn. */
static bool pass_signal(struct daemon_link *link, unsigned int number)
{
	uint32_t *word = &slot_at(link, number)->state;
	uint32_t old = __atomic_load_n(word, __ATOMIC_RELAXED);

	do {
		if ((old & IPCBUSD_STATE) == IPCBUSD_DONE || (old & IPCBUSD_STATE) == IPCBUSD_ASKS)
			return false;
	} while (!__atomic_compare_exchange_n(word, &old, old | IPCBUSD_SIGNALLED, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	ring_slot(link, number);
	return true;
}

/* The next time to look whether the daemon is gone: in a second. */
static void look_later(struct daemon_thread *thread)
{
	clock_gettime(CLOCK_MONOTONIC, &thread->look);
	thread->look.tv_sec++;
}

static bool waits_for_event(const struct ipcbusd_slot *slot)
{
	const struct ipcbus_exchange *x = (void *)(uintptr_t)slot->arg;

	return slot->cmd == IPCBUS_IOC_EXCHANGE && x->flags & IPCBUS_WAIT;
}

/* Until the daemon gives the slot back, or it is time to look whether it is gone. Returns -EINTR
 * for a signal, and where one may have come. */
static int slot_sleep(struct daemon_link *link, unsigned int number, uint32_t state)
{
	struct daemon_thread *thread = &link->thread[number];
	uint32_t *word = &slot_at(link, number)->state;
	uint32_t sleeps = state | IPCBUSD_SLEEPS;

	if (state != sleeps && !__atomic_compare_exchange_n(word, &state, sleeps, false,
							    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return 0;
	/* With a time limit the kernel does not restart it after a signal. One that is absolute,
	 * and the same for all waits of a second, costs least. */
	if (!syscall(SYS_futex, word, FUTEX_WAIT_BITSET, sleeps, &thread->look, NULL,
		     FUTEX_BITSET_MATCH_ANY))
		return 0;
	if (errno != ETIMEDOUT)
		return errno == EINTR ? -EINTR : 0;
	if (is_gone(link)) {
		link->gone = true;
		return -ECONNRESET;
	}
	look_later(thread);
	/* The handler of a signal that came just then has run, and left no trace. */
	return interruptible && waits_for_event(slot_at(link, number)) ? -EINTR : 0;
}

static int slot_run(struct daemon_link *link, unsigned int number, unsigned long request,
		    const void *arg)
{
	struct ipcbusd_slot *slot = slot_at(link, number);
	bool signalled = false;
	uint32_t state;
	int r;

	slot->cmd = (uint32_t)request;
	slot->arg = (uintptr_t)arg;
	__atomic_store_n(&slot->state, IPCBUSD_SUBMITTED, __ATOMIC_RELEASE);
	ring_slot(link, number);
	for (;;) {
		state = __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);
		if (state == IPCBUSD_DONE)
			break;
		if (state == IPCBUSD_ASKS) {
			slot->reply = do_ask(link, number, slot);
			__atomic_store_n(&slot->state, IPCBUSD_REPLIED, __ATOMIC_RELEASE);
			ring_slot(link, number);
			continue;
		}
		if (signalled) {
			signalled = !pass_signal(link, number);
			continue;
		}
		r = slot_sleep(link, number, state);
		if (r == -EINTR)
			signalled = true;
		else if (r < 0)
			return r;
	}
	slot->state = IPCBUSD_FREE;
	return slot->result;
}

/* One of a thread that has ended without saying so is free too. */
static bool has_ended(uint32_t tid)
{
	return syscall(SYS_tgkill, getpid(), tid, 0) < 0 && errno == ESRCH;
}

static unsigned int find_slot(const struct daemon_link *link, uint32_t tid)
{
	for (unsigned int i = 0; i < link->slots; i++)
		if (link->thread[i].tid == tid)
			return i;
	return NO_SLOT;
}

static unsigned int new_slot_locked(struct daemon_link *link, uint32_t tid)
{
	unsigned int number = find_slot(link, /* tid= */ 0);

	for (unsigned int i = 0; number == NO_SLOT && i < IPCBUSD_SLOTS; i++)
		if (link->slots == IPCBUSD_SLOTS && has_ended(link->thread[i].tid) &&
		    slot_at(link, i)->state == IPCBUSD_FREE)
			number = i;
	if (number == NO_SLOT && link->slots < IPCBUSD_SLOTS)
		number = link->slots++;
	if (number == NO_SLOT)
		return number;
	link->thread[number].tid = tid;
	link->thread[number].received = INT_MIN;
	slot_at(link, number)->tid = tid;
	return number;
}

/* The calling thread's, or NO_SLOT. */
static unsigned int slot_mine(struct daemon_link *link)
{
	uint32_t tid;

	if (last.link == link->id)
		return last.slot;
	tid = (uint32_t)syscall(SYS_gettid);
	pthread_mutex_lock(&link->lock);
	last.slot = find_slot(link, tid);
	if (last.slot == NO_SLOT)
		last.slot = new_slot_locked(link, tid);
	pthread_mutex_unlock(&link->lock);
	last.link = last.slot == NO_SLOT ? 0 : link->id;
	return last.slot;
}

/* --- The send area ----------------------------------------------------------------- */

static uint8_t *send_area(const struct daemon_link *link)
{
	return link->area + IPCBUSD_SEND_AREA;
}

/* Returns the first of n free units, or UNITS. */
static size_t find_units_locked(const struct daemon_link *link, size_t n)
{
	size_t free = 0;

	for (size_t i = 0; i < UNITS; i++) {
		free = link->taken[i] ? 0 : free + 1;
		if (free == n)
			return i + 1 - n;
	}
	return UNITS;
}

static void free_piece(struct daemon_link *link, struct daemon_thread *thread)
{
	if (!thread->piece)
		return;
	/* The pages of a large piece go back to the system, before another thread has the piece. */
	if (thread->piece_size > KEEP)
		madvise(thread->piece, thread->piece_size, MADV_REMOVE);
	pthread_mutex_lock(&link->lock);
	memset(&link->taken[(size_t)(thread->piece - send_area(link)) / UNIT], 0,
	       thread->piece_size / UNIT);
	pthread_mutex_unlock(&link->lock);
	thread->piece = NULL;
	thread->piece_size = 0;
}

/* Makes the thread's part of the send area at least that large. Returns NULL without space. */
static uint8_t *reserve(struct daemon_link *link, struct daemon_thread *thread, size_t size)
{
	size_t n = size ? (size + UNIT - 1) / UNIT : 1, unit;

	if (thread->piece && size <= thread->piece_size)
		return thread->piece;
	free_piece(link, thread);
	pthread_mutex_lock(&link->lock);
	unit = find_units_locked(link, n);
	if (unit < UNITS) {
		memset(&link->taken[unit], 1, n);
		thread->piece = send_area(link) + unit * UNIT;
		thread->piece_size = n * UNIT;
	}
	pthread_mutex_unlock(&link->lock);
	return thread->piece;
}

static size_t align8(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

static size_t moved_size(const struct ipcbus_send *send)
{
	return align8(send->data_size) + send->object_count * sizeof(struct ipcbus_object);
}

static int move_parts(struct ipcbus_send *send, uint8_t *to)
{
	const struct ipcbus_iovec *parts = (void *)(uintptr_t)send->data;
	size_t at = 0;

	for (uint32_t i = 0; i < send->iov_count; i++) {
		if (parts[i].size > send->data_size - at)
			return -EINVAL;
		if (parts[i].size)
			memcpy(to + at, (void *)(uintptr_t)parts[i].base, parts[i].size);
		at += parts[i].size;
	}
	if (at != send->data_size)
		return -EINVAL;
	send->flags &= ~IPCBUS_SEND_IOV;
	send->iov_count = 0;
	return 0;
}

/* Moves the bytes and the object table of a message. Fails with -EINVAL if the sizes of its parts
 * do not add up. */
static int move_message(struct ipcbus_send *send, uint8_t *to)
{
	size_t objects = send->object_count * sizeof(struct ipcbus_object);
	int r = 0;

	if (send->flags & IPCBUS_SEND_IOV)
		r = move_parts(send, to);
	else if (send->data_size)
		memcpy(to, (void *)(uintptr_t)send->data, send->data_size);
	if (r < 0)
		return r;
	if (send->kind)
		send->data = (uintptr_t)to;
	if (objects) {
		to += align8(send->data_size);
		memcpy(to, (void *)(uintptr_t)send->objects, objects);
		send->objects = (uintptr_t)to;
	}
	return 0;
}

/* --- Ioctls ------------------------------------------------------------------------ */

static bool is_too_much(const struct ipcbus_send *send)
{
	return send->iov_count > IPCBUS_MAX_IOV || send->object_count > IPCBUS_MAX_OBJECTS ||
	       send->data_size > AREA_SIZE;
}

static int exchange_in(struct daemon_link *link, struct daemon_thread *thread,
		       struct ipcbus_exchange *x)
{
	size_t ids = x->release_count > 1 ? x->release_count * sizeof(uint64_t) : 0, size;
	uint8_t *to;

	if (is_too_much(&x->send))
		return x->send.data_size > AREA_SIZE ? -EMSGSIZE : -E2BIG;
	if (x->release_count > IPCBUS_MAX_RELEASE)
		return -E2BIG;
	size = moved_size(&x->send) + ids;
	/* Parts are to be moved even if all of them are empty. */
	if (!size && !(x->send.flags & IPCBUS_SEND_IOV))
		return 0;
	to = reserve(link, thread, size);
	if (!to)
		return -ENOMEM;
	if (ids) {
		memcpy(to, (void *)(uintptr_t)x->release, ids);
		x->release = (uintptr_t)to;
	}
	return move_message(&x->send, to + ids);
}

/* Events that follow the first one come into the rest of the slot, if there are not too many. */
#define MAX_MORE                                                                            \
	((sizeof(((struct ipcbusd_slot *)0)->space) - sizeof(struct ipcbus_exchange)) /     \
	 sizeof(struct ipcbus_event))

static void more_in(struct ipcbus_exchange *x, const struct ipcbus_exchange *arg)
{
	x->more = (uintptr_t)(x + 1);
	x->more_count = arg->more_count;
	x->reserved = arg->reserved;
	if (x->more_count > MAX_MORE && x->more_count <= IPCBUS_MAX_MORE)
		x->more_count = MAX_MORE;
}

static int do_exchange(struct daemon_link *link, unsigned int number, struct ipcbus_exchange *arg)
{
	struct ipcbus_exchange *x = (void *)slot_at(link, number)->space;
	struct daemon_thread *thread = &link->thread[number];
	bool more = arg->flags & IPCBUS_MORE;
	int r;

	memcpy(x, arg, offsetof(struct ipcbus_exchange, event));
	if (more)
		more_in(x, arg);
	r = exchange_in(link, thread, x);
	if (r < 0)
		return r;
	x->event.stage = 0;
	r = slot_run(link, number, IPCBUS_IOC_EXCHANGE, x);
	if (!r || x->event.stage)
		arg->event = x->event;
	if (more && !r && arg->event.more)
		memcpy((void *)(uintptr_t)arg->more, x + 1,
		       arg->event.more * sizeof(struct ipcbus_event));
	if (thread->piece_size > KEEP)
		free_piece(link, thread);
	return r;
}

/* Structures without pointers, which begin with their size. */
static int do_plain(struct daemon_link *link, unsigned int number, unsigned long request, void *arg)
{
	struct ipcbusd_slot *slot = slot_at(link, number);
	uint32_t size;
	int r;

	memcpy(&size, arg, sizeof(size));
	if (size > sizeof(slot->space))
		return -E2BIG;
	memcpy(slot->space, arg, size < 4 ? 4 : size);
	r = slot_run(link, number, request, slot->space);
	memcpy(arg, slot->space, size);
	return r;
}

static void forget_slot(struct daemon_link *link, unsigned int number)
{
	free_piece(link, &link->thread[number]);
	pthread_mutex_lock(&link->lock);
	link->thread[number].tid = 0;
	pthread_mutex_unlock(&link->lock);
	last.link = 0;
}

int daemon_ioctl(struct daemon_link *link, unsigned long request, void *arg)
{
	unsigned int number;
	int r;

	/* As the driver says to a child. */
	if (link->forks != forks)
		return -ECHILD;
	if (link->gone)
		return -ECONNRESET;
	number = slot_mine(link);
	if (number == NO_SLOT)
		return -EDQUOT;
	if (request == IPCBUS_IOC_EXCHANGE)
		return do_exchange(link, number, arg);
	if (request != IPCBUS_IOC_THREAD_EXIT)
		return do_plain(link, number, request, arg);
	r = slot_run(link, number, request, NULL);
	forget_slot(link, number);
	return r;
}

bool device_set_interruptible(bool on)
{
	bool before = interruptible;

	interruptible = on;
	return before;
}

void daemon_wake(struct daemon_link *link)
{
	if (link->forks != forks)
		return;
	__atomic_store_n(&first_page(link)->interrupt, 1, __ATOMIC_SEQ_CST);
	ring(link);
}

/* --- Poll -------------------------------------------------------------------------- */

int daemon_event_fd(const struct daemon_link *link)
{
	return link->fds[2];
}

int daemon_writable_fd(const struct daemon_link *link)
{
	return link->fds[3];
}

int daemon_socket(const struct daemon_link *link)
{
	return link->socket;
}

bool daemon_is_gone(struct daemon_link *link)
{
	if (!link->gone)
		link->gone = is_gone(link);
	return link->gone;
}

/* The lock is held during the ioctl, so that a later change does not overtake an earlier one. */
static int change_poll(struct daemon_link *link, unsigned int add, unsigned int remove)
{
	unsigned int old = __atomic_load_n(&link->polls, __ATOMIC_RELAXED), polls, number;
	int r = 0;

	if (((old | add) & ~remove) == old)
		return 0;
	if (link->forks != forks)
		return -ECHILD;
	number = slot_mine(link);
	if (number == NO_SLOT)
		return -EDQUOT;
	pthread_mutex_lock(&link->poll_lock);
	polls = (link->polls | add) & ~remove;
	if (polls != link->polls)
		r = slot_run(link, number, IPCBUSD_IOC_POLL, (void *)(uintptr_t)polls);
	if (r == 0)
		__atomic_store_n(&link->polls, polls, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&link->poll_lock);
	return r;
}

int daemon_set_poll(struct daemon_link *link, bool writable)
{
	unsigned int polls = IPCBUSD_POLL_EVENT | (writable ? IPCBUSD_POLL_WRITABLE : 0);

	return change_poll(link, polls, IPCBUSD_POLL_WRITABLE & ~polls);
}

int daemon_poll_events(struct daemon_link *link)
{
	return change_poll(link, IPCBUSD_POLL_EVENT, /* remove= */ 0);
}

/* --- Connections ------------------------------------------------------------------- */

/* A single page is mapped and unlocked, and then grows: a mapping that grows stays unlocked. */
static void *map_growing(int fd, void *at, size_t size, int prot, int flags)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *first = mmap(NULL, page, prot, flags, fd, 0), *memory;

	if (first == MAP_FAILED)
		return MAP_FAILED;
	munlock(first, page);
	memory = mremap(first, page, size, MREMAP_MAYMOVE | (at ? MREMAP_FIXED : 0), at);
	if (memory == MAP_FAILED)
		munmap(first, page);
	return memory;
}

/*
 * Maps size bytes of a file, or of nothing if fd is -1, at an address or anywhere. Returns NULL
 * with errno. After mlockall(MCL_FUTURE) the kernel locks each new mapping and allocates all pages
 * that may be accessed, or refuses the mapping (EAGAIN). So no page may be accessed until the
 * mapping is unlocked.
 */
static void *map(int fd, void *at, size_t size, int prot)
{
	int flags = (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | MAP_NORESERVE;
	void *memory = mmap(at, size, PROT_NONE, flags | (at ? MAP_FIXED : 0), fd, 0);

	if (memory != MAP_FAILED) {
		munlock(memory, size);
		if (prot != PROT_NONE && mprotect(memory, size, prot)) {
			munmap(memory, size);
			return NULL;
		}
	} else if (errno == EAGAIN) {
		memory = map_growing(fd, at, size, prot, flags);
	}
	if (memory == MAP_FAILED)
		return NULL;
	/* A child has no part in it. */
	madvise(memory, size, MADV_DONTFORK);
	madvise(memory, size, MADV_DONTDUMP);
	return memory;
}

static int say_hello(struct daemon_link *link)
{
	struct ipcbusd_message message, welcome;
	int r;

	r = socket_receive(link->socket, &welcome, link->fds);
	if (r < 0)
		return r;
	message = (struct ipcbusd_message){
		.kind = IPCBUSD_HELLO,
		.nonce = welcome.nonce,
		.base = (uintptr_t)link->area,
		.size = link->size,
	};
	r = socket_send(link->socket, &message, NULL);
	if (r == 0)
		r = socket_receive(link->socket, &message, link->fds);
	if (r < 0)
		return r;
	link->number = message.number;
	link->bell = map(link->fds[1], NULL, sizeof(*link->bell), PROT_READ | PROT_WRITE);
	if (!link->bell || !map(link->fds[0], link->area, link->size, PROT_READ | PROT_WRITE))
		return -errno;
	/* The mapping of the area is what says to the daemon that this address space is there: a
	 * child would have the file. */
	for (int i = 0; i < 2; i++) {
		close(link->fds[i]);
		link->fds[i] = -1;
	}
	return 0;
}

int daemon_open(const char *path, struct daemon_link **ret_link)
{
	static uint64_t last_id;
	struct daemon_link *link;
	int r;

	pthread_once(&forks_once, forks_init);
	if (forks_error)
		return forks_error;
	link = calloc(1, sizeof(*link));
	if (!link)
		return -ENOMEM;
	link->forks = forks;
	for (int i = 0; i < 4; i++)
		link->fds[i] = -1;
	link->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	pthread_mutex_init(&link->lock, NULL);
	pthread_mutex_init(&link->poll_lock, NULL);
	link->socket = socket_connect(path);
	if (link->socket < 0) {
		r = link->socket;
		free(link);
		return r;
	}
	link->size = IPCBUSD_SEND_AREA + AREA_SIZE;
	/* The daemon learns where it will be. */
	link->area = map(-1, NULL, link->size, PROT_NONE);
	r = link->area ? say_hello(link) : -errno;
	if (r < 0) {
		daemon_close(link, /* mapped= */ true);
		return r;
	}
	*ret_link = link;
	return 0;
}

int daemon_map(struct daemon_link *link, size_t size, const void **ret_region)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_MAP, .size = size };
	int fds[4], r;

	r = socket_send(link->socket, &message, NULL);
	if (r < 0)
		return r;
	r = socket_receive(link->socket, &message, fds);
	if (r < 0)
		return r;
	link->region = map(fds[0], NULL, size, PROT_READ);
	r = -errno;
	close(fds[0]);
	if (!link->region)
		return r;
	link->region_size = size;
	*ret_region = link->region;
	return 0;
}

/* What the connection had is gone when this returns, as after close() of a device. */
static void say_bye(struct daemon_link *link)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_BYE };
	int fds[4], r;

	if (socket_send(link->socket, &message, NULL) < 0)
		return;
	do {
		r = socket_receive(link->socket, &message, fds);
		for (int i = 0; i < 4; i++)
			if (fds[i] >= 0)
				close(fds[i]);
	} while (r == 0 || r == -EMFILE);
}

void daemon_close(struct daemon_link *link, bool mapped)
{
	if (link->forks == forks)
		say_bye(link);
	if (mapped && link->region)
		munmap(link->region, link->region_size);
	if (mapped && link->area)
		munmap(link->area, link->size);
	if (mapped && link->bell)
		munmap(link->bell, sizeof(*link->bell));
	for (int i = 0; i < 4; i++)
		if (link->fds[i] >= 0)
			close(link->fds[i]);
	close(link->socket);
	pthread_mutex_destroy(&link->lock);
	pthread_mutex_destroy(&link->poll_lock);
	free(link);
}
