// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects of a message: see object.h. They are taken in the sender and installed in the receiver at
 * delivery. The driver undoes both entry by entry, from its own records.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fdtable.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "handle.h"
#include "message.h"
#include "node.h"
#include "object.h"
#include "proc.h"
#include "stats.h"
#include "user.h"

/* Uncharges the user for a file that was put. */
static void end_file(struct ipcbus_object_ref *ref)
{
	ipcbus_user_uncharge(ref->user, IPCBUS_USE_FILES);
	ipcbus_stat_remove(IPCBUS_STAT_FILES);
	ipcbus_user_put(ref->user);
}

static void drop_one(struct ipcbus_object_ref *ref)
{
	if (ref->type == IPCBUS_OBJECT_FD) {
		fput(ref->file);
		end_file(ref);
	} else {
		ipcbus_node_put_remote(ref->node);
		ipcbus_user_uncharge(ref->user, IPCBUS_USE_OBJECTS);
		ipcbus_user_put(ref->user);
	}
}

void ipcbus_objects_drop(struct ipcbus_objects *objects)
{
	while (objects->count)
		drop_one(&objects->ref[--objects->count]);
	kfree(objects);
}

/* Takes a file of the sender. Returns 0 or -errno. Charges the user before it takes the file: in
 * ipcbusd, fget() makes the sender's thread pass the file over a socket. */
static int take_file(struct ipcbus_proc *sender, struct ipcbus_user *user, u64 fd,
		     bool accept_fds, struct ipcbus_object_ref *ref)
{
	struct file *file;
	int ret;

	if (!accept_fds)
		return -EPERM;
	ret = ipcbus_user_charge(user, IPCBUS_USE_FILES);
	if (ret)
		return ret;
	file = fd <= INT_MAX ? fget(fd) : NULL;
	/* All files of buses have the same operations. Such a file in flight on a bus could keep
	 * itself alive forever. */
	if (!file || file->f_op == sender->inode->i_fop) {
		ret = file ? -ELOOP : -EBADF;
		if (file)
			fput(file);
		ipcbus_user_uncharge(user, IPCBUS_USE_FILES);
		return ret;
	}
	ref->file = file;
	ref->user = ipcbus_user_get(user);
	ipcbus_stat_add(IPCBUS_STAT_FILES);
	return 0;
}

static int take_handle(struct ipcbus_proc *sender, u64 number, struct ipcbus_object_ref *ref)
{
	struct ipcbus_node_entry *node;

	if (number > IPCBUS_MAX_NUMBER)
		return -EBADF;
	/* The node may be dead. The receiver then gets -EOWNERDEAD when it uses the handle. */
	node = ipcbus_handle_export(sender, number);
	if (IS_ERR(node))
		return PTR_ERR(node);
	ref->node = node;
	return 0;
}

/* Takes a reference of a node or handle that a message carries. Returns 0 or -errno. The node may
 * be dead, and this message may be its last holder. */
static int take_object(struct ipcbus_proc *sender, struct ipcbus_user *user,
		       const struct ipcbus_object *object, struct ipcbus_object_ref *ref)
{
	int ret;

	ret = ipcbus_user_charge(user, IPCBUS_USE_OBJECTS);
	if (ret)
		return ret;
	ref->type = IPCBUS_OBJECT_NODE;
	if (object->type == IPCBUS_OBJECT_NODE) {
		ref->node = ipcbus_node_export(sender, object->value);
		ret = ref->node ? 0 : -EBADF;
	} else {
		ret = take_handle(sender, object->value, ref);
	}
	if (ret)
		ipcbus_user_uncharge(user, IPCBUS_USE_OBJECTS);
	else
		ref->user = ipcbus_user_get(user);
	return ret;
}

static int take_one(struct ipcbus_proc *sender, struct ipcbus_user *user,
		    const struct ipcbus_object *object, bool accept_fds,
		    struct ipcbus_object_ref *ref)
{
	if (object->flags || object->cookie)
		return -EINVAL;
	ref->tag = object->tag;
	switch (object->type) {
	case IPCBUS_OBJECT_NODE:
	case IPCBUS_OBJECT_HANDLE:
		return take_object(sender, user, object, ref);
	case IPCBUS_OBJECT_FD:
		ref->type = IPCBUS_OBJECT_FD;
		return take_file(sender, user, object->value, accept_fds, ref);
	default:
		return -EINVAL;
	}
}

