/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files that show one bus
 *
 * The files are in the root of the bus's mount. Those of the bus behind /dev/ipcbus are in
 * debugfs. The user who mounted the bus can read them, also in a user namespace. They must
 * not show anything of another bus or of the kernel.
 */
#ifndef IPCBUS_INSPECT_H
#define IPCBUS_INSPECT_H

#include "main.h"

struct file;
struct inode;
struct seq_file;

/**
 * struct ipcbus_place - the position of a reader in the text of a proc; 0: the beginning
 * @part: the kind of lines
 * @at: the next item of that kind
 */
struct ipcbus_place {
	unsigned int part;
	u64 at;
};

/**
 * struct ipcbus_file - one file; process ids are those of the reader's pid namespace
 * @name: name of the file
 * @show: Writes a piece of the text of one proc, and moves the place behind it. Returns false
 *	if that was the last piece. Pieces keep the reader's buffer small.
 */
struct ipcbus_file {
	const char *name;
	bool (*show)(struct seq_file *seq, struct ipcbus_proc *proc, struct ipcbus_place *place);
};

/* All files, readable by the owner; the last has no name. */
extern const struct ipcbus_file ipcbus_file[];

/* Opens a file for seq_read(). The reader holds a reference of the current proc. The caller keeps
 * the bus alive. -ENOMEM. */
int ipcbus_files_open(struct file *file, const struct ipcbus_file *which,
		      struct ipcbus_bus *bus);
int ipcbus_files_release(struct inode *inode, struct file *file);

/* Adds and removes /sys/kernel/debug/ipcbus. */
void ipcbus_debugfs_init(void);
void ipcbus_debugfs_done(void);

#endif
