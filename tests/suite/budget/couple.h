/* SPDX-License-Identifier: MIT */
/*
 * Procs of an ordinary user with handles of each other's nodes. Functions return false, or an
 * error, once the user has reached a limit.
 */
#ifndef BUDGET_COUPLE_H
#define BUDGET_COUPLE_H

#include "raw.h"

/* The bus of the current way; NULL: the default bus. */
extern const char *device;

int try_open(void);
bool try_raw(struct raw *r, size_t size);
struct raw must_raw(size_t size);
int try_node(const struct raw *r, uint64_t *ret_node);

/* The manager, which runs as root, passes on a handle; see be_manager(). */
bool pass_handle(const struct raw *from, uint64_t node, const struct raw *to,
		 uint32_t *ret_handle);

/*
 * A server and a client in one process. The client has a handle for the server's first node.
 * Handle 0 is not available: an ordinary user cannot be manager. The handle thus goes through srv.
 */
struct couple {
	struct raw server, client;
	uint32_t handle;
	uint64_t node;
};

bool couple_open(struct couple *c, size_t size);
/* Sends the client's nodes to the server, up to 64 at once. Returns the number of handles. */
long give_handles(struct couple *c);

#endif /* BUDGET_COUPLE_H */
