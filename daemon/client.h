/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Client
 *
 * A client is a connection, which is an open file of a process. connection.c accepts the
 * connection and passes on the messages of its socket. All other work happens on the worker of the
 * client's user. There each thread of the client has a fiber, and a control fiber opens, maps and
 * closes the bus.
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

/* A range of bytes in whole pages. */
struct client_range {
	uint64_t begin;
	uint64_t size;
};

#define CLIENT_CHUNK_PAGES	4096

/**
 * struct client_memory - the area of a client
 * @base: address in the client
 * @size: constant, because the memfd is sealed
 * @at: address in the daemon
 * @fd: the memfd
 * @used: a bit for each page of an area that the daemon has used and charged to @payer, in chunks
 *	of CLIENT_CHUNK_PAGES; NULL if it used no page of the chunk
 * @n_used: number of bits set in @used
 * @ready: ranges of used pages among the cells and in the send area, for the fast path
 * @payer: holds a reference; NULL while the bus is not open, and then the daemon must not use the
 *	area
 * @refused: the daemon could not use a page because its payer is at the limit
 * @sealed: the memory cannot have holes any more
 */
struct client_memory {
	uint64_t base;
	uint64_t size;
	char *at;
	int fd;
	unsigned long **used;
	unsigned int n_used;
	struct client_range ready[2];
	struct ipcbus_user *payer;
	bool refused;
	bool sealed;
};

/* struct client begins with its client_memory. */
static inline struct client_memory *client_memory(struct client *client)
{
	return (struct client_memory *)client;
}

/**
 * struct client_peer - the process that connected
 * @socket: of @flight
 * @pid: in the daemon's PID namespace
 * @started: start time of that process, in ticks
 * @uid: effective user id when the process connected
 * @gid: likewise
 * @payer: user that pays: payer.c
 * @flight: the connection; the client must end it
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

/* Opens the bus for the peer and replies to its HELLO. On failure sends the error as the reply and
 * returns NULL; the caller keeps the peer's socket. Starts *watch with @owner before the peer
 * receives its area; the caller keeps *watch. Main thread only. */
struct client *client_new(const struct client_peer *peer, uint64_t base, uint64_t size,
			  struct area_watch *watch, void *owner);
/* The client requests a region. The control fiber sends the reply. Returns false if another request
 * is pending. */
bool client_map(struct client *client, uint64_t size);
/* Hands over the fd that the daemon asked a cell for; takes ownership of fd. Returns false if the
 * daemon asked no such cell. */
bool client_give_fd(struct client *client, uint32_t cell, int fd);
/* Ends a client after the end of its process or connection. The caller must not use the
 * client afterwards. */
void client_end(struct client *client);

/* The account of the client's payer. */
struct account *client_account(const struct client *client);

/* --- Inherited state of the daemon and its command: startup.c ---------------------- */

/* Returns the listening socket that systemd passed (sd_listen_fds(3)), or -1 if there is none. The
 * socket belongs to systemd: the daemon must not unlink it. If the socket cannot be used, sets
 * *ret_problem. */
int socket_inherited(const char **ret_problem);
/* Exits if the kernel's pages do not have 4 KiB, or /proc does not show this process. */
void system_check(void);
/* Raises the soft limits of open files, file size and address space. Returns the limit of open
 * files. */
unsigned long limits_raise(void);
/* Starts the command on a bus, with the original limits. Returns its pid, or -1 with errno set. */
int command_start(char **argv, const char *bus);

/* --- Memory: memory.c; any thread ----------------------------------------------- */

/*
 * As long as a client can write to memory, it can punch holes, unless the memory is sealed
 * against new writable mappings. An access to a hole waits until the hole is complete, and so
 * does munmap(). Both wait with the lock of the daemon's address space, and the client can make
 * that take seconds. So the daemon must not access mapped memory before it is sealed.
 */

/* Creates a memfd of whole pages with constant size and maps it for writing. Returns 0 or -errno.
 * memory_seal() must follow. */
int memory_new(struct client_memory *memory, const char *name, uint64_t size);
/* Prevents holes from now on, and new writable mappings. May wait for the client, so only the
 * client's worker may call it, outside of read-side sections. Returns false if the client
 * prevented it. */
bool memory_seal(struct client_memory *memory);
/* Creates a memfd with constant size that is never sealed. Returns the fd or -errno. */
int memory_new_unmapped(const char *name, uint64_t size);
/* Creates a memfd with constant size for clients of that uid, and maps it for writing at *ret_at.
 * The clients must get files of memory_open() for reading: then they cannot punch holes either.
 * Returns the fd or -errno. memory_end() must follow. */
int memory_new_read_only(const char *name, uint64_t size, uint32_t uid, void **ret_at);
/* Frees the pages, which would stay in the daemon's cgroup for as long as a process keeps the
 * memory, and then unmaps and closes it. A process that still reads it reads zeros, from pages of
 * its own cgroup. The time depends on how often processes have mapped the memory, so only the
 * client's worker or closer may call it, outside of read-side sections. */
