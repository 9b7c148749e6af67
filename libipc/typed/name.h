/* SPDX-License-Identifier: MIT */
/*
 * Names of services, which servicemanager keeps: the client's side.
 *
 * A connection remembers its registrations: the names and watches that it has at the manager. If
 * the manager restarts, the driver notifies the connection (IPCBUS_EVENT_MANAGER), and libipc sends
 * all registrations to the new manager: the replay.
 *
 *   name.c           the names of a connection; reports to the program; the replay
 *   name-call.c      calls to the manager, in both forms: blocking and async
 *   name-find.c      get, wait, check, list
 *   name-register.c  register, unregister, gain, lose, idle exit
 *   name-watch.c     watches of names
 *
 * Each function of names has a single implementation, a type of struct name_call. The blocking
 * function makes the same call with IPC_RAW_BLOCK.
 *
 * The state is under ipc->lock, and no lock is held during a call. A registration is on the list
 * from before its first request is sent, because the manager may notify it before the reply is
 * served. Requests of a thread reach the manager in the order in which the thread sent them.
 */
#ifndef IPC_NAME_H
#define IPC_NAME_H

/* First, because it defines the exported functions. */
#include "typed.h"

#include <limits.h>

#include "conn/backlog.h"
#include "core/object.h"
#include "core/proxy.h"
#include "conn/timer.h"
#include "servicemanager.ipc.h"

/* Bytes of a name, or of a prefix with its '*', and the 0. */
#define NAME_PATTERN_SIZE 130

/* All registrations of a connection; made with the first function of names. */
struct names {
	struct ipc *ipc;
	struct ipc_proxy manager;	/* the library's own, in no table */
	atomic_bool watches_manager;	/* new managers are reported */
	/* Under ipc->lock. */
	struct slots list;		/* registrations */
	struct slots parked;		/* calls that wait for a manager */
	struct slots event_slots;	/* ipc_on_registration() */
	struct ipc_object *registrant;	/* made with the first name */
	uint64_t last_cookie;
	uint64_t managers;		/* how many were reported */
	bool replays;			/* a request of the replay is in flight */
};

/* Returns the registrations of a connection, and allocates them first if there are none. Fails with
 * -EINVAL, -ECHILD or -ENOMEM. */
int names_get(struct ipc *ipc, struct names **ret_names);
/* The same for a function that takes a name. Fails with -EINVAL if the name is malformed. */
int names_get_for(struct ipc *ipc, const char *name, struct names **ret_names);
/* Makes the bus report its manager, if it has one, and each new manager. Fails with -EOPNOTSUPP if
 * the driver is too old. */
int names_watch_manager(struct names *names);

/* --- Calls to the manager: name-call.c ------------------------------------------------ */

/* Results of the functions of a call, beside 0, positive numbers and -errno. */
enum {
	NAME_AGAIN = INT_MIN,	/* the next request must be sent */
	NAME_PENDING,		/* a request is in flight, or the call waits for a manager */
};

/* A function of <ipc/name.h> that is being executed: one request, or several in sequence. In its
 * async form the slot is the program's. */
struct name_call {
	struct ipc_slot slot;		/* type: a struct name_call_type */
	struct names *names;
	char text[NAME_PATTERN_SIZE];	/* the name, or the prefix of a list */
	struct ipc_options options;	/* of each request; holds its objects */
	bool blocks;			/* IPC_RAW_BLOCK */
	void (*cb)(void);		/* of the program, or NULL */
	int result;			/* to be reported by work, or NAME_AGAIN */
	uint64_t deadline;		/* of a wait, of the monotonic clock, ns; 0: none */
	struct timer timer;		/* while it is parked; holds a reference */
	struct backlog_work work;
	/* Under ipc->lock. */
	uint64_t id;			/* of the request in flight */
	uint64_t managers;		/* names->managers when the request was sent */
	bool late;			/* the timer expired before the call was parked */
};

struct name_call_type {
	struct slot_type slot;
	/* Passes the next request to name_call_request(), and returns its result. */
	int (*send)(struct name_call *call);
	/* Takes the end of a request: r is -errno, or 0 and the reply. -ENOTCONN: the manager died
	 * or is not running. Returns the result of the call, NAME_AGAIN, or the result of
	 * name_call_park(). NULL: r. */
	int (*take)(struct name_call *call, int r, ProtobufCMessage *reply,
		    const struct ipc_error *error);
	/* The call has ended: returns its result for the program. NULL: r. */
	int (*settle)(struct name_call *call, int r);
	/* Calls call->cb, unless the program has ended the slot. */
	void (*report)(struct name_call *call, int r);
	/* Releases the resources of the call, or NULL. */
	void (*done)(struct name_call *call);
	bool goes_on;		/* the end of the slot does not cancel the request */
};

#define NAME_CALL_TYPE(s)	{ .size = sizeof(s), .end = name_call_end, .free = name_call_free }

/* For NAME_CALL_TYPE(). */
void name_call_end(struct ipc_slot *slot, bool waits);
void name_call_free(struct ipc_slot *slot);

