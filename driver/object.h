/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Object
 *
 * What travels beside a payload: objects and files. The driver copies the user's table
 * once, checks the copy, and turns it into counted references. From then on it looks at
 * nothing else.
 *
 * The thread that drops a file that nobody took closes it, as with a file in the queue of a Unix
 * socket.
 */
#ifndef IPCBUS_OBJECT_H
#define IPCBUS_OBJECT_H

#include "main.h"

/**
 * struct ipcbus_object_ref - one object on its way
 * @type: IPCBUS_OBJECT_FD, or IPCBUS_OBJECT_NODE for both kinds of object
 * @tag: the sender's
 * @node: counted, also as a remote reference
 * @file: counted
 * @user: the user who is charged for it, counted: the sender of a request or a oneway, and for a
 *	reply the caller, who decides when to take it. The receiver pays for a node that came home.
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
 * @count: how many
 * @ref: a counted reference each
 */
struct ipcbus_objects {
	u32 count;
	struct ipcbus_object_ref ref[];
};

/* Takes the objects that the message's table names, and charges them to user. If one fails,
 * message->index is its number. */
int ipcbus_objects_take(struct ipcbus_proc *sender, struct ipcbus_user *user,
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

/* Drops all references, and frees objects. May sleep. */
void ipcbus_objects_drop(struct ipcbus_objects *objects);

#endif
