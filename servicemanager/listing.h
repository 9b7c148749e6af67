/* SPDX-License-Identifier: MIT */
/*
 * Listing names: List().
 */
#ifndef SERVICEMANAGER_LISTING_H
#define SERVICEMANAGER_LISTING_H

#include "servicemanager.ipc.h"

int handle_list(struct ipc_call *call, const Ipc__Manager__ListRequest *request, void *userdata);

#endif /* SERVICEMANAGER_LISTING_H */
