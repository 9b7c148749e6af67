// SPDX-License-Identifier: MIT
/*
 * The bus ends and comes back.
 *
 * Only the bus of an ipcbusd ends. If the program has called ipc_set_reconnect(), the connection
 * then goes through these steps, and struct ipc, its objects and its fds stay the same:
 *
 *   lost    An operation fails with -ECONNRESET, or a poll reports the end. The generation becomes
 *           GENERATION_LOST, so thread_get() fails on every thread, and ATTEND_LOST is set.
 *   end     One serving thread completes all that waits (dispatch_bus_end()). Proxies lose their
 *           handles, and objects their nodes.
 *   open    A serving thread connects to the socket at the same path, with growing pauses. The
 *           device keeps its fds and the addresses of both regions (device-open.c).
 *   back    The connection gets a new generation. What the driver has to know of the connection
 *           is set again: its threads, its polls, its manager, its names and watches of names.
 *
 * Numbers of the old bus must not reach the new one:
 *
 *   handles   A thread remembers its generation, compares it with that of the connection whenever
 *             it begins something (thread_get()), and only then reads the handle of a proxy. The
 *             device refuses an exchange of another generation. The other ioctls on handles and
 *             nodes happen under ipc->lock, under which the numbers are forgotten and the
 *             generation is set.
 *   buffers   The device marks the numbers of buffers and calls, and drops or refuses those of
 *   calls     another daemon.
 *   cookies   The library never uses one twice.
 *
 * A thread that is in a handler of a call of the old bus may call others on the new bus. Its reply
 * is dropped. A thread that waits for a reply and serves nested calls meanwhile looks at its
 * generation when each has returned (request.c).
 *
 * A proxy that was obtained by name remembers it. Its next call finds the object anew and makes the
 * proxy stand for the new one (proxy.c). Other proxies stay dead.
 *
 * If no thread serves the connection, a thread that wants to make a call does all steps.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>

#include "deadline.h"
#include "loop.h"
#include "object.h"
#include "proxy.h"
#include "reconnect.h"
#include "slot.h"

#define FIRST_DELAY_MSEC	50
#define LAST_DELAY_MSEC		1000
/* How long a thread that serves sleeps while another one opens the bus. */
#define BUSY_MSEC		10

static bool is_lost(const struct ipc *ipc)
{
	return atomic_load(&ipc->generation) == GENERATION_LOST;
}

static void expired(struct timer *timer)
{
	(void)timer;
}

/* Makes the fd of ipc_get_fd() readable when the next step is to be done. Without memory or fds for
 * that, the program's next call of ipc_process() does it. */
static void wake_at_next_try(struct ipc *ipc)
{
	struct timer *timer = &ipc->reconnect.timer;

	uint64_t next_try;

	ipc_lock(ipc);
	next_try = ipc->reconnect.next_try;
	ipc_unlock(ipc);
	timer->expired = expired;
	timer_move(ipc, timer, next_try);
}

bool reconnect_lost(struct ipc *ipc)
{
	struct reconnect *reconnect = &ipc->reconnect;
	bool first;

	if (!reconnect->enabled || ipc->foreign)
		return false;
	ipc_lock(ipc);
	/* A thread of an earlier generation fails too, although the bus is there. */
	first = !is_lost(ipc) && device_has_ended(&ipc->device);
	if (first) {
		device_lose(&ipc->device);
		reconnect->ended = false;
		reconnect->delay_msec = FIRST_DELAY_MSEC;
		reconnect->next_try = time_now();
		atomic_store(&ipc->bus_ended, true);
		atomic_store(&ipc->generation, GENERATION_LOST);
		atomic_fetch_or(&ipc->attention, ATTEND_LOST);
	}
	ipc_unlock(ipc);
	if (first)
		wake_at_next_try(ipc);
	return true;
}

/* --- Threads ------------------------------------------------------------------------ */

static void forget_numbers(struct thread *t)
{
	t->number = 0;
	t->n_release = 0;
	t->release_bytes = 0;
	t->stash = (struct stash){ .kind = IPCBUS_SEND_NONE };
}

int reconnect_catch_up(struct thread *t)
{
	uint64_t generation = atomic_load(&t->ipc->generation);

	if (t->generation == generation)
		return 0;
	if (t->generation)
		forget_numbers(t);
	if (generation == GENERATION_LOST)
		return -ECONNRESET;
	t->generation = generation;
	return 0;
}

/* --- Steps ---------------------------------------------------------------------------- */

struct bus_slot {
	struct ipc_slot base;
	ipc_reconnect_cb cb;
};

static void slot_end(struct ipc_slot *slot)
{
	struct ipc *ipc = slot->ipc;
	bool listed;

	ipc_lock(ipc);
	listed = slots_remove_locked(&ipc->reconnect.slots, slot);
	ipc_unlock(ipc);
	if (listed)
		slot_drop(slot);
}

static const struct slot_type bus_slot_type = {
	.size = sizeof(struct bus_slot), .end = slot_end,
};

void reconnect_close(struct ipc *ipc)
{
	slots_close(&ipc->reconnect.slots);
}

static void call_back(struct thread *t, enum ipc_bus_event event)
{
	struct slot_frame frame;
	struct ipc *ipc = t->ipc;
	struct ipc_slot *slot;
	uint64_t id = 0;

	thread_enter(t);
	ipc_lock(ipc);
	while ((slot = slots_next_locked(ipc->reconnect.slots, id))) {
		id = slot->id;
		slot_enter_locked(slot, &frame);
		ipc_unlock(ipc);
		((struct bus_slot *)slot)->cb(ipc, event, slot->userdata);
		slot_leave(&frame);
		ipc_lock(ipc);
	}
	ipc_unlock(ipc);
	thread_leave_handler(t);
}

