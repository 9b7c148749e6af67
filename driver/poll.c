// SPDX-License-Identifier: GPL-2.0-only
/*
 * Those who poll: see poll.h. work.c, space.c and freeze.c wake them.
 */
#include <linux/atomic.h>
#include <linux/cred.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/minmax.h>
#include <linux/poll.h>
#include <linux/random.h>
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
 * or the time of so many STEPS on a slow machine, may be one PART of the waker's time, of which
 * as much may come at once as is due in AT_ONCE, in ns. Whatever would be more is left to the
 * worker. It is due within LONGEST, in ns: not all of that is the account's doing, where the
 * machine is a guest of another.
 */
#define QUICK	(10 * NSEC_PER_USEC)
#define STEPS	512
#define PART	1000
#define AT_ONCE	(100 * NSEC_PER_MSEC)
#define LONGEST	(10ULL * NSEC_PER_SEC)

/* The worker wakes so many at once, or begins no other after this time, in ns. Interrupts are off
 * meanwhile. For no longer does anybody wait for who else does so. */
#define PIECE	64
#define PIECE_TIME	(50 * NSEC_PER_USEC)

/* Beside the events in a proc's poll_events: several came, and each may be for another one who
 * waits. */
#define MANY	(1 << 24)

/*
 * Of each user who wakes and each account, in ns of the clock: since when other wake-ups would
 * have taken none of that time. Accounts may go and come again, so they are here. Some have one
 * together: then the worker may wake for one because of another. The user is who decides how many
 * users there are, as the account's is; workers of the kernel, which work for others, are one more.
 */
#define DUES_BITS	12

static atomic64_t dues[1 << DUES_BITS];
/* Not even, and random: nobody can choose whose index is the same. */
static u64 dues_factor;
static u64 quick = QUICK;
static struct workqueue_struct *queue;

/* Of marks: nobody waits by them. */
static int wake_nobody(wait_queue_entry_t *entry, unsigned int mode, int flags, void *key)
{
	return 0;
}

/* How long it takes to wake nobody in so many steps, in ns. */
static u64 time_of_steps(void)
{
	wait_queue_entry_t entry[FEW];
	DECLARE_WAIT_QUEUE_HEAD_ONSTACK(head);
	unsigned long flags;
	unsigned int i;
	u64 began;

	for (i = 0; i < FEW; i++) {
		init_waitqueue_func_entry(&entry[i], wake_nobody);
		add_wait_queue(&head, &entry[i]);
	}
	spin_lock_irqsave(&head.lock, flags);
	began = ktime_get_ns();
	for (i = 0; i < STEPS / FEW; i++)
		__wake_up_locked_key(&head, TASK_INTERRUPTIBLE, NULL);
	began = ktime_get_ns() - began;
	spin_unlock_irqrestore(&head.lock, flags);
	return began;
}

/* The quickest of some: something may have interrupted the machine itself. */
static u64 measure_quick(void)
{
	u64 least = U64_MAX;
	unsigned int i;

	for (i = 0; i < 8; i++)
		least = min(least, time_of_steps());
	return max_t(u64, least, QUICK);
}

int ipcbus_poll_init(void)
{
	quick = measure_quick();
	dues_factor = get_random_u64() | 1;
	queue = alloc_workqueue("ipcbus_poll", WQ_UNBOUND, WQ_MAX_ACTIVE);
	return queue ? 0 : -ENOMEM;
}

void ipcbus_poll_done(void)
{
	destroy_workqueue(queue);
}

/* --- The worker ---------------------------------------------------------------- */

/*
 * Wakes some between the marks, and moves the first. Who comes meanwhile comes before or behind
 * them, and has looked. Returns whether there are others: not if one who wants to be the only one
 * was woken.
 */
static bool wake_some(wait_queue_head_t *head, wait_queue_entry_t *mark,
		      wait_queue_entry_t *end, u32 events, u64 *took)
{
	void *key = poll_to_key((__force __poll_t)(events & ~MANY));
	bool is_one = !(events & MANY);
	wait_queue_entry_t *entry;
	unsigned int left = PIECE;
	bool more, exclusive;
	unsigned long flags;
	u64 began, now;
	int ret;

	spin_lock_irqsave(&head->lock, flags);
	began = ktime_get_ns();
	now = began;
	while ((more = mark->entry.next != &end->entry) && left-- && now - began < PIECE_TIME) {
		entry = list_next_entry(mark, entry);
		exclusive = entry->flags & WQ_FLAG_EXCLUSIVE;
		list_move(&mark->entry, &entry->entry);
		ret = entry->func(entry, TASK_INTERRUPTIBLE, 0, key);
		now = ktime_get_ns();
		if (ret < 0 || (ret && exclusive && is_one)) {
			more = false;
			break;
		}
	}
	if (!more) {
		list_del(&mark->entry);
		list_del(&end->entry);
	}
	*took += now - began;
	spin_unlock_irqrestore(&head->lock, flags);
	return more;
}

