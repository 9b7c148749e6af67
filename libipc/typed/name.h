/* SPDX-License-Identifier: MIT */
/*
 * Names of services, which servicemanager keeps: the client's side.
 *
 * A connection remembers its registrations: the names and watches that it has at the
 * manager. If the manager restarts, the driver notifies the connection
 * (IPCBUS_EVENT_MANAGER), and libipc sends all registrations to the new manager.
 *
 *   name.c          names: find, list; the replay
 *   name-register.c  names: register, unregister, gain, lose, idle exit
 *   name-watch.c    watches of names
 *
 * The thread that calls the manager holds names.lock. So registrations reach the manager in
 * the order in which the connection remembers them. The manager calls no other process while it
 * serves.
 */
#ifndef IPC_NAME_H
#define IPC_NAME_H

/* First, because it defines the exported functions. */
#include "typed.h"

#include "core/object.h"
#include "core/proxy.h"
#include "servicemanager.ipc.h"

/* Bytes of a name, or of a prefix with its '*', and the 0. */
#define NAME_PATTERN_SIZE 130

struct names;

/* The first member of a name and of a watch. */
struct registration {
	struct ipc_slot slot;
	const struct registration_type *type;
	struct names *names;
	int failure;		/* -errno to report to the program; 0: none; -ESTALE: it is lost */
	bool acquired;		/* to report: it left the queue of the name */
	char text[NAME_PATTERN_SIZE];
};

struct registration_type {
	/* Sends it to the manager, under the lock. */
	int (*send)(struct registration *registration);
	/* Tells the manager that it has ended, under the lock. If that fails, it ends with its
	 * object. */
	int (*withdraw)(struct registration *registration);
	/* The bus has ended; or NULL. */
	void (*bus_ended)(struct registration *registration);
};

/* Keeps an object alive while it has a name. */
struct name {
	struct registration base;
	struct ipc_object *object;
	unsigned int flags;	/* enum ipc_register_flags */
	uint64_t cookie;
	/* Under names.lock. */
	uint64_t number;	/* from the manager; 0: it does not have the name yet */
	bool queued;
};

/* All registrations of a connection; made with the first of them. */
struct names {
	struct ipc *ipc;
	struct ipc_proxy manager;	/* the library's own, in no table */
	pthread_mutex_t lock;
	struct slots list;		/* registrations; changed under the lock and ipc->lock */
	/* Under the lock. */
	bool watches_manager;		/* new managers are reported */
	struct ipc_object *registrant;	/* made with the first name */
	uint64_t last_cookie;
	/* Under ipc->lock. */
	struct slots event_slots;	/* ipc_on_registration() */
};

/* Returns the registrations of a connection, and allocates them first if there are none. Fails with
 * -EINVAL, -ECHILD or -ENOMEM. */
int names_get(struct ipc *ipc, struct names **ret_names);
/* The same for a function that takes a name. Fails with -EINVAL if the name is malformed. */
int names_get_for(struct ipc *ipc, const char *name, struct names **ret_names);
/* The manager's stub, without a reference. */
static inline struct service_manager *names_manager(struct names *names)
{
	return service_manager_from_proxy(&names->manager);
}

/* Options of a call to the manager: with the thread's cancellation, see
 * ipc_raw_set_names_cancellation(), and detached if the thread's handler has outlived its call. */
struct ipc_options names_options(struct names *names);

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

/* Sends a new registration. New managers get it as well once it was added. */
int registration_send_locked(struct registration *registration);
void registration_add_locked(struct registration *registration);
/* Sends a registration that the manager may not know any more. The caller must call names_report()
 * without the lock, because a failure is reported to the program. */
void registration_resend_locked(struct registration *registration);
void names_report(struct names *names);

/* The end function of the types of slots of registrations. */
void registration_end(struct ipc_slot *slot);

/* Returns -ENOTCONN if the manager died or is not running, else the result of the call. */
int manager_result(int r);

/* Copies an entry of a reply. The entry is not trusted. */
int name_info_take(const Ipc__Manager__Entry *entry, struct ipc_name_info *ret_info);
/* Returns the number of characters of [A-Za-z0-9_./-] at the beginning of the text. */
size_t name_length(const char *text);
/* Returns whether the text may be a name, or a prefix, which may be empty, and a '*'. */
bool name_pattern_is_valid(const char *pattern);

#endif /* IPC_NAME_H */
