/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Client
 *
 * One connection, which is one open file of one process. connection.c accepts it and passes on
 * what comes over its socket. All else happens on the worker of its user: each thread of
 * the client has a fiber there, and one more opens, maps and closes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct account;
struct client;
struct file;
struct flight;
struct ipcbus_user;

/* A range of bytes, of whole pages. */
struct client_range {
	uint64_t begin;
	uint64_t size;
};

/**
 * struct client_memory - the area of a client, or a bell
 * @base: its address in the client
 * @size: constant, as the area is sealed
 * @at: its address here
 * @fd: the memfd
 * @used: a bit for each page of an area that the daemon has used, and that @payer is charged for
 * @n_used: how many
 * @ready: ranges of used pages among the slots and in the send area, for a quick look
 * @payer: counted; NULL: the daemon may not use the area, for the bus is not open
 * @refused: a page was not used, because its payer has too much
 */
struct client_memory {
	uint64_t base;
	uint64_t size;
	char *at;
	int fd;
	unsigned long *used;
	unsigned int n_used;
	struct client_range ready[2];
	struct ipcbus_user *payer;
	bool refused;
};

/* The first member of a client. */
static inline struct client_memory *client_memory(struct client *client)
{
	return (struct client_memory *)client;
}

/**
 * struct client_peer - who connected
 * @socket: of @flight
 * @pid: as it is seen here
 * @started: when that process began
 * @uid: at that moment
 * @gid: likewise
 * @payer: of payer.c
 * @flight: the connection; the client's to end
 * @account: of the payer
 */
struct client_peer {
	int socket;
	int pid;
	uint64_t started;
	uint32_t uid;
	uint32_t gid;
	uint32_t payer;
	struct flight *flight;
	struct account *account;
};

struct area_watch;

/* Main thread only. Opens the bus for the peer and replies to its HELLO, also with an
 * error: then NULL is returned and the peer's socket is still the caller's. *watch is set with that
 * owner before the peer has its area, and stays the caller's. */
struct client *client_new(const struct client_peer *peer, uint64_t base, uint64_t size,
			  struct area_watch *watch, void *owner);
/* The client asks for a region; the reply is sent. False: it may not ask now. */
bool client_map(struct client *client, uint64_t size);
/* An fd that a slot was asked for; it is taken over. False: no slot was. */
bool client_give_fd(struct client *client, uint32_t slot, int fd);
/* The process is dead or the connection is closed. Not to be used from here on. */
void client_end(struct client *client);

/* When a process began, in ticks. -ESRCH: there is none. main.c */
int read_start(int pid, uint64_t *ret_start);

/* --- What the daemon and its command inherit: inherit.c ---------------------------- */

/* The socket that systemd listens at for us (sd_listen_fds(3)), or -1. It stays systemd's: nothing
 * is removed at the end. Sets *ret_problem if it cannot be used. */
int socket_inherited(const char **ret_problem);
/* Exits if /proc does not show this process. */
void proc_check(void);
/* Raises the soft limits of open files and of the size of files. Returns that of open files. */
unsigned long limits_raise(void);
/* Starts the command on a bus, with the limits as they were. Returns its pid, or -1 with errno. */
int command_start(char **argv, const char *bus);

/* --- Memory: memory.c ----------------------------------------------------------- */

/* A memfd that nobody can resize, mapped for writing. -errno. */
int memory_new(struct client_memory *memory, const char *name, uint64_t size);
void memory_free(struct client_memory *memory);
/* How many bytes of memory the daemon may have: the machine's, or less by its cgroup's limit. */
uint64_t memory_total(void);
/* How many pieces of memory a process may map. */
unsigned int memory_max_maps(void);
/* Eventfds that start at 0, and how they are set and cleared. They stay the daemon's own. */
int event_new(void);
void event_set(int fd, bool set);
/* A new fd for a client: readable while the eventfd is, and no way to it. -errno. */
int event_show(int fd);
/* Duplicates and flags of fds, for files that are no devices. */
int file_flags(int fd);

/* --- Areas: kernel/user.c ------------------------------------------------------- */

/* Whoever first uses a page of an area allocates it, and it stays in the memory of the daemon's
 * cgroup if that is the daemon. So before a use the client's user is charged for the page, whether
 * the client has used it or not: the client can free it again at any moment. False: the user has
 * too much. Worker only, as for all of these. */
bool area_use(struct client_memory *memory, uint64_t offset, uint64_t size);
/* From here on the owner of an open file pays, until area_end(). -EDQUOT. */
int area_begin(struct client_memory *memory, struct file *file);
void area_end(struct client_memory *memory);

/* --- The end of address spaces: area.c -------------------------------------------- */

/**
 * struct area_watch - of one area
 * @next: in the list of those with the same hash
 * @number: inotify's, or -1: it cannot be watched
 * @memfd: of the area; the client's
 * @owner: NULL: none is watched
 */
struct area_watch {
	struct area_watch *next;
	int number;
	int memfd;
	void *owner;
};

/* Main thread only. The fd to poll for areas_next_gone(), or -1: ends are not seen. */
int areas_init(void);
/* An open file of the area for its client alone, to be closed once it is sent. -errno. */
int area_show(int memfd);
/* Before the client gets that, and before the client ends. */
void area_watch(struct area_watch *watch, int memfd, void *owner);
void area_unwatch(struct area_watch *watch);
/* The owner of an area that nobody has any more; NULL: none. */
void *areas_next_gone(void);

/* --- Start: client.c ------------------------------------------------------------ */

/* Loads the driver. */
void daemon_boot(void);

/* --- What an administrator sees and sets: admin.c --------------------------------- */

/* A memfd with the text of one of the driver's files in debugfs. -ENOENT, or another -errno. */
int admin_open(const char *name);
/* From here on the driver's clock stands still. Before daemon_boot(). */
void admin_stop_clock(void);
/* Moves it by that many nanoseconds, and expires what is due. -EOPNOTSUPP: it goes by itself;
 * -ERANGE. Main thread. */
int admin_advance(uint64_t by, uint64_t *ret_now);
/* The nth allocation from now in ioctls of that process, or with 0 of any, fails; nth 0: none.
 * Returns how many were left until the one before, or 0. */
uint64_t admin_fail(int pid, uint64_t nth);
/* Sets a parameter of the driver; *ret_before: what it was. -ENOENT: there is none. */
int admin_set(const char *name, unsigned int value, unsigned int *ret_before);
/* Sets one that --set did not set. Before daemon_boot(). */
void admin_set_default(const char *name, unsigned int value);
/* Sets user_memory to a part of memory_total(), unless somebody else has set it. */
void admin_update_memory(void);
