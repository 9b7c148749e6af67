/* SPDX-License-Identifier: MIT */
/*
 * The world of a sequence: processes whose threads run operations on the driver, and the fuzzer's
 * own records, which are compared with the driver's results.
 *
 *   fuzz.c     the input: a header and operations; runs them
 *   mutate.c   mutations of inputs
 *   world.c    creates and destroys processes and threads
 *   ops.c      an operation: arguments made from bytes, and the ioctl
 *   message.c  sent messages: targets, payloads, object tables
 *   priority.c priorities of threads: set and inherited
 *   judge.c    compares received with sent messages
 *   rest.c     checks when all threads sleep
 *
 * Threads are fibers of the host build's scheduler: there is no parallelism, and the same input
 * runs the same way again.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipcbus.h"
#include "shim.h"

#define MAX_PROCS	3
#define MAX_THREADS	6
#define MAX_NODES	32
#define MAX_HELD	64
#define MAX_MESSAGES	256
#define MAX_STACK	40
#define MAX_OBJECTS	IPCBUS_MAX_OBJECTS
#define USER_PAYLOAD	(80U << 10)

/* The 8 bytes of an operation. */
struct op {
	u8 thread;
	u8 what;
	u8 arg[6];
};

/* A node that a process created. */
struct node {
	struct proc *proc;
	u32 life;		/* of the proc: counts its opens of the device */
	u64 id;
	u64 cookie;
	bool accept_fds;
	u32 label_size;		/* size reserved for sender labels in its messages */
	int prio;		/* minimum priority for its messages */
	bool dying;		/* its destruction, or the proc's end, has begun */
	bool dead;		/* ... and is complete; since: */
	u64 dead_at;
	u32 last[MAX_THREADS];	/* the newest oneway delivered, by sender */
	unsigned int held;	/* delivered oneways that are not released */
};

enum message_state {
	MESSAGE_SENDING,
	MESSAGE_SENT,
	MESSAGE_FAILED,
};

struct sent_object {
	u32 type;
	u64 tag;
	struct node *node;	/* NULL: unknown */
	struct file *file;	/* likewise */
};

/* A message. Its number is its index, from 1; its code contains the number. */
struct message {
	enum ipcbus_send_kind kind;
	enum message_state state;
	bool replaces;		/* a oneway that a newer oneway may replace */
	bool odd;		/* sent with damage: it may be anything */
	/* its sender may be in a call: it may be for a specific thread only */
	bool nested;
	bool delivered;
	bool tried;		/* CALL: a reply to it was begun */
	bool replied;		/* ... and was sent; since: */
	u64 replied_at;
	bool async;		/* CALL: its reply goes to the process */
	bool detached;		/* CALL: independent of the call that its thread serves */
	u64 cookie;
	u64 deadline;
	u64 limit;		/* no inherited deadline is earlier; 0: none */
	unsigned int cancels;	/* number of CANCELs of its cookie */
	bool must_cancel;	/* ... a CANCEL reported that it ended the call; since: */
	u64 canceled_at;
	bool left;		/* its thread stopped waiting for the reply */
	bool notified;		/* the server was notified that the call has no caller */
	bool ended;		/* the caller got its event, with this error */
	int error_of_end;
	u32 life;		/* of its sender's proc */
	struct thread *from;
	u32 pid;
	struct node *target;	/* NULL: unknown */
	struct message *request;/* REPLY, ERROR: the request; NULL: unknown */
	struct proc *taken_by;	/* CALL: the process that took it */
	u64 call;		/* ... under which number */
	u32 error;
	u32 size;
	int prio;		/* priority of its sender */
	unsigned int n_objects;
	struct sent_object objects[MAX_OBJECTS];
};

struct handle {
	u32 number;
	u32 count;
	struct node *node;	/* NULL: unknown */
	u64 watch;		/* the newest cookie */
};

struct held {
	u64 id;
	u64 offset;
	u64 end;
	struct node *oneway;	/* target node of the oneway */
	bool freeing;
};

struct open_call {
	u64 id;
	u64 deadline;
	struct message *message; /* NULL: unknown */
	u64 since;		 /* when it was taken, or a reply to it failed */
};

struct proc {
	unsigned int index;
	struct shim_process *process;
	unsigned int alive;	/* threads */
	bool killed;
	int fd;
	int dup;
	u32 life;		/* incremented by each open and close */
	unsigned int copies;	/* copies of the file in other processes */
	bool unseen;		/* only a copy is left: its end closes nothing */
	bool frozen;		/* it was frozen, or a freeze was tried, and it may still be */
	bool lossy;		/* events were lost because of injected damage */
	unsigned int canceling;	/* threads that cancel calls with the shared cookie */
	bool odd_calls;		/* a call of it may have become async */
	unsigned int touching;	/* threads that read the region */
	u64 refused_at[MAX_PROCS]; /* time of the last refused oneway to that process, or 0 */
	bool refused;		/* a oneway was refused at some time */
	bool space_made;		/* space was freed since, and poll not called */
	unsigned int polling;	/* threads in poll */
	unsigned int refusals;	/* and results of poll */
	struct shim_map *map;
	size_t map_size;
	unsigned int n_handles, n_held, n_calls, n_fds;
	struct handle handles[MAX_HELD];
	struct held held[MAX_HELD];
	struct open_call calls[MAX_HELD];
	int fds[MAX_HELD];
};

/* The damage to a thread's next ioctl. */
struct mischief {
	bool corrupt, fail;
	u8 where, at, value;
	enum shim_fail fail_kind;
};

