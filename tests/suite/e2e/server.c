// SPDX-License-Identifier: MIT
/*
 * The handlers of the server that the whole-program tests call: as a user of the library would
 * write them, a function per method, for any number of threads.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipc/rpc.h>

#include "fixture.h"

#define LOG_MAX	4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t logged[LOG_MAX];
static size_t n_logged;
static atomic_uint alive, gone_sum;

static int say(struct ipc_call *call, const E2e__SayRequest *request, void *userdata)
{
	E2e__SayReply reply = E2E__SAY_REPLY__INIT;

	(void)userdata;
	reply.text = request->text;
	return server_reply_say(call, &reply);
}

static int raise_error(struct ipc_call *call, const E2e__FailRequest *request, void *userdata)
{
	(void)userdata;
	if (request->code)
		return ipc_call_fail(call, request->code, NULL, "%s", request->text);
	return ipc_call_fail(call, 0, request->name, "%s", request->text);
}

static int finish(struct ipc_call *call, const E2e__FinishRequest *request, void *userdata)
{
	(void)call;
	(void)userdata;
	return request->result;
}

static int log_number(struct ipc_call *call, const E2e__LogRequest *request, void *userdata)
{
	(void)call;
	(void)userdata;
	sleep_ms(request->sleep_ms);
	pthread_mutex_lock(&lock);
	if (n_logged < LOG_MAX)
		logged[n_logged++] = request->number;
	pthread_mutex_unlock(&lock);
	return 0;
}

static int get_logged(struct ipc_call *call, void *userdata)
{
	E2e__LoggedReply reply = E2E__LOGGED_REPLY__INIT;
	int r;

	(void)userdata;
	pthread_mutex_lock(&lock);
	reply.numbers = logged;
	reply.n_numbers = n_logged;
	r = server_reply_logged(call, &reply);
	pthread_mutex_unlock(&lock);
	return r;
}

/* --- Callbacks ------------------------------------------------------------------ */

static int visit(struct ipc_call *call, const E2e__VisitRequest *request, void *userdata)
{
	ipc_auto(visitor_unref) struct visitor *visitor = NULL;
	ipc_auto(visitor_visited_reply_free) E2e__VisitReply *visit = NULL;
	E2e__VisitRequest inner = E2E__VISIT_REQUEST__INIT;
	E2e__VisitReply reply = E2E__VISIT_REPLY__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	int r;

	(void)userdata;
	r = visitor_take(ipc_call_ipc(call), request->visitor, &visitor);
	if (r < 0)
		return ipc_call_fail(call, EINVAL, NULL, "no visitor: %s", ipc_strerror(r));

	reply.tid = (uint32_t)gettid();
	if (request->depth) {
		id.id = ipc_proxy_id(visitor_proxy(visitor));
		inner.visitor = &id;
		inner.depth = request->depth - 1;
		r = visitor_visited(visitor, &inner, &visit, /* error= */ NULL);
		if (r < 0)
			return r;
		reply.depth = visit->depth;
		reply.tid = visit->tid;
	}
	if (request->notify) {
		r = visitor_notify(visitor, &(E2e__SayRequest)E2E__SAY_REQUEST__INIT);
		if (r < 0)
			return r;
	}
	reply.depth++;
	return server_reply_visit(call, &reply);
}

/* --- Files ---------------------------------------------------------------------- */

static int open_pipe(struct ipc_call *call, const E2e__SayRequest *request, void *userdata)
{
	E2e__OpenReply reply = E2E__OPEN_REPLY__INIT;
	Ipc__Fd fd = IPC__FD__INIT;
	size_t size = strlen(request->text);
	int ends[2];
	int r;

	(void)userdata;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	r = write(ends[1], request->text, size) == (ssize_t)size ? 0 : -EIO;
	close(ends[1]);
	fd.fd = ends[0];
	reply.fd = &fd;
	if (r == 0)
		r = server_reply_open(call, &reply);
	close(ends[0]);
	return r;
}

static int read_file(struct ipc_call *call, const E2e__ReadRequest *request, void *userdata)
{
	E2e__SayReply reply = E2E__SAY_REPLY__INIT;
	char text[1024];
	ssize_t size;

	(void)userdata;
	if (!request->fd)
		return -EINVAL;
	size = read(request->fd->fd, text, sizeof(text) - 1);
	if (size < 0)
		return -errno;
	text[size] = 0;
	reply.text = text;
	return server_reply_read(call, &reply);
}

/* --- Objects -------------------------------------------------------------------- */

struct counter_state {
	atomic_uint sum;
};

static int counter_add_number(struct ipc_call *call, const E2e__AddRequest *request,
			      void *userdata)
{
	struct counter_state *state = userdata;
	E2e__AddReply reply = E2E__ADD_REPLY__INIT;

	reply.sum = atomic_fetch_add(&state->sum, request->number) + request->number;
	return counter_reply_add(call, &reply);
}

