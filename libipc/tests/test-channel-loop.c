// SPDX-License-Identifier: MIT
/*
 * Direct channels of programs with an event loop: a server that sleeps in epoll, and clients that
 * poll.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipc/test.h>

#include "channel-run.h"
#include "channels/channel-client.h"
#include "shm/channel-wait.h"
#include "channels/channel-opened.h"
#include "channels/channel-server.h"
#include "conn/private.h"
#include "daemon-run.h"

/* How the server serves. */
enum how {
	LEVEL,		/* epoll, as in the guide */
	EDGE,		/* the same with EPOLLET */
	SHORT,		/* calls ipc_process() only twice, as sd-event and GLib do more often */
	COPY,		/* epoll with a copy of the fd */
	WAIT,		/* ipc_wait_event() */
	TWO,		/* two loops */
	SWITCH,		/* ipc_run() until a call of STOP, then as LEVEL */
	MIXED,		/* a thread in ipc_run() beside a loop */
	LATE,		/* the same, and the loop begins after BEGIN */
	HOWS,
};

/* Further methods: how often a timer of the loop expired; CPU time of the server in microseconds;
 * a oneway that takes a while; a oneway that ends the loop; a call that gets no reply; a
 * oneway that begins the loop; how often the loop has processed messages. */
enum { TICKS = FORK + 1, CPU, PAUSE, LEAVE, KEEP, BEGIN, TURNS };

#define TICK_MSEC 10
/* Exit status of a server that has closed its connection. */
#define LEFT_STATUS 7

static atomic_uint ticks, turns;
/* That of ipc_get_fd(), if it was called before. */
static int loop_fd = -1;
static atomic_bool leaves;
static sem_t begins;

/* The server writes there when it keeps a call, and when that is canceled. */
static int kept[2];

static void note_kept(struct ipc_call *call, void *userdata)
{
	(void)userdata;
	(void)call;
	if (write(kept[1], "", 1) != 1)
		abort();
}

static int keep(struct ipc_call *call)
{
	int r = ipc_call_on_cancel(call, note_kept, NULL, NULL);

	if (r == 0) {
		ipc_call_ref(call);
		note_kept(call, NULL);
	}
	return r;
}

static int serve_more(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	struct rusage usage;

	switch (request->method) {
	case TICKS:
		return reply_number(call, ticks);
	case CPU:
		getrusage(RUSAGE_SELF, &usage);
		return reply_number(call, (uint32_t)(usage.ru_utime.tv_usec +
						     usage.ru_stime.tv_usec +
						     1000000 * (usage.ru_utime.tv_sec +
								usage.ru_stime.tv_sec)));
	case PAUSE:
		usleep(200);
		return 0;
	case TURNS:
		return reply_number(call, turns);
	case BEGIN:
		sem_post(&begins);
		return 0;
	case KEEP:
		return keep(call);
	case LEAVE:
		leaves = true;
		return 0;
	default:
		return server_ops.serve(call, request, userdata);
	}
}

static const struct ipc_raw_ops loop_ops = { .serve = serve_more };

static void process_all(struct ipc *own, enum how how)
{
	int r, n = 0;

	do
		r = ipc_process(own);
	while (r > 0 && (how != SHORT || ++n < 2));
	if (r < 0)
		_exit(0);
}

static int timer_new(void)
{
	const struct itimerspec every = { .it_interval.tv_nsec = TICK_MSEC * 1000000,
					  .it_value.tv_nsec = TICK_MSEC * 1000000 };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0 || timerfd_settime(fd, 0, &every, NULL) < 0)
		_exit(1);
	return fd;
}

/* A loop with another source. */
static void serve_in_epoll(struct ipc *own, enum how how)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), timer = timer_new();
	int fd = loop_fd < 0 ? ipc_get_fd(own) : loop_fd;
	struct epoll_event event = { .events = EPOLLIN };

	event.data.fd = timer;
	epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
	if (how == COPY)
		fd = dup(fd);
	event.events = how == EDGE ? EPOLLIN | EPOLLET : EPOLLIN;
	event.data.fd = fd;
	if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		_exit(1);
	while (!leaves) {
		uint64_t n;

		if (epoll_wait(epoll, &event, 1, -1) != 1)
			continue;
		if (event.data.fd == fd) {
			turns++;
			process_all(own, how);
		}
		else if (read(timer, &n, sizeof(n)) == sizeof(n))
			ticks++;
	}
}

