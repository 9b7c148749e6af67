// SPDX-License-Identifier: MIT
/*
 * The program: see gateway.h. The main thread waits for signals, a second thread runs the network's
 * engine, and a third thread serves the bus.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include <ipc/ipc.h>

#include "builtin.h"
#include "config.h"
#include "export.h"
#include "gateway.h"
#include "import.h"
#include "link.h"
#include "log.h"
#include "metrics.h"
#include "peer-policy.h"
#include "peer-limits.h"

/* Number of messages of maximum size that fit into the region. */
#define REGION_MESSAGES 4

/* While the gateway drains: the interval at which it checks for open calls, and the timeout for
 * clients without calls to close their connections. */
#define DRAIN_STEP_MSEC 50
#define LINGER_MSEC	500

/* If the daemon of the bus does not answer after that, SIGALRM ends the gateway. */
#define ENDING_SECONDS 5

struct gateway {
	const struct gateway_options *options;
	struct ipc *ipc;
	struct peer_policy *policy;
	struct exports *exports;
	struct net_counts builtin_counts;
	struct imports *imports;
	struct link_options link_options;
	struct links *links;
	struct net *net;
	struct peers *peers;
	struct peers *users;
	struct metrics *metrics;
	pthread_t net_thread;
	pthread_t ipc_thread;
	int over; /* eventfd: a thread has ended */
	int signals;
	int failed; /* result of serving the bus: 0 or a negative errno */
};

static void *run_net(void *userdata)
{
	struct gateway *gateway = userdata;

	net_run(gateway->net);
	eventfd_write(gateway->over, 1);
	return NULL;
}

static void *run_ipc(void *userdata)
{
	struct gateway *gateway = userdata;

	gateway->failed = ipc_run(gateway->ipc);
	if (gateway->failed < 0)
		eventfd_write(gateway->over, 1);
	return NULL;
}

/* --- Certificates ---------------------------------------------------------------------- */

static int keep_text(void *userdata, const char *path, const char *text, size_t size)
{
	char **ret_text = userdata;

	(void)path;
	*ret_text = strndup(text, size);
	return *ret_text ? 0 : -ENOMEM;
}

/* Reads a file, unless path is NULL. Logs the reason of a failure. */
static int read_pem(const char *path, char **ret_text)
{
	return path ? config_load_file(path, keep_text, ret_text) : 0;
}

/* Reads and checks certificates. gRPC would report a malformed file only at a connection. */
static int read_certificates(const char *path, char **ret_text)
{
	int r = read_pem(path, ret_text);

	if (r == 0 && path && !net_pem_is_valid(*ret_text)) {
		log_line("%s: no certificate, or a malformed certificate", path);
		r = -EBADMSG;
	}
	return r;
}

/* Loads the certificates. If a file cannot be used, the old certificates stay in use. */
static int load_pem(struct gateway *gateway)
{
	const struct gateway_options *options = gateway->options;
	char *certificate = NULL, *key = NULL, *client_ca = NULL;
	int r;

	if (!options->certificate)
		return 0;
	r = read_certificates(options->certificate, &certificate);
	if (r == 0)
		r = read_pem(options->key, &key);
	if (r == 0)
		r = read_certificates(options->client_ca, &client_ca);
	if (r == 0)
		r = net_set_pem(gateway->net, &(struct net_pem){ certificate, key, client_ca });
	if (key)
		explicit_bzero(key, strlen(key));
	free(certificate);
	free(key);
	free(client_ca);
	return r;
}

static void reload_policy(struct gateway *gateway)
{
	if (peer_policy_load(gateway->policy) < 0) {
		log_line("kept the old policy; correct the file, and send SIGHUP again");
		return;
	}
	log_line("reloaded the policy");
	links_review(gateway->links);
}

static void reload(struct gateway *gateway)
{
	const struct gateway_options *options = gateway->options;

	if (options->policy)
		reload_policy(gateway);
	if (!options->certificate && !options->policy)
		log_line("nothing to reload: no address has TLS, and there is no --policy");
	if (!options->certificate)
		return;
	if (load_pem(gateway) == 0)
		log_line("reloaded the certificates");
	else
		log_line("kept the old certificates; correct the files, and send SIGHUP again");
}

/* --- Ending ---------------------------------------------------------------------------- */

/* Waits for a signal or the end of a thread. Returns the signal, 0, or -1 after the timeout. */
static int wait_for(struct gateway *gateway, int msec)
{
	struct pollfd fds[] = {
		{ .fd = gateway->signals, .events = POLLIN },
		{ .fd = gateway->over, .events = POLLIN },
	};
	struct signalfd_siginfo info;
	int n;

	do
		n = poll(fds, 2, msec);
	while (n < 0 && errno == EINTR);
	if (n > 0 && fds[0].revents && read(gateway->signals, &info, sizeof(info)) == sizeof(info))
		return (int)info.ssi_signo;
	return n > 0 ? 0 : -1;
}

