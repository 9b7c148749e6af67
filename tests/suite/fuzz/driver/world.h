/* SPDX-License-Identifier: MIT */
/*
 * The world of one sequence: some processes with threads that do operations on
 * the driver, and what the fuzzer knows of it by itself, to hold against what
 * the driver says.
 *
 *   fuzz.c     the input: a header and operations; runs them
 *   mutate.c   how inputs are changed
 *   world.c    processes and threads, from nothing and to nothing
 *   ops.c      one operation: arguments made from bytes, and the ioctl
 *   message.c  what is sent: targets, payloads, object tables
 *   priority.c what threads run by: set, and inherited
 *   judge.c    what comes: is it what was sent?
 *   rest.c     when all sleep: may they?
 *
 * Threads are fibers of the host build's scheduler: nothing here runs at the
 * same time as anything else, and the same input does the same again.
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

/* The 8 bytes that an operation is. */
struct op {
	u8 thread;
	u8 what;
	u8 arg[6];
};

/* A node that a process made. */
struct node {
	struct proc *proc;
	u32 life;		/* of the proc: which opening of the device */
	u64 id;
	u64 cookie;
	bool accept_fds;
	u32 label_size;		/* what its messages take for their senders' labels */
	int prio;		/* the least its messages are served with */
	bool dying;		/* destroying it began, or the proc's end did */
	bool dead;		/* ... and is over; since: */
	u64 dead_at;
	u32 last[MAX_THREADS];	/* the newest oneway delivered, by sender */
	unsigned int held;	/* oneways delivered and not released */
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

/* One message; its number is its place, from 1, and its code. */
struct message {
	enum ipcbus_send_kind kind;
	enum message_state state;
	bool replaces;		/* a oneway that may be dropped for a newer one */
	bool odd;		/* sent with something wrong: it may be anything */
	bool nested;		/* its sender may be in a call: it may be for one thread only */
	bool delivered;
	bool tried;		/* CALL: an reply to it was begun */
	bool replied;		/* ... and was sent; since: */
	u64 replied_at;
	bool async;		/* CALL: its reply is the process's */
	bool detached;		/* CALL: depends on no call that its thread serves */
	u64 cookie;
	u64 deadline;
	u64 limit;		/* no deadline that it inherits is earlier; 0: none */
	unsigned int cancels;	/* CANCEL was asked for its cookie, so often */
	bool must_cancel;	/* ... and said that it ended it; since: */
	u64 canceled_at;
	bool left;		/* its thread did not wait for the reply */
	bool notified;		/* the server: nobody waits */
	bool ended;		/* the caller got its event, with this error */
	int error_of_end;
	u32 life;		/* of its sender's proc */
	struct thread *from;
	u32 pid;
	struct node *target;	/* NULL: unknown */
	struct message *request;/* REPLY, ERROR: of what; NULL: unknown */
	struct proc *taken_by;	/* CALL: who has it */
	u64 call;		/* ... under which number */
	u32 error;
	u32 size;
	int prio;		/* what its sender ran by */
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
	struct node *oneway;	/* the node that it was a oneway to */
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
	u32 life;		/* grows with each open and close */
	unsigned int copies;	/* of the file, in other processes */
	bool unseen;		/* a copy is all that is left: its end closes nothing */
	bool frozen;		/* it was, or somebody tried, and may be still */
	bool lossy;		/* something was lost by our own doing */
	unsigned int canceling;	/* threads that cancel what has the shared cookie */
	bool odd_calls;		/* a call of its own may have become an async one */
	unsigned int touching;	/* threads that read the region */
	u64 refused_at[MAX_PROCS]; /* when a oneway to that one was, or 0 */
	bool refused;		/* one was, ever */
	bool space_made;		/* space was made since and poll was not asked */
	unsigned int polling;	/* threads that are asking it */
	unsigned int refusals;	/* and replies of poll */
	struct shim_map *map;
	size_t map_size;
	unsigned int n_handles, n_held, n_calls, n_fds;
	struct handle handles[MAX_HELD];
	struct held held[MAX_HELD];
	struct open_call calls[MAX_HELD];
	int fds[MAX_HELD];
};

/* What the next ioctl of a thread does wrong. */
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
	u32 life;		/* of proc, in which its stack and number are */
	u32 number;
	bool done;
	bool waits, serves;	/* in an ioctl that may sleep */
	bool busy;		/* in EXCHANGE */
	bool follows;		/* the event that is judged came with another one */
	u32 polls;		/* in poll, for these events */
	u64 began;		/* ... since when */
	int own;		/* what it runs by when nothing is inherited */
	bool indebted;		/* boosted by a file that another thread closed */
	u64 limit;		/* the earliest deadline of what it took, or 0 */
	struct message *sending;
	bool took;		/* a call, ever: it may be in the middle of that */
	bool astray;		/* what it did with its stack is not known */
	unsigned int n_stack;
	struct message *stack[MAX_STACK]; /* calls it made, the innermost last */
	struct mischief mischief;
	const struct op *ops[256];
	unsigned int n_ops;
	struct ipcbus_exchange *exchange; /* user memory, at the end of a page */
	struct ipcbus_event *more;
	struct ipcbus_object *objects;
	struct ipcbus_iovec *iov;
	u64 *free;
	u8 *payload;
	u32 space;		/* of it, below what is in use */
};

