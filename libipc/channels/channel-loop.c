// SPDX-License-Identifier: MIT
/*
 * How serving threads wait for channels: in ipc_run() for words, see channel-wait.h, and in the
 * loop of the program for bells, see "Polling" in channel.h.
 *
 * The fd for event loops is readable while there may be messages. A bell keeps it readable until
 * the next channels_arm(), which forgets the bells, announces that the program polls, and looks for
 * messages for the last time. From then on the first message of each channel rings. If the look
 * finds a message, whose sender may not have rung, backlog_ring() keeps the fd readable. It also
 * does that if there is a new channel, which does not ring yet.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>

#include "channel-client.h"
#include "channel-opened.h"
#include "channel-served.h"
#include "base/deadline.h"

/* Returns the words for which a thread waits: of the channels in its view, the bus and the bell. */
static inline __attribute__((always_inline)) struct channel_wait
wait_of(const struct thread *t, const struct channels *channels)
{
	const struct channel_view *view = t->channels;

	return (struct channel_wait){
		.n = view->n,
		.callees = view->callees,
		.tails = view->tails,
		.n_callers = view->n_opened,
		.callers = view->callers,
		.answered = view->answered,
		.event = channels->words.event,
		.bell = channels->words.bell,
		.rung = view->bell,
		.spin = (struct channel_spin *)&channels->spin,
		.last = view->last ? &view->last->callee : NULL,
		.last_cell = view->last_cell,
		.in_loop = t->in_loop,
	};
}

int channels_wait_shortly(struct thread *t)
{
	struct channel_view *view = t->channels;

	if (t->in_loop && view->last) {
		struct channel_wait wait = wait_of(t, t->ipc->channels);

		if (channel_spin_for_call(&wait))
			return 0;
		/* Once for each message. */
		view->last = NULL;
	}
	/* ipc_process() arms the channels when it has nothing else to do. */
	return view->n_opened && !t->in_loop && channels_arm(t->ipc, t) ? 0 : -EAGAIN;
}

int channels_wait(struct thread *t, uint64_t until)
{
	struct channels *channels = t->ipc->channels;
	struct channel_wait wait = wait_of(t, channels);
	int r;

	if (channel_spin_for_call(&wait))
		return 0;
	atomic_fetch_add(&channels->sleepers, 1);
	r = channel_sleep_for_call(&wait, until);
	atomic_fetch_sub(&channels->sleepers, 1);
	return r == -ETIMEDOUT ? 0 : r;
}

bool channels_yield(struct thread *t)
{
	const struct channel_view *view = t->channels;
	struct channel_yield *yield = &t->ipc->channels->spin.yield;
	int cpu = channel_cpu();

	for (unsigned int i = 0; i < view->n_opened; i++) {
		const struct channel_caller *caller = view->callers[i];
		uint64_t begin;
		bool paid;

		if (!atomic_load_explicit(&view->opened[i]->asyncs, memory_order_relaxed) ||
		    channel_server_cpu(caller) != cpu)
			continue;
		if (!channel_may_yield(yield))
			return false;
		begin = time_now();
		sched_yield();
		paid = channel_answers(caller) != view->answered[i];
		channel_yield_end(yield, paid, begin);
		return paid;
	}
	return false;
}

/* --- Messages to this process --------------------------------------------------------- */

static bool has_served(struct channels *channels)
{
	bool any = false;

	pthread_mutex_lock(&channels->lock);
	for (unsigned int i = 0; i < CHANNEL_MAX_WAIT && !any; i++)
		any = channels->table[i] && !atomic_load(&channels->table[i]->ended);
	pthread_mutex_unlock(&channels->lock);
	return any;
}

/* Returns whether there may be messages to this process. If the thread's view is not up to date,
 * any channel counts. arm: first announces that the program polls, and ends a channel without a
 * bell, which was opened before the program called ipc_process(). */
static bool look_for_calls(struct thread *t, struct channels *channels, bool arm)
{
	struct channel_view *view = t ? t->channels : NULL;
	struct channel_wait wait;

	if (!view || view->generation != atomic_load(&channels->generation))
		return has_served(channels);
	if (!view->n)
		return false;
	for (unsigned int i = 0; i < view->n && arm; i++) {
		if (unlikely(view->served[i]->own_bell < 0)) {
			served_end(view->served[i]);
			return true;
		}
	}
	wait = wait_of(t, channels);
	wait.n_callers = 0;
	if (!arm)
		return channel_is_over(&wait);
	t->asleep = true;
	/* The timer makes a thread cancel late calls of stopped clients. */
	if (channels_have_open(channels))
		timer_set_earlier(t->ipc, &channels->late, time_now() + SLEEP_MAX_NS);
	return channel_poll_for_call(&wait);
}

static bool look(struct ipc *ipc, struct channels *channels, struct thread *t, bool arm)
{
	bool calls = atomic_load(&ipc->pool.loops) && look_for_calls(t, channels, arm);

	/* Both must be armed. */
	return channels_answered(ipc, arm) || calls;
}

bool channels_ready(struct ipc *ipc, struct thread *t)
{
	struct channels *channels = atomic_load(&ipc->channels);

	return channels && !ipc->foreign && look(ipc, channels, t, /* arm= */ false);
}

bool channels_arm(struct ipc *ipc, struct thread *t)
{
	struct channels *channels = atomic_load(&ipc->channels);
	bool any;

	if (likely(!channels) || ipc->foreign)
		return false;
	backlog_forget_bells(ipc);
	any = look(ipc, channels, t, /* arm= */ true);
	if (any)
		backlog_ring(ipc);
	/* A reply that the server may not have counted yet. */
	for (unsigned int i = 0; any && t && t->channels && i < t->channels->n_opened; i++)
		t->channels->answered[i]--;
	return any;
}

void channels_awake(struct thread *t)
{
	struct channel_view *view = t->channels;
	int cpu = channel_cpu();

	t->asleep = false;
	for (unsigned int i = 0; view && i < view->n; i++)
		atomic_store_explicit(&view->callees[i]->own->cpu, cpu, memory_order_relaxed);
}
