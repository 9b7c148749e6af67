/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One bus: its procs and its manager, the node behind everybody's handle 0.
 * There is the one behind /dev/ipcbus, and one for each mount of fs.c. A mount
 * and each proc keep their bus; a manager's proc is one of them, and lets go of
 * the manager when it is shut down.
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
 * struct ipcbus_bus - one bus
 * @ref: its mount and each of its procs
 * @root: who may be the manager beside global root and @manager_uid; constant
 * @inode: the file "bus" of its mount, while that lasts; fs.c's own
 * @user_ns: whose administrators may monitor the bus, if the parameter userns_control lets
 *	them; counted; constant
 * @mounter: the user who mounted it, counted, and charged for it; or NULL; constant
 * @monitors: who sees its traffic; own lock
 * @space_lock: which of its procs poll for space in which regions (space.c)
 * @lock: protects the rest
 * @procs: all procs, by number
 * @last_number: of a proc
 * @manager_watches: who watches the manager; those that were not notified of the present one
 *	come first
 * @manager_count: how many managers there were
 * @manager: counted, also as a remote reference, or NULL
 * @manager_uid: who else may be the manager; of a mount, and changed by remount
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

/* Another one, whose root is that of ns. -ENOMEM; -EDQUOT: the user has too many. */
struct ipcbus_bus *ipcbus_bus_new(struct user_namespace *ns);

static inline struct ipcbus_bus *ipcbus_bus_get(struct ipcbus_bus *bus)
{
	kref_get(&bus->ref);
	return bus;
}

void ipcbus_bus_put(struct ipcbus_bus *bus);

/* Has the caller this capability, in ns if the administrator lets such callers use it? */
bool ipcbus_ns_capable(struct user_namespace *ns, int capability);

/* The file system, of which each mount is a bus (fs.c). It can be mounted from ipcbus_fs_ready()
 * on, when the module is there to stay. Before: -ENODEV. */
int ipcbus_fs_init(void);
void ipcbus_fs_ready(void);
void ipcbus_fs_done(void);

/* --- Files that show one bus (inspect.c) ------------------------------------ */

/*
 * The files are in the root of the bus's mount. Those of the bus behind /dev/ipcbus are in
 * debugfs. The user who mounted the bus can read them, also in a user namespace. They must
 * not show anything of another bus or of the kernel.
 */

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
