/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User: the clients of a user id, their bell and their worker. See user.c.
 */
#pragma once

#include <stdint.h>

struct client;
struct client_peer;
struct user;
struct user_namespace;
struct worker;

/* Finds or creates the user of the peer, and takes a reference. Main thread only. */
int user_get(const struct client_peer *peer, struct user **ret_user);
/* Drops a reference. The last reference ends the worker and the bell. Any thread. */
void user_put(struct user *user);
struct worker *user_worker(struct user *user);
/* Returns the namespace of the user's credentials, which the payer owns, or NULL for the daemon's
 * namespace. */
struct user_namespace *user_ns(struct user *user);
/* The memfd of the bell. */
int user_bell(struct user *user);
/* Returns a new open file of the status, for reading, or -errno. */
int user_open_status(struct user *user);
/* Adds to the number of monitors that each status shows. Any thread may call it. */
void users_add_monitors(int change);
/* Makes the worker examine the client with that number again. Worker only: does not wake it. */
void user_ring(struct user *user, unsigned int number);

/* Returns a number for the client at its user's bell, or -EDQUOT. Main thread only. */
int user_add(struct user *user, struct client *client);
/* Frees the number. Worker only. */
void user_remove(struct user *user, unsigned int number);

/* Return and increment the number of the user's clients that were told to end. Main thread
 * only. */
uint64_t user_ends(const struct user *user);
void user_end_begins(struct user *user);
/* Counts a client that has ended. Worker only. */
void user_end_is_done(struct user *user);
/* Suspends the current fiber until all clients have ended that user_ends() had counted when it
 * returned ends. Worker only. */
void user_wait_for_ends(struct user *user, uint64_t ends);

/* Examines a client after its bit was set. Worker only. */
void client_look(struct client *client);
/* Worker: whether client_look() would find anything that the client submitted. */
bool client_rang(const struct client *client);
