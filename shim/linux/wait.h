/* SPDX-License-Identifier: MIT */
/* Wait queues: see wait.c. */
#pragma once

#include "list.h"
#include "sched.h"
#include "spinlock.h"

typedef struct {
	spinlock_t lock;
	struct list_head head;
} wait_queue_head_t;

/* An entry of a queue; a wake-up calls its func. */
typedef struct wait_queue_entry wait_queue_entry_t;
typedef int (*wait_queue_func_t)(wait_queue_entry_t *entry, unsigned int mode, int flags,
				 void *key);
struct wait_queue_entry {
	struct task_struct *task;
	wait_queue_func_t func;
	struct list_head entry;
};

#define init_waitqueue_head(wq) \
	do { spin_lock_init(&(wq)->lock); INIT_LIST_HEAD(&(wq)->head); } while (0)

/* Wakes the entry's task. */
int default_wake_function(wait_queue_entry_t *entry, unsigned int mode, int flags, void *key);

static inline void init_waitqueue_func_entry(wait_queue_entry_t *entry, wait_queue_func_t func)
{
	*entry = (wait_queue_entry_t){ .func = func };
	INIT_LIST_HEAD(&entry->entry);
}

void init_waitqueue_entry(wait_queue_entry_t *entry, struct task_struct *task);
void add_wait_queue(wait_queue_head_t *wq, wait_queue_entry_t *entry);
void remove_wait_queue(wait_queue_head_t *wq, wait_queue_entry_t *entry);
bool wq_has_sleeper(wait_queue_head_t *wq);
/* Wakes all waiters; ignores nr. */
void __wake_up(wait_queue_head_t *wq, unsigned int mode, int nr, void *key);

#define wake_up_interruptible_poll(wq, events) \
	__wake_up(wq, TASK_INTERRUPTIBLE, 1, (void *)(uintptr_t)(events))
#define wake_up_interruptible_sync_poll(wq, events) wake_up_interruptible_poll(wq, events)
