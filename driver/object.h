/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Object
 *
 * The objects of a message: nodes, handles and files. The driver copies the user's table once,
 * checks the copy, and turns it into counted references.
 *
 * If a message with a file is dropped, the dropping thread closes the file, as with files in the
 * queue of a Unix socket. Closing may block for as long as the sender likes: a TCP socket with
 * SO_LINGER waits for its peer. So only the sender and the receiver may drop a message in this way.
 * If another process or a worker ends a call, a worker of the sender's user closes the files
 * (ipcbus_objects_close_later()).
 *
 * buffer.c takes objects on the sender's thread, and installs them on the thread that receives the
 * message. The references belong to the buffer. No function may be called with a spinlock held.
 */
#ifndef IPCBUS_OBJECT_H
#define IPCBUS_OBJECT_H

#include <linux/list.h>

#include "main.h"

struct work_struct;

/**
 * struct ipcbus_object_ref - an object in flight
 * @type: IPCBUS_OBJECT_FD; or IPCBUS_OBJECT_NODE for nodes and handles
 * @tag: the sender's tag
 * @node: counted as a remote reference
 * @file: counted
 * @user: the user that is charged for it, counted. For a request: the sender. For a reply: the
 *	caller, which decides when to take it. For a node that a message brought home: the receiver.
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
 * struct ipcbus_objects - the objects of a message
 * @closing: in user->closing of the sender's user
 * @count: length of @ref, at most IPCBUS_MAX_OBJECTS
 * @ref: the objects, a counted reference each
 */
struct ipcbus_objects {
	struct list_head closing;
	u32 count;
	struct ipcbus_object_ref ref[];
};

/*
 * Takes the objects in the message's table, and charges them to user. On failure no object is
 * taken, and message->index is the object that failed.
 *
 *   -EFAULT    The table is not readable.
 *   -EINVAL    A type is unknown, or a field that must be 0 is not.
 *   -EBADF     There is no such node, handle or file.
 *   -ENOTCONN  Handle 0, and the bus has no manager.
 *   -EPERM     The receiver does not accept files (accept_fds).
 *   -ELOOP     The file is a bus.
 *   -EDQUOT    The user has too many files or objects in flight.
 *   -ENOMEM
 */
int ipcbus_objects_take(struct ipcbus_proc *sender, struct ipcbus_user *user,
			struct ipcbus_message *message, bool accept_fds,
			struct ipcbus_objects **ret_objects);

/* For a reply that is dropped without taking its objects and without an error for its sender. Reads
 * the table of send, and reports EVENT_IDLE for each node of sender there that is unreferenced. */
void ipcbus_objects_let_go(struct ipcbus_proc *sender, const struct ipcbus_send *send);

/* Installs all objects in the receiver, which must be the current process, and fills in table. On
 * failure no object is installed, and *ret_index is the object that failed: -EDQUOT (handles or
 * objects), -ENOMEM, or an error of receive_fd(), such as -EMFILE. Keeps the references in objects
 * in both cases. */
int ipcbus_objects_install(struct ipcbus_proc *receiver, struct ipcbus_objects *objects,
			   struct ipcbus_object *table, u32 *ret_index);

/* After installation, drops all references except to the receiver's own nodes. These stay
 * referenced until the buffer is released, so that the receiver finds them alive. Returns objects,
 * or NULL if no reference is left. */
struct ipcbus_objects *ipcbus_objects_keep_home(struct ipcbus_objects *objects,
						struct ipcbus_proc *receiver);

/* Drops all references, and frees objects, which must not be NULL. May sleep. */
void ipcbus_objects_drop(struct ipcbus_objects *objects);

int ipcbus_closing_init(void);
/* Waits for pending closes. No object may be in flight. */
void ipcbus_closing_done(void);

/* As ipcbus_objects_drop(), for a thread that neither sent the message nor receives it: drops nodes
 * and handles, and leaves the files to a worker. All files of a user, and of its children, are
 * closed one after the other, so a file that closes slowly delays only these. The files stay
 * charged until they are closed. */
void ipcbus_objects_close_later(struct ipcbus_objects *objects);
/* The function of user->close. */
void ipcbus_objects_close(struct work_struct *work);

#endif
