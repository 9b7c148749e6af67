/* SPDX-License-Identifier: MIT */
/*
 * The client's steps, one file each. A step prints its evidence with show(),
 * and says with fail() what did not turn out as it should; it returns an exit
 * status. client.c runs the one that it is told to.
 */
#ifndef STORY_CLIENT_H
#define STORY_CLIENT_H

#include "clock.h"
#include "story.ipc.h"

int step_names(struct ipc *ipc);
int step_call(struct ipc *ipc, struct story *story);
int step_oneway(struct ipc *ipc, struct story *story);
int step_callback(struct ipc *ipc, struct story *story);
int step_fd(struct ipc *ipc, struct story *story);
int step_pages(struct ipc *ipc, struct story *story);
int step_death(struct ipc *ipc, struct story *story);

/* One line: whose or what, and what about it. */
void show(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Returns 1. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* STORY_CLIENT_H */
