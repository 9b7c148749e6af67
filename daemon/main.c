// SPDX-License-Identifier: GPL-2.0-only
/*
 * ipcbusd: the socket of a bus, who connects to it, and who dies. What a client does after
 * that is on the worker of its user: client.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../libipc/core/descriptor.h"
#include "account.h"
#include "client.h"
#include "ipcbus-daemon.h"
#include "socket.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static const char help[] =
	"usage: ipcbusd [OPTION...]\n"
	"       ipcbusd [OPTION...] -- COMMAND [ARG...]\n"
	"\n"
	"Runs a bus where no module can be loaded. With a COMMAND the bus is its own and ends\n"
	"with it.\n"
	"\n"
	"  -b, --bus PATH   the socket (default: $XDG_RUNTIME_DIR/ipcbus/bus; with a COMMAND: in\n"
	"                   a new folder)\n"
	"  -m, --mode MODE  who may connect: the socket's permissions, in octal (default: 600)\n"
	"  -s, --set NAME=N a parameter of the driver, as for the module: ipcbus(4)\n"
	"      --clock=manual\n"
	"                   time stands still, and a test moves it: ipc_test(3)\n"
	"      --print-path=FD\n"
	"                   write the socket's path to FD once clients can connect; without --bus\n"
	"                   the bus is in a new folder\n"
	"      --until=FD   end when FD is readable or hangs up: a pidfd, or a pipe's end\n"
	"  -h, --help       show this\n"
	"      --version    print the version\n";

/* How long to accept no connection if no fd can be had, in milliseconds. */
#define PAUSE		100

/**
 * struct connection - what the main thread knows of one
 * @socket: first of the two that are polled
 * @pidfd: second
 * @peer: who it is
 * @nonce: what the peer is to say in its HELLO
 * @client: NULL before HELLO
 * @area: the client's, which says that its address space has ended
 * @closed: it is to be freed after this round of events
 * @next: in the list of those
 */
struct connection {
	int socket;
	int pidfd;
	struct client_peer peer;
	uint64_t nonce;
	struct client *client;
	struct area_watch area;
	bool closed;
	struct connection *next;
};

static int epoll_fd;
static int until_fd = -1;
static int print_fd = -1;
static int accounts_fd;
static int areas_fd;
static int spare_fd = -1;
static bool pauses;
static struct connection *closed;
static char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
static char private_folder[sizeof(socket_path)];
static bool is_in_run;
static pid_t command;

static void clean_up(void)
{
	if (*socket_path)
		unlink(socket_path);
	if (*private_folder)
		rmdir(private_folder);
}

static void fail(const char *what, const char *on)
{
	fprintf(stderr, "ipcbusd: %s %s: %s\n", what, on, strerror(errno));
	if (is_in_run && geteuid())
		fputs("ipcbusd: XDG_RUNTIME_DIR is not set; name another place: --bus PATH\n", stderr);
	clean_up();
	exit(1);
}

/* --- How many connect ------------------------------------------------------------- */

/* The quota of each user, and an fd in reserve, with which to refuse. */
static void set_limits(void)
{
	unsigned int max_files;

	accounts_fd = accounts_init(limits_raise(), memory_max_maps(), &max_files);
	admin_set_default("user_files", max_files);
	admin_update_memory();
	spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* In place of a WELCOME. The socket is the caller's. */
static void refuse(int socket, int error)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_WELCOME, .error = error };

	socket_send(socket, &message, NULL, 0);
}

static void accept_again(int listener, bool again)
{
	struct epoll_event event = { .events = again ? EPOLLIN : 0 };

	pauses = !again;
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, listener, &event);
}

/* There is no fd for a new connection. The one in reserve serves to accept it and to reply with
 * the error. If that is used up, too, no connection is accepted for a while. */
static void refuse_next(int listener)
{
	int socket = -1;

	if (spare_fd >= 0) {
		close(spare_fd);
		socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	}
	if (socket >= 0) {
		refuse(socket, -ENFILE);
		close(socket);
	}
	spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (spare_fd < 0)
		accept_again(listener, false);
}

/* --- Who connects ---------------------------------------------------------------- */

