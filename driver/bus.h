/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A bus: its procs and its manager, the node behind handle 0 of all procs. /dev/ipcbus opens the
 * default bus. Each mount of fs.c is another bus. A mount and each proc hold a reference of their
 * bus. When the manager's proc is shut down, the bus drops the manager.
 */
#ifndef IPCBUS_BUS_H
#define IPCBUS_BUS_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>

#include "main.h"
#include "monitor.h"

struct file;
struct inode;
struct seq_file;
struct user_namespace;

/**
 * struct ipcbus_bus - a bus
 * @ref: held by its mount and each of its procs
 * @root: user that may set the manager, in addition to global root and @manager_uid; constant
 * @inode: the file "bus" of its mount while that exists; used by fs.c only
 * @user_ns: its administrators may monitor the bus if userns_control is set; counted; constant
 * @mounter: the user that mounted it and is charged for it, counted, or NULL; constant
 * @monitors: the monitors of its traffic; has its own lock
 * @space_lock: protects which of its procs poll for space in which regions (writable.c)
 * @lock: protects the rest
 * @procs: all procs, by number
 * @last_number: number of the newest proc
 * @manager_watches: manager watches; those not notified of the current manager come first
 * @manager_count: number of managers so far
 * @manager: counted, also as a remote reference, or NULL
 * @manager_uid: user that may set the manager; for a mount, changed by remount
 */
struct ipcbus_bus {
	struct kref ref;
	kuid_t root;
	struct inode *inode;
	struct user_namespace *user_ns;
	struct ipcbus_user *mounter;
	struct ipcbus_monitors monitors;
	spinlock_t space_lock;
	struct mutex lock;
	struct rb_root procs;
	u64 last_number;
	struct list_head manager_watches;
	u32 manager_count;
	struct ipcbus_node_entry *manager;
	kuid_t manager_uid;
};

/* The bus behind /dev/ipcbus. */
extern struct ipcbus_bus ipcbus_default_bus;

/* Creates a bus whose root is root of ns. Returns ERR_PTR of -ENOMEM, or of -EDQUOT (user
 * limit). */
struct ipcbus_bus *ipcbus_bus_new(struct user_namespace *ns);

static inline struct ipcbus_bus *ipcbus_bus_get(struct ipcbus_bus *bus)
{
	kref_get(&bus->ref);
	return bus;
}

void ipcbus_bus_put(struct ipcbus_bus *bus);

/* Returns whether the caller has the capability; in ns is enough if userns_control is set. */
bool ipcbus_ns_capable(struct user_namespace *ns, int capability);

/* The file system, in which each mount is a bus (fs.c). Mounting fails with -ENODEV until
 * ipcbus_fs_ready(), when loading the module can no longer fail. */
int ipcbus_fs_init(void);
void ipcbus_fs_ready(void);
void ipcbus_fs_done(void);

/* --- Files that show a bus (inspect.c) -------------------------------------- */

/* The files are in the root of a bus's mount, and for the default bus in debugfs. The user that
 * mounted the bus can read them, even in a user namespace. They must not reveal any information
 * about another bus or about the kernel. */

/**
 * struct ipcbus_place - position of a reader in the text about a proc; 0: the beginning
 * @part: kind of lines
 * @at: next item of that kind
 */
struct ipcbus_place {
	unsigned int part;
	u64 at;
};

/**
 * struct ipcbus_file - a file. It shows process ids of the reader's pid namespace.
 * @name: name of the file
 * @show: Writes a piece of the text about a proc, and advances the place. Returns false if that
 *	was the last piece. Pieces keep the reader's buffer small.
 */
struct ipcbus_file {
	const char *name;
	bool (*show)(struct seq_file *seq, struct ipcbus_proc *proc, struct ipcbus_place *place);
};

/* All files, readable by the owner. The last entry has no name. */
extern const struct ipcbus_file ipcbus_file[];

/* Opens a file for seq_read(). The reader holds a reference of the current proc. The caller must
 * keep the bus. Returns 0 or -ENOMEM. */
int ipcbus_files_open(struct file *file, const struct ipcbus_file *which,
		      struct ipcbus_bus *bus);
int ipcbus_files_release(struct inode *inode, struct file *file);

/* Adds and removes /sys/kernel/debug/ipcbus. */
void ipcbus_debugfs_init(void);
void ipcbus_debugfs_done(void);

#endif