struct thread {
	unsigned int index;
	struct proc *proc;
	struct task_struct *task;
	u32 pid, tid;
	u32 life;		/* life of proc to which its stack and number belong */
	u32 number;
	bool done;
	bool waits, serves;	/* in an ioctl that may sleep */
	bool busy;		/* in EXCHANGE */
	bool follows;		/* the judged event came together with another */
	u32 polls;		/* in poll, for these events */
	u64 began;		/* ... since when */
	int own;		/* own priority, without inheritance */
	bool indebted;		/* boosted through a file that another thread closed */
	u64 limit;		/* the earliest deadline of its taken calls, or 0 */
	struct message *sending;
	bool took;		/* has taken a call before, and may still serve it */
	bool astray;		/* its stack is no longer known */
	unsigned int n_stack;
	struct message *stack[MAX_STACK]; /* its calls, the innermost last */
	struct mischief mischief;
	const struct op *ops[256];
	unsigned int n_ops;
	struct ipcbus_exchange *exchange; /* user memory, at the end of a page */
	struct ipcbus_event *more;
	struct ipcbus_object *objects;
	struct ipcbus_iovec *iov;
	u64 *free;
	u8 *payload;
	u32 space;		/* start of the used part of user memory */
};

struct world {
	u64 clock;		/* number of operations so far */
	bool any_odd;
	bool trace;
	bool strangers;		/* each process belongs to another user */
	unsigned int n_procs, n_threads, n_nodes, n_messages;
	struct proc procs[MAX_PROCS];
	struct thread threads[MAX_THREADS];
	/* Entries of these tables are cleared when they are used first: */
	struct node nodes[MAX_NODES];
	struct message messages[MAX_MESSAGES];
};

extern struct world world;

/* A finding: prints a message and ends the program. */
#define must(condition, ...)                                                              \
	do {                                                                              \
		if (!(condition))                                                         \
			shim_panic("fuzz: " __VA_ARGS__);                                 \
	} while (0)

#define trace(...)                                                                        \
	do {                                                                              \
		if (world.trace)                                                          \
			fprintf(stderr, __VA_ARGS__);                                     \
	} while (0)

/* world.c */
void world_set_up_once(void);
void world_begin(unsigned int n_procs, unsigned int n_threads, size_t region, u8 prepared);
void world_end(void);
/* Called before the device is closed; called when the process has exited. */
void proc_closing(struct proc *proc);
void proc_gone(struct proc *proc);
int proc_open(struct proc *proc, unsigned int flags);
int proc_map(struct proc *proc, size_t size);
struct node *node_create(struct proc *proc, u32 flags, u8 priority);
/* Returns an unmapped address. */
void *bad_address(void);

/* ops.c */
#define MANAGER_WATCH_COOKIE 0xa44100000000ULL
/* Cookie of a call, with the number of its message. Some calls share a cookie: */
#define CALL_COOKIE 0xca1100000000ULL
#define SHARED_COOKIE 1

void op_run(struct thread *t, const struct op *op);

/* message.c */
#define CODE_BASE 0x5eed0000U
/* Oneways that replace each other share a few codes. */
#define CODE_REPLACE 0x5eee0000U

/* Builds the message for an operation; NULL: the tables are full. */
struct message *message_build(struct thread *t, struct ipcbus_send *send, const u8 *arg);
void message_done(struct message *m, int ret, bool maybe);
u32 message_number(const struct message *m);
/* Returns the payload of the message with this number, of any length. */
const u8 *payload_of(u32 number);
/* Selects buffers for the exchange to release, ids[0..n-1] or fewer; then checks the result. */
unsigned int free_build(struct thread *t, struct ipcbus_exchange *x, u8 how, u64 ids[32]);
void free_done(struct thread *t, const u64 *ids, unsigned int n, const struct ipcbus_event *event,
	       int ret);
/* An operation since @began may have freed space for oneways to proc. */
void space_made(const struct proc *proc, u64 began);

/* priority.c */
/* The thread sets its own priority. */
void op_priority(struct thread *t, const u8 *arg);
/* Fills in the minimum for a node with IPCBUS_NODE_PRIORITY, and returns it. */
int priority_of_node(struct ipcbus_node *args, u8 pick);
/* t took call m through node: it must have the priority of m's sender, or node's. */
void priority_of_call(const struct thread *t, const struct message *m, const struct node *node);
/* t waited without a call of its own, and got that event. */
void priority_of_waiter(const struct thread *t, const struct ipcbus_event *event);

/* judge.c */
void judge_event(struct thread *t, const struct ipcbus_event *event);
/* Checks the additional events of an exchange with IPCBUS_MORE. */
void judge_more(struct thread *t, const struct ipcbus_exchange *x);
/* The call exists and cannot have ended: CANCEL must find it. */
bool judge_is_open(const struct message *m);
/* Returns whether a server may have been notified that the call has no caller. */
bool judge_nobody_waits(const struct message *m);
/* odd: with injected damage. */
void judge_errno(int ret, bool odd);
/* Checks the result of the ioctl that sent m. */
void judge_sent(const struct message *m, int ret);
/* Returns whether the proc is still in that life. */
bool proc_is_alive(const struct proc *proc, u32 life);
/* Returns whether the message was sent or is being sent, and may not be lost. */
bool message_can_arrive(const struct message *m);

/* rest.c */
/* Checks that no user exceeds its quota of another's region. */
void judge_quotas(void);
/* All remaining threads sleep: none may have work. more: timers are left. */
void judge_rest(bool more);
#endif /* FUZZ_WORLD_H */
