/* SPDX-License-Identifier: MIT */
/*
 * The server's side of direct channels: accepts channels, takes their calls and replies to them.
 * The layers above see the same events as from the bus.
 *
 * Set-up. After some calls of an object, a client calls its method IPC_NUMBER_CHANNEL. It returns
 * the server's *door*, an object that accepts files. Then it calls the door with the file of both
 * parts, the object, and an object of its own that dies with the client. uid, gid and pid of this
 * call hold for all calls of the channel. Messages use the bus in the meantime. With its first
 * large requests, the client sends the file of the extension to the door in the same way. If that
 * fails, such requests use the bus.
 *
 * Oneways. A oneway through the bus and a oneway of the channel take different ways to the object.
 * The client keeps them in order by two oneways to the object through the bus, which the bus keeps
 * in order with all oneways. Before it uses the ring, it sends a *fence* with the number of the
 * epoch that begins. The server leaves oneways of later epochs in the ring until it has handled
 * their fence. Before the client uses the bus, it sends a *drain* with its position in the ring,
 * unless the server has taken all oneways. When the server handles the drain, it first serves the
 * ring up to that position. No side waits. turn.h tells how the server serves a single oneway at a
 * time.
 *
 * Waiting. While there are channels, a serving thread does not wait in the bus. It waits for the
 * tails of all channels and for a word that is set while the bus has an event. It then takes the
 * event without waiting. So other events cost an additional exchange.
 *
 * A program with an event loop does the same in ipc_process() and ipc_wait_event(), but sleeps in
 * its loop: see "Polling" in channel.h, and channel-loop.c.
 *
 * A handler that makes a call. The bus must know the chain of calls, or a callback to a client
 * with a single thread, which waits, would not be served. So the handler first asks its client to
 * join: the client calls the door with CHANNEL_JOIN, a call that only the handler's thread
 * receives. The thread then serves both calls, and the bus's call determines chain, deadline,
 * cancellation and priority. The reply ends both. After that the object gets no channels: its
 * calls go through the bus.
 *
 * A channel ends with the death of either process, exec(), the end of the client's proxy, a monitor
 * of the bus, a handler that makes a call, the last return of ipc_run() in a program without an
 * event loop, and a peer that violates the protocol. A forked child does not have its memory. As
 * for all calls through ipcbusd, the caller has the ids of the time when it opened the bus.
 *
 * Limits:
 *   - Each proxy has its own channel, of 128 KB, or 264 KB with the extension. The client allocates
 *     the memory. A connection has at most 64 channels. A user with 16 of them must leave 16
 *     places free. If there is no place, the channel that has had no calls for the longest time
 *     ends, after 10 s, or at once if its user has more channels than a user with fewer than 16.
 *     No other user ends a channel of a user with up to 4 channels that is not idle.
 *     A thread in a handler maps the channels that it looked at before, also after their end: at
 *     most 64 such channels of a user, which otherwise gets no more channels, and 256 in total.
 *   - A channel that was opened before the program called ipc_process() ends then.
 *   - A proxy whose channel has ended uses the bus, and asks for another after 4,096 messages.
 *     Its memory of the ended channel stays mapped.
 *   - A waiting client notices the death of the server after about 10 ms at most. It notices the
 *     end of the bus after an eighth of the time that it has waited, at most a second.
 *   - A frozen process that still runs serves calls of its channels. If it is stopped, as frozen
 *     processes usually are, new calls fail with -EHOSTDOWN.
 *   - A stopped client does not cancel its calls at their deadline. Serving threads cancel them
 *     about once a second.
 *   - A client that does not join delays the handler by at most a second. If that is at least
 *     100 ms, or the waits for its user take more than 250 ms at once or a 64th of the time, this
 *     user gets no more channels to this connection, and later waits for its clients
 *     last at most 100 ms. After 100 ms in total, no handler waits for the same channel again. If
 *     such waits take more than 1.5 s, and then a 64th of the time, the connection gets no new
 *     channels, and waits last at most 100 ms. Users keep the channels that they have.
 */
#ifndef IPC_CHANNEL_SERVER_H
#define IPC_CHANNEL_SERVER_H

#include <stdlib.h>

#include "shm/channel.h"
#include "core/call.h"
#include "conn/thread.h"

/* Methods of the door. All but CHANNEL_OPEN take a struct channel_ref. No program's object has
 * these numbers: a hostile server may reply with another server's object as its door. */
#define CHANNEL_OPEN  (IPC_NUMBER_BUILTIN + 5)	/* file, object, client's object -> id, and a bell
	                                	 * if the program has an event loop */
#define CHANNEL_JOIN  (IPC_NUMBER_BUILTIN + 6)	/* -> nothing: after the end of the call */
#define CHANNEL_FETCH (IPC_NUMBER_BUILTIN + 7)	/* -> the reply of a call that ended with LATER */
#define CHANNEL_CANCEL (IPC_NUMBER_BUILTIN + 8)	/* a oneway: the caller does not wait any more */
#define CHANNEL_EXTEND (IPC_NUMBER_BUILTIN + 14)/* once for a channel: file -> nothing */

/* Oneways to the object. Their struct channel_ref has an epoch or a position as its number. */
#define CHANNEL_FENCE (IPC_NUMBER_BUILTIN + 9)	/* serve the oneways of this epoch */
#define CHANNEL_DRAIN (IPC_NUMBER_BUILTIN + 10)	/* first serve those before this position */