static int bump(struct ipc_call *call, const E2e__AddRequest *request, void *userdata)
{
	struct counter_state *state = userdata;

	(void)call;
	sleep_ms(5);
	atomic_fetch_add(&state->sum, request->number);
	return 0;
}

static const struct counter_ops counter_handlers = { .add = counter_add_number, .bump = bump };

static void counter_destroy(void *userdata)
{
	struct counter_state *state = userdata;

	atomic_fetch_add(&gone_sum, atomic_load(&state->sum));
	free(state);
	atomic_fetch_sub(&alive, 1);
}

/* After the reply, the client's reference keeps the object alive, so the handler drops its own. */
static int new_counter(struct ipc_call *call, void *userdata)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	E2e__NewCounterReply reply = E2E__NEW_COUNTER_REPLY__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	struct counter_state *state;
	int r;

	(void)userdata;
	state = calloc(1, sizeof(*state));
	if (!state)
		return -ENOMEM;
	r = counter_object_new(ipc_call_ipc(call), &counter_handlers, state, counter_destroy,
			       &object);
	if (r < 0) {
		free(state);
		return r;
	}
	atomic_fetch_add(&alive, 1);
	r = ipc_object_id(object, &id.id);
	if (r < 0)
		return r;
	reply.counter = &id;
	return server_reply_new_counter(call, &reply);
}

static int shared_counter(struct ipc_call *call, void *userdata)
{
	static struct counter_state state;
	static struct ipc_object *object;
	E2e__NewCounterReply reply = E2E__NEW_COUNTER_REPLY__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	int r = 0;

	(void)userdata;
	pthread_mutex_lock(&lock);
	if (!object)
		r = counter_object_new(ipc_call_ipc(call), &counter_handlers, &state, NULL,
				       &object);
	pthread_mutex_unlock(&lock);
	if (r < 0)
		return r;

	r = ipc_object_id(object, &id.id);
	if (r < 0)
		return r;
	reply.counter = &id;
	return server_reply_shared_counter(call, &reply);
}

/* Replies with objects of the request. The reply is sent before the request is freed. */
static int bounce(struct ipc_call *call, const E2e__BounceRequest *request, void *userdata)
{
	E2e__BounceReply reply = E2E__BOUNCE_REPLY__INIT;

	(void)userdata;
	reply.object = request->object;
	return server_reply_bounce(call, &reply);
}

static int sum(struct ipc_call *call, const E2e__SumRequest *request, void *userdata)
{
	E2e__SumReply reply = E2E__SUM_REPLY__INIT;

	(void)userdata;
	for (size_t i = 0; i < request->n_counters; i++) {
		ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
		struct counter_state *state;
		int r;

		r = ipc_take_object(ipc_call_ipc(call), &request->counters[i]->id, &object);
		if (r < 0)
			return r;
		state = ipc_object_userdata(object);
		reply.sum += atomic_load(&state->sum);
	}
	return server_reply_sum(call, &reply);
}

static int count_alive(struct ipc_call *call, void *userdata)
{
	E2e__AliveReply reply = E2E__ALIVE_REPLY__INIT;

	(void)userdata;
	reply.counters = atomic_load(&alive);
	reply.gone_sum = atomic_load(&gone_sum);
	return server_reply_alive(call, &reply);
}

/* --- Replies from another thread or later -------------------------------------------- */

/* The request stays valid until the call is released. */
struct late {
	struct ipc_call *call;
	const E2e__LaterRequest *request;
};

static void *reply_late(void *data)
{
	struct late *late = data;
	E2e__SayReply reply = E2E__SAY_REPLY__INIT;

	sleep_ms(late->request->delay_ms);
	reply.text = late->request->text;
	if (!late->request->forget)
		server_reply_later(late->call, &reply);
	ipc_call_unref(late->call);
	free(late);
	return NULL;
}

static int later(struct ipc_call *call, const E2e__LaterRequest *request, void *userdata)
{
	struct late *late;
	pthread_t thread;
	int r;

	(void)userdata;
	late = malloc(sizeof(*late));
	if (!late)
		return -ENOMEM;
	late->call = ipc_call_ref(call);
	late->request = request;
	r = -pthread_create(&thread, NULL, reply_late, late);
	if (r < 0) {
		ipc_call_unref(late->call);
		free(late);
		return r;
	}
	pthread_detach(thread);
	return 0;
}

/* Blocks its thread: several calls can meet only if a pool serves them. */
static int meet(struct ipc_call *call, const E2e__MeetRequest *request, void *userdata)
{
	static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
	static unsigned int there, round;
	E2e__MeetReply reply = E2E__MEET_REPLY__INIT;
	unsigned int mine;

	(void)userdata;
	pthread_mutex_lock(&lock);
	mine = round;
	if (++there == request->count) {
		there = 0;
		round++;
		pthread_cond_broadcast(&changed);
	}
	while (mine == round)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	reply.tid = (uint32_t)gettid();
	return server_reply_meet(call, &reply);
}

