// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots: see slot.h and ipcbus-daemon.h. The client can write a slot's memory at any time. So
 * struct slot has the daemon's own view, and the daemon ignores a state that does not match it.
 *
 * All functions run on the worker of the client, so struct slot has no lock. client_look() examines
 * slots between fibers. The driver's ioctls run on the slot's fiber, which may sleep.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "account.h"
#include "kernel/rcu.h"
#include "ipcbus-monitor.h"
#include "shim.h"
#include "slot.h"

/* --- The state word ---------------------------------------------------------------- */

/* Bounds how often a client can change the word during an update. A correct client changes it once,
 * before it sleeps. */
#define MAX_TRIES 1000

/* Changes the state and keeps the flags. Returns false if the slot is in another state. */
static bool change(struct slot *slot, u32 from, u32 to)
{
	u32 *word = &slot->shared->state;
	u32 old = __atomic_load_n(word, __ATOMIC_ACQUIRE);

	for (int i = 0; i < MAX_TRIES && (old & IPCBUSD_STATE) == from; i++)
		if (__atomic_compare_exchange_n(word, &old, (old & ~IPCBUSD_STATE) | to, false,
						__ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

/* Passes the slot to the client, and wakes its thread if it sleeps. */
static void give(struct slot *slot, u32 state)
{
	u32 *word = &slot->shared->state;

	if (__atomic_exchange_n(word, state, __ATOMIC_SEQ_CST) & IPCBUSD_SLEEPS)
		syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void finish(struct slot *slot, long result)
{
	__atomic_store_n(&slot->shared->result, (s32)result, __ATOMIC_RELAXED);
	slot->phase = SLOT_IDLE;
	give(slot, IPCBUSD_DONE);
}

/* --- The fiber ---------------------------------------------------------------------- */

/* The driver reports the features of the kernel module. This corrects the client's copy. A client
 * that changes the copy in the meantime harms only itself. */
static long info_correct(u64 arg)
{
	void *at = (void *)(uintptr_t)(arg + offsetof(struct ipcbus_info, features));
	u64 features;

	if (copy_from_user(&features, at, sizeof(features)))
		return -EFAULT;
	features &= ~IPCBUSD_NOT_OFFERED;
	return copy_to_user(at, &features, sizeof(features)) ? -EFAULT : 0;
}

/* The client's own arguments tell whether it monitors the bus. Only an administrator may. */
static int look_at_monitor(struct client *client, u64 arg)
{
	const void *at = (void *)(uintptr_t)(arg + offsetof(struct ipcbus_monitor, flags));
	u32 flags;

	if (copy_from_user(&flags, at, sizeof(flags)))
		return -EFAULT;
	client_set_monitors(client, flags);
	return 0;
}

/* An exchange reports the error in its event as well. The event is in the client's memory, so a
 * client can only deceive itself. */
static void correct_event(const struct ipcbus_exchange *x, int wrong, int error)
{
	int before;

	if (!copy_from_user(&before, &x->event.error, sizeof(before)) && before == wrong)
		(void)!copy_to_user((void *)&x->event.error, &error, sizeof(error));
}

/* The driver reports every failure to get an fd as EBADF, and all inaccessible memory as EFAULT.
 * This restores the real reason. */
static long correct_result(struct slot *slot, u32 cmd, u64 arg, long result)
{
	int error = 0;

	if (result == -EBADF)
		error = slot->fd_error;
	else if (result == -EFAULT && slot->client->memory.refused)
		error = -EDQUOT;
	if (error && cmd == IPCBUS_IOC_EXCHANGE)
		correct_event((const void *)(uintptr_t)arg, (int)result, error);
	slot->fd_error = 0;
	slot->client->memory.refused = false;
	return error ?: result;
}

static long do_ioctl(struct slot *slot, u32 cmd, u64 arg)
{
	struct client *client = slot->client;
	struct file *file = client->file;
	long ret;

	if (cmd == IPCBUSD_IOC_POLL)
		return poll_choose(client, arg);
	ret = file->f_op->unlocked_ioctl(file, cmd, arg);
	if (unlikely(slot->fd_error || client->memory.refused))
		ret = correct_result(slot, cmd, arg, ret);
	if (!ret && _IOC_NR(cmd) == _IOC_NR(IPCBUS_IOC_INFO))
		ret = info_correct(arg);
	if (!ret && _IOC_NR(cmd) == _IOC_NR(IPCBUS_IOC_MONITOR))
		ret = look_at_monitor(client, arg);
	/* The task returns to user space, where pending signals are delivered. */
	__atomic_store_n(&current->signalled, client->ending, __ATOMIC_SEQ_CST);
	if (client->poll)
		poll_update(client);
	return ret;
}

/* Runs ioctls until the thread or the client ends. If the last ioctl's result is still to be
 * returned to the client, returns true and sets *ret_result. */
static bool serve(struct slot *slot, long *ret_result)
{
	u32 cmd;

	for (;;) {
		while (slot->phase != SLOT_RUNS && !slot->client->ending)
			fiber_sleep();
		if (slot->client->ending)
			return false;
		cmd = __atomic_load_n(&slot->shared->cmd, __ATOMIC_RELAXED);
		*ret_result = do_ioctl(slot, cmd,
				       __atomic_load_n(&slot->shared->arg, __ATOMIC_RELAXED));
		if (cmd == IPCBUS_IOC_THREAD_EXIT && !*ret_result)
			return true;
		finish(slot, *ret_result);
	}
}

static void slot_main(void *arg)
{
	struct slot *slot = arg;
	struct client *client = slot->client;
	bool is_open;
	long result;

	is_open = serve(slot, &result);
	shim_task_exit();
	slot->fiber = NULL;
	slot->phase = SLOT_IDLE;
	account_remove_thread(client->peer.account);
	if (is_open)
		finish(slot, result);
	if (!--client->fibers && client->ending)
		fiber_wake(client->control);
}

/* --- Examining slots ---------------------------------------------------------------- */

/* Creates a task with the credentials of the connection, because another connection of the process
 * may have other credentials. */
static struct task_struct *new_task(struct client *client, u32 tid)
{
	struct task_struct *task = process_new_task(client->process, (int)tid);
	struct task_struct *before = shim_task;

	if (!task)
		return NULL;
	shim_put_cred(task->cred);
	shim_task = client->task;
	task->cred = shim_get_current_cred();
	shim_task = before;
	return task;
}

/* Creates a fiber for the first thread that uses the slot. */
static int begin(struct slot *slot)
{
	struct client *client = slot->client;
	u32 tid = __atomic_load_n(&slot->shared->tid, __ATOMIC_RELAXED);
	struct task_struct *task;
	int ret = account_add_thread(client->peer.account);

	if (ret)
		return ret;
	/* Finding the thread may take long. Leave the RCU read side, because other threads may be
	 * waiting for a grace period. */
	rcu_sleeps();
	task = tid && tid <= INT_MAX ? new_task(client, tid) : NULL;
	rcu_awakes();
	if (!task) {
		account_remove_thread(client->peer.account);
		return -ESRCH;
	}
	slot->fiber = fiber_new(user_worker(client->user), task, client, slot_main, slot);
	if (!slot->fiber) {
		struct task_struct *before = shim_task;

		shim_task = task;
		shim_task_exit();
		shim_task = before;
		account_remove_thread(client->peer.account);
		return -ENOMEM;
	}
	client->fibers++;
	return 0;
}

static struct slot *slot_get(struct client *client, unsigned int number)
{
	u64 offset = IPCBUSD_FIRST_SLOT + (u64)number * IPCBUSD_SLOT_SIZE;
	struct slot *slot = client->slot[number];

	if (slot)
		return slot;
	if (area_use(&client->memory, offset, IPCBUSD_SLOT_SIZE))
		slot = calloc(1, sizeof(*slot));
	if (!slot) {
		/* The page of the slot cannot be used to report the error. */
		shutdown(client->peer.socket, SHUT_RDWR);
		return NULL;
	}
	slot->client = client;
	slot->number = number;
	slot->shared = (struct ipcbusd_slot *)(client->memory.at + offset);
	slot->fd = SLOT_NO_FD;
	__atomic_store_n(&client->slot[number], slot, __ATOMIC_RELEASE);
	return slot;
}

static void look_running(struct slot *slot)
{
	if (__atomic_load_n(&slot->shared->state, __ATOMIC_RELAXED) & IPCBUSD_SIGNALLED &&
	    __atomic_fetch_and(&slot->shared->state, ~(u32)IPCBUSD_SIGNALLED, __ATOMIC_SEQ_CST) &
		    IPCBUSD_SIGNALLED)
		shim_signal(slot->fiber->task);
}

static void start(struct slot *slot)
{
	slot->phase = SLOT_RUNS;
	fiber_wake(slot->fiber);
	/* The client may have set the signal flag before the ioctl was taken. */
	look_running(slot);
}

/* Begins new slots in order of arrival. If finding the thread takes long, begins one slot per call,
 * so that ready fibers run soon. */
static void begin_new(struct client *client)
{
	struct slot *slot;
	int ret;

	do {
		slot = list_first_entry(&client->new_slots, struct slot, new_entry);
		list_del(&slot->new_entry);
		ret = begin(slot);
		if (ret)
			finish(slot, ret);
		else
			start(slot);
	} while (!list_empty(&client->new_slots) && !process_is_below(client->process));
	if (!list_empty(&client->new_slots))
		user_ring(client->user, client->number);
}

static void look_idle(struct slot *slot)
{
	if (!change(slot, IPCBUSD_SUBMITTED, IPCBUSD_TAKEN))
		return;
	if (likely(slot->fiber)) {
		start(slot);
		return;
	}
	slot->phase = SLOT_NEW;
	list_add_tail(&slot->new_entry, &slot->client->new_slots);
}

void slot_look(struct client *client, unsigned int number)
{
	struct slot *slot;

	if (client->ending)
		return;
	slot = slot_get(client, number);
	if (!slot)
		return;
	if (slot->phase == SLOT_IDLE)
		look_idle(slot);
	else if (slot->phase == SLOT_ASKS && change(slot, IPCBUSD_REPLIED, IPCBUSD_TAKEN))
		start(slot);
	else if (slot->phase == SLOT_RUNS)
		look_running(slot);
}

void client_look(struct client *client)
{
	struct ipcbusd_client *area = client->area;
	u64 words, bits;

	if (unlikely(!client->memory.payer))
		return;
	if (__atomic_load_n(&area->interrupt, __ATOMIC_RELAXED) &&
	    __atomic_exchange_n(&area->interrupt, 0, __ATOMIC_SEQ_CST)) {
		__atomic_fetch_or(&client->todo, CLIENT_INTERRUPT, __ATOMIC_RELAXED);
		fiber_wake(client->control);
	}
	words = __atomic_exchange_n(&area->summary, 0, __ATOMIC_SEQ_CST);
	for (words &= (1ULL << (IPCBUSD_SLOTS / 64)) - 1; words; words &= words - 1) {
		unsigned int word = __builtin_ctzll(words);

		bits = __atomic_exchange_n(&area->submitted[word], 0, __ATOMIC_SEQ_CST);
		for (; bits; bits &= bits - 1)
			slot_look(client, word * 64 + __builtin_ctzll(bits));
	}
	if (unlikely(!list_empty(&client->new_slots)) && !client->ending)
		begin_new(client);
}

/* --- Requests to the client --------------------------------------------------------- */

struct slot *slot_current(void)
{
	struct shim_fiber *fiber = current->fiber;

	return fiber && fiber->fn == slot_main ? fiber->arg : NULL;
}

int slot_ask(struct slot *slot, unsigned int ask, int fd)
{
	__atomic_store_n(&slot->shared->ask, ask, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->shared->ask_fd, fd, __ATOMIC_RELAXED);
	slot->phase = SLOT_ASKS;
	give(slot, IPCBUSD_ASKS);
	while (slot->phase == SLOT_ASKS && !slot->client->ending)
		fiber_sleep();
	slot->phase = SLOT_RUNS;
	if (slot->client->ending)
		return -EINTR;
	return __atomic_load_n(&slot->shared->reply, __ATOMIC_RELAXED);
}

void slots_have_fds(struct client *client)
{
	for (int i = 0; i < IPCBUSD_SLOTS; i++)
		if (client->slot[i] && client->slot[i]->fiber &&
		    __atomic_load_n(&client->slot[i]->fd, __ATOMIC_RELAXED) >= 0)
			fiber_wake(client->slot[i]->fiber);
}

/* --- End of a client ---------------------------------------------------------------- */

void slots_end(struct client *client)
{
	client->ending = true;
	for (int i = 0; i < IPCBUSD_SLOTS; i++)
		if (client->slot[i] && client->slot[i]->fiber)
			shim_signal(client->slot[i]->fiber->task);
}

void slots_free(struct client *client)
{
	for (int i = 0; i < IPCBUSD_SLOTS; i++)
		free(client->slot[i]);
}
