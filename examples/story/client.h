/* SPDX-License-Identifier: MIT */
/*
 * The steps of the client, each in its own file. A step prints its evidence with show(), and an
 * unexpected result with fail(). It returns an exit status. client.c runs the step of its argument.
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

/* Prints a line: a subject, and a sentence about it. */
void show(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints an unexpected result. Returns 1. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* STORY_CLIENT_H */