/* --- Calls without a reply ------------------------------------------------------------ */

/* Counts the Hang calls of a connection. Separate for each connection, because in tests/env/host
 * both sides are in a single process. */
static struct hanging {
	_Atomic(struct ipc *) ipc;
	atomic_uint open, notified, had_ms, asked;
} hanging[4];

static struct hanging *hanging_of(struct ipc *ipc)
{
	for (size_t i = 0; i < sizeof(hanging) / sizeof(hanging[0]); i++) {
		struct ipc *whose = NULL;

		if (atomic_compare_exchange_strong(&hanging[i].ipc, &whose, ipc) || whose == ipc)
			return &hanging[i];
	}
	abort();
}

static struct hanging *hanging_with(struct ipc_call *call)
{
	return hanging_of(ipc_call_ipc(call));
}

/* The client has canceled the call that hang_kept() keeps. */
static void unhang(struct ipc_call *call, void *userdata)
{
	struct hanging *h = hanging_with(call);

	(void)userdata;
	atomic_fetch_add(&h->notified, 1);
	atomic_fetch_sub(&h->open, 1);
	ipc_call_unref(call);
}

static int hang_kept(struct ipc_call *call)
{
	int r;

	ipc_call_ref(call);
	r = ipc_call_on_cancel(call, unhang, NULL, /* ret_slot= */ NULL);
	if (r < 0)
		ipc_call_unref(call);
	return r;
}

/* Blocks its thread until the call is canceled. hang() then decrements open. */
static int hang_asking(struct ipc_call *call)
{
	while (!ipc_call_is_canceled(call))
		sleep_ms(1);
	atomic_fetch_add(&hanging_with(call)->notified, 1);
	return -ECANCELED;
}

static const struct ipc_method *method_hang(void)
{
	for (size_t i = 0; i < server_interface.n_methods; i++)
		if (!strcmp(server_interface.methods[i].name, "Hang"))
			return &server_interface.methods[i];
	return NULL;
}

/* The nested async call has ended. Ends the outer call, which is userdata, with its result. */
static void hung(int result, ProtobufCMessage *reply, const struct ipc_error *error,
		 ipc_rpc_cb cb, void *userdata)
{
	(void)reply;
	(void)error;
	(void)cb;
	atomic_fetch_sub(&hanging_with(userdata)->open, 1);
	ipc_call_fail(userdata, result, NULL, NULL);
	ipc_call_unref(userdata);
}

struct elsewhere {
	struct ipc_call *call;
	struct server *target;
};

/* Makes the nested call on a thread that is no serving thread, as a child of the kept call. */
static void *call_elsewhere(void *data)
{
	struct elsewhere *e = data;
	struct ipc_options options = { .parent = e->call };
	E2e__HangRequest inner = E2E__HANG_REQUEST__INIT;
	int r;

	r = ipc_rpc_call_with(server_proxy(e->target), method_hang(), &options, &inner.base, NULL,
			      NULL);
	atomic_fetch_sub(&hanging_with(e->call)->open, 1);
	ipc_call_fail(e->call, r, NULL, NULL);
	server_unref(e->target);
	ipc_call_unref(e->call);
	free(e);
	return NULL;
}

static int hang_elsewhere(struct ipc_call *call, struct server *target)
{
	struct elsewhere *e = malloc(sizeof(*e));
	pthread_t thread;

	if (!e)
		return -ENOMEM;
	*e = (struct elsewhere){ ipc_call_ref(call), server_ref(target) };
	if (pthread_create(&thread, NULL, call_elsewhere, e))
		abort();
	return -pthread_detach(thread);
}

static const struct ipc_options detached = { .flags = IPC_DETACHED };

/* The outer call has ended, so only a detached call reaches the target. */
static int hang_and_clean_up(struct server *target)
{
	E2e__HangRequest inner = E2E__HANG_REQUEST__INIT;
	int r = server_hang(target, &inner, NULL);

	if (server_hung_with(target, &detached, NULL, NULL) < 0)
		abort();
	return r;
}

/* The outer call ends during the first of these. */
static int call_detached(struct server *target)
{
	E2e__LaterRequest later_request = E2E__LATER_REQUEST__INIT;

	later_request.delay_ms = 2000;
	if (server_later_with(target, &detached, &later_request, NULL, NULL) < 0 ||
	    server_hung_with(target, &detached, NULL, NULL) < 0)
		abort();
	return 0;
}

