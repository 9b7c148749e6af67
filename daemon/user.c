// SPDX-License-Identifier: GPL-2.0-only
/*
 * Users: see user.h. The bell is memory that all clients of the user can write. That a client
 * rang is only a hint that the worker should examine the client.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/fiber.h"
#include "kernel/rcu.h"
#include "client.h"
#include "ipcbus-daemon.h"
#include "shim.h"
#include "user.h"

#define WORDS  (IPCBUSD_CLIENTS / 64)
#define RECENT 16

/* A fiber in user_wait_for_ends(). */
struct waiting {
	struct waiting *next;
	struct shim_fiber *fiber;
};

/**
 * struct user - see user.h
 * @next: in the list of all users (lock)
 * @uid: constant
 * @ref: number of clients (lock)
 * @bell: memfd of the bell
 * @seen: the bell when it was last read (worker)
 * @now: for read_bell()
 * @recent: clients that the bell found last (worker)
 * @next_recent: index of the next in @recent, modulo RECENT (worker)
 * @skips: the last look did not read the bell (worker)
 * @numbers: all clients have lower numbers; never falls (main thread writes)
 * @status_fd: memfd of the status
 * @status: memory of the status, which clients only read; any thread may write it
 * @rung: bits of clients to examine (worker)
 * @rung_words: a bit for each word of @rung (worker)
 * @worker: constant
 * @ns: holds a reference; the namespace of the payer if the payer is another user; constant
 * @ends: number of clients that the main thread has told to end (main thread)
 * @ended: number of clients that have ended (worker)
 * @waiting: fibers that wait for clients to end (worker)
 * @client: by number; set by the main thread, cleared by the worker
 */
