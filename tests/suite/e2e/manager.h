/* SPDX-License-Identifier: MIT */
/*
 * A servicemanager for a single test, on a bus without a manager. The test chooses its arguments,
 * makes it reload its policy, kills it and starts it again.
 */
#ifndef E2E_MANAGER_H
#define E2E_MANAGER_H

#include <stdio.h>
#include <sys/types.h>

struct manager {
	pid_t pid;
	FILE *log; /* its standard error */
};

/* Starts servicemanager with the arguments, which end with NULL, and waits until it is ready. */
void manager_start(struct manager *manager, const char *const *arguments);
/* Waits for a log line that contains the text. */
void manager_expect(struct manager *manager, const char *text);
void manager_signal(const struct manager *manager, int signal);
/* Sends the signal and waits for the end. Returns the status from waitpid(). */
int manager_end(struct manager *manager, int signal);

#endif /* E2E_MANAGER_H */