static int64_t now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until the last call has ended, the timeout passes, or a second signal arrives. Does not
 * wait for clients that keep connections without calls. */
static void wait_drained(struct gateway *gateway)
{
	int64_t now = now_msec(), end = now + (int64_t)gateway->options->drain_seconds * 1000;
	int64_t idle_since = now;
	int number = -1;

	while (number < 0 && now < end && now - idle_since < LINGER_MSEC) {
		number = wait_for(gateway, DRAIN_STEP_MSEC);
		if (number == SIGHUP) {
			reload(gateway);
			number = -1;
		}
		now = now_msec();
		if (!net_is_idle(gateway->net))
			idle_since = now;
	}
}

/* Ends the gateway. Open calls may continue until the timeout or a second signal. */
static void drain(struct gateway *gateway)
{
	sd_notify(0, "STOPPING=1");
	if (gateway->links)
		links_stop(gateway->links);
	net_stop(gateway->net);
	if (gateway->failed == 0)
		wait_drained(gateway);
	alarm(ENDING_SECONDS);
	net_cancel_all(gateway->net);
	pthread_join(gateway->net_thread, NULL);
	ipc_stop(gateway->ipc);
	pthread_join(gateway->ipc_thread, NULL);
}

static int serve(struct gateway *gateway)
{
	int r, number;

	r = -pthread_create(&gateway->ipc_thread, NULL, run_ipc, gateway);
	if (r < 0)
		return r;
	r = -pthread_create(&gateway->net_thread, NULL, run_net, gateway);
	if (r < 0) {
		ipc_stop(gateway->ipc);
		pthread_join(gateway->ipc_thread, NULL);
		return r;
	}
	r = gateway->links ? links_start(gateway->links) : 0;
	if (r < 0) {
		gateway->failed = r;
		drain(gateway);
		return r;
	}
	log_line("ready");
	sd_notify(0, "READY=1");
	while ((number = wait_for(gateway, -1)) == SIGHUP)
		reload(gateway);
	if (number > 0)
		log_line("stopping: %s", strsignal(number));
	drain(gateway);
	return gateway->failed;
}

/* --- Setting up -------------------------------------------------------------------------- */