static void serve_waiting(struct ipc *own)
{
	for (;;) {
		process_all(own, WAIT);
		if (ipc_wait_event(own, IPC_NEVER) < 0)
			_exit(0);
	}
}

static void *second_loop(void *data)
{
	serve_in_epoll(data, LEVEL);
	return NULL;
}

static void *second_run(void *data)
{
	ipc_run(data);
	return NULL;
}

static void run_loop(enum how how)
{
	struct ipc_object *object;
	pthread_t thread;
	struct ipc *own;

	if (ipc_open(&own, ipc_test_bus_path(bus)) < 0 ||
	    ipc_raw_object_new(own, &loop_ops, NULL, &object) < 0 ||
	    ipc_set_manager(own, object) < 0)
		_exit(1);
	if (how == SWITCH)
		loop_fd = ipc_get_fd(own);
	if (how == SWITCH && (ipc_process(own) < 0 || ipc_run(own) < 0))
		_exit(1);
	if (how == TWO && pthread_create(&thread, NULL, second_loop, own))
		_exit(1);
	/* Channels that open before have no bell, and end. */
	if (how == MIXED && ipc_process(own) < 0)
		_exit(1);
	sem_init(&begins, 0, 0);
	if (how >= MIXED && pthread_create(&thread, NULL, second_run, own))
		_exit(1);
	if (how == LATE)
		sem_wait(&begins);
	if (how == WAIT)
		serve_waiting(own);
	serve_in_epoll(own, how);
	ipc_object_unref(object);
	ipc_unref(own);
	_exit(LEFT_STATUS);
}

static void begin_loop_with(enum how how, const char *channels)
{
	setenv("IPC_CHANNELS", channels, 1);
	bus = bus_new();
	server = fork();
	ck_assert_int_ge(server, 0);
	if (!server)
		run_loop(how);
	ck_assert_int_eq(ipc_wait_manager(ipc_test_bus_path(bus), 10000000), 1);
	connect_again();
}

/* Begins, and calls until the proxy has a channel. */
static void begin_loop(enum how how)
{
	begin_loop_with(how, "1");
	while (!get(WHERE))
		;
}

/* --- Messages ------------------------------------------------------------------------ */

static unsigned int n_ended, n_by_channel;

static void on_end(int code, struct ipc_raw_message *reply, const struct ipc_error *error,
		   void *userdata)
{
	uint32_t number = 0;

	(void)error;
	(void)userdata;
	ck_assert_int_eq(code, 0);
	if (reply->size == 4)
		memcpy(&number, reply->data, 4);
	n_ended++;
	n_by_channel += number == 1;
}

static void start(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		ck_assert_int_eq(ipc_raw_call_async(proxy,
						    &(struct ipc_raw_message){ .method = WHERE },
						    NULL, on_end, NULL, NULL),
				 0);
}

static void await(unsigned int n)
{
	struct pollfd fd = { .fd = ipc_get_fd(ipc), .events = POLLIN };
	int r;

	while (n_ended < n) {
		ck_assert_int_ge(poll(&fd, 1, -1), 1);
		do
			r = ipc_process(ipc);
		while (r > 0);
		ck_assert_int_eq(r, 0);
	}
}

static void oneway(uint32_t method)
{
	ck_assert_int_eq(ipc_raw_oneway(proxy, &(struct ipc_raw_message){ .method = method }, NULL),
			 0);
}

static void add(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		oneway(ADD);
}

