/* SPDX-License-Identifier: MIT */
/* Delayed work, run by its own thread: see time.c. */
#pragma once

#include "list.h"

struct work_struct;
struct workqueue_struct;

#define WQ_UNBOUND 1
#define WQ_MAX_ACTIVE 512

/**
 * struct work_struct - a work item
 * @entry: in the list of pending work
 * @func: callback
 * @due: time at which it is due, in ns of the clock
 */
struct work_struct {
	struct list_head entry;
	void (*func)(struct work_struct *work);
	u64 due;
};

typedef void (*work_func_t)(struct work_struct *work);

struct delayed_work {
	struct work_struct work;
};

#define INIT_WORK(w, fn) \
	do { INIT_LIST_HEAD(&(w)->entry); (w)->func = (fn); } while (0)

#define INIT_DELAYED_WORK(dw, fn) \
	INIT_WORK(&(dw)->work, fn)

struct workqueue_struct *alloc_workqueue(const char *name, unsigned int flags, int max_active);
/* Runs the pending work first. */
void destroy_workqueue(struct workqueue_struct *queue);
bool mod_delayed_work(struct workqueue_struct *queue, struct delayed_work *work,
		      unsigned long delay);
bool cancel_delayed_work_sync(struct delayed_work *work);
