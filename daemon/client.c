// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients: see client.h. The main thread creates a client and passes it to its control fiber. The
 * control fiber opens the bus, handles requests that belong to no thread, and finally frees the
 * client.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/file.h>
#include <linux/security.h>

#include "account.h"
#include "closer.h"
#include "kernel/rcu.h"
#include "kernel/pages.h"
#include "shim.h"
#include "cell.h"
#include "socket.h"

extern const struct file_operations ipcbus_fops;

void daemon_boot(void)
{
	fds_init();
	/* No security module is asked, so processes have no label. */
	shim_label = NULL;
	/* Creates the task of this thread, which must be the first. Later tasks find its
	 * process. */
	(void)current;
	/* This user may monitor the bus and freeze its processes. */
	init_user_ns.root = geteuid();
	shim_boot();
}

/* --- Control fiber --------------------------------------------------------------------- */

static int open_bus(struct client *client)
{
	struct file *file = shim_file_new(&ipcbus_fops, O_RDWR);
	struct inode plain = {};
	int ret;

	ret = file->f_op->open(&plain, file);
	if (ret) {
		/* The file is not open, so release() must not run. */
		file->f_op = NULL;
		fput(file);
		return ret;
	}
	client->file = file;
	return area_begin(&client->memory, file);
}

/* Sends a reply to the client. If that fails, the client would wait forever: its queue is full, or
 * too many fds are in flight. So the connection is shut down, and the main thread ends it. */