/* Messages of all kinds, after pauses in which the server falls asleep, or is about to. */
static void messages_reach(enum how how, unsigned int rounds)
{
	unsigned int seed = 1, added;
	bool by_channel = how != SWITCH && how != LATE;

	begin_loop(how);
	/* The channel has no bell. The loop may begin before or after the end of ipc_run(). */
	if (how == LATE) {
		oneway(BEGIN);
		usleep(10000);
	}
	if (!by_channel)
		get(STOP);
	added = get(GET_ADDED);
	n_ended = n_by_channel = 0;
	for (unsigned int i = 0; i < rounds; i++) {
		unsigned int n = (unsigned int)rand_r(&seed) % 4;

		usleep((unsigned int)rand_r(&seed) % 4 ? (unsigned int)rand_r(&seed) % 64 : 1000);
		switch (rand_r(&seed) % 3) {
		case 0:
			ck_assert(get(WHERE) || !by_channel);
			break;
		case 1:
			start(n);
			await(n_ended + n);
			break;
		default:
			add(n);
			added += n;
			/* Another thread may handle the oneways. */
			while (get(GET_ADDED) != added)
				;
		}
	}
	if (by_channel)
		ck_assert_uint_eq(n_ended, n_by_channel);
	ck_assert(get(WHERE) || !by_channel);
	end();
}

#define REACH(name, how, rounds)            \
	START_TEST(name)                    \
	{                                   \
		messages_reach(how, rounds); \
	}                                   \
	END_TEST

REACH(messages_wake_a_loop, LEVEL, 2000)
REACH(messages_wake_a_loop_with_epollet, EDGE, 2000)
REACH(messages_wake_a_loop_that_processes_few_events, SHORT, 1000)
REACH(messages_wake_a_loop_with_a_copy_of_the_fd, COPY, 500)
REACH(messages_end_ipc_wait_event, WAIT, 1000)
REACH(messages_wake_two_loops, TWO, 1000)
REACH(messages_wake_a_loop_after_ipc_run, SWITCH, 500)
REACH(messages_wake_a_loop_beside_ipc_run, MIXED, 1000)
REACH(messages_wake_a_loop_that_begins_late, LATE, 500)

START_TEST(loop_in_random_mode_serves)
{
	unsigned int added = 0;

	begin_loop_with(SHORT, "random");
	n_ended = 0;
	for (unsigned int i = 0; i < 1000; i++) {
		get(WHERE);
		start(3);
		await(n_ended + 3);
		add(2);
		added += 2;
	}
	while (get(GET_ADDED) != added)
		;
	end();
}
END_TEST

START_TEST(large_replies_of_a_loop_arrive)
{
	struct ipc_raw_message *reply;
	uint32_t number = 0;

	begin_loop(LEVEL);
	for (unsigned int i = 0; i < 20; i++) {
		ck_assert_int_eq(ipc_raw_call(proxy,
					      &(struct ipc_raw_message){ .method = REPLY_LARGE },
					      NULL, &reply, NULL),
				 0);
		ck_assert_uint_eq(reply->size, LARGE);
		ipc_raw_free(reply);
		ck_assert_int_eq(call_for(WHERE, NULL, 0, &number), 0);
	}
	end();
}
END_TEST

/* The timer of the loop itself costs some time. */
START_TEST(idle_loop_needs_no_cpu)
{
	uint32_t before;

	begin_loop(LEVEL);
	before = get(CPU);
	usleep(300000);
	ck_assert_uint_lt(get(CPU) - before, 60000);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

/* Neither the end of the last channel nor its bell keeps the loop busy. */
START_TEST(loop_is_idle_after_its_last_channel)
{
	uint32_t before;

	begin_loop(LEVEL);
	connect_again();
	before = get(CPU);
	usleep(300000);
	ck_assert_uint_lt(get(CPU) - before, 60000);
	end();
}
END_TEST

static atomic_bool over;

static void *flood(void *data)
{
	(void)data;
	while (!atomic_load(&over))
		get(WHERE);
	return NULL;
}

/* Calls and slow oneways come all the time. */
START_TEST(flood_does_not_keep_a_loop_from_its_timer)
{
	pthread_t threads[3];
	uint32_t before;

	begin_loop(LEVEL);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, flood, NULL), 0);
	before = get(TICKS);
	/* Ends when the loop has served its timer. */
	while (get(TICKS) - before < 5)
		ipc_raw_oneway(proxy, &(struct ipc_raw_message){ .method = PAUSE }, NULL);
	atomic_store(&over, true);
	for (unsigned int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	end();
}
END_TEST

