/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a bus consists of and what it is at, as text: a line for each thing,
 * its kind first, then KEY=VALUE. docs/tracing.md explains them. A bus that
 * works while it is read gives no consistent picture: each line is true by
 * itself.
 */
#ifndef IPCBUS_STATE_H
#define IPCBUS_STATE_H

#include "main.h"

struct seq_file;

/* Procs, with their threads, nodes, handles and regions. */
void ipcbus_state_show(struct seq_file *seq, struct ipcbus_bus *bus);
/* Calls and oneways that are queued or being served. */
void ipcbus_transactions_show(struct seq_file *seq, struct ipcbus_bus *bus);

#endif
