/* SPDX-License-Identifier: MIT */
/*
 * A servicemanager of the test's own, on a bus without one: started with chosen
 * arguments, made to read its policy again, killed, started again.
 */
#ifndef E2E_MANAGER_H
#define E2E_MANAGER_H

#include <stdio.h>
#include <sys/types.h>

struct manager {
	pid_t pid;
	FILE *log; /* its standard error */
};

/* Starts the daemon with the arguments, which end with NULL, and waits until it is
 * ready. */
void manager_start(struct manager *manager, const char *const *arguments);
/* Waits for a line of its log that has the text. */
void manager_expect(struct manager *manager, const char *text);
void manager_signal(const struct manager *manager, int signal);
/* Sends the signal and waits for its end: what waitpid() says. */
int manager_end(struct manager *manager, int signal);

#endif /* E2E_MANAGER_H */