struct user {
	struct user *next;
	uint32_t uid;
	unsigned int ref;
	int bell;
	struct ipcbusd_bell seen;
	struct ipcbusd_bell now;
	unsigned int recent[RECENT];
	unsigned int next_recent;
	bool skips;
	unsigned int numbers;
	int status_fd;
	struct ipcbusd_status *status;
	u64 rung[WORDS];
	u64 rung_words;
	struct worker *worker;
	struct user_namespace *ns;
	uint64_t ends;
	uint64_t ended;
	struct waiting *waiting;
	struct client *client[IPCBUSD_CLIENTS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct user *users;
static unsigned int monitors; /* (lock) */

static bool rang(struct user *user, unsigned int number)
{
	const struct client *client = __atomic_load_n(&user->client[number], __ATOMIC_ACQUIRE);

	return client && client_rang(client);
}

/* Looks at the areas of up to 64 clients, which costs less than a system call. */
static void look_at_areas(struct user *user, unsigned int numbers)
{
	u64 bits = 0;

	for (unsigned int i = 0; i < numbers; i++)
		bits |= (u64)rang(user, i) << i;
	user->rung[0] |= bits;
	user->rung_words |= !!bits;
}

/* Looks at the areas of clients with changed counts, in a word of 64 clients. */
static void look_at_counts(struct user *user, unsigned int word)
{
	u32 *seen = user->seen.rings + word * 64, *now = user->now.rings + word * 64;

	for (unsigned int i = 0; i < 64; i++) {
		unsigned int number = word * 64 + i;

		if (now[i] == seen[i] || user->rung[word] >> i & 1 || !rang(user, number))
			continue;
		user_ring(user, number);
		user->recent[user->next_recent++ % RECENT] = number;
	}
	memcpy(seen, now, 64 * sizeof(*seen));
}

static void read_bell(struct user *user, unsigned int numbers)
{
	unsigned int words = (numbers + 63) / 64;
	bool is_read;

	rcu_sleeps();
	is_read = memory_read(user->bell, &user->now, words * 64 * sizeof(u32), 0);
	rcu_awakes();
	for (unsigned int i = 0; i < words && is_read; i++)
		if (memcmp(user->now.rings + i * 64, user->seen.rings + i * 64, 64 * sizeof(u32)))
			look_at_counts(user, i);
}

/* Finds clients that call often by their areas, without a system call. The other clients wait for a
 * single look longer. */
static void look_at_many(struct user *user, unsigned int numbers)
{
	bool found = false;

	for (int i = 0; i < RECENT; i++)
		if (rang(user, user->recent[i])) {
			user_ring(user, user->recent[i]);
			found = true;
		}
	user->skips = found && !user->skips;
	if (!user->skips)
		read_bell(user, numbers);
}

static void look_at_clients(struct user *user, unsigned int word)
{
	u64 bits = user->rung[word];
	struct client *client;

	user->rung[word] = 0;
	for (; bits; bits &= bits - 1) {
		client = __atomic_load_n(&user->client[word * 64 + __builtin_ctzll(bits)],
					 __ATOMIC_ACQUIRE);
		if (client)
			client_look(client);
	}
}

static bool look(void *arg)
{
	struct user *user = arg;
	unsigned int numbers = __atomic_load_n(&user->numbers, __ATOMIC_RELAXED);
	u64 words;
	bool any;

	if (likely(numbers <= 64))
		look_at_areas(user, numbers);
	else
		look_at_many(user, numbers);
	words = user->rung_words;
	any = words;
	user->rung_words = 0;
	for (; words; words &= words - 1)
		look_at_clients(user, __builtin_ctzll(words));
	return any;
}

static void free_memory(struct user *user)
{
	close(user->bell);
	memory_end(user->status_fd, user->status, PAGE_SIZE);
}

static void user_free(void *arg)
{
	struct user *user = arg;

	free_memory(user);
	if (user->ns)
		put_user_ns(user->ns);
	free(user);
}

static int make_memory(struct user *user)
{
	void *status;

	user->bell = memory_new_unmapped("ipcbus bell", sizeof(struct ipcbusd_bell));
	if (user->bell < 0)
		return user->bell;
	user->status_fd = memory_new_read_only("ipcbus status", PAGE_SIZE, user->uid, &status);
	if (user->status_fd < 0) {
		close(user->bell);
		return user->status_fd;
	}
	user->status = status;
	user->status->monitors = monitors;
	return 0;
}

/* Prints why a user gets no worker, once: clients can repeat the cause. */
static void report_no_worker(void)
{
	static bool reported;

	if (!reported)
		fputs("ipcbusd: cannot start a thread for another user: RLIMIT_NPROC (ulimit -u), TasksMax= "
		      "of the unit, or the memory is too small\n", stderr);
	reported = true;
}

static int user_new(const struct client_peer *peer, struct user **ret_user)
{
	struct worker_ops ops = { .look = look, .free = user_free };
	struct user *user = calloc(1, sizeof(*user));
	int ret = -ENOMEM;

	if (!user)
		return ret;
	/* The daemon's cgroup or its limit may have changed. */
	admin_update_memory();
	user->uid = peer->uid;
	/* The driver uses this namespace only for its owner, whom it charges as well. */
	user->ns = peer->payer == peer->uid ? NULL : shim_user_ns_owned(peer->payer);
	ret = make_memory(user);
	if (ret)
		goto err;
	ops.asleep = &user->status->asleep;
	ops.arg = user;
	user->worker = worker_new(&ops);
	if (user->worker) {
		*ret_user = user;
		return 0;
	}
	report_no_worker();
	ret = -ENOMEM;
	free_memory(user);
err:
	if (user->ns)
		put_user_ns(user->ns);
	free(user);
	return ret;
}

int user_get(const struct client_peer *peer, struct user **ret_user)
{
	struct user *user;
	int ret = 0;

	pthread_mutex_lock(&lock);
	user = users;
	while (user && user->uid != peer->uid)
		user = user->next;
	if (!user) {
		ret = user_new(peer, &user);
		if (!ret) {
			user->next = users;
			users = user;
		}
	}
	if (!ret) {
		user->ref++;
		*ret_user = user;
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

void user_put(struct user *user)
{
	struct user **link = &users;
	bool is_last;

	pthread_mutex_lock(&lock);
	is_last = !--user->ref;
	while (is_last && *link != user)
		link = &(*link)->next;
	if (is_last)
		*link = user->next;
	pthread_mutex_unlock(&lock);
	if (is_last)
		worker_end(user->worker);
}

struct user_namespace *user_ns(struct user *user)
{
	return user->ns;
}

struct worker *user_worker(struct user *user)
{
	return user->worker;
}

int user_bell(struct user *user)
{
	return user->bell;
}

int user_open_status(struct user *user)
{
	return memory_open(user->status_fd, /* writes= */ false);
}

void users_add_monitors(int change)
{
	pthread_mutex_lock(&lock);
	monitors += (unsigned int)change;
	for (struct user *user = users; user; user = user->next)
		__atomic_store_n(&user->status->monitors, monitors, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&lock);
}

void user_ring(struct user *user, unsigned int number)
{
	user->rung[number / 64] |= 1ULL << number % 64;
	user->rung_words |= 1ULL << number / 64;
}

int user_add(struct user *user, struct client *client)
{
	for (int i = 0; i < IPCBUSD_CLIENTS; i++)
		if (!__atomic_load_n(&user->client[i], __ATOMIC_ACQUIRE)) {
			if ((unsigned int)i >= user->numbers)
				__atomic_store_n(&user->numbers, i + 1, __ATOMIC_RELAXED);
			__atomic_store_n(&user->client[i], client, __ATOMIC_RELEASE);
			return i;
		}
	return -EDQUOT;
}

void user_remove(struct user *user, unsigned int number)
{
	__atomic_store_n(&user->client[number], NULL, __ATOMIC_RELEASE);
}

uint64_t user_ends(const struct user *user)
{
	return user->ends;
}

void user_end_begins(struct user *user)
{
	user->ends++;
}

void user_end_is_done(struct user *user)
{
	user->ended++;
	for (struct waiting *waiting = user->waiting; waiting; waiting = waiting->next)
		fiber_wake(waiting->fiber);
}

void user_wait_for_ends(struct user *user, uint64_t ends)
{
	struct waiting self = { user->waiting, current->fiber }, **link = &user->waiting;

	if (user->ended >= ends)
		return;
	user->waiting = &self;
	while (user->ended < ends)
		fiber_sleep();
	while (*link != &self)
		link = &(*link)->next;
	*link = self.next;
}
