// SPDX-License-Identifier: GPL-2.0-only
/*
 * Those who poll: see poll.h. work.c, space.c and freeze.c wake them.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/minmax.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "poll.h"
#include "user.h"

/* Whoever has something for them wakes so many, in its own time. */
#define FEW	16

/*
 * One of them can be an epoll file, which others poll in their turn, any number of them. That
 * is not to be seen from here, only how long it takes. What a wake-up takes beyond QUICK, in ns,
 * may be one PART of an account's time, of which as much may come at once as is due in AT_ONCE,
 * in ns. Whatever would be more is left to the worker.
 */
#define QUICK	(10 * NSEC_PER_USEC)
#define PART	1000
#define AT_ONCE	(100 * NSEC_PER_MSEC)

/* The worker wakes so many at once, or begins no other after this time, in ns. Interrupts are off
 * meanwhile. */
#define PIECE	64
#define PIECE_TIME	(50 * NSEC_PER_USEC)

/* Of its time the worker of an account rests for so many times as much. */
#define REST	4

static struct workqueue_struct *queue;

int ipcbus_poll_init(void)
{
	queue = alloc_workqueue("ipcbus_poll", WQ_UNBOUND, WQ_MAX_ACTIVE);
	return queue ? 0 : -ENOMEM;
}

void ipcbus_poll_done(void)
{
	destroy_workqueue(queue);
}

/* --- The worker ---------------------------------------------------------------- */

/* Of the mark: nobody waits by it. */
static int wake_nobody(wait_queue_entry_t *entry, unsigned int mode, int flags, void *key)
{
	return 0;
}

/*
 * Wakes some behind the mark, and moves that. Who comes meanwhile comes before it, and has looked.
 * Returns whether there are others: not if one who wants to be the only one was woken.
 */
static bool wake_some(wait_queue_head_t *head, wait_queue_entry_t *mark, u64 *took)
{
	/* Not all of them wait for all of this. They look again. */
	void *key = poll_to_key(EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM);
	wait_queue_entry_t *entry;
	unsigned int left = PIECE;
	bool more, exclusive;
	unsigned long flags;
	u64 began, now;
	int ret;

	spin_lock_irqsave(&head->lock, flags);
	now = began = ktime_get_ns();
	while ((more = !list_is_last(&mark->entry, &head->head)) && left-- &&
	       now - began < PIECE_TIME) {
		entry = list_next_entry(mark, entry);
		exclusive = entry->flags & WQ_FLAG_EXCLUSIVE;
		list_move(&mark->entry, &entry->entry);
		ret = entry->func(entry, TASK_INTERRUPTIBLE, 0, key);
		now = ktime_get_ns();
		if (ret < 0 || (ret && exclusive)) {
			more = false;
			break;
		}
	}
	if (!more)
		list_del(&mark->entry);
	*took += now - began;
	spin_unlock_irqrestore(&head->lock, flags);
	return more;
}

/* Returns how long it took, in ns. */
static u64 wake_all(wait_queue_head_t *head)
{
	wait_queue_entry_t mark;
	u64 took = 0;

	init_waitqueue_func_entry(&mark, wake_nobody);
	add_wait_queue(head, &mark);
	while (wake_some(head, &mark, &took))
		cond_resched();
	return took;
}

/* Less than a tick is put together with that of the next time. */
static void rest(struct ipcbus_account *account, u64 took)
{
	unsigned long ticks;

	account->poll_debt += REST * took;
	ticks = nsecs_to_jiffies(account->poll_debt);
	if (!ticks)
		return;
	account->poll_debt = 0;
	schedule_timeout_uninterruptible(ticks + 1);
}

void ipcbus_poll_work(struct work_struct *work)
{
	struct ipcbus_account *account = container_of(work, struct ipcbus_account, wake);
	struct llist_node *entry = llist_reverse_order(llist_del_all(&account->polled)), *next;
	struct ipcbus_proc *proc;

	for (; entry; entry = next) {
		proc = llist_entry(entry, struct ipcbus_proc, poll_entry);
		next = entry->next;
		/* Whoever has something new from here on has it woken again. */
		xchg(&proc->poll_waits, 0);
		rest(account, wake_all(&proc->poll_wait));
		/* With the last one the account may go. */
		ipcbus_proc_put(proc);
		cond_resched();
	}
}

/* If it waits already, it sees what is new. */
static void wake_later(struct ipcbus_proc *proc, struct ipcbus_account *account)
{
	if (xchg(&proc->poll_waits, 1))
		return;
	ipcbus_proc_get(proc);
	if (llist_add(&proc->poll_entry, &account->polled))
		queue_work(queue, &account->wake);
}

/* --- Whoever has something for them ------------------------------------------------ */

static bool are_few_locked(wait_queue_head_t *head)
{
	const struct list_head *at;
	unsigned int left = FEW;

	lockdep_assert_held(&head->lock);
	for (at = head->head.next; at != &head->head && left; at = at->next)
		left--;
	return left;
}

static void note_time(struct ipcbus_account *account, u64 began, u64 now)
{
	u64 due;

	if (likely(now - began <= QUICK))
		return;
	due = max(READ_ONCE(account->polls_due), now);
	WRITE_ONCE(account->polls_due, due + PART * (now - began - QUICK));
}

void ipcbus_poll_wake_some(struct ipcbus_proc *proc, __poll_t events, bool sync)
{
	struct ipcbus_account *account = proc->user->payer.outermost;
	wait_queue_head_t *head = &proc->poll_wait;
	void *key = poll_to_key(events);
	unsigned long flags;
	bool may_wake;
	u64 began;

	/* Whatever interrupts this is not their time. */
	spin_lock_irqsave(&head->lock, flags);
	began = ktime_get_ns();
	may_wake = READ_ONCE(account->polls_due) <= began + AT_ONCE && are_few_locked(head);
	if (likely(may_wake)) {
		if (sync)
			__wake_up_locked_sync_key(head, TASK_INTERRUPTIBLE, key);
		else
			__wake_up_locked_key(head, TASK_INTERRUPTIBLE, key);
		note_time(account, began, ktime_get_ns());
	}
	spin_unlock_irqrestore(&head->lock, flags);
	if (unlikely(!may_wake))
		wake_later(proc, account);
}