static void reply(struct client *client, u32 kind, int error, const int *fds, size_t n_fds)
{
	struct ipcbusd_message message = {
		.kind = kind,
		.error = error,
		.number = client->number,
	};
	struct timespec now;

	/* The client may have another clock, in a time namespace. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	message.size = now.tv_sec * 1000000000ULL + now.tv_nsec;

	if (flight_send(client->flight, &message, fds, error ? 0 : n_fds))
		shutdown(client->peer.socket, SHUT_RDWR);
}

/* Maps the region, like a read-only and shared mmap() of the device. Returns an fd for the client,
 * or -errno. */
static int map_region(struct client *client, u64 size)
{
	struct file *file = client->file;
	struct vm_area_struct vma = {
		.vm_end = ALIGN(size, PAGE_SIZE),
		.vm_flags = VM_READ | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_SHARED |
			    VM_MAYSHARE,
		.vm_mm = current->mm,
		.vm_file = file,
	};
	struct mm_struct *mm = current->mm;
	int ret;

	if (!size || size > U32_MAX)
		return -EINVAL;
	mutex_lock(&mm->mmap_lock);
	ret = file->f_op->mmap(file, &vma);
	mutex_unlock(&mm->mmap_lock);
	return ret ?: region_open(file->f_mapping);
}

static void do_map(struct client *client)
{
	u64 size = client->map_size;
	int fd;

	__atomic_store_n(&client->maps, false, __ATOMIC_RELEASE);
	fd = map_region(client, size);
	reply(client, IPCBUSD_MAP, fd < 0 ? fd : 0, &fd, 1);
	if (fd >= 0)
		close(fd);
}

/* Handles requests until the client ends. */
static void handle_requests(struct client *client)
{
	unsigned int todo = 0;

	while (!(todo & CLIENT_END)) {
		todo = __atomic_exchange_n(&client->todo, 0, __ATOMIC_SEQ_CST);
		if (!todo)
			fiber_sleep();
		if (!client->file)
			continue;
		if (todo & CLIENT_MAP)
			do_map(client);
		if (todo & CLIENT_FDS)
			cells_have_fds(client);
		/* As when an fd of the file is closed. */
		if (todo & CLIENT_INTERRUPT)
			client->file->f_op->flush(client->file, NULL);
		if (todo & CLIENT_POLL)
			poll_update(client);
	}
}

static void close_bus(struct client *client)
{
	cells_end(client);
	while (client->fibers)
		fiber_sleep();
	/* The worker no longer finds the client, so it cannot wake this fiber. */
	poll_end(client);
	user_remove(client->user, client->number);
	if (client->file) {
		client->file->f_op->flush(client->file, NULL);
		area_end(&client->memory);
		fput(client->file);
	}
	client_set_monitors(client, false);
}

struct account *client_account(const struct client *client)
{
	return client->peer.account;
}

static void client_free(struct client *client)
{
	struct client_memory *memory = &client->memory;
	bool sealed;

	cells_free(client);
	/* Waiting for the client and freeing up to 4 GB take long, so leave the RCU read side
	 * first: other threads may be waiting for a grace period. */
	rcu_sleeps();
	sealed = memory_seal(memory);
	if (!sealed) {
		memory_free_used(memory);
		memory_end_later(memory->fd, memory_free_unused, memory->at, client->peer.account);
	}
	flight_end(client->flight);
	if (sealed)
		memory_free(memory);
	rcu_awakes();
	free(client);
}

static void control_main(void *arg)
{
	struct client *client = arg;
	struct process *process = client->process;
	struct user *user = client->user;
	int ret, fds[IPCBUSD_MAX_FDS];

	/* As with the device, clients that ended before this client connected must be gone when it
	 * gets the reply to HELLO. For example, a new service manager must not find the old one. */
	user_wait_for_ends(user, client->ends_before);
	ret = open_bus(client);
	fds[0] = client->shown;
	fds[1] = user_bell(user);
	fds[2] = poll_fd(client, 0);
	fds[3] = poll_fd(client, 1);
	fds[4] = user_open_status(user);
	if (fds[4] < 0)
		ret = ret ?: fds[4];
	reply(client, IPCBUSD_HELLO, ret, fds, IPCBUSD_MAX_FDS);
	close(client->shown);
	if (fds[4] >= 0)
		close(fds[4]);
	handle_requests(client);
	close_bus(client);
	process_leave(process);
	shim_task_exit();
	process_put(process);
	client_free(client);
	user_end_is_done(user);
	user_put(user);
}

/* --- Main thread ----------------------------------------------------------------------- */

/* Adds requests and wakes the control fiber. After CLIENT_END is set, the worker may free the
 * client before this function wakes the fiber. The RCU read side keeps the fiber. */
static void post(struct client *client, unsigned int requests)
{
	struct shim_fiber *control = client->control;

	rcu_read_lock();
	__atomic_fetch_or(&client->todo, requests, __ATOMIC_SEQ_CST);
	fiber_wake(control);
	rcu_read_unlock();
}

bool client_map(struct client *client, uint64_t size)
{
	if (__atomic_load_n(&client->maps, __ATOMIC_ACQUIRE))
		return false;
	client->maps = true;
	client->map_size = size;
	post(client, CLIENT_MAP);
	return true;
}

bool client_give_fd(struct client *client, uint32_t number, int fd)
{
	struct cell *cell = NULL;
	int none = CELL_FD_COMES;

	if (number < IPCBUSD_CELLS)
		cell = cell_of(client, number);
	if (!cell || !__atomic_compare_exchange_n(&cell->fd, &none, fd, false, __ATOMIC_ACQ_REL,
						  __ATOMIC_RELAXED)) {
		close_later(fd, client->peer.account);
		return false;
	}
	post(client, CLIENT_FDS);
	return true;
}

void client_end(struct client *client)
{
	user_end_begins(client->user);
	post(client, CLIENT_END);
}

/* Removes the task of a control fiber that has not run. */
static void remove_task(struct client *client)
{
	struct task_struct *before = current;

	if (client->control)
		fiber_free(client->control);
	process_leave(client->process);
	shim_task = client->task;
	shim_task_exit();
	shim_task = before;
	process_put(client->process);
}

/* Creates the task of the control fiber, with the peer's credentials. */
static int add_task(struct client *client)
{
	struct task_struct *before = current, *task;

	client->process = process_get(&client->peer, &task);
	if (!client->process)
		return -ENOMEM;
	shim_task = task;
	shim_set_ids(client->peer.uid, client->peer.gid, user_ns(client->user));
	shim_task = before;
	client->task = task;
	client->control = fiber_new(user_worker(client->user), task, client, control_main, client);
	if (client->control)
		return 0;
	remove_task(client);
	return -ENOMEM;
}

static int begin(struct client *client, const struct client_peer *peer, u64 base, u64 size)
{
	int ret;

	client->peer = *peer;
	if (base % PAGE_SIZE || size % PAGE_SIZE || size <= IPCBUSD_SEND_AREA ||
	    size > IPCBUSD_MAX_AREA || base > ~0ULL - size)
		return -EINVAL;
	ret = user_get(peer, &client->user);
	if (ret)
		return ret;
	ret = memory_new(&client->memory, "ipcbus area", size);
	if (ret)
		goto err_user;
	client->shown = memory_open(client->memory.fd, /* writes= */ true);
	ret = client->shown < 0 ? client->shown : 0;
	if (ret)
		goto err_memory;
	client->flight = peer->flight;
	client->memory.base = base;
	client->area = (struct ipcbusd_client *)client->memory.at;
	client->ends_before = user_ends(client->user);
	INIT_LIST_HEAD(&client->new_cells);
	ret = poll_begin(client) ?: add_task(client);
	if (ret)
		goto err_poll;
	/* Must be last: from here on the worker may examine the client. */
	ret = user_add(client->user, client);
	if (ret >= 0) {
		client->number = ret;
		return 0;
	}
	remove_task(client);
err_poll:
	poll_end(client);
	close(client->shown);
err_memory:
	memory_free(&client->memory);
err_user:
	user_put(client->user);
	return ret;
}

struct client *client_new(const struct client_peer *peer, uint64_t base, uint64_t size,
			  struct area_watch *watch, void *owner)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_HELLO };
	struct client *client = calloc(1, sizeof(*client));

	message.error = client ? begin(client, peer, base, size) : -ENOMEM;
	if (!message.error) {
		area_watch(watch, client->memory.fd, owner);
		fiber_wake(client->control);
		return client;
	}
	free(client);
	socket_send(peer->socket, &message, NULL, 0);
	return NULL;
}