START_TEST(stopped_loop_lets_calls_time_out)
{
	begin_loop(LEVEL);
	kill(server, SIGSTOP);
	ck_assert_int_eq(call_within(WHERE, 50000), -ETIMEDOUT);
	kill(server, SIGCONT);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

START_TEST(death_of_a_loop_ends_calls)
{
	uint32_t number;

	begin_loop(LEVEL);
	ck_assert_int_eq(call_for(DIE, NULL, 0, &number), -EOWNERDEAD);
	end();
}
END_TEST

START_TEST(call_of_a_stopped_client_is_canceled_late)
{
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(kept), 0);
	begin_loop(LEVEL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		connect_again();
		while (!get(WHERE))
			;
		call_within(KEEP, 300000);
		_exit(0);
	}
	ck_assert_int_eq(read(kept[0], &byte, 1), 1);
	kill(pid, SIGSTOP);
	/* No message wakes the loop. */
	ck_assert_int_eq(read(kept[0], &byte, 1), 1);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(kept[0]);
	close(kept[1]);
	end();
}
END_TEST

START_TEST(closed_loop_ends_calls)
{
	int status;

	begin_loop(LEVEL);
	oneway(LEAVE);
	while (call_within(WHERE, IPC_NEVER) != -EOWNERDEAD)
		;
	ck_assert_int_eq(waitpid(server, &status, 0), server);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == LEFT_STATUS);
	server = 0;
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	ipc_test_bus_free(bus);
}
END_TEST

/* From now on, this process cannot set timers. */
static void refuse_timers(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_timerfd_settime, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = 5, .filter = filter };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* The bus wakes the server instead. */
START_TEST(messages_of_a_filtered_client_wake_a_loop)
{
	unsigned int added;

	begin_loop(LEVEL);
	added = get(GET_ADDED);
	refuse_timers();
	n_ended = n_by_channel = 0;
	for (unsigned int i = 0; i < 50; i++) {
		usleep(i % 5 * 300);
		ck_assert_uint_eq(get(WHERE), 1);
		usleep(i % 5 * 300);
		start(1);
		await(n_ended + 1);
		usleep(i % 5 * 300);
		add(1);
		added++;
	}
	ck_assert_uint_eq(n_by_channel, 50);
	while (get(GET_ADDED) != added)
		;
	end();
}
END_TEST

/* --- Hostile peers -------------------------------------------------------------------- */

/* What a client does with the server's bell. The calls of another client, which has a channel of
 * its own, must reach the server at once, and the server must be idle afterwards. */
enum attack { RINGS, REPEATS, DISARMS, READS, CLOSED, ATTACKS };

static void attack(enum attack attack, struct channel *channel)
{
	static const struct itimerspec often = { .it_interval.tv_nsec = 1, .it_value.tv_nsec = 1 },
				       never;
	int bell = channel->caller.bell, none;
	uint64_t n;

	switch (attack) {
	case RINGS:
		for (unsigned int i = 0; i < 1000; i++)
			channel_ring(bell);
		break;
	case REPEATS:
		ck_assert_int_eq(timerfd_settime(bell, 0, &often, NULL), 0);
		break;
	case DISARMS:
		ck_assert_int_eq(timerfd_settime(bell, 0, &never, NULL), 0);
		break;
	case READS:
		channel_ring(bell);
		ck_assert_int_eq(read(bell, &n, sizeof(n)), sizeof(n));
		break;
	default:
		/* The number is closed with the channel. */
		none = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup3(none, bell, O_CLOEXEC);
		close(none);
	}
}

static void hostile_client(enum attack kind, const int ready[2])
{
	char byte;

	connect_again();
	while (!get(WHERE))
		;
	attack(kind, atomic_load(&proxy->channel));
	/* Of this client, calls may be lost: they have a deadline. */
	for (unsigned int i = 0; i < 20; i++)
		call_within(WHERE, 10000);
	if (write(ready[1], "", 1) != 1 || read(ready[0], &byte, 1) < 0)
		_exit(1);
	for (;;)
		pause();
}

