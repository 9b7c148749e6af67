/* SPDX-License-Identifier: MIT */
/*
 * The server's side of direct channels: accepts them, takes their calls and replies to them. The
 * layers above see the same events as from the bus, with two differences below.
 *
 * Set-up. A client that calls an object often calls its method IPC_CODE_CHANNEL, and gets the
 * server's *door*, an object that accepts files. Then it calls the door with the object, the file
 * of its part, and an object of its own that dies with the client. The reply is the file of the
 * server's part. uid, gid and pid of this call hold for all calls of the channel.
 *
 * Waiting. While there are channels, a serving thread does not wait in the bus. It waits for the
 * tails of all channels and for a word that says that the bus has an event, which it then takes
 * without waiting. So other events take one more exchange than without channels.
 *
 * Watching a call. A client that waits for some milliseconds calls the door with CHANNEL_WATCH,
 * which ends when the call of the channel ends. So the bus reports death, deadline and
 * cancellation for calls that last.
 *
 * What is missing, so that channels are off unless IPC_CHANNELS=1:
 *   - The bus does not know a channel's call, so it does not follow the chain of calls that a
 *     handler makes for it: a callback to a client whose only thread waits is not served. An object
 *     whose handlers make calls gets no channel, but the first such call may come after the set-up. The
 *     cure is a call of CHANNEL_WATCH that the bus delivers to the very thread that serves the
 *     call, before that thread makes its own: that takes an addition to the exchange.
 *   - Nor is such a call canceled with the channel's call; it inherits the deadline only.
 *   - Calls that call back may still wait until their time limit under load: e2e/test-threads
 *     shows it now and then.
 *   - Replies with objects fail with -EOPNOTSUPP. Typed methods that have them take the bus.
 *   - Programs with a loop of their own, and servers that poll for timers, get no channels.
 *   - Freezing the server, a monitor, and setuid() of the client do not end channels.
 *   - Each object has a channel of its own: 64 for a connection, 16 for each user.
 *   - A call that finds the server dead fails after 5 ms at first, not at once.
 */
#ifndef IPC_CHANNEL_SERVER_H
#define IPC_CHANNEL_SERVER_H

#include "channel.h"
#include "thread.h"

/* Of the library's objects, beside <ipc/raw.h>: () -> the door. */
#define IPC_CODE_CHANNEL (IPC_CODE_BUILTIN + 4)

/* Methods of the door. All but CHANNEL_OPEN take a struct channel_ref. */
#define CHANNEL_OPEN  1U	/* file, object, client's object -> id, file */
#define CHANNEL_WATCH 2U	/* -> CHANNEL_*: after the end of the call */
#define CHANNEL_FETCH 3U	/* -> the reply of a call that ended with CHANNEL_LATER */
#define CHANNEL_CANCEL 4U	/* a oneway: the caller does not wait any more */

/* Replies of CHANNEL_WATCH. */
#define CHANNEL_DONE	0U	/* the reply is in the channel */
#define CHANNEL_NOT_RUN 1U	/* the channel has ended, and the call was not served */

struct channel_ref {
	uint64_t id;
	uint32_t slot;
	uint32_t number;
};

/* In event.call: of a channel. The bus counts its calls. */
#define CHANNEL_CALL_BIT (1ULL << 63)
/* Likewise in event.buffer. The lower half of the bus's ids is the number of a buffer. */
#define CHANNEL_BUFFER_BIT (1ULL << 31)

static inline bool is_channel_call(uint64_t call)
{
	return call & CHANNEL_CALL_BIT;
}

static inline bool is_channel_buffer(uint64_t buffer)
{
	return buffer & CHANNEL_BUFFER_BIT;
}

/* A buffer for a message from a channel, CHANNEL_DATA_MAX bytes, or NULL. */
void *channel_buffer_get(struct thread *t);
void channel_buffer_put(struct thread *t, void *buffer);
/* Releases the buffer of an event. */
void channel_buffer_release(struct thread *t, uint64_t id);
/* Describes the buffer in an event. */
void channel_buffer_event(const struct thread *t, void *buffer, size_t size,
			  struct ipcbus_event *event);

/* Serves IPC_CODE_CHANNEL. Takes over what came with the call. */
int channel_serve(struct ipc_call *call, const struct ipcbus_event *event);

/*
 * The part of an exchange that concerns channels: sends a reply to one of their calls, and waits
 * for calls and events. Returns 1 if the bus has to do the exchange, which then has no such reply
 * any more; otherwise the result of the exchange.
 */
int channels_exchange(struct thread *t, struct ipcbus_exchange *x);

/* The handler of a channel's call makes a call itself. Ends the channel, so that later calls come
 * by the bus, which follows their chains. */
void channel_nests(struct ipc *ipc, uint64_t call);

/* As device_call_canceled(), and as ipc_call_pidfd(), of a channel's call. */
int channel_call_canceled(struct ipc *ipc, uint64_t call);
int channel_call_pidfd(struct ipc *ipc, uint64_t call);
/* A call was canceled: returns the channel's call that it watched, or 0. */
uint64_t channel_watch_canceled(struct ipc *ipc, uint64_t watch);

/* Ends all channels, which clients see at their next call: serving threads are to poll. */
void channels_end(struct ipc *ipc);
/* A thread has ended. */
void channels_thread_ends(struct thread *t);
/* The connection is closed. */
void channels_close(struct ipc *ipc);

#endif /* IPC_CHANNEL_SERVER_H */
