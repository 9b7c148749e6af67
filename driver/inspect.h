/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files that show one bus
 *
 * They are in the root of the bus's mount. Those of the bus behind /dev/ipcbus are in
 * debugfs. Whoever mounted a bus reads them, maybe in a user namespace. So nothing of
 * another bus may be in them, and nothing of the kernel.
 */
#ifndef IPCBUS_INSPECT_H
#define IPCBUS_INSPECT_H

#include "main.h"

struct file;
struct inode;
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

/**
 * struct ipcbus_file - one of them; what shows process ids shows them as the reader sees them
 * @name: what it is called
 * @show: writes a piece of what there is of one proc, and moves the place behind it;
 *	false if that was the last one. So nobody needs a buffer for the whole text
 */
struct ipcbus_file {
	const char *name;
	bool (*show)(struct seq_file *seq, struct ipcbus_proc *proc, struct ipcbus_place *place);
};

/* All of them; the last has no name. For the owner to read. */
extern const struct ipcbus_file ipcbus_file[];

/* To be read with seq_read(). The reader keeps the proc whose turn it is, and the bus is the
 * caller's. -ENOMEM. */
int ipcbus_files_open(struct file *file, const struct ipcbus_file *which,
		      struct ipcbus_bus *bus);
int ipcbus_files_release(struct inode *inode, struct file *file);

/* Those of /sys/kernel/debug/ipcbus. */
void ipcbus_debugfs_init(void);
void ipcbus_debugfs_done(void);

#endif
