// SPDX-License-Identifier: GPL-2.0-only
/*
 * Users: see user.h. The bell is memory that all clients of the user can write. A set bit is only a
 * hint that the worker should examine a client or cell.
 */
#include <pthread.h>
#include <stdlib.h>

#include "kernel/fiber.h"
#include "client.h"
#include "ipcbus-daemon.h"
#include "shim.h"
#include "user.h"

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
 * @memory: memory of the bell, which its clients map
 * @bell: in @memory
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
	struct client_memory memory;
	struct ipcbusd_bell *bell;
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

/* Takes the bits that clients set in a word. */
static u64 take_bits(u64 *word)
{
	if (!__atomic_load_n(word, __ATOMIC_RELAXED))
		return 0;
	return __atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST);
}

static void look_at_clients(struct user *user, unsigned int word)
{
	u64 bits = take_bits(&user->bell->submitted[word]);
	struct client *client;

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
	u64 words = take_bits(&user->bell->summary);
	bool any = words;

	for (; words; words &= words - 1)
		look_at_clients(user, __builtin_ctzll(words));
	return any;
}

static void user_free(void *arg)
{
	struct user *user = arg;

	memory_free(&user->memory);
	if (user->ns)
		put_user_ns(user->ns);
	free(user);
}

static int user_new(uint32_t uid, uint32_t payer, struct user **ret_user)
{
	struct worker_ops ops = { .look = look, .free = user_free };
	struct user *user = calloc(1, sizeof(*user));
	int ret = -ENOMEM;

	if (!user)
		return ret;
	user->uid = uid;
	/* The driver uses this namespace only for its owner, whom it charges as well. */
	user->ns = payer == uid ? NULL : shim_user_ns_owned(payer);
	ret = memory_new(&user->memory, "ipcbus bell", ALIGN(sizeof(*user->bell), PAGE_SIZE));
	if (ret)
		goto err;
	user->bell = (struct ipcbusd_bell *)user->memory.at;
	user->bell->monitors = monitors;
	ops.word = &user->bell->word;
	ops.arg = user;
	user->worker = worker_new(&ops);
	if (user->worker) {
		*ret_user = user;
		return 0;
	}
	ret = -ENOMEM;
	memory_free(&user->memory);
err:
	if (user->ns)
		put_user_ns(user->ns);
	free(user);
	return ret;
}

int user_get(uint32_t uid, uint32_t payer, struct user **ret_user)
{
	struct user *user;
	int ret = 0;

	pthread_mutex_lock(&lock);
	user = users;
	while (user && user->uid != uid)
		user = user->next;
	if (!user) {
		ret = user_new(uid, payer, &user);
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
	return user->memory.fd;
}

void users_add_monitors(int change)
{
	pthread_mutex_lock(&lock);
	monitors += (unsigned int)change;
	for (struct user *user = users; user; user = user->next)
		__atomic_store_n(&user->bell->monitors, monitors, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&lock);
}

void user_ring(struct user *user, unsigned int number)
{
	__atomic_fetch_or(&user->bell->submitted[number / 64], 1ULL << number % 64,
			  __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&user->bell->summary, 1ULL << number / 64, __ATOMIC_SEQ_CST);
}

int user_add(struct user *user, struct client *client)
{
	for (int i = 0; i < IPCBUSD_CLIENTS; i++)
		if (!__atomic_load_n(&user->client[i], __ATOMIC_ACQUIRE)) {
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
