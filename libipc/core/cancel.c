// SPDX-License-Identifier: MIT
/* Lists of dependents, and cancellations of the program: see cancel.h. */
#include <errno.h>
#include <stdlib.h>

#include "cancel.h"
#include "stream.h"

/* --- Lists of dependents ------------------------------------------------------------ */

void dependents_add_locked(struct dependents *list, struct dependent *dependent)
{
	dependent->list = list;
	LIST_INSERT_HEAD(&list->list, dependent, link);
}

int dependents_add(struct ipc *ipc, struct dependents *list, struct dependent *dependent)
{
	int r = -ECANCELED;

	ipc_lock(ipc);
	if (!list->canceled) {
		dependents_add_locked(list, dependent);
		r = 0;
	}
	ipc_unlock(ipc);
	return r;
}

static void dependent_remove_locked(struct dependent *dependent)
{
	if (dependent->list)
		LIST_REMOVE(dependent, link);
	dependent->list = NULL;
}

void dependents_release_locked(struct dependents *list)
{
	while (!LIST_EMPTY(&list->list))
		dependent_remove_locked(LIST_FIRST(&list->list));
}

void dependents_release(struct ipc *ipc, struct dependents *list)
{
	ipc_lock(ipc);
	dependents_release_locked(list);
	ipc_unlock(ipc);
}

/* Takes a stream off the list, with a user's reference. A stream that is closing leaves by
 * itself. Returns NULL if the list is empty. */
static struct ipc_stream *take_stream_locked(struct dependents *list,
					     void (**ret_cancel)(struct ipc_stream *stream))
{
	struct dependent *next;

	for (struct dependent *i = LIST_FIRST(&list->list); i; i = next) {
		struct ipc_stream *stream = i->stream;

		next = LIST_NEXT(i, link);
		if (!stream)
			continue;
		*ret_cancel = i->cancel;
		dependent_remove_locked(i);
		if (refs_take_unless_none(&stream->users))
			return stream;
	}
	return NULL;
}

/* Drops the lock while it cancels a stream. A call that has ended or is not sent yet is not found,
 * which is no error. */
void dependents_cancel_locked(struct ipc *ipc, struct dependents *list)
{
	void (*cancel)(struct ipc_stream *stream);
	struct ipc_stream *stream;

	list->canceled = true;
	for (const struct dependent *i = LIST_FIRST(&list->list); i; i = LIST_NEXT(i, link))
		if (!i->stream)
			device_cancel(&ipc->device, i->id);
	while ((stream = take_stream_locked(list, &cancel))) {
		ipc_unlock(ipc);
		cancel(stream);
		ipc_lock(ipc);
	}
}

void dependents_cancel(struct ipc *ipc, struct dependents *list)
{
	ipc_lock(ipc);
	dependents_cancel_locked(ipc, list);
	ipc_unlock(ipc);
}

/* --- Dependence ------------------------------------------------------------------------ */

bool dependence_is_canceled_locked(const struct dependence *dependence)
{
	const struct dependents *parent = dependence->of_parent.list;
	const struct dependents *cancellation = dependence->of_cancellation.list;

	return (parent && parent->canceled) || (cancellation && cancellation->canceled);
}

void dependence_end_locked(struct dependence *dependence)
{
	dependent_remove_locked(&dependence->of_parent);
	dependent_remove_locked(&dependence->of_cancellation);
}

/* --- Cancellations of the program ---------------------------------------------------- */

int ipc_cancellation_new(struct ipc *ipc, struct ipc_cancellation **ret_cancellation)
{
	struct ipc_cancellation *cancellation;
	int r = ret_cancellation ? ipc_check(ipc) : -EINVAL;

	if (r < 0)
		return r;
	cancellation = calloc(1, sizeof(*cancellation));
	if (!cancellation)
		return -ENOMEM;
	atomic_init(&cancellation->refs, 1);
	cancellation->ipc = ipc_ref(ipc);
	*ret_cancellation = cancellation;
	return 0;
}

struct ipc_cancellation *ipc_cancellation_ref(struct ipc_cancellation *cancellation)
{
	if (cancellation)
		refs_take(&cancellation->refs);
	return cancellation;
}

/* Async calls and streams with it go on without it. */
struct ipc_cancellation *ipc_cancellation_unref(struct ipc_cancellation *cancellation)
{
	struct ipc *ipc;

	if (!cancellation || !refs_drop(&cancellation->refs))
		return NULL;

	ipc = cancellation->ipc;
	dependents_release(ipc, &cancellation->dependents);
	free(cancellation);
	ipc_unref(ipc);
	return NULL;
}

int ipc_cancel(struct ipc_cancellation *cancellation)
{
	int r = cancellation ? ipc_check(cancellation->ipc) : -EINVAL;

	if (r == 0)
		dependents_cancel(cancellation->ipc, &cancellation->dependents);
	return r;
}

int ipc_cancellation_is_canceled(const struct ipc_cancellation *cancellation)
{
	bool canceled;

	if (!cancellation)
		return 0;
	ipc_lock(cancellation->ipc);
	canceled = cancellation->dependents.canceled;
	ipc_unlock(cancellation->ipc);
	return canceled;
}