/* Options of a blocking function. */
extern const struct ipc_options name_blocks;
/* Options of requests that no call of the program makes. */
extern const struct ipc_options name_detached;

/* Makes a call. Takes over what options hold. -EINVAL: the options have metadata or wrong flags.
 * The caller must call name_call_start() or drop the slot. */
int name_call_new(struct names *names, const struct name_call_type *type,
		  const struct ipc_options *options, void (*cb)(void), void *userdata,
		  struct name_call **ret_call);
/* The same for a function that takes a name. Fails like names_get_for(), too. */
int name_call_new_for(struct ipc *ipc, const char *name, const struct name_call_type *type,
		      const struct ipc_options *options, void (*cb)(void), void *userdata,
		      struct name_call **ret_call);
/* Starts the call, and takes ownership. If it blocks, it has ended and reported its result when
 * this returns 0. If an async call cannot be sent, returns -errno: the call is neither settled nor
 * reported. */
int name_call_start(struct name_call *call, struct ipc_slot **ret_slot);
/* For send: sends a request with this method's name. */
int name_call_request(struct name_call *call, const char *method,
		      const ProtobufCMessage *request);
/* For take: waits for the next manager, until the deadline (-ENOTCONN). */
int name_call_park(struct name_call *call);
/* Continues a parked call that was taken off its list: sends it again if r is NAME_AGAIN, otherwise
 * ends it with the result r. */
void name_call_unpark(struct name_call *call, int r);

/* A cb of functions with only a result: stores it in the int that is the userdata. */
void name_store_result(int result, void *userdata);

/* --- Registrations -------------------------------------------------------------------- */

/* The first member of a name and of a watch. All but the constants is under ipc->lock. */
struct registration {
	struct ipc_slot slot;
	const struct registration_type *type;
	struct names *names;
	char text[NAME_PATTERN_SIZE];
	uint64_t managers;	/* names->managers when its last request was sent */
	bool pending;		/* its first request has not ended */
	bool leaves;		/* a request to withdraw it has not ended */
	bool revived;		/* another request succeeded meanwhile */
	int failure;		/* -errno to report to the program; 0: none; -ESTALE: it is lost */
	bool acquired;		/* to report: it left the queue of the name */
};

struct registration_type {
	/* Send it to the manager, or tell the manager that it has ended: as name_call_type.send. */
	int (*send)(struct registration *registration, struct name_call *call);
	int (*withdraw)(struct registration *registration, struct name_call *call);
	/* Under ipc->lock: takes a successful reply. Returns the result, 0 or 1. Or NULL. */
	int (*take_locked)(struct registration *registration, const ProtobufCMessage *reply);
	/* Under ipc->lock: the first request succeeded. Returns the registration that this one
	 * replaced, or NULL. Or NULL. */
	struct registration *(*added_locked)(struct registration *registration);
	/* The first request failed, but the manager may know the registration. blocks: this may
	 * block. */
	void (*failed)(struct registration *registration, int r, bool blocks);
	/* The bus has ended; or NULL. */
	void (*bus_ended)(struct registration *registration);
	/* The first request failed as if there is no manager: the next manager gets it. */
	bool waits_for_manager;
};

static inline struct registration *registration_of(struct ipc_slot *slot)
{
	return (struct registration *)slot;
}

/* The first registration, or the next one; or NULL. */
static inline struct registration *names_first_locked(const struct names *names)
{
	return registration_of(TAILQ_FIRST(&names->list));
}

static inline struct registration *names_next_locked(const struct registration *registration)
{
	return registration_of(TAILQ_NEXT(&registration->slot, link));
}

/* Sends a new registration, and takes ownership of it. cb gets the result and userdata. *ret_slot
 * is set before any callback can run. Returns -errno if it could not be sent: *ret_slot has its
 * former value then, and cb does not run. */
int registration_add(struct registration *registration, const struct ipc_options *options,
		     ipc_name_done_cb cb, void *userdata, struct ipc_slot **ret_slot);
/* The same, but blocks and returns the result. */
int registration_add_now(struct registration *registration, struct ipc_slot **ret_slot);
/* Informs the manager that a registration has ended. Returns the result if this blocks. Otherwise
 * the registration ends with its object if that fails. */
int registration_withdraw(struct registration *registration, bool blocks);
/* Sends a registration again that the manager may not know any more, and blocks. A failure is
 * reported to the program. */
void registration_renew(struct registration *registration);
/* Reports events to the program, without locks. */
void names_report(struct names *names);
/* Sends the next registration that the current manager may not know, if there is one. */
void names_replay(struct names *names);

/* The end function of the types of slots of registrations. */
void registration_end(struct ipc_slot *slot, bool waits);

/* Copies an entry of a reply. The entry is not trusted. */
int name_info_take(const Ipc__Manager__Entry *entry, struct ipc_name_info *ret_info);
/* Returns the number of characters of [A-Za-z0-9_./-] at the beginning of the text. */
size_t name_length(const char *text);
/* Returns whether the text may be a name, or a prefix, which may be empty, and a '*'. */
bool name_pattern_is_valid(const char *pattern);

#endif /* IPC_NAME_H */