void memory_end(int fd, void *at, uint64_t size);
/* Returns a new open file of the memory, for a client, or -errno. */
int memory_open(int fd, bool writes);
/* Reads memory that is not sealed. May wait for a client, like memory_seal(). */
bool memory_read(int fd, void *to, size_t size, uint64_t offset);
/* Returns true if the page at that offset is allocated, also if it was swapped out. Memory that is
 * sealed keeps its pages. May wait for a client, like memory_seal(). */
bool memory_has_page(int fd, uint64_t offset);
/* Only for memory that is sealed or that no client got. */
void memory_free(struct client_memory *memory);
/* Frees @used, like memory_free(). */
void memory_free_used(struct client_memory *memory);
/* Frees memory that is not sealed if no other process can write to it. Otherwise returns false.
 * Only a closer may call it, because processes can make it take long by locks of the file. */
bool memory_free_unused(int fd, void *at);
/* Bytes of memory that the daemon may use: the machine's memory, or the limit of its cgroup if that
 * is lower. */
uint64_t memory_total(void);
/* Maximum number of mappings of a process. */
unsigned int memory_max_maps(void);
/* An fd for a client, and whether it is readable. Setting it never waits for the client. */
int event_new(void);
void event_set(int fd, bool set);
/* fcntl(F_GETFL) of an fd that a client sent. Returns flags or -errno: -EBADF for O_PATH, as in the
 * driver. */
int file_flags(int fd);

/* --- Areas: kernel/user.c ------------------------------------------------------- */

/* Charges the client's user for the pages of a range before the daemon uses them. The first process
 * that touches a page allocates it. If that were the daemon, the page would stay in the memory of
 * its cgroup for as long as any process keeps the area, even after area_end(). So the client must
 * have written each page before. Returns false if it has not, or if the user is at its limit.
 * Worker only, like all functions of this section. */
bool area_use(struct client_memory *memory, uint64_t offset, uint64_t size);
/* From now on the owner of an open file pays, until area_end(). Returns 0 or -EDQUOT. */
int area_begin(struct client_memory *memory, struct file *file);
void area_end(struct client_memory *memory);

/* --- The end of address spaces: area-watch.c ----------------------------------- */

/**
 * struct area_watch - watch of an area
 * @next: in the list of watches with the same hash
 * @number: inotify's number, or -1 if the area cannot be watched
 * @memfd: of the area; owned by the client
 * @owner: NULL if no area is watched
 */
struct area_watch {
	struct area_watch *next;
	int number;
	int memfd;
	void *owner;
};

/* Returns the fd to poll for areas_next_gone(), or -1 if the daemon cannot watch areas. Main thread
 * only, like all functions of this section. */
int areas_init(void);
/* Must be called before the client receives a file of the area, which no other client gets; unwatch
 * before the client ends. */
void area_watch(struct area_watch *watch, int memfd, void *owner);
void area_unwatch(struct area_watch *watch);
/* Returns the owner of an area whose open file was closed, or NULL if there is none. */
void *areas_next_gone(void);
/* Calls closers_retry_later() when a process closes the area, which is not watched. Returns false
 * if that is not possible. Any thread. */
bool area_wait(int memfd);

/* See kernel/fiber.h, whose headers the main loop cannot include. */
void workers_wake(void);

/* --- Start: client.c ------------------------------------------------------------ */

/* Loads the driver. Must be called first. */
void daemon_boot(void);

/* --- Debugfs files and parameters of the driver: admin-requests.c ---------------- */

/* Replies to IPCBUSD_READ and ends the flight, on a thread of its own: the text of many nodes takes
 * long. If the thread cannot be started, returns -errno, and the caller keeps the flight. socket:
 * that of the flight. */
int admin_read(struct flight *flight, int socket, const char *name);
/* Stops the driver's clock. Must be called before daemon_boot(). */
void admin_stop_clock(void);
/* Advances the stopped clock by so many nanoseconds and runs expired timers. Returns -EOPNOTSUPP if
 * the clock is not stopped, or -ERANGE. Main thread only. */
int admin_advance(uint64_t by, uint64_t *ret_now);
/* Makes the nth allocation from now fail in ioctls of that process, or of all processes if pid is
 * 0. If nth is 0, no allocation fails. Returns the number of allocations that remained until the
 * previously requested failure, or 0. */
uint64_t admin_fail(int pid, uint64_t nth);
/* Sets a parameter of the driver and stores its previous value in *ret_before. If there is no such
 * parameter, returns -ENOENT. */
int admin_set(const char *name, unsigned int value, unsigned int *ret_before);
/* Sets a parameter that --set has not set. Must be called before daemon_boot(). */
void admin_set_default(const char *name, unsigned int value);
/* Sets user_memory to a part of memory_total(), unless the administrator has set it. */
void admin_update_memory(void);