START_TEST(hostile_bells_harm_no_other_client)
{
	uint32_t before;
	int ready[2];
	pid_t pid;

	begin_loop(LEVEL);
	for (unsigned int i = 0; i < ATTACKS; i++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ready), 0);
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (!pid)
			hostile_client((enum attack)i, (int[]){ ready[1], ready[1] });
		close(ready[1]);
		ck_assert_int_eq(read(ready[0], &before, 1), 1);
		for (unsigned int n = 0; n < 50; n++) {
			usleep(n % 3 * 300);
			ck_assert_uint_eq(get(WHERE), 1);
		}
		before = get(CPU);
		usleep(200000);
		ck_assert_uint_lt(get(CPU) - before, 50000);
		kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		close(ready[0]);
	}
	end();
}
END_TEST

/* Returns a socket whose close() blocks for hours, because its peer reads nothing. */
static int make_lingering(int *ret_peer)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 32767 };
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static const char bytes[65536];
	socklen_t size = sizeof(address);

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, size), 0);
	*ret_peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	return fd;
}

START_TEST(bell_of_a_closed_channel_wakes_no_loop)
{
	uint32_t before;
	int bell;

	begin_loop(LEVEL);
	bell = dup(atomic_load(&proxy->channel)->caller.bell);
	ck_assert_int_ge(bell, 0);
	connect_again();
	before = get(TURNS);
	for (unsigned int i = 0; i < 1000; i++) {
		ck_assert(channel_ring(bell));
		usleep(100);
	}
	ck_assert_uint_lt(get(TURNS) - before, 100);
	close(bell);
	end();
}
END_TEST

/* Other files could block a writer, and close() of them the receiver. */
START_TEST(other_files_are_no_bells)
{
	struct ipc_raw_entry entries[3] = { { 0 } };
	struct ipc_raw_message message = { .entries = entries, .n_entries = 1 };
	char bytes[65536];
	int peer;

	for (unsigned int i = 0; i < 3; i++)
		entries[i].type = IPC_RAW_FD;
	entries[0].fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	ck_assert(channel_ring(entries[0].fd));
	peer = channels_take_bell(&message);
	ck_assert_int_gt(peer, STDERR_FILENO);
	ck_assert_int_eq(entries[0].fd, -1);
	close(peer);

	entries[0].fd = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_eq(channels_take_bell(&message), -EPROTO);
	message.n_entries = 3;
	entries[0].fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	entries[1].fd = eventfd(0, EFD_CLOEXEC);
	entries[2].fd = make_lingering(&peer);
	ck_assert(!channel_ring(entries[2].fd));
	ck_assert_int_eq(channels_take_bell(&message), -EPROTO);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(entries[i].fd, -1);
	/* Another thread waits. */
	while (recv(peer, bytes, sizeof(bytes), 0) > 0)
		;
	close(peer);
}
END_TEST

int main(void)
{
	return RUN_TESTS("channel-loop", messages_wake_a_loop, messages_wake_a_loop_with_epollet,
			 messages_wake_a_loop_that_processes_few_events,
			 messages_wake_a_loop_with_a_copy_of_the_fd, messages_end_ipc_wait_event,
			 messages_wake_two_loops, messages_wake_a_loop_after_ipc_run,
			 messages_wake_a_loop_beside_ipc_run,
			 messages_wake_a_loop_that_begins_late, loop_in_random_mode_serves,
			 large_replies_of_a_loop_arrive, idle_loop_needs_no_cpu,
			 loop_is_idle_after_its_last_channel,
			 flood_does_not_keep_a_loop_from_its_timer,
			 stopped_loop_lets_calls_time_out,
			 death_of_a_loop_ends_calls,
			 call_of_a_stopped_client_is_canceled_late, closed_loop_ends_calls,
			 messages_of_a_filtered_client_wake_a_loop,
			 hostile_bells_harm_no_other_client,
			 bell_of_a_closed_channel_wakes_no_loop, other_files_are_no_bells);
}