/* When the process began, in ticks. */
int read_start(int pid, uint64_t *ret_start)
{
	char path[64], text[1024], *at;
	unsigned long long ticks = 0;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = 0;
	/* The name may have spaces and brackets. */
	at = strrchr(text, ')');
	for (int i = 0; at && i < 20; i++)
		at = strchr(at + 1, ' ');
	if (at)
		sscanf(at, "%llu", &ticks);
	*ret_start = ticks;
	return ticks ? 0 : -ESRCH;
}

/* The process that the kernel says connected. Its number may be another one's by now: welcome()
 * finds out. */
static int identify(struct connection *connection)
{
	struct client_peer *peer = &connection->peer;
	socklen_t size = sizeof(connection->pidfd);
	struct ucred ucred;
	socklen_t ucred_size = sizeof(ucred);

	if (getsockopt(connection->socket, SOL_SOCKET, SO_PEERCRED, &ucred, &ucred_size))
		return -errno;
	if (ucred.pid <= 0)
		return -ESRCH;
	peer->socket = connection->socket;
	peer->pid = ucred.pid;
	peer->uid = ucred.uid;
	peer->gid = ucred.gid;
	if (getsockopt(connection->socket, SOL_SOCKET, SO_PEERPIDFD, &connection->pidfd, &size)) {
		connection->pidfd = (int)syscall(SYS_pidfd_open, ucred.pid, 0);
		if (connection->pidfd < 0)
			return -errno;
	}
	peer->payer = payer_of(ucred.uid, ucred.pid);
	return read_start(ucred.pid, &peer->started);
}

/* A process may connect, pass the socket on and end, and another one gets its number before
 * identify() has looked. So who connected has to repeat a number that nobody knew before, and
 * the kernel says who sends that. */
static int welcome(struct connection *connection)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_WELCOME };
	static const int on = 1;

	if (getrandom(&connection->nonce, sizeof(connection->nonce), 0) !=
		    sizeof(connection->nonce) ||
	    setsockopt(connection->socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)))
		return -errno;
	message.nonce = connection->nonce;
	return socket_send(connection->socket, &message, NULL, 0);
}

static int watch(struct connection *connection, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* Other events of this round may still name it. */
static void connection_close(struct connection *connection)
{
	if (connection->closed)
		return;
	connection->closed = true;
	connection->next = closed;
	closed = connection;
	if (connection->peer.account)
		account_disconnect(connection->peer.account);
	if (connection->pidfd >= 0)
		close(connection->pidfd);
	/* The client has the socket, and maybe needs it a little longer. */
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, connection->socket, NULL);
	area_unwatch(&connection->area);
	if (connection->client)
		client_end(connection->client);
	else
		socket_close(connection->socket);
}

static void accept_one(int listener)
{
	struct connection *connection;
	int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), r;

	if (socket < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			refuse_next(listener);
		return;
	}
	connection = calloc(1, sizeof(*connection));
	if (!connection) {
		close(socket);
		return;
	}
	connection->socket = socket;
	connection->pidfd = -1;
	r = identify(connection);
	if (!r)
		r = account_connect(connection->peer.payer, &connection->peer.account);
	/* The daemon's cgroup may be another one than at the last user, or have another limit. */
	if (r == 1)
		admin_update_memory();
	if (r >= 0)
		r = watch(connection, socket);
	if (!r)
		r = watch(connection, connection->pidfd);
	if (!r)
		r = welcome(connection);
	if (!r)
		return;
	refuse(socket, r == -EMFILE ? -ENFILE : r);
	connection_close(connection);
}

/* --- What they say --------------------------------------------------------------- */

/* A pidfd is readable once its process has ended. */
static bool is_dead(const struct connection *connection)
{
	struct pollfd pidfd = { .fd = connection->pidfd, .events = POLLIN };

	return poll(&pidfd, 1, 0) == 1;
}

/* Is the message from the process of the pidfd? While that process lives, no other one can have
 * its number. */
static bool is_from_peer(const struct connection *connection,
			 const struct ipcbusd_message *message, int sender)
{
	return sender == connection->peer.pid && message->nonce == connection->nonce &&
	       !is_dead(connection);
}

#define NO_FD (-1)

