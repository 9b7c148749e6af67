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
 * A handler that makes a call. The bus must know the chain of calls, or a callback to a client
 * whose only thread waits would not be served. So the handler first asks its client to join: the
 * client calls the door with CHANNEL_JOIN, a call that only the handler's thread gets. The thread
 * then serves two calls, and chain, deadline, cancellation and priority are those of the bus. The
 * reply ends both. After that the object gets no channel: its calls go by the bus.
 *
 * What ends a channel: the death of either process, exec(), the end of the client's proxy, a
 * monitor of the bus, a handler that makes a call, serving threads that have to poll, and a peer
 * that breaks the protocol. Memory of channels is not mapped in a forked child. As for all calls
 * through ipcbusd, the ids of the caller are those of the moment when it opened the bus.
 *
 * Limits:
 *   - Each proxy has a channel of its own, of 64 KB for each side: 64 for a connection, and 16 of
 *     them for each user. Each side allocates its own part.
 *   - Programs with a loop of their own, and servers that poll for timers, get no channels.
 *   - A proxy whose channel has ended goes by the bus from then on.
 *   - A waiting client notices the death of the server after 5 to 50 ms.
 *   - A frozen process that still runs serves calls of its channels. If it is stopped, as frozen
 *     processes usually are, new calls fail with -EHOSTDOWN.
 *   - A client that does not join delays the handler by a second. Then its user gets no more
 *     channels to this connection.
 */
#ifndef IPC_CHANNEL_SERVER_H
#define IPC_CHANNEL_SERVER_H

#include "channel.h"
#include "thread.h"

/* A monitor has to see all calls. */
static inline bool is_monitored(const struct ipc *ipc)
{
	return __atomic_load_n(ipc->monitors, __ATOMIC_RELAXED);
}

/* Of the library's objects, beside <ipc/raw.h>: () -> the door. */
#define IPC_CODE_CHANNEL (IPC_CODE_BUILTIN + 4)

/* Methods of the door. All but CHANNEL_OPEN take a struct channel_ref. No program's object has
 * these codes: a hostile server may reply with the object of another one as its door. */
#define CHANNEL_OPEN  (IPC_CODE_BUILTIN + 5)	/* file, object, client's object -> id, file */
#define CHANNEL_JOIN  (IPC_CODE_BUILTIN + 6)	/* -> nothing: after the end of the call */
#define CHANNEL_FETCH (IPC_CODE_BUILTIN + 7)	/* -> the reply of a call that ended with LATER */
#define CHANNEL_CANCEL (IPC_CODE_BUILTIN + 8)	/* a oneway: the caller does not wait any more */

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

/* The handler of a channel's call is about to make a call itself. Ends the channel, so that later
 * calls come by the bus, and at the first call waits for the client to join. Uses neither the
 * scratch buffer nor the stash of the thread. */
void channel_nests(struct thread *t, uint64_t call, uint64_t deadline);

/* As device_call_canceled(), and as ipc_call_pidfd(), of a channel's call. */
int channel_call_canceled(struct ipc *ipc, uint64_t call);
int channel_call_pidfd(struct ipc *ipc, uint64_t call);
/* A call of the bus was canceled: returns the channel's call that it joined, or 0. */
uint64_t channel_join_canceled(struct ipc *ipc, uint64_t join);

/* Ends all channels, which clients see at their next call: serving threads are to poll. */
void channels_end(struct ipc *ipc);
/* A thread has ended. */
void channels_thread_ends(struct thread *t);
/* The connection is closed. */
void channels_close(struct ipc *ipc);

#endif /* IPC_CHANNEL_SERVER_H */