int ipcbus_objects_take(struct ipcbus_proc *sender, struct ipcbus_user *user,
			struct ipcbus_message *message, bool accept_fds,
			struct ipcbus_objects **ret_objects)
{
	u32 count = message->send->object_count;
	struct ipcbus_objects *objects;
	struct ipcbus_object *table;
	int ret = 0;

	table = memdup_user(u64_to_user_ptr(message->send->objects), count * sizeof(*table));
	if (IS_ERR(table))
		return PTR_ERR(table);
	objects = kzalloc(struct_size(objects, ref, count), GFP_KERNEL_ACCOUNT);
	if (!objects) {
		kfree(table);
		return -ENOMEM;
	}
	/* objects->count counts the entries taken so far, which ipcbus_objects_drop() undoes. */
	while (!ret && objects->count < count) {
		message->index = objects->count;
		ret = take_one(sender, user, &table[objects->count], accept_fds,
			       &objects->ref[objects->count]);
		if (!ret)
			objects->count++;
	}
	kfree(table);
	if (ret)
		ipcbus_objects_drop(objects);
	else
		*ret_objects = objects;
	return ret;
}

void ipcbus_objects_let_go(struct ipcbus_proc *sender, const struct ipcbus_send *send)
{
	const struct ipcbus_object __user *table = u64_to_user_ptr(send->objects);
	struct ipcbus_node_entry *node;
	struct ipcbus_object object;
	u32 i;

	for (i = 0; i < send->object_count; i++) {
		if (copy_from_user(&object, &table[i], sizeof(object)))
			return;
		if (object.type != IPCBUS_OBJECT_NODE)
			continue;
		node = ipcbus_node_export(sender, object.value);
		if (node)
			ipcbus_node_put_remote(node);
	}
}

/* Charges the receiver for its own node that the message brought home, because the receiver decides
 * how long it keeps the buffer. */
static int charge_receiver(struct ipcbus_user *receiver, struct ipcbus_object_ref *ref)
{
	int ret;

	if (ref->user == receiver)
		return 0;
	ret = ipcbus_user_charge(receiver, IPCBUS_USE_OBJECTS);
	if (ret)
		return ret;
	ipcbus_user_uncharge(ref->user, IPCBUS_USE_OBJECTS);
	ipcbus_user_put(ref->user);
	ref->user = ipcbus_user_get(receiver);
	return 0;
}

static int install_one(struct ipcbus_proc *receiver, struct ipcbus_object_ref *ref,
		       struct ipcbus_object *object)
{
	u32 number;
	int ret = 0;

	object->tag = ref->tag;
	if (ref->type == IPCBUS_OBJECT_FD) {
		ret = ipcbus_receive_fd(ref->file, O_CLOEXEC);
		if (ret < 0)
			return ret;
		object->type = IPCBUS_OBJECT_FD;
		object->value = ret;
		return 0;
	}
	if (READ_ONCE(ref->node->proc) == receiver)
		ret = charge_receiver(receiver->user, ref);
	if (ret)
		return ret;
	/* If the node is dead, its owner may already have reused the id and the cookie. */
	if (READ_ONCE(ref->node->proc) == receiver && !READ_ONCE(ref->node->dead)) {
		object->type = IPCBUS_OBJECT_NODE;
		object->value = ref->node->id;
		object->cookie = ref->node->cookie;
		return 0;
	}
	ret = ipcbus_handle_take(receiver, ref->node, &number);
	if (ret)
		return ret;
	object->type = IPCBUS_OBJECT_HANDLE;
	object->value = number;
	return 0;
}

/* Reverts the installation of an object or file in the receiver. Closes a file by its number,
 * because only receive_fd() checks the policy, and it also installs. A thread that uses the number
 * in the meantime harms only its own process. */