/* Returns how long it took, in ns. */
static u64 wake_all(wait_queue_head_t *head, u32 events)
{
	wait_queue_entry_t mark, end;
	u64 took = 0;

	init_waitqueue_func_entry(&mark, wake_nobody);
	init_waitqueue_func_entry(&end, wake_nobody);
	add_wait_queue_exclusive(head, &end);
	add_wait_queue(head, &mark);
	while (wake_some(head, &mark, &end, events, &took))
		cond_resched();
	return took;
}

/* If it waits already, the worker sees what is new. */
static void wake_later(struct ipcbus_proc *proc, struct ipcbus_account *account, __poll_t events)
{
	int old = atomic_read(&proc->poll_events), all;

	do {
		all = old | (__force int)events;
		if (old)
			all |= MANY;
	} while (!atomic_try_cmpxchg(&proc->poll_events, &old, all));
	if (old)
		return;
	ipcbus_proc_get(proc);
	if (llist_add(&proc->poll_entry, &account->polled))
		queue_work(queue, &account->wake);
}

void ipcbus_poll_work(struct work_struct *work)
{
	struct ipcbus_account *account = container_of(work, struct ipcbus_account, wake);
	struct llist_node *entry = llist_reverse_order(llist_del_all(&account->polled)), *next;
	struct ipcbus_proc *proc;
	u32 events;

	for (; entry; entry = next) {
		proc = llist_entry(entry, struct ipcbus_proc, poll_entry);
		next = entry->next;
		/* Whoever has something new from here on has it woken again. */
		events = atomic_xchg(&proc->poll_events, 0);
		ipcbus_account_rest(&account->poll_debt, wake_all(&proc->poll_wait, events));
		/* With the last one the account may go. */
		ipcbus_proc_put(proc);
		cond_resched();
	}
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

static atomic64_t *due_of(const struct ipcbus_account *account)
{
	kuid_t uid = unlikely(current->flags & PF_KTHREAD) ? INVALID_UID :
		     ipcbus_uid_outermost(current_euid(), current_user_ns());
	u64 both = (u64)__kuid_val(uid) << 32 | __kuid_val(account->uid);

	return &dues[both * dues_factor >> (64 - DUES_BITS)];
}

/* Of several at once some may be lost. */
static void note_time(atomic64_t *due, u64 began, u64 now)
{
	u64 from;

	if (likely(now - began <= quick))
		return;
	from = max_t(u64, atomic64_read(due), now);
	atomic64_set(due, min(from + PART * (now - began - quick), now + LONGEST));
}

static bool is_spent(const atomic64_t *due)
{
	u64 from = atomic64_read(due);

	return unlikely(from) && from > ktime_get_ns() + AT_ONCE;
}

/* A trylock does not say so. */
static void say_that_it_locks(wait_queue_head_t *head)
{
	unsigned long flags;

	if (!IS_ENABLED(CONFIG_LOCKDEP))
		return;
	local_irq_save(flags);
	might_lock(&head->lock);
	local_irq_restore(flags);
}

/* Returns whether it woke them. */
static bool wake_at_once(struct ipcbus_proc *proc, struct ipcbus_account *account,
			 __poll_t events, bool sync)
{
	wait_queue_head_t *head = &proc->poll_wait;
	atomic64_t *due = due_of(account);
	void *key = poll_to_key(events);
	unsigned long flags;
	u64 began = 0, now;
	bool may_wake;

	if (is_spent(due))
		return false;
	/* Who has it may be waking one of them for long: nobody spins for that. They sleep with
	 * PREEMPT_RT, where what interrupts this counts as their time. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		spin_lock_irqsave(&head->lock, flags);
	} else {
		say_that_it_locks(head);
		while (!spin_trylock_irqsave(&head->lock, flags)) {
			now = ktime_get_ns();
			began = began ?: now;
			if (now - began > PIECE_TIME) {
				note_time(due, began, now);
				return false;
			}
			cpu_relax();
		}
	}
	began = began ?: ktime_get_ns();
	may_wake = are_few_locked(head);
	if (likely(may_wake)) {
		if (sync)
			__wake_up_locked_sync_key(head, TASK_INTERRUPTIBLE, key);
		else
			__wake_up_locked_key(head, TASK_INTERRUPTIBLE, key);
		note_time(due, began, ktime_get_ns());
	}
	spin_unlock_irqrestore(&head->lock, flags);
	return may_wake;
}

void ipcbus_poll_wake_some(struct ipcbus_proc *proc, __poll_t events, bool sync)
{
	struct ipcbus_account *account = proc->user->payer.outermost;

	if (unlikely(!wake_at_once(proc, account, events, sync)))
		wake_later(proc, account, events);
}
