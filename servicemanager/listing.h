/* SPDX-License-Identifier: MIT */
/*
 * Listing names: List().
 */
#ifndef SERVICEMANAGER_LISTING_H
#define SERVICEMANAGER_LISTING_H

#include "servicemanager.ipc.h"

struct manager;

int handle_list(struct ipc_call *call, const Ipc__Manager__ListRequest *request, void *userdata);

/* Replies to one call. Returns the timeout until the next call of this function. */
int listings_work(struct manager *manager);
/* Ends all calls that wait for their turn: servicemanager exits. */
void listings_end(struct manager *manager);

#endif /* SERVICEMANAGER_LISTING_H */