#define CHANNEL_BELL (IPC_NUMBER_BUILTIN + 11)	/* a oneway to the door, with a timerfd that
	                                         * wakes the client, or empty, to wake the server */
/* Takes the bell of such a message, or returns -EPROTO and drops all its files. */
int channels_take_bell(const struct ipc_raw_message *message);
/* Closes the files of a message that a peer may not send, on another thread: close() of a file in
 * FUSE blocks for as long as the peer likes. Leaves files of memory to the caller. */
void channels_drop_files(const struct ipc_raw_message *message);

/* Oneways to the object that the client sent with CHANNEL_OPEN. No program's object has these
 * numbers: a hostile client may send the object of another process. */
#define LIFE_BELL (IPC_NUMBER_BUILTIN + 12)	/* wakes a client that polls */
#define LIFE_REPLY (IPC_NUMBER_BUILTIN + 13)	/* to an async call, with objects or too large for
	                                 	 * the cell: payload, struct life_reply */

struct life_reply {
	uint32_t cell;
	uint32_t number;
	uint32_t error;		/* errno, or 0 */
	uint32_t unused;
};

struct channel_ref {
	uint64_t id;
	uint32_t cell;
	uint32_t number;
};

/* The buffer has another size, and must not be used again. No address reaches this bit. */
#define CHANNEL_BUFFER_LARGE (1ULL << 63)

/* Returns a buffer of size bytes for a message from a channel, or NULL. The thread keeps a spare
 * buffer of CHANNEL_DATA_MAX bytes. */
static inline void *channel_buffer_get(struct thread *t, size_t size)
{
	void *buffer = t->channel_buffer;

	if (unlikely(!buffer || size > CHANNEL_DATA_MAX))
		return malloc(size > CHANNEL_DATA_MAX ? size : CHANNEL_DATA_MAX);
	t->channel_buffer = NULL;
	return buffer;
}

/* Frees a buffer of that size, or keeps it as the thread's spare. buffer may be NULL. */
void channel_buffer_put(struct thread *t, void *buffer, size_t size);
void channel_buffer_release(struct thread *t, uint64_t id);
/* Describes the buffer in an event. */
void channel_buffer_event(const struct thread *t, void *buffer, size_t size,
			  struct ipcbus_event *event);

/* --- Turns: turn.c ---------------------------------------------------------------------- */

/* Takes the turn, for oneways of a channel. If it is taken, returns false, and its end makes a
 * serving thread look at the channels again. */
bool turn_enter(struct ipc_object *object);
/* Makes a serving thread look at the channels when the turn, which the caller has, ends. */
void turn_skip(struct ipc_object *object);

/* --- Oneways ---------------------------------------------------------------------------- */

/* Whether channel_serve_oneways() handles the event, in a turn. */
static inline bool channel_has_event(const struct ipcbus_event *event)
{
	return event->kind == ROUTE_EVENT || event->code == CHANNEL_FENCE ||
	       event->code == CHANNEL_DRAIN;
}

/* Serves oneways of a channel. If a handler keeps its call, stops, and the event stays. Returns
 * whether the event needs another turn, and also stays. */
bool channel_serve_oneways(struct thread *t, const struct ipcbus_event *event,
			   const struct turn_frame *frame);
/* Makes a serving thread look at the channels again. */
void channels_look_again(struct ipc *ipc);

/* --- The route ---------------------------------------------------------------------------- */

/* open.c gives it to a connection. */
extern const struct route channels_route;

/* Its functions for servers: see conn/route.h. */
int channels_exchange(struct thread *t, struct ipcbus_exchange *x);
bool channels_serve(struct ipc *ipc);
unsigned int channels_viewed(const struct thread *t);
void channels_end(struct ipc *ipc);
struct channel_view;
void channels_view_free(struct channel_view *view);
int channel_serve(struct ipc_call *call, const struct ipcbus_event *event);
/* Ends the channel, so that later calls use the bus. At the first call of the handler, waits for
 * the client to join. Uses neither the scratch buffer nor the stash of the thread. */
void channel_nests(struct thread *t, uint64_t call, uint64_t deadline);
int channel_call_canceled(struct ipc *ipc, uint64_t call);
int channel_call_pidfd(struct ipc *ipc, uint64_t call);
uint64_t channel_join_canceled(struct ipc *ipc, uint64_t join);
void channel_event_drop(struct ipc *ipc, const struct ipcbus_event *event);
void turn_run(struct thread *t, struct ipc_object *object, const struct ipcbus_event *event);
void turn_run_or_park(struct thread *t, struct ipc_object *object,
		      const struct ipcbus_event *event);
bool turn_keep(struct thread *t, const struct ipc_call *call);
void turn_leave(struct ipc_object *object);
bool channels_have_work(struct ipc_object *object);
void channels_end_object(struct ipc *ipc, uint64_t cookie);

/* Ends the channels of a client after the end of the object that it sent at their set-up. */
void channels_client_died(struct ipc *ipc, const struct ipc_proxy *life);
/* Makes requests use no channels from now on, because the connection closes its device, with the
 * memory of words that channels use. */
void channels_lose_device(struct ipc *ipc);
void channels_close(struct ipc *ipc);

#endif /* IPC_CHANNEL_SERVER_H */
