/* SPDX-License-Identifier: MIT */
/*
 * Activation: starting the service of a name that somebody wants and nobody has.
 */
#ifndef SERVICEMANAGER_ACTIVATION_H
#define SERVICEMANAGER_ACTIVATION_H

#include <stdbool.h>
#include <sys/types.h>

#include "servicemanager.pb-c.h"

struct activation;
struct activation_configs;
struct manager;

/* A name that a file has, and the user that its service will have. */
struct activation_name {
	const char *name;
	uid_t uid;
	const struct activation *activation;
};

/* These are the services to activate, and no others. Takes them out of the list, leaving
 * NULL. Services that run go on. -ENOMEM: some are missing. */
int activations_set(struct manager *manager, struct activation_configs *configs);
void activations_end(struct manager *manager);

/* NULL: no service is configured for the name. */
struct activation *activation_find(const struct manager *manager, const char *name);
/* May the user register the name? If a file has it, only the user of that service and root
 * may. */
bool activation_allows(const struct manager *manager, const char *name, uid_t uid);
/* Why the last start failed, while it is too early to try again; otherwise NULL. */
const char *activation_problem(const struct activation *activation);
/* The names that begin with the prefix and sort after `after`, sorted. -ENOMEM. The caller frees
 * *ret_names; it is valid until activations_set(). */
int activation_names(const struct manager *manager, const char *prefix, const char *after,
		     struct activation_name **ret_names, size_t *ret_count);
/* The service as a message, which borrows its strings. */
void activation_message(Ipc__Manager__Activation *message, const struct activation *activation);
/* Somebody waits for one of its names, which nobody has. */
void activation_wanted(struct activation *activation);
/* The name was registered. */
void activation_registered(struct manager *manager, const char *name);
/* Does what is due. Returns the timeout until the next call. */
int activation_work(struct manager *manager);

#endif /* SERVICEMANAGER_ACTIVATION_H */
