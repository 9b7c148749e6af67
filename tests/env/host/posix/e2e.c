// SPDX-License-Identifier: MIT
/*
 * Processes of the whole-program tests as threads, instead of tests/suite/e2e/process.c. They are
 * peers of the kernel tests' fixture. A server that is killed stops and closes instead, so that
 * leaks are detected. At the end of each case the driver's counters must have their initial values.
 * Cases that need real processes are listed in skip.inc.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../../suite/e2e/fixture.h"
#include "../../../suite/kernel/fixture.h"

#define MAX_SERVERS 4

static struct server_process {
	struct peer peer;	/* pid 0: free */
	struct server_options options;
	struct ipc *ipc;
	atomic_bool stopped;
	int end;		/* an eventfd: the process has ended, or must end */
	int result;
} servers[MAX_SERVERS];

static struct server_process *process_of(pid_t pid)
{
	for (int i = 0; i < MAX_SERVERS; i++)
		if (servers[i].peer.pid == pid)
			return &servers[i];
	ck_abort_msg("no server with pid %d", pid);
	return NULL;
}

/* --- In the server ------------------------------------------------------------- */

/* Serves until it is stopped. A loop on the fd alone would not notice that. */
static int serve_by_hand(struct server_process *process)
{
	int r = 0;

	while (r >= 0 && !atomic_load(&process->stopped)) {
		r = ipc_wait_event(process->ipc, 5000);
		while (r > 0)
			r = ipc_process(process->ipc);
	}
	return r;
}

static void *serve(void *data)
{
	struct server_process *process = data;
	bool by_hand = !process->options.threads && !process->options.loop;

	process->result = by_hand ? serve_by_hand(process) :
				    serve_until_stop(&process->options, process->ipc);
	ck_assert_int_eq(eventfd_write(process->end, 1), 0);
	return NULL;
}

/* Only its own process may stop a connection. */
static int be_server(struct peer *self, void *data)
{
	struct server_process *process = data;
	pthread_t server;
	eventfd_t count;
	int r;

	r = open_server(&process->options, &process->ipc);
	peer_notify(self, (uint64_t)-r);
	if (r < 0)
		return 1;
	ck_assert_int_eq(pthread_create(&server, NULL, serve, process), 0);
	ck_assert_int_eq(eventfd_read(process->end, &count), 0);
	atomic_store(&process->stopped, true);
	ipc_stop(process->ipc);
	pthread_join(server, NULL);
	ipc_unref(process->ipc);
	return process->result < 0;
}

/* --- In the test --------------------------------------------------------------- */

pid_t start_server(const struct server_options *options)
{
	struct server_process *process = process_of(0);
	int r;

	*process = (struct server_process){ .options = *options };
	process->end = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_ge(process->end, 0);
	peer_start(&process->peer, be_server, process);
	r = -(int)peer_hear(&process->peer);
	ck_assert_msg(r == 0, "the server does not start: %s", ipc_strerror(r));
	return process->peer.pid;
}

int wait_server(pid_t pid)
{
	struct server_process *process = process_of(pid);

	peer_end(&process->peer);
	close(process->end);
	process->peer.pid = 0;
	return 0;
}

void kill_server(pid_t pid)
{
	ck_assert_int_eq(eventfd_write(process_of(pid)->end, 1), 0);
	wait_server(pid);
}

struct child {
	int (*fn)(void *data);
	void *data;
};

static int be_child(struct peer *self, void *data)
{
	struct child *child = data;

	(void)self;
	return child->fn(child->data);
}

void run_child(int (*fn)(void *data), void *data)
{
	struct child child = { .fn = fn, .data = data };
	struct peer peer;

	peer_start(&peer, be_child, &child);
	peer_end(&peer);
}

int run_tests(const char *name, const TTest *const *tests, size_t n)
{
	Suite *suite = suite_create(name);
	TCase *tcase = add_case(suite, name, setup_bare);

	tcase_add_checked_fixture(tcase, NULL, client_end);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tcase, tests[i]);
	return suite_main(suite);
}