/* Returns the fd that goes with the reply, or NO_FD. */
static int administer(const struct ipcbusd_message *message, struct ipcbusd_message *reply)
{
	char name[sizeof(message->name) + 1] = "";
	uint64_t now = 0;
	int fd;

	memcpy(name, message->name, sizeof(message->name));
	if (message->kind == IPCBUSD_SET) {
		reply->error = admin_set(name, message->number, &reply->number);
		return NO_FD;
	}
	if (message->kind == IPCBUSD_ADVANCE) {
		reply->error = admin_advance(message->size, &now);
		reply->size = now;
		return NO_FD;
	}
	if (message->kind == IPCBUSD_FAIL) {
		reply->size = admin_fail((int)message->number, message->size);
		return NO_FD;
	}
	fd = admin_open(name);
	reply->error = fd < 0 ? fd : 0;
	return fd < 0 ? NO_FD : fd;
}

/* What debugfs and the parameters are for the module. For root and the user who runs the daemon;
 * one request a connection. */
static bool take_admin(const struct connection *connection, const struct ipcbusd_message *message,
		       int sender)
{
	struct ipcbusd_message reply = { .kind = message->kind };
	int fd = NO_FD;

	if (!is_from_peer(connection, message, sender))
		reply.error = -ESRCH;
	else if (connection->peer.uid && connection->peer.uid != geteuid())
		reply.error = -EACCES;
	else
		fd = administer(message, &reply);
	socket_send(connection->socket, &reply, &fd, fd != NO_FD);
	if (fd != NO_FD)
		close(fd);
	return false;
}

static bool take_hello(struct connection *connection, const struct ipcbusd_message *message,
		       int sender)
{
	struct ipcbusd_message reply = { .kind = IPCBUSD_HELLO, .error = -ESRCH };
	static const int off;

	if (!is_from_peer(connection, message, sender)) {
		socket_send(connection->socket, &reply, NULL, 0);
		return false;
	}
	setsockopt(connection->socket, SOL_SOCKET, SO_PASSCRED, &off, sizeof(off));
	connection->client = client_new(&connection->peer, message->base, message->size,
					&connection->area, connection);
	return connection->client;
}

/* False: this is no client of ours, or not any more: BYE. */
static bool take_message(struct connection *connection, const struct ipcbusd_message *message,
			 int fd, int sender)
{
	if (message->kind == IPCBUSD_HELLO && !connection->client && fd < 0)
		return take_hello(connection, message, sender);
	if (message->kind >= IPCBUSD_READ && message->kind <= IPCBUSD_FAIL &&
	    !connection->client && fd < 0)
		return take_admin(connection, message, sender);
	if (!connection->client)
		return false;
	if (message->kind == IPCBUSD_MAP && fd < 0)
		return client_map(connection->client, message->size);
	if (message->kind != IPCBUSD_SEND_FD || fd < 0)
		return false;
	return client_give_fd(connection->client, message->number, fd);
}

/* A message at a time: others have their turn. */
static void receive(struct connection *connection)
{
	struct ipcbusd_message message;
	int fd, sender, r;

	r = socket_receive(connection->socket, connection->peer.account, &message, &fd, &sender);
	if (r == -EAGAIN)
		return;
	if (r == 1 && take_message(connection, &message, fd, sender))
		return;
	/* Unless a slot has got the fd, it is ours to close. */
	if (fd >= 0 && (r != 1 || message.kind != IPCBUSD_SEND_FD || !connection->client))
		close_later(fd, connection->peer.account);
	connection_close(connection);
}

/* --- The bus --------------------------------------------------------------------- */

static void make_folder(const char *path)
{
	char folder[sizeof(socket_path)], *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return;
	*slash = 0;
	mkdir(folder, 0755);
}

static bool make_private_folder(const char *parent)
{
	int n = snprintf(private_folder, sizeof(private_folder), "%s/ipcbusd-XXXXXX", parent);

	if (n > 0 && (size_t)n < sizeof(private_folder) && mkdtemp(private_folder))
		return true;
	*private_folder = 0;
	return false;
}

static void choose_path(const char *bus, bool is_private)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int n;

	if (bus) {
		n = snprintf(socket_path, sizeof(socket_path), "%s", bus);
	} else if (is_private) {
		/* The variable may name a folder that nobody made. */
		if (!(runtime && make_private_folder(runtime)) && !make_private_folder("/tmp"))
			fail("cannot make a folder in", "/tmp");
		n = snprintf(socket_path, sizeof(socket_path), "%s/bus", private_folder);
	} else {
		is_in_run = !runtime;
		n = runtime ? snprintf(socket_path, sizeof(socket_path), "%s/ipcbus/bus", runtime) :
			      snprintf(socket_path, sizeof(socket_path), "/run/ipcbus/bus");
	}
	if (n < 0 || (size_t)n >= sizeof(socket_path)) {
		errno = ENAMETOOLONG;
		*socket_path = 0;
		fail("cannot use", bus ? bus : runtime);
	}
}

