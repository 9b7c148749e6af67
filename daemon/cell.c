// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cells: see cell.h and ipcbus-daemon.h. The client can write a cell's memory at any time. So
 * struct cell has the daemon's own view, and the daemon ignores a state that does not match it.
 *
 * All functions run on the worker of the client, so struct cell has no lock. client_look() examines
 * cells between fibers. The driver's ioctls run on the cell's fiber, which may sleep.
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
#include "cell.h"

/* --- The state word ---------------------------------------------------------------- */

/* Bounds how often a client can change the word during an update. A correct client changes it once,
 * before it sleeps. */
#define MAX_TRIES 1000

/* Changes the state and keeps the flags. Returns false if the cell is in another state. */
static bool change(struct cell *cell, u32 from, u32 to)
{
	u32 *word = &cell->shared->state;
	u32 old = __atomic_load_n(word, __ATOMIC_ACQUIRE);

	for (int i = 0; i < MAX_TRIES && (old & IPCBUSD_STATE) == from; i++)
		if (__atomic_compare_exchange_n(word, &old, (old & ~IPCBUSD_STATE) | to, false,
						__ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

/* Passes the cell to the client, and wakes its thread if it sleeps. */
static void give(struct cell *cell, u32 state)
{
	u32 *word = &cell->shared->state;

	if (__atomic_exchange_n(word, state, __ATOMIC_SEQ_CST) & IPCBUSD_SLEEPS)
		syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void finish(struct cell *cell, long result)
{
	__atomic_store_n(&cell->shared->result, (s32)result, __ATOMIC_RELAXED);
	cell->phase = CELL_IDLE;
	give(cell, IPCBUSD_DONE);
}

/* --- The fiber ---------------------------------------------------------------------- */

/* Clears the features that the daemon does not offer in the client's copy, because the driver
 * reports those of the kernel module. A client that changes the copy in the meantime harms only
 * itself. Returns 0 or -EFAULT. */
static long info_correct(u64 arg)
{
	void *at = (void *)(uintptr_t)(arg + offsetof(struct ipcbus_info, features));
	u64 features;

	if (copy_from_user(&features, at, sizeof(features)))
		return -EFAULT;
	features &= ~IPCBUSD_NOT_OFFERED;
	return copy_to_user(at, &features, sizeof(features)) ? -EFAULT : 0;
}

void client_set_monitors(struct client *client, bool monitors)
{
	if (client->monitors == monitors)
		return;
	client->monitors = monitors;
	users_add_monitors(monitors ? 1 : -1);
}

/* Notes whether the client monitors the bus, by the arguments of its successful ioctl. Only an
 * administrator may monitor. Returns 0 or -EFAULT. */
static int look_at_monitor(struct client *client, u64 arg)
{
	const void *at = (void *)(uintptr_t)(arg + offsetof(struct ipcbus_monitor, flags));
	u32 flags;

	if (copy_from_user(&flags, at, sizeof(flags)))
		return -EFAULT;
	client_set_monitors(client, flags);
	return 0;
}

/* Replaces a wrong error in the event of an exchange. The event is in the client's memory, so a
 * client can only deceive itself. */
static void correct_event(const struct ipcbus_exchange *x, int wrong, int error)
{
	int before;

	if (!copy_from_user(&before, &x->event.error, sizeof(before)) && before == wrong)
		(void)!copy_to_user((void *)&x->event.error, &error, sizeof(error));
}

/* Returns the real error of an ioctl, and stores it in the event of an exchange: the driver reports
 * every failure to get an fd as EBADF, and all inaccessible memory as EFAULT. */
static long correct_result(struct cell *cell, u32 cmd, u64 arg, long result)
{
	int error = 0;

	if (result == -EBADF)
		error = cell->fd_error;
	else if (result == -EFAULT && cell->client->memory.refused)
		error = -EDQUOT;
	if (error && cmd == IPCBUS_IOC_EXCHANGE)
		correct_event((const void *)(uintptr_t)arg, (int)result, error);
	cell->fd_error = 0;
	cell->client->memory.refused = false;
	return error ?: result;
}

static long do_ioctl(struct cell *cell, u32 cmd, u64 arg)
{
	struct client *client = cell->client;
	struct file *file = client->file;
	long ret;

	if (cmd == IPCBUSD_IOC_POLL)
		return poll_choose(client, arg);
	ret = file->f_op->unlocked_ioctl(file, cmd, arg);
	if (unlikely(cell->fd_error || client->memory.refused))
		ret = correct_result(cell, cmd, arg, ret);
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
static bool serve(struct cell *cell, long *ret_result)
{
	u32 cmd;

	for (;;) {
		while (cell->phase != CELL_RUNS && !cell->client->ending)
			fiber_sleep();
		if (cell->client->ending)
			return false;
		cmd = __atomic_load_n(&cell->shared->cmd, __ATOMIC_RELAXED);
		*ret_result = do_ioctl(cell, cmd,
				       __atomic_load_n(&cell->shared->arg, __ATOMIC_RELAXED));
		if (cmd == IPCBUS_IOC_THREAD_EXIT && !*ret_result)
			return true;
		finish(cell, *ret_result);
	}
}

static void cell_main(void *arg)
{
	struct cell *cell = arg;
	struct client *client = cell->client;
	bool is_open;
	long result;

	is_open = serve(cell, &result);
	shim_task_exit();
	cell->fiber = NULL;
	cell->phase = CELL_IDLE;
	account_remove_thread(client->peer.account);
	if (is_open)
		finish(cell, result);
	if (!--client->fibers && client->ending)
		fiber_wake(client->control);
}

/* --- Examining cells ---------------------------------------------------------------- */

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

/* Creates a fiber for the first thread that uses the cell. */
static int begin(struct cell *cell)
{
	struct client *client = cell->client;
	u32 tid = __atomic_load_n(&cell->shared->tid, __ATOMIC_RELAXED);
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
	cell->fiber = fiber_new(user_worker(client->user), task, client, cell_main, cell);
	if (!cell->fiber) {
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

static struct cell_group *group_get(struct client *client, unsigned int number)
{
	struct cell_group **link = &client->cells[number / CELLS_PER_GROUP];
	struct cell_group *group = *link ?: calloc(1, sizeof(*group));

	__atomic_store_n(link, group, __ATOMIC_RELEASE);
	return group;
}

static struct cell *cell_get(struct client *client, unsigned int number)
{
	u64 offset = IPCBUSD_FIRST_CELL + (u64)number * IPCBUSD_CELL_SIZE;
	struct cell *cell = cell_of(client, number);
	struct cell_group *group;

	if (cell)
		return cell;
	group = group_get(client, number);
	if (group && area_use(&client->memory, offset, IPCBUSD_CELL_SIZE))
		cell = calloc(1, sizeof(*cell));
	if (!cell) {
		/* The page of the cell cannot be used to report the error. */
		shutdown(client->peer.socket, SHUT_RDWR);
		return NULL;
	}
	cell->client = client;
	cell->number = number;
	cell->shared = (struct ipcbusd_cell *)(client->memory.at + offset);
	cell->fd = CELL_NO_FD;
	__atomic_store_n(&group->cell[number % CELLS_PER_GROUP], cell, __ATOMIC_RELEASE);
	return cell;
}

static void look_running(struct cell *cell)
{
	if (__atomic_load_n(&cell->shared->state, __ATOMIC_RELAXED) & IPCBUSD_SIGNALLED &&
	    __atomic_fetch_and(&cell->shared->state, ~(u32)IPCBUSD_SIGNALLED, __ATOMIC_SEQ_CST) &
		    IPCBUSD_SIGNALLED)
		shim_signal(cell->fiber->task);
}

static void start(struct cell *cell)
{
	cell->phase = CELL_RUNS;
	fiber_wake(cell->fiber);
	/* The client may have set the signal flag before the ioctl was taken. */
	look_running(cell);
}

/* Begins new cells in order of arrival. If finding the thread takes long, begins one cell per call,
 * so that ready fibers run soon. */
static void begin_new(struct client *client)
{
	struct cell *cell;
	int ret;

	do {
		cell = list_first_entry(&client->new_cells, struct cell, new_entry);
		list_del(&cell->new_entry);
		ret = begin(cell);
		if (ret)
			finish(cell, ret);
		else
			start(cell);
	} while (!list_empty(&client->new_cells) && !process_is_below(client->process));
	if (!list_empty(&client->new_cells))
		user_ring(client->user, client->number);
}

static void look_idle(struct cell *cell)
{
	if (!change(cell, IPCBUSD_SUBMITTED, IPCBUSD_TAKEN))
		return;
	if (likely(cell->fiber)) {
		start(cell);
		return;
	}
	cell->phase = CELL_NEW;
	list_add_tail(&cell->new_entry, &cell->client->new_cells);
}

void cell_look(struct client *client, unsigned int number)
{
	struct cell *cell;

	if (client->ending)
		return;
	cell = cell_get(client, number);
	if (!cell)
		return;
	if (cell->phase == CELL_IDLE)
		look_idle(cell);
	else if (cell->phase == CELL_ASKS && change(cell, IPCBUSD_REPLIED, IPCBUSD_TAKEN))
		start(cell);
	else if (cell->phase == CELL_RUNS)
		look_running(cell);
}

/* Before the area is sealed, it may have holes. */
static noinline bool rang_before_seal(const struct client *client)
{
	struct ipcbusd_client page;
	bool rang;

	rcu_sleeps();
	rang = memory_read(client->memory.fd, &page, sizeof(page), 0) &&
	       (page.summary || page.interrupt);
	rcu_awakes();
	return rang;
}

bool client_rang(const struct client *client)
{
	const struct ipcbusd_client *area = client->area;

	if (unlikely(!client->memory.payer))
		return false;
	/* A client that prevented the seal is ended, and must not keep the worker awake. */
	if (unlikely(!client->memory.sealed))
		return !client->ending && rang_before_seal(client);
	return __atomic_load_n(&area->summary, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&area->interrupt, __ATOMIC_RELAXED);
}

/* Seals the area of a client that has mapped it, because it has submitted a cell. That the bell
 * rang is not enough: it may have been an earlier client with the same number. */
static noinline bool seal(struct client *client)
{
	bool rang = rang_before_seal(client), sealed;

	rcu_sleeps();
	sealed = rang && memory_seal(&client->memory);
	rcu_awakes();
	if (rang && !sealed)
		shutdown(client->peer.socket, SHUT_RDWR);
	return sealed;
}

void client_look(struct client *client)
{
	struct ipcbusd_client *area = client->area;
	u64 words, bits;

	if (unlikely(!client->memory.payer))
		return;
	if (unlikely(!client->memory.sealed) && !seal(client))
		return;
	if (__atomic_load_n(&area->interrupt, __ATOMIC_RELAXED) &&
	    __atomic_exchange_n(&area->interrupt, 0, __ATOMIC_SEQ_CST)) {
		__atomic_fetch_or(&client->todo, CLIENT_INTERRUPT, __ATOMIC_RELAXED);
		fiber_wake(client->control);
	}
	words = __atomic_exchange_n(&area->summary, 0, __ATOMIC_SEQ_CST);
	for (words &= (1ULL << (IPCBUSD_CELLS / 64)) - 1; words; words &= words - 1) {
		unsigned int word = __builtin_ctzll(words);

		bits = __atomic_exchange_n(&area->submitted[word], 0, __ATOMIC_SEQ_CST);
		for (; bits; bits &= bits - 1)
			cell_look(client, word * 64 + __builtin_ctzll(bits));
	}
	if (unlikely(!list_empty(&client->new_cells)) && !client->ending)
		begin_new(client);
}

/* --- Requests to the client --------------------------------------------------------- */

struct cell *cell_current(void)
{
	struct shim_fiber *fiber = current->fiber;

	return fiber && fiber->fn == cell_main ? fiber->arg : NULL;
}

int cell_ask(struct cell *cell, unsigned int ask, int fd)
{
	__atomic_store_n(&cell->shared->ask, ask, __ATOMIC_RELAXED);
	__atomic_store_n(&cell->shared->ask_fd, fd, __ATOMIC_RELAXED);
	cell->phase = CELL_ASKS;
	give(cell, IPCBUSD_ASKS);
	while (cell->phase == CELL_ASKS && !cell->client->ending)
		fiber_sleep();
	cell->phase = CELL_RUNS;
	if (cell->client->ending)
		return -EINTR;
	return __atomic_load_n(&cell->shared->reply, __ATOMIC_RELAXED);
}

/* Returns the first used cell from *number on, and its number, or NULL. */
static struct cell *next_cell(const struct client *client, unsigned int *number)
{
	struct cell *cell = NULL;

	while (*number < IPCBUSD_CELLS && !(cell = cell_of(client, *number)))
		++*number;
	return cell;
}

void cells_have_fds(struct client *client)
{
	struct cell *cell;

	for (unsigned int i = 0; (cell = next_cell(client, &i)); i++)
		if (cell->fiber && __atomic_load_n(&cell->fd, __ATOMIC_RELAXED) >= 0)
			fiber_wake(cell->fiber);
}

/* --- End of a client ---------------------------------------------------------------- */

void cells_end(struct client *client)
{
	struct cell *cell;

	client->ending = true;
	for (unsigned int i = 0; (cell = next_cell(client, &i)); i++)
		if (cell->fiber)
			shim_signal(cell->fiber->task);
}

void cells_free(struct client *client)
{
	struct cell *cell;

	for (unsigned int i = 0; (cell = next_cell(client, &i)); i++)
		free(cell);
	for (unsigned int i = 0; i < IPCBUSD_CELLS / CELLS_PER_GROUP; i++)
		free(client->cells[i]);
}