/* Blocks SIGHUP, so that a reload waits until the gateway is ready, and ignores SIGPIPE. */
static void keep_reloads(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Blocks signals and returns a signalfd, or -errno. Must be called before there are other threads.
 * Until then, SIGTERM ends the gateway, even while it waits for a daemon that does not answer. */
static int open_signals(void)
{
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	fd = signalfd(-1, &signals, SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static size_t region_size(size_t message_size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = message_size * REGION_MESSAGES;
	const size_t max = (size_t)1 << 30;

	if (size < IPC_REGION_DEFAULT)
		return IPC_REGION_DEFAULT;
	return size > max ? max : (size + page - 1) / page * page;
}

static int open_bus(struct gateway *gateway)
{
	const struct gateway_options *options = gateway->options;
	char text[IPC_ERROR_TEXT_MAX];
	int r;

	r = ipc_open_sized(&gateway->ipc, options->bus,
			   region_size(options->limits.message_size));
	if (r < 0) {
		log_line("%s", ipc_open_error_text(text, sizeof(text), options->bus, r));
		return r;
	}
	/* Larger replies would exceed the limits of clients. */
	r = ipc_set_message_max(gateway->ipc, region_size(options->limits.message_size));
	if (r < 0)
		return r;
	r = peer_policy_new(&gateway->policy, options->policy);
	if (r == 0)
		r = exports_new(&gateway->exports, gateway->ipc, gateway->policy);
	for (size_t i = 0; r == 0 && i < options->exports.n; i++)
		r = exports_add(gateway->exports, options->exports.all[i]);
	return r;
}

/* Logs "HOST:PORT" with the port that the system chose. */
static void log_address(const char *address, int port)
{
	const char *colon = strrchr(address, ':');

	if (!strncmp(address, "unix:", 5) || !colon)
		log_line("listening on %s", address);
	else
		log_line("listening on %.*s:%d", (int)(colon - address), address, port);
}

/* Accepts a call that opens a link, or a call of an own or exported service. */
static void accept_call(struct net_call *call, void *userdata)
{
	struct gateway *gateway = userdata;

	if (!peers_admit(gateway->peers, call))
		return;
	if (!links_accept(gateway->links, call) &&
	    !builtin_accept(gateway->exports, &gateway->builtin_counts, call))
		exports_accept(call, gateway->exports);
}

static int open_net(struct gateway *gateway)
{
	const struct gateway_options *options = gateway->options;
	int r;

	r = peers_new(&gateway->peers,
		      &(struct peer_limits){ "peer", options->max_calls,
					     options->peer_calls ?: options->max_calls });
	if (r == 0)
		r = net_new(&gateway->net, &options->limits, accept_call, gateway);
	if (r == 0)
		r = load_pem(gateway);
	for (size_t i = 0; r >= 0 && i < options->listen.n; i++) {
		r = net_listen(gateway->net, options->listen.all[i]);
		if (r < 0)
			log_line("cannot listen on %s: %s", options->listen.all[i],
				 r == -EREMOTEIO ? "see the reason above" : strerror(-r));
		else
			log_address(options->listen.all[i], r);
	}
	return r < 0 ? r : 0;
}

static int open_imports(struct gateway *gateway, const struct net_pem *pem)
{
	const struct gateway_options *options = gateway->options;
	const struct import_options import = { .descriptor_set = options->descriptor_set,
					       .pem = pem,
					       .message_size = options->limits.message_size,
					       .keepalive_msec = options->keepalive_seconds * 1000,
					       .max_calls = options->max_calls,
					       .users = gateway->users };
	int r = 0;

	if (options->imports.n)
		r = imports_new(&gateway->imports, gateway->ipc, gateway->net, &import);
	for (size_t i = 0; r == 0 && i < options->imports.n; i++)
		r = imports_add(gateway->imports, options->imports.all[i]);
	return r;
}

static int open_links(struct gateway *gateway, const struct net_pem *pem)
{
	const struct gateway_options *options = gateway->options;

	gateway->link_options = (struct link_options){
		.bus = options->bus,
		.region_size = region_size(options->limits.message_size),
		.shared = options->shared.all,
		.n_shared = options->shared.n,
		.uses = options->links.all,
		.n_uses = options->links.n,
		.message_size = options->limits.message_size,
		.max_calls = options->max_calls,
		.policy = gateway->policy,
		.peers = gateway->peers,
		.users = gateway->users,
		.pem = pem,
	};
	return links_new(&gateway->links, gateway->net, &gateway->link_options);
}

/* Creates imports and links. */
static int open_clients(struct gateway *gateway)
{
	const struct gateway_options *options = gateway->options;
	char *certificate = NULL, *key = NULL, *server_ca = NULL;
	struct net_pem pem;
	int r;

	r = read_certificates(options->certificate, &certificate);
	if (r == 0)
		r = read_pem(options->key, &key);
	if (r == 0)
		r = read_certificates(options->server_ca, &server_ca);
	if (r == 0)
		r = peers_new(&gateway->users,
			      &(struct peer_limits){ "user", options->max_calls,
						     options->user_calls ?:
							     (options->max_calls + 1) / 2 });
	pem = (struct net_pem){ certificate, key, server_ca };
	if (r == 0)
		r = open_imports(gateway, &pem);
	if (r == 0)
		r = open_links(gateway, &pem);
	if (key)
		explicit_bzero(key, strlen(key));
	free(certificate);
	free(key);
	free(server_ca);
	return r;
}

static void print_metrics(FILE *file, metrics_printer *print, void *userdata)
{
	const struct gateway *gateway = userdata;

	exports_metrics(gateway->exports, file, print);
	print(file, "builtin", "", &gateway->builtin_counts);
	if (gateway->imports)
		imports_metrics(gateway->imports, file, print);
	print(file, "link", "", links_counts(gateway->links));
	print(file, "none", "", net_uncounted(gateway->net));
}

int gateway_run(const struct gateway_options *options)
{
	struct gateway gateway = { .options = options, .over = -1, .signals = -1 };
	int r;

	keep_reloads();
	r = open_bus(&gateway);
	if (r == 0)
		r = gateway.signals = open_signals();
	if (r >= 0) {
		gateway.over = eventfd(0, EFD_CLOEXEC);
		r = gateway.over < 0 ? -errno : 0;
	}
	if (r == 0)
		r = open_net(&gateway);
	if (r == 0)
		r = open_clients(&gateway);
	if (r == 0)
		r = net_limit_connections(options->max_connections);
	if (r == 0)
		r = net_start(gateway.net);
	if (r == 0 && options->metrics)
		r = metrics_new(&gateway.metrics, options->metrics, print_metrics, &gateway);
	if (r == 0) {
		r = serve(&gateway);
		if (r < 0)
			log_line("stopped serving: %s", ipc_strerror(r));
	}
	metrics_free(gateway.metrics);
	imports_free(gateway.imports);
	links_free(gateway.links);
	net_free(gateway.net);
	peers_free(gateway.peers);
	exports_free(gateway.exports);
	peer_policy_free(gateway.policy);
	ipc_unref(gateway.ipc);
	peers_free(gateway.users);
	if (gateway.over >= 0)
		close(gateway.over);
	if (gateway.signals >= 0)
		close(gateway.signals);
	return r < 0;
}
