/* SPDX-License-Identifier: MIT */
/* Poll tables and events. */
#pragma once

#include "fs.h"
#include "wait.h"

#define EPOLLIN		0x0001U
#define EPOLLOUT	0x0004U
#define EPOLLERR	0x0008U
#define EPOLLRDNORM	0x0040U
#define EPOLLWRNORM	0x0100U

/* State of a poll: the requested events, and queue(), which is called with each wait queue. */
typedef struct poll_table_struct {
	void (*queue)(struct file *file, wait_queue_head_t *head, struct poll_table_struct *table);
	__poll_t events;
} poll_table;

static inline __poll_t poll_requested_events(const poll_table *table)
{
	return table ? table->events : ~0U;
}

static inline void poll_wait(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	if (table && table->queue)
		table->queue(file, head, table);
}
