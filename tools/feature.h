/* SPDX-License-Identifier: MIT */
/*
 * What a driver offers, and how its bus is reached.
 */
#ifndef IPCCTL_FEATURE_H
#define IPCCTL_FEATURE_H

#include <ipc/ipc.h>
#include <jansson.h>
#include <stdint.h>

/* The names of the features in a set, of those that these tools know. NULL: no memory. */
json_t *feature_names(uint64_t features);

/* Why libipc opens this bus, as the end of a sentence: "because there is no /dev/ipcbus". */
const char *feature_reason(enum ipc_bus_reason reason);

#endif
