// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grace periods of the daemon.
 *
 * A worker announces a quiescent state at each switch, so its read-side sections cost nothing.
 * Other threads rarely run the driver's code, so they announce each section. Both store the period
 * that they have seen in a word of their own. A further thread waits until no word has an older
 * period, and then runs the callbacks that were queued before.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/rcupdate.h>

#include "rcu.h"
#include "shim.h"

/**
 * struct reader - state of a thread; never freed, but reused by another thread
 * @next: constant
 * @used: a thread uses it
 * @since: the period that the thread has seen, or 0 if it is in no read-side section
 * @depth: nesting of sections; private to the thread
 */
struct reader {
	struct reader *next;
	bool used;
	unsigned long since;
	int depth;
};

static _Thread_local struct reader *mine;
static struct reader *readers;
static unsigned long period = 1;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static struct rcu_head *queue;
static bool started, busy;

/* --- Readers ------------------------------------------------------------------- */

static struct reader *reader_new(void)
{
	struct reader *reader = __atomic_load_n(&readers, __ATOMIC_SEQ_CST);

	for (; reader; reader = reader->next)
		if (!__atomic_exchange_n(&reader->used, true, __ATOMIC_SEQ_CST)) {
			mine = reader;
			return reader;
		}
	reader = calloc(1, sizeof(*reader));
	if (!reader)
		return NULL;
	reader->used = true;
	reader->next = __atomic_load_n(&readers, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&readers, &reader->next, reader, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
	mine = reader;
	return reader;
}

static void begin(struct reader *reader)
{
	__atomic_store_n(&reader->since, __atomic_load_n(&period, __ATOMIC_RELAXED),
			 __ATOMIC_RELEASE);
	/* Orders the store before the reads of the section. */
	smp_mb();
}

static void end(struct reader *reader)
{
	__atomic_store_n(&reader->since, 0, __ATOMIC_RELEASE);
}

void shim_rcu_enter(void)
{
	struct reader *reader = mine ?: reader_new();

	BUG_ON(!reader);
	if (!reader->depth++)
		begin(reader);
}

void shim_rcu_leave(void)
{
	if (!--mine->depth)
		end(mine);
}

bool rcu_announce(void)
{
	if (!mine && !reader_new())
		return false;
	begin(mine);
	shim_thread.announces = true;
	return true;
}

void rcu_retire(void)
{
	if (!mine)
		return;
	end(mine);
	shim_thread.announces = false;
	__atomic_store_n(&mine->used, false, __ATOMIC_SEQ_CST);
	mine = NULL;
}

/* A thread that sees a period also sees everything that was unlinked before it. */
void rcu_quiet(void)
{
	__atomic_store_n(&mine->since, __atomic_load_n(&period, __ATOMIC_ACQUIRE),
			 __ATOMIC_RELEASE);
}

void rcu_sleeps(void)
{
	end(mine);
}

void rcu_awakes(void)
{
	begin(mine);
}

/* --- Grace periods -------------------------------------------------------------- */

static void wait_for(struct reader *reader, unsigned long now)
{
	unsigned long since;

	while ((since = __atomic_load_n(&reader->since, __ATOMIC_SEQ_CST)) && since < now)
		usleep(20);
}

/* Waits for a grace period. Readers that begin after the increment see everything that was unlinked
 * before it. */
void rcu_wait(void)
{
	unsigned long now = __atomic_add_fetch(&period, 1, __ATOMIC_SEQ_CST);
	struct reader *reader = __atomic_load_n(&readers, __ATOMIC_SEQ_CST);

	for (; reader; reader = reader->next)
		wait_for(reader, now);
}

/* Runs a callback, or frees an object: func is a callback, or the offset of the head in the object,
 * see kfree_rcu(). */
static void run(struct rcu_head *head)
{
	uintptr_t offset = (uintptr_t)head->func;

	if (offset < PAGE_SIZE)
		kfree((char *)head - offset);
	else
		head->func(head);
}

/* Waits for the readers, and runs the queued callbacks. Releases the lock meanwhile. */
static void run_queue(void)
{
	struct rcu_head *head = queue, *next;

	queue = NULL;
	busy = true;
	pthread_mutex_unlock(&lock);
	rcu_wait();
	for (; head; head = next) {
		next = head->next;
		run(head);
	}
	pthread_mutex_lock(&lock);
	busy = false;
	if (queue)
		pthread_cond_signal(&more);
	pthread_cond_broadcast(&done);
}

static void *reclaim(void *unused)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		while (!queue || busy)
			pthread_cond_wait(&more, &lock);
		run_queue();
	}
	return unused;
}

/* If the daemon has reached a limit of threads, the queue waits for the next call_rcu() or for
 * rcu_barrier(). */
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	pthread_t thread;

	head->func = func;
	pthread_mutex_lock(&lock);
	head->next = queue;
	queue = head;
	if (!started && !pthread_create(&thread, NULL, reclaim, NULL)) {
		pthread_detach(thread);
		started = true;
	}
	pthread_cond_signal(&more);
	pthread_mutex_unlock(&lock);
}

void rcu_barrier(void)
{
	if (shim_thread.announces)
		rcu_sleeps();
	pthread_mutex_lock(&lock);
	while (queue || busy) {
		if (started || busy)
			pthread_cond_wait(&done, &lock);
		else
			run_queue();
	}
	pthread_mutex_unlock(&lock);
	if (shim_thread.announces)
		rcu_awakes();
}
