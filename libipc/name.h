/* SPDX-License-Identifier: MIT */
/*
 * Names of services, which servicemanager keeps: the client's side.
 */
#ifndef IPC_NAME_H
#define IPC_NAME_H

#include "private.h"

/* The connection is closed: gives back the objects that have names. */
void names_close(struct ipc *ipc);

#endif /* IPC_NAME_H */
