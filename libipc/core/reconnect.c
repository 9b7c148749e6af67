// SPDX-License-Identifier: MIT
/*
 * Reconnection after the end of the bus.
 *
 * Only the bus of an ipcbusd ends. If the program has called ipc_set_reconnect(), the connection
 * then goes through these steps, and struct ipc, its objects and its fds stay the same:
 *
 *   down    An operation fails with -ECONNRESET, or a poll reports the end. The generation becomes
 *           GENERATION_LOST, so thread_get() fails on every thread, and ATTEND_LOST is set.
 *   end     A serving thread completes all pending operations (dispatch_bus_end()). Proxies lose
 *           their handles, and objects their nodes.
 *   open    A serving thread connects to the socket at the same path, with growing pauses. The
 *           device keeps its fds and, while messages in it are in use, the old region
 *           (device-open.c).
 *   up      The connection gets a new generation. The state that the driver keeps for the
 *           connection is set again: its threads, its polls, its manager, its names and watches of
 *           names.
 *
 * Numbers of the old bus must not reach the new one:
 *
 *   handles   A thread remembers its generation. At the start of each operation it compares it with
 *             the connection's (thread_get()), and reads the handle of a proxy only afterwards. The
 *             device refuses an exchange of another generation. All other ioctls on handles and
 *             nodes must hold ipc->lock, which also protects the loss of the numbers and the change
 *             of the generation.
 *   buffers,  The device marks the numbers of buffers and calls, and drops or refuses numbers of
 *   calls     another daemon.
 *   cookies   The library never reuses a cookie.
 *
 * A handler of a call of the old bus may make calls on the new bus. Its reply is discarded. A
 * thread that serves nested calls while it waits for a reply checks its generation after each
 * nested call (request.c).
 *
 * A proxy that was obtained by name remembers the name. Its next call looks the name up again and
 * redirects the proxy to the new object (proxy.c). Other proxies stay dead.
 *
 * If no thread serves the connection, a thread that makes a call does all steps.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>

#include "base/deadline.h"
#include "dispatch.h"
#include "object.h"
#include "proxy.h"
#include "reconnect.h"

#define LAST_DELAY_MSEC		1000
/* A serving thread sleeps at least this long while another thread opens the bus. */
#define BUSY_MSEC		10

static void call_slot(struct ipc_slot *slot, const void *event)
{
	ipc_reconnect_cb cb = (ipc_reconnect_cb)((struct callback *)slot)->cb;

	cb(slot->ipc, *(const enum ipc_bus_event *)event, slot->userdata);
}

static void report_bus(struct thread *t, enum ipc_bus_event event)
{
	thread_enter(t);
	slots_call(t->ipc, &t->ipc->reconnect.slots, call_slot, &event);
	thread_leave_handler(t);
}

static void end_generation(struct thread *t)
{
	struct ipc *ipc = t->ipc;

	thread_catch_up(t);
	report_bus(t, IPC_BUS_DOWN);
	dispatch_bus_end(t);
	proxies_lost(ipc);
	objects_lost(ipc);
	/* Callbacks may have begun new operations in the meantime. */
	dispatch_bus_end(t);
	ipc->reconnect.ended = true;
}

/* Restores the state of the connection that the driver keeps. Best effort: it fails if the bus has
 * ended again, or if memory or permission is missing. The layer of names reports its failures. */
static void set_again(struct ipc *ipc)
{
	if (ipc->manager)
		ipc_set_manager(ipc, ipc->manager);
	ipc->names_ops->bus_came_back(ipc);
	writable_retry(ipc);
}

static int open_again(struct thread *t)
{
	struct ipc *ipc = t->ipc;
	int r = device_reopen(&ipc->device, ipc->path);

	if (r < 0)
		return r;
	generation_renew(ipc);
	thread_catch_up(t);
	set_again(ipc);
	return 0;
}

/* Claims the next step, if it is due and no other thread does it. */
static bool begin_step(struct reconnect *reconnect, struct ipc *ipc)
{
	bool begun;

	ipc_lock(ipc);
	begun = generation_is_lost(ipc) && !reconnect->busy && time_now() >= reconnect->next_try;
	reconnect->busy |= begun;
	ipc_unlock(ipc);
	return begun;
}

/* Releases the step. The bus may have ended again since it was opened. */
static void end_step(struct reconnect *reconnect, struct ipc *ipc, int r)
{
	ipc_lock(ipc);
	reconnect->busy = false;
	if (r < 0) {
		reconnect->next_try = time_now() + reconnect->delay_msec * UINT64_C(1000000);
		reconnect->delay_msec *= 2;
		if (reconnect->delay_msec > LAST_DELAY_MSEC)
			reconnect->delay_msec = LAST_DELAY_MSEC;
	}
	ipc_unlock(ipc);
}

bool reconnect_step(struct thread *t)
{
	struct ipc *ipc = t->ipc;
	struct reconnect *reconnect = &ipc->reconnect;
	int r;

	if (!begin_step(reconnect, ipc))
		return false;
	/* While the bus is down, only the thread that does the step accesses ended. */
	if (!reconnect->ended)
		end_generation(t);
	r = open_again(t);
	end_step(reconnect, ipc, r);
	if (generation_is_lost(ipc))
		generation_wake_later(ipc);
	if (r == 0)
		report_bus(t, IPC_BUS_UP);
	return true;
}

void reconnect_serve(struct thread *t)
{
	struct ipc *ipc = t->ipc;
	struct pollfd fd = { .fd = ipc->pool.stop_fd, .events = POLLIN };
	uint64_t msec;

	thread_catch_up(t);
	if (reconnect_step(t))
		return;
	ipc_lock(ipc);
	msec = time_until(ipc->reconnect.next_try) / 1000;
	ipc_unlock(ipc);
	poll(&fd, 1, msec < BUSY_MSEC ? BUSY_MSEC : (int)msec);
}

/* The objects, proxies and channels of a connection that was used would not come back. */
static bool is_used(struct ipc *ipc)
{
	bool used;

	ipc_lock(ipc);
	used = !LIST_EMPTY(&ipc->objects) ||
	       ipc->proxies.count > !!map_get(&ipc->proxies, MANAGER_HANDLE);
	ipc_unlock(ipc);
	return used;
}

int ipc_set_reconnect(struct ipc *ipc, ipc_reconnect_cb cb, void *userdata,
		      struct ipc_slot **ret_slot)
{
	int r = cb || !ret_slot ? ipc_check(ipc) : -EINVAL;

	if (r == 0 && !ipc->reconnect.step && is_used(ipc))
		r = -EBUSY;
	if (r == 0 && cb)
		r = slots_add(ipc, &ipc->reconnect.slots, (void (*)(void))cb, userdata, ret_slot);
	if (r < 0)
		return r;
	ipc->reconnect.step = reconnect_step;
	/* Disables direct channels. They depend on the memory of a single daemon, and ids of their
	 * calls use the bits with which device-daemon.c marks numbers. */
	ipc->may_route = false;
	return 0;
}
