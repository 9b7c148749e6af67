/* SPDX-License-Identifier: MIT */
/*
 * Procs of an ordinary user that have handles of each other's nodes. What says whether it could
 * returns false, or an error, once the user may have no more.
 */
#ifndef BUDGET_COUPLE_H
#define BUDGET_COUPLE_H

#include "raw.h"

/* Of the way; NULL: the default bus. */
extern const char *device;

int try_open(void);
bool try_raw(struct raw *r, size_t size);
struct raw must_raw(size_t size);
int try_node(const struct raw *r, uint64_t *ret_node);

/* The manager, which is root's, passes a handle of it on: see be_manager(). */
bool pass_handle(const struct raw *from, uint64_t node, const struct raw *to,
		 uint32_t *ret_handle);

/* A server of the same process, to whose first node the client has a handle: its own
 * message to handle 0 cannot be, for an ordinary user is no manager. So it goes by srv. */
struct couple {
	struct raw server, client;
	uint32_t handle;
	uint64_t node;
};

bool couple_open(struct couple *c, size_t size);
/* Nodes of the client become handles of the server, up to 64 at once. Returns how many. */
long give_handles(struct couple *c);

#endif /* BUDGET_COUPLE_H */
