/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files that show one bus
 *
 * They are in the root of the bus's mount. Those of the bus behind /dev/ipcbus are in
 * debugfs. Whoever mounted a bus reads them, maybe in a user namespace. So nothing of
 * another bus may be in them, and nothing of the kernel.
 */
#ifndef IPCBUS_FILES_H
#define IPCBUS_FILES_H

#include "main.h"

struct seq_file;

/**
 * struct ipcbus_file - one of them
 * @name: what it is called
 * @show: writes its text; process ids as the reader sees them
 */
struct ipcbus_file {
	const char *name;
	void (*show)(struct seq_file *seq, struct ipcbus_bus *bus);
};

/* All of them; the last has no name. For the owner to read. */
extern const struct ipcbus_file ipcbus_file[];

#endif
