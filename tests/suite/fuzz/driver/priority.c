// SPDX-License-Identifier: MIT
/*
 * What threads run by: they change it themselves, and the driver passes on them what
 * their callers have. See world.h; called by ops.c and judge.c.
 */
#include <linux/sched/rt.h>

#include "world.h"

static int now(const struct thread *t)
{
	return t->task->normal_prio;
}

/* Somebody sends a call, and may be about to boost the thread that took a message last: it
 * has read what that one runs by, and will set that again. */
static bool may_be_boosted_now(const struct thread *t)
{
	for (unsigned int i = 0; t->taker && i < world.n_threads; i++) {
		const struct thread *other = &world.threads[i];

		if (other != t && other->sending && other->sending->kind == IPCBUS_SEND_CALL)
			return true;
	}
	return false;
}

/* Not while something is inherited: what is set then is lost, and so it should be. */
void op_priority(struct thread *t, const u8 *arg)
{
	int e = 0;

	if (now(t) != t->own || t->indebted || may_be_boosted_now(t))
		return;
	if ((arg[2] & 0xc0) == 0xc0) {
		e = shim_set_group(t->task, arg[3] & 1);
		must(e == (arg[3] & 1 && t->own < MAX_RT_PRIO ? -EINVAL : 0), "moved: %d", e);
	} else if (arg[2] % 3 == 2) {
		e = shim_set_policy(t->task, arg[2] & 4 ? SCHED_RR : SCHED_FIFO, 1 + arg[3] % 99);
		must(e == (t->task->never_realtime ? -EPERM : 0), "became realtime: %d", e);
	} else {
		shim_set_policy(t->task, SCHED_NORMAL, 0);
		shim_set_nice(t->task, MIN_NICE + arg[3] % 40);
	}
	t->own = now(t);
	trace("%u: runs by %d%s\n", t->index, t->own,
	      t->task->never_realtime ? ", never as realtime" : "");
}

int priority_of_node(struct ipcbus_node *args, u8 pick)
{
	if (!(args->flags & IPCBUS_NODE_PRIORITY))
		return MAX_PRIO;
	args->policy = pick % 3;
	if (args->policy == SCHED_NORMAL) {
		args->priority = MIN_NICE + pick / 3 % 40;
		return NICE_TO_PRIO(args->priority);
	}
	args->priority = 1 + pick / 3;
	return MAX_RT_PRIO - 1 - args->priority;
}

/* What a call by who runs by prio makes of its server. */
static int inherited(const struct thread *t, int prio, const struct node *node)
{
	/* At most 98: whoever ends a boost comes before it. */
	prio = max(min(prio, node->prio), 1);
	/* The best that its group lets it have. */
	if (t->task->never_realtime && prio < MAX_RT_PRIO)
		prio = NICE_TO_PRIO(MIN_NICE);
	return t->own < MAX_RT_PRIO && prio > t->own ? t->own : prio;
}

/* A call that is queued boosts the thread that took a message last above what it would run by. */
static bool is_boosted(const struct thread *t, int otherwise)
{
	for (unsigned int i = 0; t->taker && i < world.n_messages; i++) {
		const struct message *m = &world.messages[i];

		if (m->kind == IPCBUS_SEND_CALL &&
		    (!m->target || now(t) == inherited(t, m->prio, m->target)))
			return now(t) < otherwise;
	}
	return false;
}

/* Nothing but the server's reply can have ended it. */
static bool is_waited_for(const struct message *m)
{
	const struct thread *from = m->from;

	return !m->async && from->waits && from->n_stack == 1 && from->stack[0] == m &&
	       !from->took && !m->cancels && !m->deadline && !m->left && !from->proc->killed &&
	       m->life == from->proc->life && !world.any_odd;
}

void priority_of_call(const struct thread *t, const struct message *m, const struct node *node)
{
	if (!is_waited_for(m) || t->proc->killed || t->indebted)
		return;
	must(now(t) == inherited(t, m->prio, node) || now(t) == inherited(t, m->from->own, node) ||
		     is_boosted(t, inherited(t, m->prio, node)),
	     "serves message %u by %d: its own is %d, its caller's %d, its node's %d",
	     message_number(m), now(t), t->own, m->prio, node->prio);
}

void priority_of_waiter(const struct thread *t, const struct ipcbus_event *event)
{
	switch (event->kind) {
	case IPCBUS_EVENT_CALL:
	case IPCBUS_EVENT_ONEWAY:
	case IPCBUS_EVENT_REPLY:
	case IPCBUS_EVENT_ERROR:
	case IPCBUS_EVENT_FAILED:
		/* These bring a boost, or may come between what was inherited before. */
		return;
	default:
		must(now(t) == t->own || is_boosted(t, t->own) || t->indebted || world.any_odd,
		     "waited, got event %u, and runs by %d, not %d", event->kind, now(t), t->own);
	}
}
