/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last failures of a bus, for its file "failures". Written by observe.c.
 */
#ifndef IPCBUS_FAILURES_H
#define IPCBUS_FAILURES_H

#include "record.h"

struct seq_file;

/* Keeps a copy. */
void ipcbus_failures_add(struct ipcbus_failures *failures, const struct ipcbus_failure *failure);
/* A line each, the oldest first, with processes as the reader sees them. */
void ipcbus_failures_show(struct seq_file *seq, struct ipcbus_failures *failures);

#endif
