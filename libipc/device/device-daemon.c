// SPDX-License-Identifier: MIT
/*
 * Speaks to ipcbusd: see device-daemon.h. device-open.c makes and ends the links.
 *
 * A thread has a cell until it ends, and a part of the send area. The daemon is trusted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "device-daemon.h"
#include "device-link.h"
#include "device-socket.h"
#include "device.h"
#include "ipcbus-daemon.h"
#include "ipcbus.h"

unsigned int daemon_forks;
static pthread_once_t forks_once = PTHREAD_ONCE_INIT;
static int forks_error;

/* A signal may end waits of the calling thread. */
static __thread bool interruptible;

static void count_fork(void)
{
	daemon_forks++;
	interruptible = false;
}

static void forks_init(void)
{
	forks_error = -pthread_atfork(NULL, NULL, count_fork);
}

int daemon_count_forks(void)
{
	pthread_once(&forks_once, forks_init);
	return forks_error;
}

/* The cell that the calling thread used last. */
static __thread struct {
	uint64_t link;
	unsigned int cell;
} last;

/* Also if the program has closed the socket, as closefrom() does: then the daemon closes the
 * connection. */
static bool is_gone(const struct daemon_link *link)
{
	struct pollfd fd = { .fd = link->socket };
	struct stat status;

	if (fstat(link->socket, &status) < 0 || status.st_ino != link->inode)
		return true;
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

/* Returns the fd that the daemon sent for the thread, or a negative errno. The message was sent
 * before the daemon asked for it, but another thread may have taken it. */
static int receive_fd(struct daemon_link *link, unsigned int number)
{
	struct ipcbusd_message message;
	int fds[IPCBUSD_MAX_FDS], r = 0;

	pthread_mutex_lock(&link->lock);
	while (link->thread[number].received == INT_MIN) {
		r = socket_receive(link->socket, &message, fds);
		if ((r < 0 && r != -EMFILE) || message.number >= IPCBUSD_CELLS)
			break;
		link->thread[message.number].received = r < 0 ? r : fds[0];
	}
	if (link->thread[number].received != INT_MIN)
		r = link->thread[number].received;
	link->thread[number].received = INT_MIN;
	pthread_mutex_unlock(&link->lock);
	return r;
}

static int do_ask(struct daemon_link *link, unsigned int number, const struct ipcbusd_cell *cell)
{
	switch (cell->ask) {
	case IPCBUSD_ASK_SEND_FD:
		return send_fd(link, number, cell->ask_fd);
	case IPCBUSD_ASK_RECEIVE_FD:
		return receive_fd(link, number);
	case IPCBUSD_ASK_CLOSE_FD:
		close(cell->ask_fd);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* --- Cells ----------------------------------------------------------------------- */

/* Nanoseconds until a thread that waits checks if the daemon is gone, and until it rings again
 * after the worker may have missed the first ring. */
#define LOOK	    1000000000
#define FIRST_RETRY 500000
/* The threads that daemon_wake() interrupts ring again themselves, each second. */
#define WAKE_TRIES  100

static bool wake(const uint32_t *word)
{
	return syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) > 0;
}

static void set_bit(uint64_t *words, unsigned int bit)
{
	__atomic_fetch_or(&words[bit / 64], 1ULL << bit % 64, __ATOMIC_SEQ_CST);
}

/* Makes the daemon examine this client. Returns false if the worker may miss that: it is about to
 * sleep, but could not be woken yet. */
static bool ring(const struct daemon_link *link)
{
	const uint32_t *asleep = &link->status->asleep;
	struct ipcbusd_bell *bell = link->bell;

	__atomic_fetch_add(&bell->rings[link->number], 1, __ATOMIC_SEQ_CST);
	return !__atomic_load_n(asleep, __ATOMIC_SEQ_CST) || wake(asleep) ||
	       !__atomic_load_n(asleep, __ATOMIC_SEQ_CST);
}

/* Sets the time at which the thread checks if the daemon is gone, or if it must ring again. */
static void look_later(struct daemon_thread *thread)
{
	thread->look = futex_time(time_now() + (thread->again ? thread->again : LOOK));
}

/* Rings the worker. If the worker may miss that, the thread rings again later, after pauses that
 * double. */
static void ring_or_retry(const struct daemon_link *link, struct daemon_thread *thread)
{
	if (ring(link))
		thread->again = 0;
	else if (!thread->again)
		thread->again = FIRST_RETRY;
	else if (thread->again < LOOK)
		thread->again *= 2;
}

static void ring_cell(struct daemon_link *link, unsigned int number)
{
	struct daemon_thread *thread = &link->thread[number];
	struct ipcbusd_client *page = first_page(link);

	set_bit((uint64_t *)page->submitted, number);
	set_bit((uint64_t *)&page->summary, number / 64);
	ring_or_retry(link, thread);
	if (thread->again)
		look_later(thread);
}

/* Reports a signal to the daemon, which ends the ioctl. Returns false if the daemon
 * has already returned the cell. */
static bool pass_signal(struct daemon_link *link, unsigned int number)
{
	uint32_t *word = &cell_at(link, number)->state;
	uint32_t old = __atomic_load_n(word, __ATOMIC_RELAXED);

	do {
		if ((old & IPCBUSD_STATE) == IPCBUSD_DONE || (old & IPCBUSD_STATE) == IPCBUSD_ASKS)
			return false;
	} while (!__atomic_compare_exchange_n(word, &old, old | IPCBUSD_SIGNALLED, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	ring_cell(link, number);
	return true;
}

static bool waits_for_event(const struct ipcbusd_cell *cell)
{
	const struct ipcbus_exchange *x = (void *)(uintptr_t)cell->arg;

	return cell->cmd == IPCBUS_IOC_EXCHANGE && x->flags & IPCBUS_WAIT;
}

/* Sleeps until the daemon returns the cell, or until the next check if it is gone is due. Returns
 * -EINTR after a signal, or if a signal may have been missed. */
static int cell_sleep(struct daemon_link *link, unsigned int number, uint32_t state)
{
	struct daemon_thread *thread = &link->thread[number];
	const struct ipcbusd_client *page = first_page(link);
	uint32_t *word = &cell_at(link, number)->state;
	uint32_t sleeps = state | IPCBUSD_SLEEPS;

	if (state != sleeps && !__atomic_compare_exchange_n(word, &state, sleeps, false,
							    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return 0;
	/* With a timeout the kernel does not restart the wait after a signal. An absolute limit
	 * that all waits of a second share costs least. */
	if (!futex_wait_until(word, sleeps, &thread->look))
		return 0;
	if (errno != ETIMEDOUT)
		return errno == EINTR ? -EINTR : 0;
	if (is_gone(link)) {
		__atomic_store_n(&link->gone, true, __ATOMIC_SEQ_CST);
		return -ECONNRESET;
	}
	/* The worker missed that a thread rang: it was about to sleep, stopped or frozen. */
	if (__atomic_load_n(&page->summary, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&page->interrupt, __ATOMIC_RELAXED))
		ring_or_retry(link, thread);
	else
		thread->again = 0;
	look_later(thread);
	/* The handler of a signal that came just then has run, and left no trace. */
	return interruptible && waits_for_event(cell_at(link, number)) ? -EINTR : 0;
}

static int cell_run(struct daemon_link *link, unsigned int number, unsigned long request,
		    const void *arg)
{
	struct daemon_thread *thread = &link->thread[number];
	struct ipcbusd_cell *cell = cell_at(link, number);
	bool signalled = false;
	uint32_t state;
	int r;

	cell->cmd = (uint32_t)request;
	cell->arg = (uintptr_t)arg;
	__atomic_store_n(&cell->state, IPCBUSD_SUBMITTED, __ATOMIC_RELEASE);
	ring_cell(link, number);
	for (;;) {
		state = __atomic_load_n(&cell->state, __ATOMIC_ACQUIRE);
		if (state == IPCBUSD_DONE)
			break;
		if (state == IPCBUSD_ASKS) {
			cell->reply = do_ask(link, number, cell);
			__atomic_store_n(&cell->state, IPCBUSD_REPLIED, __ATOMIC_RELEASE);
			ring_cell(link, number);
			continue;
		}
		if (signalled) {
			signalled = !pass_signal(link, number);
			continue;
		}
		r = cell_sleep(link, number, state);
		if (r == -EINTR)
			signalled = true;
		else if (r < 0)
			return r;
	}
	cell->state = IPCBUSD_FREE;
	if (thread->again) {
		thread->again = 0;
		look_later(thread);
	}
	return cell->result;
}

static unsigned int find_cell(const struct daemon_link *link, uint32_t tid)
{
	for (unsigned int i = 0; i < link->cells; i++)
		if (link->thread[i].tid == tid)
			return i;
	return NO_CELL;
}

static unsigned int new_cell_locked(struct daemon_link *link, uint32_t tid)
{
	unsigned int number = find_cell(link, /* tid= */ 0);

	for (unsigned int i = 0; number == NO_CELL && i < IPCBUSD_CELLS; i++)
		if (link->cells == IPCBUSD_CELLS && has_ended(link->thread[i].tid) &&
		    cell_at(link, i)->state == IPCBUSD_FREE)
			number = i;
	if (number == NO_CELL && link->cells < IPCBUSD_CELLS)
		number = link->cells++;
	if (number == NO_CELL)
		return number;
	link->thread[number].tid = tid;
	link->thread[number].received = INT_MIN;
	cell_at(link, number)->tid = tid;
	return number;
}

/* The calling thread's, or NO_CELL. */
static unsigned int cell_mine(struct daemon_link *link)
{
	uint32_t tid;

	if (last.link == link->id)
		return last.cell;
	tid = (uint32_t)syscall(SYS_gettid);
	pthread_mutex_lock(&link->lock);
	last.cell = find_cell(link, tid);
	if (last.cell == NO_CELL)
		last.cell = new_cell_locked(link, tid);
	pthread_mutex_unlock(&link->lock);
	last.link = last.cell == NO_CELL ? 0 : link->id;
	return last.cell;
}

/* --- The send area ----------------------------------------------------------------- */

static uint8_t *send_area(const struct daemon_link *link)
{
	return link->area + IPCBUSD_SEND_AREA;
}

/* Returns the first of n free units, or link->units. */
static size_t find_units_locked(const struct daemon_link *link, size_t n)
{
	size_t free = 0;

	for (size_t i = 0; i < link->units; i++) {
		free = link->taken[i] ? 0 : free + 1;
		if (free == n)
			return i + 1 - n;
	}
	return link->units;
}

static void free_piece(struct daemon_link *link, struct daemon_thread *thread)
{
	if (!thread->piece)
		return;
	pthread_mutex_lock(&link->lock);
	memset(&link->taken[(size_t)(thread->piece - send_area(link)) / UNIT], 0,
	       thread->piece_size / UNIT);
	pthread_mutex_unlock(&link->lock);
	thread->piece = NULL;
	thread->piece_size = 0;
}

/* Frees the part of the thread if it is large. The thread keeps a small part for its next message:
 * up to 4 MiB, if address space is not limited. */
static void free_large_piece(struct daemon_link *link, struct daemon_thread *thread)
{
	if (thread->piece_size > link->units / 64 * UNIT + UNIT)
		free_piece(link, thread);
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
	if (unit < link->units) {
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

/* --- Numbers of an earlier daemon ---------------------------------------------------- */

/*
 * Numbers of buffers and calls of an earlier daemon must be invalid for a later daemon. Each number
 * carries the tag of its daemon, in bits that the driver does not use: in a buffer above its offset
 * in the region, in a call above its count.
 */
#define CALL_TAG_SHIFT		56

static bool untag(const struct daemon_link *link, __u64 *number, unsigned int shift)
{
	bool current = (*number >> shift & TAG_MAX) == link->tag;

	*number &= ~((__u64)TAG_MAX << shift);
	return current;
}

static void tag_event(const struct daemon_link *link, struct ipcbus_event *event)
{
	event->deadline = link_time_in(link, event->deadline);
	event->offset += link->shift;
	event->objects += link->shift;
	event->label += link->shift;
	if (event->buffer)
		event->buffer |= link->tag << BUFFER_TAG_SHIFT;
	if (event->call)
		event->call |= link->tag << CALL_TAG_SHIFT;
}

static void hold(struct daemon_link *link, const struct ipcbus_event *event)
{
	if (event->buffer)
		__atomic_fetch_add(&link->held[link->tag], 1, __ATOMIC_SEQ_CST);
}

/* Buffers of an earlier daemon are gone, and are not released. Returns how many are left. */
static unsigned int untag_releases(const struct daemon_link *link, const __u64 *ids,
				   unsigned int n, __u64 *to)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < n; i++) {
		to[left] = ids[i];
		left += untag(link, &to[left], BUFFER_TAG_SHIFT);
	}
	return left;
}

/* Fails with -ECONNRESET if the structure names a call or a buffer of an earlier daemon. */
static int untag_plain(const struct daemon_link *link, unsigned long request, void *arg)
{
	struct ipcbus_sender_info *sender = arg;
	struct ipcbus_call_info *call = arg;
	bool current = true;

	if (request == IPCBUS_IOC_CALL_INFO)
		current = untag(link, &call->call, CALL_TAG_SHIFT);
	else if (request == IPCBUS_IOC_SENDER_INFO && sender->call)
		current = untag(link, &sender->call, CALL_TAG_SHIFT);
	else if (request == IPCBUS_IOC_SENDER_INFO)
		current = untag(link, &sender->buffer, BUFFER_TAG_SHIFT);
	return current ? 0 : -ECONNRESET;
}

/* --- Ioctls ------------------------------------------------------------------------ */

/*
 * Marks the thread as inside, so that the daemon does not change. Returns -ECONNRESET if the daemon
 * or the generation is gone. The thread first sets inside, then reads gone. daemon_reopen() first
 * sets gone, then reads inside of all threads.
 */
static int enter(struct daemon_link *link, unsigned int number, uint64_t generation)
{
	bool *inside = &link->thread[number].inside;

	__atomic_store_n(inside, true, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&link->gone, __ATOMIC_SEQ_CST) &&
	    (!generation || !link->generation || generation == link->generation))
		return 0;
	__atomic_store_n(inside, false, __ATOMIC_RELEASE);
	return -ECONNRESET;
}

static void leave(struct daemon_link *link, unsigned int number)
{
	__atomic_store_n(&link->thread[number].inside, false, __ATOMIC_RELEASE);
}

static int exchange_in(struct daemon_link *link, struct daemon_thread *thread,
		       struct ipcbus_exchange *x)
{
	size_t ids = x->release_count > 1 ? x->release_count * sizeof(uint64_t) : 0, size;
	uint8_t *to;

	if (x->send.data_size > link->units * UNIT)
		return -EMSGSIZE;
	if (x->send.iov_count > IPCBUS_MAX_IOV || x->send.object_count > IPCBUS_MAX_OBJECTS ||
	    x->release_count > IPCBUS_MAX_RELEASE)
		return -E2BIG;
	/* The receiving thread of a directed call has no tag. */
	if (x->send.call && x->send.kind != IPCBUS_SEND_CALL &&
	    !untag(link, &x->send.call, CALL_TAG_SHIFT))
		return -ECONNRESET;
	if (x->release_count == 1)
		x->release_count = untag_releases(link, &x->release, 1, &x->release);
	if (!x->release_count)
		x->release = 0;
	size = moved_size(&x->send) + ids;
	/* Parts must be moved even if all of them are empty. */
	if (!size && !(x->send.flags & IPCBUS_SEND_IOV))
		return 0;
	to = reserve(link, thread, size);
	if (!to)
		return -ENOMEM;
	if (ids) {
		x->release_count = untag_releases(link, (void *)(uintptr_t)x->release,
						  x->release_count, (__u64 *)to);
		x->release = x->release_count > 1 ? (uintptr_t)to :
			     x->release_count	  ? *(__u64 *)to :
						    0;
	}
	return move_message(&x->send, to + ids);
}

/* Maximum of further events, which the daemon writes into the rest of the cell. */
#define MAX_MORE                                                                            \
	((sizeof(((struct ipcbusd_cell *)0)->space) - sizeof(struct ipcbus_exchange)) /     \
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
	struct ipcbus_exchange *x = (void *)cell_at(link, number)->space;
	struct daemon_thread *thread = &link->thread[number];
	bool more = arg->flags & IPCBUS_MORE;
	int r;

	memcpy(x, arg, offsetof(struct ipcbus_exchange, event));
	if (more)
		more_in(x, arg);
	x->send.deadline = link_time_out(link, x->send.deadline);
	r = exchange_in(link, thread, x);
	if (r < 0)
		return r;
	x->event.stage = 0;
	r = cell_run(link, number, IPCBUS_IOC_EXCHANGE, x);
	if (!r || x->event.stage) {
		arg->event = x->event;
		tag_event(link, &arg->event);
	}
	if (!r)
		hold(link, &arg->event);
	if (more && !r && arg->event.more) {
		struct ipcbus_event *events = (void *)(uintptr_t)arg->more;

		memcpy(events, x + 1, arg->event.more * sizeof(*events));
		for (uint32_t i = 0; i < arg->event.more; i++) {
			tag_event(link, &events[i]);
			hold(link, &events[i]);
		}
	}
	free_large_piece(link, thread);
	return r;
}

/* Structures without pointers, which begin with their size. */
static int do_plain(struct daemon_link *link, unsigned int number, unsigned long request, void *arg)
{
	struct ipcbusd_cell *cell = cell_at(link, number);
	uint32_t size;
	int r;

	memcpy(&size, arg, sizeof(size));
	if (size > sizeof(cell->space))
		return -E2BIG;
	memcpy(cell->space, arg, size < 4 ? 4 : size);
	r = untag_plain(link, request, cell->space);
	if (r < 0)
		return r;
	r = cell_run(link, number, request, cell->space);
	memcpy(arg, cell->space, size);
	return r;
}

static void forget_cell(struct daemon_link *link, unsigned int number)
{
	free_piece(link, &link->thread[number]);
	pthread_mutex_lock(&link->lock);
	link->thread[number].tid = 0;
	pthread_mutex_unlock(&link->lock);
	last.link = 0;
}

static int do_ioctl(struct daemon_link *link, unsigned int number, unsigned long request, void *arg)
{
	if (request == IPCBUS_IOC_EXCHANGE)
		return do_exchange(link, number, arg);
	if (request == IPCBUS_IOC_THREAD_EXIT)
		return cell_run(link, number, request, NULL);
	return do_plain(link, number, request, arg);
}

int daemon_ioctl_of(struct daemon_link *link, uint64_t generation, unsigned long request, void *arg)
{
	unsigned int number;
	int r;

	/* The same error as the driver's in a forked child. */
	if (link->forks != daemon_forks)
		return -ECHILD;
	if (__atomic_load_n(&link->gone, __ATOMIC_RELAXED))
		return -ECONNRESET;
	number = cell_mine(link);
	if (number == NO_CELL)
		return -EDQUOT;
	r = enter(link, number, generation);
	if (r < 0)
		return r;
	r = do_ioctl(link, number, request, arg);
	leave(link, number);
	if (request == IPCBUS_IOC_THREAD_EXIT)
		forget_cell(link, number);
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
	if (link->forks != daemon_forks)
		return;
	__atomic_store_n(&first_page(link)->interrupt, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < WAKE_TRIES && !ring(link); i++)
		;
	__atomic_fetch_add(&link->wakes, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&link->wait_word, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&link->polls, __ATOMIC_RELAXED) & IPCBUSD_POLL_WORD)
		syscall(SYS_futex, &link->wait_word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* --- Poll -------------------------------------------------------------------------- */

bool daemon_is_gone(struct daemon_link *link)
{
	bool gone = __atomic_load_n(&link->gone, __ATOMIC_SEQ_CST);

	if (!gone && is_gone(link)) {
		gone = true;
		__atomic_store_n(&link->gone, true, __ATOMIC_SEQ_CST);
	}
	return gone;
}

/* The lock is held during the ioctl, to keep changes in order. */
int daemon_change_poll(struct daemon_link *link, unsigned int add, unsigned int remove)
{
	unsigned int old = __atomic_load_n(&link->polls, __ATOMIC_RELAXED), polls, number;
	int r = 0;

	if (((old | add) & ~remove) == old)
		return 0;
	if (link->forks != daemon_forks)
		return -ECHILD;
	number = cell_mine(link);
	if (number == NO_CELL)
		return -EDQUOT;
	pthread_mutex_lock(&link->poll_lock);
	polls = (link->polls | add) & ~remove;
	if (polls != link->polls)
		r = enter(link, number, /* generation= */ 0);
	if (r == 0 && polls != link->polls) {
		r = cell_run(link, number, IPCBUSD_IOC_POLL, (void *)(uintptr_t)polls);
		leave(link, number);
	}
	if (r == 0)
		__atomic_store_n(&link->polls, polls, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&link->poll_lock);
	return r;
}

int daemon_set_poll(struct daemon_link *link, bool writable)
{
	unsigned int polls = IPCBUSD_POLL_EVENT | (writable ? IPCBUSD_POLL_WRITABLE : 0);

	return daemon_change_poll(link, polls, IPCBUSD_POLL_WRITABLE & ~polls);
}
