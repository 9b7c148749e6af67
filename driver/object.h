/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Object
 *
 * What travels beside a payload: objects and files. The driver copies the user's table
 * once, checks the copy, and turns it into counted references. From then on it looks at
 * nothing else.
 *
 * Closing a file may take as long as whoever sent it likes: a socket with SO_LINGER waits for its
 * peer. So a file that nobody took is closed by a worker, which closes those of one account only,
 * one after the other. Until then it stays charged.
 */
#ifndef IPCBUS_OBJECT_H
#define IPCBUS_OBJECT_H

#include "main.h"

#include <linux/llist.h>

/**
 * struct ipcbus_object_ref - one object on its way
 * @type: IPCBUS_OBJECT_FD, or IPCBUS_OBJECT_NODE for both kinds of object
 * @tag: the sender's
 * @node: counted, also as a remote reference
 * @file: counted
 * @user: who is charged for it, counted. The sender of a request pays for what is in it, and the
 *	caller for what is in the reply. The receiver pays for what came home.
 */
struct ipcbus_object_ref {
	u32 type;
	u64 tag;
	union {
		struct ipcbus_node_entry *node;
		struct file *file;
	};
	struct ipcbus_user *user;
};

/**
 * struct ipcbus_objects - what travels beside a payload
 * @entry: among those whose files are to be closed
 * @count: how many
 * @ref: a counted reference each
 */
struct ipcbus_objects {
	struct llist_node entry;
	u32 count;
	struct ipcbus_object_ref ref[];
};

int ipcbus_objects_init(void);
/* No message is left. */
void ipcbus_objects_done(void);

/* Takes what the message's table names, at payer's expense but for files, which are at the
 * sender's; message->index says which failed. */
int ipcbus_objects_take(struct ipcbus_proc *sender, struct ipcbus_user *payer,
			struct ipcbus_message *message, bool accept_fds,
			struct ipcbus_objects **ret_objects);

/* A message that nobody gets, and whose sender hears of no error: its nodes are idle, unless others
 * refer to them. */
void ipcbus_objects_let_go(struct ipcbus_proc *sender, const struct ipcbus_send *send);

/*
 * Installs all in the receiver, which is the current process, and writes the
 * table for it; or none: -errno and *ret_index. The references are still to be
 * dropped, either way.
 */
int ipcbus_objects_install(struct ipcbus_proc *receiver, struct ipcbus_objects *objects,
			   struct ipcbus_object *table, u32 *ret_index);

/*
 * After an installation: drops all but nodes that came home. Those stay referred
 * to until the message is released, so that the receiver finds them alive. Returns objects, or
 * NULL: none came home.
 */
struct ipcbus_objects *ipcbus_objects_keep_home(struct ipcbus_objects *objects,
						struct ipcbus_proc *receiver);

/* Nobody gets them; by their sender, whose time it is. */
void ipcbus_objects_take_back(struct ipcbus_objects *objects);

/* Nobody gets them any more. Files are closed later. */
void ipcbus_objects_drop(struct ipcbus_objects *objects);

/* Of an account: closes the files that wait there. */
void ipcbus_objects_close(struct work_struct *work);

#endif
