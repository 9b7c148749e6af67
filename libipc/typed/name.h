/* SPDX-License-Identifier: MIT */
/*
 * Names of services, which servicemanager keeps: the client's side. name.c has
 * the names of this connection and the questions about others'; name-watch.c
 * is notified when they come and go; name-idle.c is for services that leave when
 * nobody needs them.
 *
 * servicemanager may end and come again. A connection that has names or watches
 * is notified when one comes (IPCBUS_EVENT_MANAGER), and then registers all again:
 * name-replay.c.
 */
#ifndef IPC_NAME_H
#define IPC_NAME_H

/* First: it says what is exported. */
#include "typed.h"

#include "servicemanager.ipc.h"

/* A name, or what names start with and a '*'. */
#define NAME_PATTERN_SIZE 130

/* How a name or a watch of ours stands with the manager that is there. */
struct standing {
	bool due;		/* it is to be registered, again */
	int failure;		/* -errno that the user is to be notified of; 0: none */
};

/* Keeps an object alive while it has a name. */
struct name {
	struct name *next;
	struct ipc_object *object;
	struct ipc_object *provider;	/* what the manager gets instead; or NULL */
	struct standing standing;
	char text[];
};

struct name_watch;

/* What servicemanager is to know of a connection; made with the first of it. */
struct names {
	struct upper upper;
	struct ipc *ipc;
	pthread_mutex_t lock;
	/* Under the lock. */
	struct name *list;
	struct name_watch *watches;
	bool watches_manager;		/* new managers are reported */
	unsigned int tries;		/* to replay */
	ipc_replay_failure_cb failure_cb; /* or NULL */
	void *failure_userdata;
};

/* Of a connection that has some. */
static inline struct names *names_of(struct ipc *ipc)
{
	return (struct names *)atomic_load(&ipc->upper);
}

/* Makes them, unless they are there: -ENOMEM, -ECHILD. */
int names_make(struct ipc *ipc);

/* Takes the place of what had the name before, which is the caller's to free. */
struct name *name_new(const char *text, struct ipc_object *object);
void name_free(struct name *name);
struct name *name_keep_locked(struct ipc *ipc, struct name *name);
struct name *name_find_locked(struct ipc *ipc, const char *text);
struct name *name_take_locked(struct ipc *ipc, const char *text);

/* Adds it, and has it added again to every new manager; -errno. */
int name_add_locked(struct ipc *ipc, struct service_manager *manager, const struct name *name);

/* Registers one with the manager. */
int name_register_locked(struct service_manager *manager, const struct name *name);

/* From now on we are notified of new managers. */
int names_expect_manager_locked(struct ipc *ipc);

/* -EINVAL, -ECHILD; else the manager, there or not. */
int manager_get(struct ipc *ipc, struct service_manager **ret_manager);
/* The same, if the name is one. */
int manager_get_for(struct ipc *ipc, const char *name, struct service_manager **ret_manager);
/* A manager that died, or never was, is no manager; the rest is its reply. */
int manager_result(int r);

/* A reply's entry, which may be anything. */
int name_info_take(const Ipc__Manager__Entry *entry, struct ipc_name_info *ret_info);

/* 1 to 127 characters of [A-Za-z0-9_./-]: how many of them the text begins with. */
size_t name_length(const char *text);

/* name-watch.c: the same for watches. */
void name_watches_due_locked(struct ipc *ipc);
/* Those that are due; true: some still are. */
bool name_watches_send_locked(struct ipc *ipc, struct service_manager *manager, bool last);
int name_watches_take_failure_locked(struct ipc *ipc, char pattern[NAME_PATTERN_SIZE]);
void name_watches_close(struct ipc *ipc);

/* name-replay.c: there is a manager, perhaps a new one: replays. */
void names_replay(struct ipc *ipc);
/* In a moment: what is due by then. */
void names_later(struct ipc *ipc);
/* What came of that: true, it is to be tried again; not if this was the last time. */
bool standing_settle(struct standing *standing, int r, bool last);

#endif /* IPC_NAME_H */
