/* SPDX-License-Identifier: MIT */
/* Work of a kernel thread of one's own: here the same thread as all delayed work. */
#pragma once

#include "sched.h"
#include "workqueue.h"

struct kthread_work {
	struct delayed_work delayed;
	void (*func)(struct kthread_work *work);
};

struct kthread_worker {
	struct task_struct *task;
};

struct kthread_worker *kthread_create_worker(unsigned int flags, const char *name);
void kthread_destroy_worker(struct kthread_worker *worker);
void kthread_init_work(struct kthread_work *work, void (*func)(struct kthread_work *work));
bool kthread_queue_work(struct kthread_worker *worker, struct kthread_work *work);
bool kthread_cancel_work_sync(struct kthread_work *work);