/* connect() to a file that is no socket fails like one to a socket of a daemon that has gone. */
static void remove_old(const char *path)
{
	struct stat status;

	if (lstat(path, &status))
		return;
	if (!S_ISSOCK(status.st_mode)) {
		errno = EEXIST;
		*socket_path = 0;
		fail("there is no socket, but something else, at", path);
	}
	unlink(path);
}

static int listen_at(mode_t mode)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char path[sizeof(socket_path)];

	memcpy(address.sun_path, socket_path, sizeof(address.sun_path));
	memcpy(path, socket_path, sizeof(path));
	if (fd < 0)
		fail("cannot make a socket for", path);
	make_folder(path);
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		errno = EADDRINUSE;
		*socket_path = 0;
		fail("cannot listen at", path);
	}
	if (errno == ECONNREFUSED)
		remove_old(path);
	/* Nobody connects before listen(). */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || chmod(path, mode) ||
	    listen(fd, 128)) {
		*socket_path = 0;
		fail("cannot listen at", path);
	}
	return fd;
}

static int watch_signals(void)
{
	sigset_t set;

	/* An ignored SIGCHLD is inherited, and would not come. */
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The command gets the signal. */
static void __attribute__((noreturn)) end(int signal)
{
	if (command > 0)
		kill(command, signal);
	clean_up();
	exit(0);
}

static void take_signal(int fd)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGCHLD)
		end((int)info.ssi_signo);
	/* The first process of a PID namespace gets the children of others, too. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != command)
			continue;
		clean_up();
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
}

/* Of a process that goes on as another program, and a copy of whose socket somebody has. */
static void close_gone(void)
{
	struct connection *connection;

	while ((connection = areas_next_gone()))
		connection_close(connection);
}

static void free_closed(void)
{
	struct connection *connection;

	while ((connection = closed)) {
		closed = connection->next;
		free(connection);
	}
}

static void __attribute__((noreturn)) loop(int listener, int signals)
{
	struct epoll_event events[64];
	int n;

	for (;;) {
		n = epoll_wait(epoll_fd, events, 64, pauses ? PAUSE : -1);
		if (pauses)
			accept_again(listener, true);
		for (int i = 0; i < n; i++) {
			struct connection *connection = events[i].data.ptr;

			if (!connection)
				accept_one(listener);
			else if (events[i].data.ptr == &epoll_fd)
				take_signal(signals);
			else if (events[i].data.ptr == &until_fd)
				end(SIGTERM);
			else if (events[i].data.ptr == &accounts_fd)
				accounts_look();
			else if (events[i].data.ptr == &areas_fd)
				close_gone();
			else if (!connection->closed && is_dead(connection))
				connection_close(connection);
			else if (!connection->closed)
				receive(connection);
		}
		free_closed();
	}
}

/* "NAME=N" */
static void set_parameter(const char *argument)
{
	const char *value = strchr(argument, '=');
	char name[64] = "", *end = "";
	unsigned long number = 0;
	unsigned int before;

	errno = EINVAL;
	if (value && (size_t)(value - argument) < sizeof(name)) {
		memcpy(name, argument, (size_t)(value - argument));
		errno = 0;
		number = strtoul(value + 1, &end, 10);
		if (end == value + 1 || *end || value[1] == '-')
			errno = EINVAL;
		else if (number > UINT_MAX)
			errno = ERANGE;
	}
	if (!errno)
		errno = -admin_set(name, (unsigned int)number, &before);
	if (!errno)
		return;
	fprintf(stderr, "ipcbusd: --set %s: %s\n", argument,
		errno == ENOENT ? "no such parameter; see ipcbus(4)" :
		errno == EINVAL ? "not NAME=NUMBER" : strerror(errno));
	exit(2);
}

/* The number of an open fd, which the command does not get, or 2 as exit status. */
static int take_fd(const char *option, const char *argument)
{
	char *end;
	long fd;

	errno = 0;
	fd = strtol(argument, &end, 10);
	if (!errno && end != argument && !*end && fd >= 0 && fd <= INT_MAX &&
	    !fcntl((int)fd, F_SETFD, FD_CLOEXEC))
		return (int)fd;
	fprintf(stderr, "ipcbusd: %s=%s: not the number of an open file descriptor\n", option,
		argument);
	exit(2);
}