static void uninstall_one(struct ipcbus_proc *receiver, const struct ipcbus_object *object)
{
	if (object->type == IPCBUS_OBJECT_FD)
		close_fd(object->value);
	else if (object->type == IPCBUS_OBJECT_HANDLE)
		ipcbus_handle_put_counts(receiver, object->value, 1);
}

int ipcbus_objects_install(struct ipcbus_proc *receiver, struct ipcbus_objects *objects,
			   struct ipcbus_object *table, u32 *ret_index)
{
	u32 i;
	int ret;

	for (i = 0; i < objects->count; i++) {
		ret = install_one(receiver, &objects->ref[i], &table[i]);
		if (ret)
			goto err;
	}
	return 0;

err:
	*ret_index = i;
	while (i--)
		uninstall_one(receiver, &table[i]);
	return ret;
}

struct ipcbus_objects *ipcbus_objects_keep_home(struct ipcbus_objects *objects,
						struct ipcbus_proc *receiver)
{
	u32 i, kept = 0;

	for (i = 0; i < objects->count; i++) {
		struct ipcbus_object_ref *ref = &objects->ref[i];

		if (ref->type == IPCBUS_OBJECT_NODE && READ_ONCE(ref->node->proc) == receiver)
			objects->ref[kept++] = *ref;
		else
			drop_one(ref);
	}
	objects->count = kept;
	if (kept)
		return objects;
	kfree(objects);
	return NULL;
}

/* --- Files of calls that others ended ------------------------------------------------ */

static struct workqueue_struct *queue;

int ipcbus_closing_init(void)
{
	/* A user can block one worker of this queue. */
	queue = alloc_workqueue("ipcbus_close", WQ_UNBOUND, WQ_MAX_ACTIVE);
	return queue ? 0 : -ENOMEM;
}

void ipcbus_closing_done(void)
{
	destroy_workqueue(queue);
}

/* Closes the files of an object table and frees it. Uses __fput_sync(), because fput() of a kernel
 * thread would leave the file to a worker that all users share. */
static void close_files(struct ipcbus_objects *objects)
{
	u32 i;

	for (i = 0; i < objects->count; i++) {
		__fput_sync(objects->ref[i].file);
		end_file(&objects->ref[i]);
		cond_resched();
	}
	kfree(objects);
}

/* Closes the files that wait in user->closing. With its last file the user may be freed. If files
 * come in the meantime, the work is queued again. */
void ipcbus_objects_close(struct work_struct *work)
{
	struct ipcbus_user *user = container_of(work, struct ipcbus_user, close.work);
	struct ipcbus_objects *objects, *next;
	LIST_HEAD(closing);

	spin_lock(&user->spare_lock);
	list_splice_tail_init(&user->closing, &closing);
	spin_unlock(&user->spare_lock);
	list_for_each_entry_safe(objects, next, &closing, closing) {
		close_files(objects);
		module_put(THIS_MODULE);
	}
}

void ipcbus_objects_close_later(struct ipcbus_objects *objects)
{
	struct ipcbus_user *user;
	u32 i, kept = 0;

	for (i = 0; i < objects->count; i++) {
		struct ipcbus_object_ref *ref = &objects->ref[i];

		if (ref->type == IPCBUS_OBJECT_FD)
			objects->ref[kept++] = *ref;
		else
			drop_one(ref);
	}
	objects->count = kept;
	if (!kept) {
		kfree(objects);
		return;
	}
	/* The sender is charged for all files of a request. Its parents are as well, so that a user
	 * with a range of ids has a single worker. */
	for (user = objects->ref[0].user; user->parent;)
		user = user->parent;
	/* No bus may be open any more: then rmmod must fail with EBUSY instead of waiting. */
	__module_get(THIS_MODULE);
	spin_lock(&user->spare_lock);
	/* If the list is not empty, the work has not run yet, and with these files it may free the
	 * user. */
	if (list_empty(&user->closing))
		mod_delayed_work(queue, &user->close, 0);
	list_add_tail(&objects->closing, &user->closing);
	spin_unlock(&user->spare_lock);
}
