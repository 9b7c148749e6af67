// SPDX-License-Identifier: MIT
/* The channels of a connection, and buffers and files of their messages, for both sides. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "channel-served.h"

/* --- Buffers ------------------------------------------------------------------------- */

/* Returns the id of a buffer: its address divided by 8, with ROUTE_BUFFER_BIT inserted. */
static uint64_t buffer_id(const void *buffer)
{
	uint64_t at = (uintptr_t)buffer >> 3;

	return (at & (ROUTE_BUFFER_BIT - 1)) | ROUTE_BUFFER_BIT | at >> 31 << 32;
}

void channel_buffer_put(struct thread *t, void *buffer, size_t size)
{
	if (t->channel_buffer || unlikely(size > CHANNEL_DATA_MAX))
		free(buffer);
	else
		t->channel_buffer = buffer;
}

void channel_buffer_release(struct thread *t, uint64_t id)
{
	uint64_t at = (id & (ROUTE_BUFFER_BIT - 1)) | id >> 32 << 31;

	if (unlikely(id & CHANNEL_BUFFER_LARGE))
		free((void *)(uintptr_t)(at << 3));
	else
		channel_buffer_put(t, (void *)(uintptr_t)(at << 3), CHANNEL_DATA_MAX);
}

void channel_buffer_event(const struct thread *t, void *buffer, size_t size,
			  struct ipcbus_event *event)
{
	event->buffer = buffer_id(buffer);
	if (unlikely(size > CHANNEL_DATA_MAX))
		event->buffer |= CHANNEL_BUFFER_LARGE;
	event->offset = (uintptr_t)buffer - (uintptr_t)t->ipc->device.region;
	event->data_size = size;
}

/* --- The channels of a connection ----------------------------------------------------- */

void channels_wake(struct channels *channels)
{
	atomic_fetch_add(&channels->generation, 1);
	atomic_fetch_add(channels->words.bell, 1);
	channel_wake_private(channels->words.bell, INT_MAX);
	backlog_ring(channels->ipc);
}

/* --- Files of peers ------------------------------------------------------------------- */

struct files {
	size_t n;
	int fds[];
};

static void *close_files(void *data)
{
	struct files *files = data;

	for (size_t i = 0; i < files->n; i++)
		close(files->fds[i]);
	free(files);
	return NULL;
}

/* Starts a thread that closes the files and frees the list. The thread blocks all signals, which
 * are for the program's own threads. Returns 0 or -errno. */
static int start_closing(struct files *files)
{
	sigset_t all, before;
	pthread_t thread;
	int r;

	sigfillset(&all);
	r = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (r)
		return -r;
	r = pthread_create(&thread, NULL, close_files, files);
	if (r == 0)
		pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

void channels_drop_files(const struct ipc_raw_message *message)
{
	struct files *files = NULL;

	for (size_t i = 0; i < message->n_entries; i++) {
		struct ipc_raw_entry *entry = &message->entries[i];

		if (entry->type != IPC_RAW_FD || entry->fd < 0 ||
		    fcntl(entry->fd, F_GET_SEALS) >= 0)
			continue;
		if (!files)
			files = calloc(1, sizeof(*files) + message->n_entries * sizeof(int));
		if (!files)
			return;
		files->fds[files->n++] = ipc_take_fd(&entry->fd);
	}
	if (files && start_closing(files) < 0)
		close_files(files);
}

int channels_take_bell(const struct ipc_raw_message *message)
{
	if (message->n_entries == 1 && message->entries[0].type == IPC_RAW_FD &&
	    channel_is_bell(message->entries[0].fd))
		return ipc_take_fd(&message->entries[0].fd);
	channels_drop_files(message);
	return -EPROTO;
}

/* --- The table ------------------------------------------------------------------------ */

void channels_free(struct channels *channels)
{
	ipc_object_unref(channels->door);
	pthread_mutex_destroy(&channels->lock);
	free(channels);
}

static int channels_new(struct ipc *ipc, struct channels **ret_channels)
{
	struct channels *channels = calloc(1, sizeof(*channels));
	int r;

	if (!channels)
		return -ENOMEM;
	channels->ipc = ipc;
	channels->spin.budget_ns = CHANNEL_SPIN_NS;
	pthread_mutex_init(&channels->lock, NULL);
	round_end(&channels->round);
	r = device_poll_words(&ipc->device, &channels->words);
	if (r < 0) {
		channels_free(channels);
		return r;
	}
	*ret_channels = channels;
	return 0;
}

int channels_get(struct ipc *ipc, struct channels **ret_channels)
{
	struct channels *channels = atomic_load(&ipc->channels), *none = NULL;
	int r;

	if (!channels) {
		r = channels_new(ipc, &channels);
		if (r < 0)
			return r;
		if (!atomic_compare_exchange_strong(&ipc->channels, &none, channels)) {
			channels_free(channels);
			channels = none;
		}
	}
	*ret_channels = channels;
	return 0;
}
