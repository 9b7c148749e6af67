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

/**
 * struct ipcbus_place - where a reader is in what there is of a proc; 0: at its beginning
 * @part: which kind of things
 * @at: which one of them is next
 */
struct ipcbus_place {
	unsigned int part;
	u64 at;
};

/* A piece from there on, see struct ipcbus_file: the proc, with its threads, nodes, handles and
 * region. */
bool ipcbus_state_show(struct seq_file *seq, struct ipcbus_proc *proc, struct ipcbus_place *place);
/* Calls and oneways to it that are queued or being served. */
bool ipcbus_transactions_show(struct seq_file *seq, struct ipcbus_proc *proc,
			      struct ipcbus_place *place);

#endif