static int hang_calling(struct ipc_call *call, const E2e__HangRequest *request)
{
	ipc_auto(server_unref) struct server *target = NULL;
	E2e__HangRequest inner = E2E__HANG_REQUEST__INIT;
	int r;

	r = server_take(ipc_call_ipc(call), request->target, &target);
	if (r < 0)
		return r;
	if (request->how == E2E__HANG_REQUEST__HOW__CALLING)
		return server_hang(target, &inner, NULL);
	if (request->how == E2E__HANG_REQUEST__HOW__CALLING_ELSEWHERE)
		return hang_elsewhere(call, target);
	if (request->how == E2E__HANG_REQUEST__HOW__CLEANING_UP)
		return hang_and_clean_up(target);
	if (request->how == E2E__HANG_REQUEST__HOW__DETACHED)
		return call_detached(target);

	ipc_call_ref(call);
	r = ipc_rpc_call_async(server_proxy(target), method_hang(), NULL, &inner.base, hung,
			       (ipc_rpc_cb)hung, call, NULL);
	if (r < 0)
		ipc_call_unref(call);
	return r;
}

static int hang(struct ipc_call *call, const E2e__HangRequest *request, void *userdata)
{
	struct hanging *h = hanging_with(call);
	uint64_t left = ipc_call_remaining(call);
	int r;

	(void)userdata;
	atomic_store(&h->had_ms, left == IPC_NEVER ? 0 : (unsigned int)(left / 1000));
	atomic_fetch_add(&h->open, 1);
	if (request->how == E2E__HANG_REQUEST__HOW__KEPT)
		r = hang_kept(call);
	else if (request->how == E2E__HANG_REQUEST__HOW__ASKING)
		r = hang_asking(call);
	else
		r = hang_calling(call, request);
	if (r < 0)
		atomic_fetch_sub(&h->open, 1);
	return r;
}

unsigned int local_hanging(struct ipc *ipc)
{
	return atomic_load(&hanging_of(ipc)->open);
}

unsigned int local_asked(struct ipc *ipc)
{
	return atomic_load(&hanging_of(ipc)->asked);
}

static int get_hung(struct ipc_call *call, void *userdata)
{
	E2e__HungReply reply = E2E__HUNG_REPLY__INIT;
	struct hanging *h = hanging_with(call);

	(void)userdata;
	atomic_fetch_add(&h->asked, 1);
	reply.open = atomic_load(&h->open);
	reply.notified = atomic_load(&h->notified);
	reply.had_ms = atomic_load(&h->had_ms);
	return server_reply_hung(call, &reply);
}

/* --- Other methods -------------------------------------------------------------------- */

/* Returns the process that a pidfd refers to. */
static int pid_of(int fd)
{
	char path[64], line[128];
	int pid = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f) && sscanf(line, "Pid: %d", &pid) != 1)
		;
	if (f)
		fclose(f);
	return pid;
}

static int who(struct ipc_call *call, void *userdata)
{
	int fd = ipc_call_pidfd(call);
	E2e__WhoReply reply = E2E__WHO_REPLY__INIT;

	(void)userdata;
	reply.pid = (uint32_t)ipc_call_pid(call);
	reply.tid = (uint32_t)ipc_call_tid(call);
	reply.uid = ipc_call_uid(call);
	reply.gid = ipc_call_gid(call);
	reply.pidfd_pid = fd < 0 ? fd : pid_of(fd);
	if (fd >= 0)
		close(fd);
	return server_reply_who(call, &reply);
}

/* The child returns into ipc_run(), which is no longer valid there. */
static int fork_inside(struct ipc_call *call, void *userdata)
{
	E2e__ForkReply reply = E2E__FORK_REPLY__INIT;
	pid_t pid = fork();

	(void)userdata;
	if (pid < 0)
		return -errno;
	if (!pid)
		return 0;
	if (waitpid(pid, &reply.status, 0) < 0)
		return -errno;
	return server_reply_fork(call, &reply);
}

static int grow(struct ipc_call *call, const E2e__Tree *request, void *userdata)
{
	(void)userdata;
	return server_reply_grow(call, request);
}

static int stop(struct ipc_call *call, void *userdata)
{
	(void)userdata;
	ipc_stop(ipc_call_ipc(call));
	return server_reply_stop(call);
}

static int die(struct ipc_call *call, void *userdata)
{
	(void)call;
	(void)userdata;
	_exit(0);
}

const struct server_ops server_handlers = {
	.say = say,
	.fail = raise_error,
	.finish = finish,
	.log = log_number,
	.logged = get_logged,
	.visit = visit,
	.open = open_pipe,
	.read = read_file,
	.new_counter = new_counter,
	.shared_counter = shared_counter,
	.bounce = bounce,
	.sum = sum,
	.alive = count_alive,
	.later = later,
	.meet = meet,
	.who = who,
	.fork = fork_inside,
	.grow = grow,
	.stop = stop,
	.die = die,
	.hang = hang,
	.hung = get_hung,
};
