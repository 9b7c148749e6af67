// SPDX-License-Identifier: MIT
/*
 * Checks when all threads sleep: a thread may not sleep if it has work, if its call has ended, or
 * if it waits for space that exists. See world.h; called by fuzz.c.
 */
#include <linux/ktime.h>

#include "node.h"
#include "proc.h"
#include "mem/quota.h"
#include "user.h"

#include "world.h"

/* --- Quotas of a region --------------------------------------------------------------- */

/* Finds the driver's proc by its file; NULL: it is closed. */
static const struct ipcbus_proc *proc_of(const struct proc *proc)
{
	const struct file *file = proc->fd < 0 ? NULL : proc->process->file[proc->fd];

	return file && file->f_op == &ipcbus_fops ? file->private_data : NULL;
}

static const struct ipcbus_quota *quota_of(const struct ipcbus_region *region,
					   const struct ipcbus_user *user)
{
	const struct rb_node *node = region->quotas.rb_node;
	const struct ipcbus_quota *quota;

	while (node) {
		quota = rb_entry(node, struct ipcbus_quota, by_user);
		if (uid_eq(quota->uid, user->uid))
			return quota;
		node = uid_lt(user->uid, quota->uid) ? node->rb_left : node->rb_right;
	}
	return NULL;
}

static void judge_quota(const struct ipcbus_region *region, const struct ipcbus_user *user)
{
	const struct ipcbus_quota *quota = quota_of(region, user);
	u32 all = region->size / IPCBUS_UNIT;

	if (!quota)
		return;
	must(quota->charged.oneway_units <= (all / 2 - all / 16) / 2,
	     "oneways of a user have %u of %u units", quota->charged.oneway_units, all);
	must(quota->charged.units <= (all - all / 8) / 2, "a user has %u of %u units",
	     quota->charged.units, all);
	must(region->charged.units <= all - all / 8, "other users have %u of %u units",
	     region->charged.units, all);
	must(quota->charged.oneway_units <= region->oneway_units &&
		     quota->held >= quota->charged.buffers &&
		     quota->charged.buffers >= quota->charged.oneways &&
		     quota->charged.units <= region->charged.units,
	     "more in a quota than there is");
}

void judge_quotas(void)
{
	for (unsigned int i = 0; world.strangers && i < world.n_procs; i++)
		for (unsigned int j = 0; j < world.n_procs; j++)
			if (proc_of(&world.procs[i]) && proc_of(&world.procs[j]))
				judge_quota(&proc_of(&world.procs[i])->region,
					    proc_of(&world.procs[j])->user);
}

/* --- At rest ------------------------------------------------------------------------------ */

static bool sleeps(const struct thread *t)
{
	return t->waits && !t->done && !t->astray &&
	       t->life == t->proc->life && !t->proc->lossy && !t->proc->frozen;
}

/* Finds a sleeping thread of the proc that would take any event. */
static const struct thread *idle_server(const struct proc *proc)
{
	for (unsigned int i = 0; i < world.n_threads; i++) {
		const struct thread *t = &world.threads[i];

		if (t->proc == proc && sleeps(t) && t->serves && !t->n_stack)
			return t;
		/* The same is expected of poll. */
		if (t->proc == proc && t->polls & EPOLLIN && !t->done && t->life == proc->life &&
		    !proc->lossy && !proc->frozen)
			return t;
	}
	return NULL;
}

static bool is_gone(const struct proc *proc)
{
	return !proc->alive && !proc->unseen;
}

/* Whether time advances by itself: some timers are left. */
static bool more_time;

static void call_at_rest(const struct message *m)
{
	u32 number = message_number(m);

	must(!m->replied, "call %u rests, and is replied to", number);
	must(!m->must_cancel, "call %u rests, and was cancelled", number);
	/* A deadline that has not passed has a timer. */
	must(!m->deadline || m->deadline == ~0ULL ||
	     (more_time && m->deadline > ktime_get_ns()),
	     "call %u rests, and its deadline has passed", number);
	must(!m->taken_by || !is_gone(m->taken_by), "call %u rests, and its server is gone", number);
	must(m->taken_by || !m->target || !is_gone(m->target->proc),
	     "call %u rests, and its target is gone", number);
	if (message_can_arrive(m) && (!m->nested || m->async))
		must(!idle_server(m->target->proc), "call %u waits and thread %u rests", number,
		     idle_server(m->target->proc)->index);
}

static void thread_at_rest(const struct thread *t)
{
	if (sleeps(t) && t->n_stack && !t->stack[t->n_stack - 1]->odd)
		call_at_rest(t->stack[t->n_stack - 1]);
	if (t->life != t->proc->life || t->done || t->proc->killed || t->proc->frozen)
		return;
	/* poll also reports the end of its thread's call. */
	if (t->polls & EPOLLIN && t->n_stack && !t->astray && !t->stack[t->n_stack - 1]->odd)
		call_at_rest(t->stack[t->n_stack - 1]);
	must(!(t->polls & EPOLLOUT) || !t->proc->space_made, "thread %u polls, and space was made",
	     t->index);
}

static void message_at_rest(const struct message *m)
{
	if (m->kind == IPCBUS_SEND_CALL && m->async && m->state == MESSAGE_SENT && !m->ended &&
	    proc_is_alive(m->from->proc, m->life) && !m->from->proc->lossy &&
	    idle_server(m->from->proc))
		call_at_rest(m);
	if (m->kind == IPCBUS_SEND_ONEWAY && message_can_arrive(m) && m->state == MESSAGE_SENT &&
	    !m->target->held)
		must(!idle_server(m->target->proc), "oneway %u waits and thread %u sleeps",
		     message_number(m), idle_server(m->target->proc)->index);
}

/* If a thread sleeps in an ioctl with an injected failure, its events may be lost. */
static bool somebody_may_have_failed(void)
{
	for (unsigned int i = 0; i < world.n_threads; i++)
		if (world.threads[i].mischief.fail)
			return true;
	return false;
}

void judge_rest(bool more)
{
	more_time = more;
	for (unsigned int i = 0; i < world.n_procs; i++) {
		if (world.procs[i].alive)
			continue;
		proc_gone(&world.procs[i]);
		if (is_gone(&world.procs[i]))
			space_made(&world.procs[i], world.clock);
	}
	if (world.any_odd || somebody_may_have_failed())
		return;
	for (unsigned int i = 0; i < world.n_threads; i++)
		thread_at_rest(&world.threads[i]);
	for (unsigned int i = 0; i < world.n_messages; i++)
		message_at_rest(&world.messages[i]);
}
