// SPDX-License-Identifier: MIT
/* The generations of a connection: see generation.h. */
#include "base/deadline.h"
#include "private.h"

/* Pause after the first attempt to open the bus again. */
#define FIRST_DELAY_MSEC	50

bool generation_is_lost(const struct ipc *ipc)
{
	return atomic_load(&ipc->generation) == GENERATION_LOST;
}

void generation_wake_later(struct ipc *ipc)
{
	struct timer *timer = &ipc->reconnect.timer;
	uint64_t next_try;

	ipc_lock(ipc);
	next_try = ipc->reconnect.next_try;
	ipc_unlock(ipc);
	timer_set(ipc, timer, next_try);
}

bool generation_lost(struct ipc *ipc)
{
	struct reconnect *reconnect = &ipc->reconnect;
	bool first;

	if (!reconnect->step || ipc->foreign)
		return false;
	ipc_lock(ipc);
	/* The operation may have been one of an earlier generation, and the bus is back. */
	first = !generation_is_lost(ipc) && device_has_ended(&ipc->device);
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
		generation_wake_later(ipc);
	return true;
}

void generation_renew(struct ipc *ipc)
{
	uint64_t generation;

	connections_lock();
	generation = connections_next_id();
	connections_unlock();
	ipc_lock(ipc);
	/* On failure the fd of ipc_get_fd() reports no events, until the next ipc_wait_event() or
	 * the next wait of a serving thread tries again. */
	device_resume(&ipc->device, generation);
	atomic_store(&ipc->bus_ended, false);
	atomic_fetch_and(&ipc->attention, ~ATTEND_LOST);
	atomic_store(&ipc->generation, generation);
	ipc_unlock(ipc);
}
