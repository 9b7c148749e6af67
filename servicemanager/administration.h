/* SPDX-License-Identifier: MIT */
/*
 * What only root and the user of servicemanager may: seeing the policy, and having the files
 * read again.
 */
#ifndef SERVICEMANAGER_ADMINISTRATION_H
#define SERVICEMANAGER_ADMINISTRATION_H

#include "servicemanager.ipc.h"

int handle_show_policy(struct ipc_call *call, const Ipc__Manager__ShowPolicyRequest *request,
		       void *userdata);
int handle_reload(struct ipc_call *call, const Ipc__Manager__ReloadRequest *request,
		  void *userdata);

#endif /* SERVICEMANAGER_ADMINISTRATION_H */