static mode_t take_mode(const char *argument)
{
	unsigned long mode;
	char *end;

	mode = strtoul(argument, &end, 8);
	if (*argument >= '0' && *argument <= '7' && !*end && mode <= 0777)
		return (mode_t)mode;
	fprintf(stderr, "ipcbusd: --mode %s: not permissions in octal, from 0 to 777\n", argument);
	exit(2);
}

static void take_clock(const char *argument)
{
	if (!strcmp(argument, "manual")) {
		admin_stop_clock();
		return;
	}
	fprintf(stderr, "ipcbusd: --clock=%s: no such clock; there is manual\n", argument);
	exit(2);
}

static void print_path(void)
{
	char line[sizeof(socket_path) + 1];
	size_t size = (size_t)(stpcpy(line, socket_path) - line);

	line[size++] = '\n';
	if (print_fd < 0)
		return;
	if (write(print_fd, line, size) != (ssize_t)size)
		fail("cannot print the path", socket_path);
	close(print_fd);
}

static void watch_all(int listener, int signals)
{
	struct epoll_event accepts = { .events = EPOLLIN }, signalled = accepts, until = accepts,
			   accounts = accepts, areas = accepts;

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	signalled.data.ptr = &epoll_fd;
	until.data.ptr = &until_fd;
	accounts.data.ptr = &accounts_fd;
	if (epoll_fd < 0 || signals < 0 || accounts_fd < 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &accepts) ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, signals, &signalled) ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, accounts_fd, &accounts))
		fail("cannot watch", socket_path);
	areas_fd = areas_init();
	areas.data.ptr = &areas_fd;
	if (areas_fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, areas_fd, &areas))
		fail("cannot watch", "areas");
	if (until_fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, until_fd, &until))
		fail("cannot watch", "the file descriptor of --until");
}

int main(int argc, char **argv)
{
	enum { CLOCK = 256, PRINT, UNTIL, VERSION };
	static const struct option options[] = {
		{ "bus", required_argument, NULL, 'b' },
		{ "mode", required_argument, NULL, 'm' },
		{ "set", required_argument, NULL, 's' },
		{ "clock", required_argument, NULL, CLOCK },
		{ "print-path", required_argument, NULL, PRINT },
		{ "until", required_argument, NULL, UNTIL },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, VERSION },
		{ 0 },
	};
	const char *bus = NULL, *problem = NULL;
	int listener, signals, option;
	mode_t mode = 0600;

	descriptor_fill_streams(O_RDWR);
	while ((option = getopt_long(argc, argv, "+b:m:s:h", options, NULL)) >= 0) {
		if (option == 'h') {
			fputs(help, stdout);
			return 0;
		}
		if (option == VERSION) {
			puts("ipcbusd " IPC_VERSION);
			return 0;
		}
		if (option == 'b') {
			bus = optarg;
		} else if (option == 'm') {
			mode = take_mode(optarg);
		} else if (option == 's') {
			set_parameter(optarg);
		} else if (option == CLOCK) {
			take_clock(optarg);
		} else if (option == PRINT) {
			print_fd = take_fd("--print-path", optarg);
		} else if (option == UNTIL) {
			until_fd = take_fd("--until", optarg);
		} else {
			fputs(help, stderr);
			return 2;
		}
	}
	proc_check();
	listener = socket_inherited(&problem);
	if (problem) {
		errno = EINVAL;
		fail("cannot listen at", problem);
	}
	if (listener >= 0 && (bus || optind < argc || print_fd >= 0)) {
		fputs("ipcbusd: with a socket of systemd there is no --bus, no --print-path and no COMMAND\n",
		      stderr);
		return 2;
	}
	signals = watch_signals();
	if (listener < 0) {
		choose_path(bus, optind < argc || print_fd >= 0);
		listener = listen_at(mode);
	}
	set_limits();
	watch_all(listener, signals);
	print_path();
	if (optind < argc) {
		command = command_start(argv + optind, socket_path);
		if (command < 0)
			fail("cannot start", argv[optind]);
	}
	daemon_boot();
	loop(listener, signals);
}