struct world {
	u64 clock;		/* counts operations */
	bool any_odd;
	bool trace;
	bool strangers;		/* each process is another user's */
	unsigned int n_procs, n_threads, n_nodes, n_messages;
	struct proc procs[MAX_PROCS];
	struct thread threads[MAX_THREADS];
	/* Each of these is blank only once it is in use: */
	struct node nodes[MAX_NODES];
	struct message messages[MAX_MESSAGES];
};

extern struct world world;

/* A finding: says what, and ends the program. */
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
/* The device is about to be closed; the process with all it had is gone. */
void proc_closing(struct proc *proc);
void proc_gone(struct proc *proc);
int proc_open(struct proc *proc, unsigned int flags);
int proc_map(struct proc *proc, size_t size);
struct node *node_create(struct proc *proc, u32 flags, u8 priority);
/* An address that nobody may touch. */
void *bad_address(void);

/* ops.c */
#define MANAGER_WATCH_COOKIE 0xa44100000000ULL
/* Of a call, with the number of its message; some have this one: */
#define CALL_COOKIE 0xca1100000000ULL
#define SHARED_COOKIE 1

void op_run(struct thread *t, const struct op *op);

/* message.c */
#define CODE_BASE 0x5eed0000U
/* Of oneways that replace each other, a few codes for all. */
#define CODE_REPLACE 0x5eee0000U

/* Fills in the message that op asks for; NULL: there is no space for more. */
struct message *message_build(struct thread *t, struct ipcbus_send *send, const u8 *arg);
void message_done(struct message *m, int ret, bool maybe);
u32 message_number(const struct message *m);
/* What the payload of the message with this number is, however long. */
const u8 *payload_of(u32 number);
/* What the exchange is to free, ids[0..n-1] or fewer; then what came of it. */
unsigned int free_build(struct thread *t, struct ipcbus_exchange *x, u8 how, u64 ids[32]);
void free_done(struct thread *t, const u64 *ids, unsigned int n, const struct ipcbus_event *event,
	       int ret);
/* Something that began then may have made space for oneways to proc. */
void space_made(const struct proc *proc, u64 began);

/* priority.c */
/* By itself. */
void op_priority(struct thread *t, const u8 *arg);
/* Fills in what a node with IPCBUS_NODE_PRIORITY has at least, and says it. */
int priority_of_node(struct ipcbus_node *args, u8 pick);
/* t got the call m by way of node: it runs by what m's sender did, or node's. */
void priority_of_call(const struct thread *t, const struct message *m, const struct node *node);
/* t waited, with no call of its own, and got that. */
void priority_of_waiter(const struct thread *t, const struct ipcbus_event *event);

/* judge.c */
void judge_event(struct thread *t, const struct ipcbus_event *event);
/* What came with it, by an exchange with IPCBUS_MORE. */
void judge_more(struct thread *t, const struct ipcbus_exchange *x);
/* The call is there, and nothing can have ended it: CANCEL must find it. */
bool judge_is_open(const struct message *m);
/* Whether a server may have been notified that nobody waits for the reply. */
bool judge_nobody_waits(const struct message *m);
/* odd: with something wrong on purpose. */
void judge_errno(int ret, bool odd);
/* What the ioctl that was to send m said. */
void judge_sent(const struct message *m, int ret);
/* Since that life of its began. */
bool proc_is_alive(const struct proc *proc, u32 life);
/* What was sent, or is being sent, and is nothing that may be lost. */
bool message_can_arrive(const struct message *m);

/* rest.c */
/* No user has more of another's region than it may. */
void judge_quotas(void);
/* All threads that are left sleep: none may have anything to do. more: timers are left. */
void judge_rest(bool more);
#endif /* FUZZ_WORLD_H */
