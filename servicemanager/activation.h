/* SPDX-License-Identifier: MIT */
/*
 * Activation: starting the service of a name that somebody wants and nobody has.
 */
#ifndef SERVICEMANAGER_ACTIVATION_H
#define SERVICEMANAGER_ACTIVATION_H

struct activation;
struct activation_configs;
struct manager;

/* These are the services to activate, and no others. Takes them out of the list.
 * Services that run go on. -ENOMEM: some are missing. */
int activations_set(struct manager *manager, struct activation_configs *configs);
void activations_end(struct manager *manager);

/* NULL: no service is configured for the name. */
struct activation *activation_find(const struct manager *manager, const char *name);
/* Why the last start failed, while it is too early to try again; otherwise NULL. */
const char *activation_problem(const struct activation *activation);
/* Somebody waits for one of its names, which nobody has. */
void activation_wanted(struct activation *activation);
/* The name was registered. */
void activation_registered(struct manager *manager, const char *name);
/* Does what is due. Returns the timeout until the next call. */
int activation_work(struct manager *manager);

#endif /* SERVICEMANAGER_ACTIVATION_H */
