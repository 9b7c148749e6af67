/* SPDX-License-Identifier: MIT */
/*
 * For tests: the rules of the Chrome trace format ("Trace Event Format") as far as
 * ipcctl trace uses it.
 */
#ifndef IPCCTL_TRACE_RULES_H
#define IPCCTL_TRACE_RULES_H

#include <jansson.h>

/* What the first event that breaks a rule is and how it does; "" if none does. */
const char *trace_fault(const json_t *trace);

/* How many arrows there are. */
size_t trace_arrows(const json_t *trace);

#endif
