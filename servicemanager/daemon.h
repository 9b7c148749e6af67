/* SPDX-License-Identifier: MIT */
/*
 * The daemon: a manager on a bus, with its files, signals and loop.
 */
#ifndef SERVICEMANAGER_DAEMON_H
#define SERVICEMANAGER_DAEMON_H

#include <stdbool.h>

struct daemon_options {
	const char *device;	     /* NULL: the default bus */
	const char *const *policy;   /* directories; ends with NULL */
	const char *const *services; /* the same */
	bool verbose;
};

/* Runs until SIGTERM or SIGINT. Returns an exit status; what failed is in the log. */
int daemon_run(const struct daemon_options *options);

#endif /* SERVICEMANAGER_DAEMON_H */