static void end(struct thread *t)
{
	struct ipc *ipc = t->ipc;

	reconnect_catch_up(t);
	call_back(t, IPC_BUS_LOST);
	dispatch_bus_end(t);
	proxies_lost(ipc);
	objects_lost(ipc);
	/* Callbacks that ran meanwhile may have left some. */
	dispatch_bus_end(t);
}

/* What the old bus knew of the connection. A failure means that the bus has ended again, or that
 * this process lacks the memory or the right: then the program learns of it as at first. */
static void set_again(struct ipc *ipc)
{
	struct upper *upper = atomic_load(&ipc->upper);
	uint64_t id;

	if (ipc->pool.limit > 1)
		device_set_threads(&ipc->device, ipc->pool.limit);
	if (ipc->manager && ipc_object_id(ipc->manager, &id) == 0)
		device_set_manager(&ipc->device, id_node(id));
	if (upper)
		upper->bus_came_back(upper);
	writable_retry(ipc);
}

static int open_again(struct thread *t)
{
	struct ipc *ipc = t->ipc;
	int r, state;

	/* A thread that is canceled here would leave the step to nobody. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	r = device_reopen(&ipc->device, ipc->path);
	pthread_setcancelstate(state, NULL);
	if (r < 0)
		return r;
	connection_renew(ipc);
	reconnect_catch_up(t);
	set_again(ipc);
	return 0;
}

/* Takes the next step, if it is time for that and no other thread is at it. */
static bool begin_step(struct reconnect *reconnect, struct ipc *ipc)
{
	bool begun;

	ipc_lock(ipc);
	begun = is_lost(ipc) && !reconnect->busy && time_now() >= reconnect->next_try;
	reconnect->busy |= begun;
	ipc_unlock(ipc);
	return begun;
}

/* The bus may have ended once more since it was opened. */
static void end_step(struct reconnect *reconnect, struct ipc *ipc, bool opened, int r)
{
	ipc_lock(ipc);
	reconnect->busy = false;
	reconnect->ended |= !opened;
	if (r < 0) {
		reconnect->next_try = time_now() + reconnect->delay_msec * UINT64_C(1000000);
		reconnect->delay_msec *= 2;
		if (reconnect->delay_msec > LAST_DELAY_MSEC)
			reconnect->delay_msec = LAST_DELAY_MSEC;
	}
	ipc_unlock(ipc);
}

/* Does the next step. Returns false if it is not time for that. */
static bool step(struct thread *t)
{
	struct ipc *ipc = t->ipc;
	struct reconnect *reconnect = &ipc->reconnect;
	bool open;
	int r = 0;

	if (!begin_step(reconnect, ipc))
		return false;
	/* The thread that does the step is the only one that uses it. */
	open = reconnect->ended;
	if (open)
		r = open_again(t);
	else
		end(t);
	end_step(reconnect, ipc, open, r);
	if (is_lost(ipc))
		wake_at_next_try(ipc);
	if (open && r == 0)
		call_back(t, IPC_BUS_BACK);
	return true;
}

void reconnect_serve(struct thread *t)
{
	struct ipc *ipc = t->ipc;
	struct pollfd fd = { .fd = atomic_load(&ipc->pool.stop_fd), .events = POLLIN };
	uint64_t msec;

	reconnect_catch_up(t);
	if (step(t))
		return;
	ipc_lock(ipc);
	msec = time_until(ipc->reconnect.next_try) / 1000;
	ipc_unlock(ipc);
	poll(&fd, 1, msec < BUSY_MSEC ? BUSY_MSEC : (int)msec);
}

int reconnect_process(struct thread *t)
{
	return step(t);
}

int reconnect_call(struct ipc *ipc)
{
	struct thread *t;
	int r;

	if (!ipc->reconnect.enabled || ipc->foreign)
		return 0;
	/* Operations that are not exchanges do not report the end. */
	if (device_has_ended(&ipc->device))
		reconnect_lost(ipc);
	if (!is_lost(ipc))
		return 0;
	r = thread_find_serving(ipc, &t);
	if (r < 0)
		return r;
	if (t->depth || t->waiting || pool_serves(ipc) || ipc->backlog.all_fd >= 0)
		return -ECONNRESET;
	while (is_lost(ipc) && step(t))
		;
	return is_lost(ipc) ? -ECONNRESET : 0;
}

static int add_callback(struct ipc *ipc, ipc_reconnect_cb cb, void *userdata,
			struct ipc_slot **ret_slot)
{
	struct ipc_slot *slot;
	int r;

	r = slot_new(ipc, &bus_slot_type, userdata, &slot);
	if (r < 0)
		return r;
	((struct bus_slot *)slot)->cb = cb;
	ipc_lock(ipc);
	slots_append_locked(&ipc->reconnect.slots, slot);
	slot_give(slot, ret_slot);
	ipc_unlock(ipc);
	return 0;
}

int ipc_set_reconnect(struct ipc *ipc, ipc_reconnect_cb cb, void *userdata,
		      struct ipc_slot **ret_slot)
{
	int r = cb || !ret_slot ? ipc_check(ipc) : -EINVAL;

	if (r == 0)
		r = pool_make_stop_fd(ipc);
	if (r == 0 && cb)
		r = add_callback(ipc, cb, userdata, ret_slot);
	if (r < 0)
		return r;
	ipc->reconnect.enabled = true;
	/* Direct channels refer to the memory of one daemon, and name calls by bits of the tag. */
	ipc->monitors = NULL;
	return 0;
}
