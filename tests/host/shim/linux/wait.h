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

/* Woken by its func if it has one, else as a task. */
typedef struct wait_queue_entry {
	struct task_struct *task;
	void (*func)(struct wait_queue_entry *entry);
	struct list_head entry;
} wait_queue_entry_t;

#define init_waitqueue_head(wq) \
	do { spin_lock_init(&(wq)->lock); INIT_LIST_HEAD(&(wq)->head); } while (0)

void init_waitqueue_entry(wait_queue_entry_t *entry, struct task_struct *task);
void add_wait_queue(wait_queue_head_t *wq, wait_queue_entry_t *entry);
void remove_wait_queue(wait_queue_head_t *wq, wait_queue_entry_t *entry);
bool wq_has_sleeper(wait_queue_head_t *wq);
void shim_wake_up(wait_queue_head_t *wq);

#define wake_up_interruptible_sync(wq) shim_wake_up(wq)
#define wake_up_interruptible_sync_poll(wq, mask) ((void)(mask), shim_wake_up(wq))
