/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User: the clients of one user id, their bell and their worker. See user.c.
 */
#pragma once

#include <stdint.h>

struct client;
struct user;
struct user_namespace;
struct worker;

/* The user with that id, made if there is none, counted. The payer is that of the first client.
 * Main thread only. */
int user_get(uint32_t uid, uint32_t payer, struct user **ret_user);
/* The last one ends worker and bell. Any thread. */
void user_put(struct user *user);
struct worker *user_worker(struct user *user);
/* That of the user's credentials: the daemon's, or one of its payer. */
struct user_namespace *user_ns(struct user *user);
/* The bell's memfd. */
int user_bell(struct user *user);
/* The worker looks at the client of that number once more. */
void user_ring(struct user *user, unsigned int number);

/* A number for the client at its user's bell, or -EDQUOT. Main thread only. */
int user_add(struct user *user, struct client *client);
/* Worker only. */
void user_remove(struct user *user, unsigned int number);

/* How many clients of the user are to end, or have ended: main thread only, both. */
uint64_t user_ends(const struct user *user);
void user_end_begins(struct user *user);
/* One of them has ended, and a client waits until as many have: worker only, both. */
void user_end_is_done(struct user *user);
void user_wait_for_ends(struct user *user, uint64_t ends);

/* The client's bit was set: worker only. */
void client_look(struct client *client);
