// SPDX-License-Identifier: GPL-2.0-only
/*
 * ipcbusd: options, the socket of a bus, and the event loop of the main thread.
 *
 * The files of the daemon, beside the driver's and those of shim/. A file calls only files below
 * it, except that a cell and its user count as one, and so do accounts and the closer.
 *
 *   main.c            this file
 *   startup.c         the socket of systemd, limits, signals and the command
 *   connection.c      sockets of clients, from accept() to their end
 *   payer.c           which user pays for a client
 *   client.c          opens, maps and closes the bus for a client, on the worker of its user
 *   fds.c             files that travel in messages
 *   cell.c, user.c    ioctls of a client's thread; the users of clients, with a worker each
 *   poll.c            the fds that clients poll
 *   admin-requests.c  the driver's files and parameters, for ipcctl
 *   process.c         the process of a client; pidns.c its numbers in PID namespaces
 *   memory.c          memory that clients share with the daemon; limits of the system
 *   area-watch.c      the end of a client's address space
 *   account.c         the fds of a user, and their limits; closer.c closes fds that may block
 *   socket.c          messages of the set-up socket
 *
 * kernel/ has the parts of the kernel that differ from shim/: fiber.c threads, locks.c, rcu.c,
 * slab.c memory, pages.c the pages of a region, user.c copies from and to clients.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../libipc/base/descriptor.h"
#include "account.h"
#include "client.h"
#include "connection.h"
#include "ipcbus-daemon.h"
#include "socket.h"
#include "user.h"

static const char help[] =
	"usage: ipcbusd [OPTION...]\n"
	"       ipcbusd [OPTION...] [--] COMMAND [ARG...]\n"
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
	"                   write the socket's path to FD once programs can connect; without --bus\n"
	"                   the bus is in a new folder\n"
	"      --until=FD   end when FD is readable or hangs up: a pidfd, or a pipe's end\n"
	"  -h, --help       show this\n"
	"      --version    print the version\n";

static int epoll_fd;
static int until_fd = -1;
static int print_fd = -1;
static int accounts_fd;
static int areas_fd;
static char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
static char private_folder[sizeof(socket_path)];
static char lock_path[sizeof(socket_path) + sizeof(".lock")];
static bool is_in_run;	/* by default, without XDG_RUNTIME_DIR */
static bool is_in_runtime; /* by default, with it */
static pid_t command;

/* Removes the daemon's files. If the socket may be another program's, the caller must empty
 * socket_path first. */
static void clean_up(void)
{
	if (*socket_path)
		unlink(socket_path);
	if (*lock_path)
		unlink(lock_path);
	if (*private_folder)
		rmdir(private_folder);
}

static void fail(const char *what, const char *on)
{
	fprintf(stderr, "ipcbusd: %s %s: %s\n", what, on, strerror(errno));
	if (is_in_run && geteuid())
		fputs("ipcbusd: XDG_RUNTIME_DIR is not set, or is another user's; name another place: "
		      "--bus PATH\n", stderr);
	clean_up();
	exit(1);
}

static void fail_in_use(const char *path)
{
	/* With the lock alone, the other daemon starts or ends, or its socket was removed. */
	if (access(path, F_OK))
		fprintf(stderr, "ipcbusd: %s: another ipcbusd has the lock of this path, and its socket "
				"does not exist; end that ipcbusd, or name another place: --bus PATH\n", path);
	else
		fprintf(stderr, "ipcbusd: %s: another ipcbusd, or another program, listens there already; use "
				"that bus, or name another place: --bus PATH\n", path);
	clean_up();
	exit(1);
}

/* With fewer fds the daemon could serve at most a few processes. */
#define MIN_FILES 64

static unsigned long raise_limits(void)
{
	unsigned long files = limits_raise();

	if (files >= MIN_FILES)
		return files;
	fprintf(stderr, "ipcbusd: RLIMIT_NOFILE (ulimit -n) is %lu: ipcbusd needs at least %d file "
			"descriptors, and eight for each connection\n", files, MIN_FILES);
	exit(1);
}

/* Must precede daemon_boot(). */
static void set_limits(unsigned long files)
{
	unsigned int max_files;

	accounts_fd = accounts_init(files, memory_max_maps(), &max_files);
	admin_set_default("user_files", max_files);
	admin_update_memory();
}

/* --- The bus --------------------------------------------------------------------- */

/* Replaces an empty folder that another user has made in the folder of this user, for example root
 * in a shell of sudo. Returns true on success. */
static bool replace_folder(const char *folder)
{
	return is_in_runtime && access(folder, W_OK) && !rmdir(folder) && !mkdir(folder, 0755);
}

static void make_folder(const char *path)
{
	char folder[sizeof(socket_path)], *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return;
	*slash = 0;
	if (!mkdir(folder, 0755) || (errno == EEXIST && replace_folder(folder))) {
		fprintf(stderr, "ipcbusd: created the folder %s\n", folder);
	} else if (errno != EEXIST) {
		*socket_path = 0;
		fail(errno == ENOENT ? "the parent folder does not exist: cannot create" :
				       "cannot create the folder", folder);
	}
}

static bool make_private_folder(const char *parent)
{
	int n = snprintf(private_folder, sizeof(private_folder), "%s/ipcbusd-XXXXXX", parent);

	if (n > 0 && (size_t)n < sizeof(private_folder) && mkdtemp(private_folder))
		return true;
	*private_folder = 0;
	return false;
}

/* Returns XDG_RUNTIME_DIR, unless it is another user's, as in a shell of sudo: a daemon there would
 * keep this user from a daemon of its own. */
static const char *runtime_folder(void)
{
	const char *folder = getenv("XDG_RUNTIME_DIR");
	struct stat status;

	return folder && !stat(folder, &status) && status.st_uid != geteuid() ? NULL : folder;
}

static void choose_path(const char *bus, bool is_private)
{
	const char *runtime = runtime_folder();
	int n;

	if (bus) {
		n = snprintf(socket_path, sizeof(socket_path), "%s", bus);
	} else if (is_private) {
		/* XDG_RUNTIME_DIR may name a folder that does not exist. */
		if (!(runtime && make_private_folder(runtime)) && !make_private_folder("/tmp"))
			fail("cannot make a folder in", "/tmp");
		n = snprintf(socket_path, sizeof(socket_path), "%s/bus", private_folder);
	} else {
		is_in_run = !runtime;
		is_in_runtime = runtime;
		n = runtime ? snprintf(socket_path, sizeof(socket_path), "%s/ipcbus/bus", runtime) :
			      snprintf(socket_path, sizeof(socket_path), "/run/ipcbus/bus");
	}
	if (n <= 0 || (size_t)n >= sizeof(socket_path)) {
		errno = n ? ENAMETOOLONG : ENOENT;
		*socket_path = 0;
		fail("cannot use the path", !n ? "\"\"" : bus ? bus : runtime);
	}
}

/* Removes the socket of an ended daemon. connect() to a file that is not a socket fails with the
 * same error, so this checks the type. */
static void remove_old(const char *path)
{
	struct stat status;

	if (lstat(path, &status))
		return;
	if (!S_ISSOCK(status.st_mode)) {
		fprintf(stderr, "ipcbusd: %s exists and is not a socket\n", path);
		*socket_path = 0;
		clean_up();
		exit(1);
	}
	unlink(path);
}

/*
 * Only one daemon at a time may replace the socket of an ended daemon. The kernel releases the lock
 * when the process ends. A clean exit removes the lock file. If another daemon removed the file
 * between open() and flock(), this daemon holds the lock of an unlinked file and must try again.
 */
static bool lock(const char *path)
{
	struct stat opened, there;
	int fd;

	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	for (;;) {
		fd = open(lock_path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
			break;
		if (!fstat(fd, &opened) && !lstat(lock_path, &there) &&
		    opened.st_ino == there.st_ino && opened.st_dev == there.st_dev)
			return true;
		close(fd);
	}
	if (errno == EWOULDBLOCK)
		errno = EADDRINUSE;
	*lock_path = 0;
	return false;
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
	if (!*private_folder && !lock(path)) {
		*socket_path = 0;
		if (errno == EADDRINUSE)
			fail_in_use(path);
		fail("cannot create the lock file of", path);
	}
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		*socket_path = 0;
		fail_in_use(path);
	}
	if (errno == ECONNREFUSED)
		remove_old(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		*socket_path = 0;
		fail("cannot listen at", path);
	}
	/* Clients cannot connect before listen(). */
	if (chmod(path, mode) || listen(fd, 128))
		fail("cannot listen at", path);
	return fd;
}

/* Exits if the daemon's own uid stands for all unmapped users: strangers would be the user of the
 * daemon, and administrators. */
static void refuse_ambiguous_users(void)
{
	if (!uid_is_ambiguous(geteuid()))
		return;
	fprintf(stderr, "ipcbusd: uid %u stands for all users from outside this user namespace, so "
			"only this user may connect; use another uid, or --mode 600\n", geteuid());
	exit(1);
}

static void warn_if_hidden(void)
{
	if (connections_are_hidden())
		fputs("ipcbusd: /proc hides processes of other users (hidepid=), so these cannot connect\n"
		      "ipcbusd: mount it with gid= and a group of ipcbusd, or run ipcbusd as root\n",
		      stderr);
}

/* Must precede the creation of the socket, which a signal would otherwise leave behind. */
static int watch_signals(void)
{
	sigset_t set;

	/* If the parent ignored SIGCHLD, the daemon inherits that and would never receive the
	 * signal. */
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

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
	/* The kernel has interrupted the waits of workers, so they missed clients that rang. */
	if (info.ssi_signo == SIGCONT)
		workers_wake();
	else if (info.ssi_signo != SIGCHLD)
		end((int)info.ssi_signo);
	/* The first process of a PID namespace also reaps orphans. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != command)
			continue;
		clean_up();
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
}

/* Maximum number of events per round. */
#define MAX_EVENTS 512

static void __attribute__((noreturn)) loop(int signals)
{
	struct epoll_event events[MAX_EVENTS];
	int n;

	for (;;) {
		n = epoll_wait(epoll_fd, events, MAX_EVENTS, connections_wait());
		connections_round();
		for (int i = 0; i < n; i++) {
			if (!events[i].data.ptr)
				connections_accept();
			else if (events[i].data.ptr == &epoll_fd)
				take_signal(signals);
			else if (events[i].data.ptr == &until_fd)
				end(SIGTERM);
			else if (events[i].data.ptr == &accounts_fd)
				accounts_look();
			else if (events[i].data.ptr == &areas_fd)
				connections_close_gone();
			else
				connection_event(events[i].data.ptr);
		}
		connections_free();
	}
}

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

/* Makes the fd close-on-exec. Exits with status 2 if it is not open. */
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
		/* A direct channel would end calls by the clock of the kernel: as with a monitor,
		 * clients use none. */
		users_add_monitors(1);
		return;
	}
	fprintf(stderr, "ipcbusd: --clock=%s: no such clock; there is manual\n", argument);
	exit(2);
}

/* Not with a command or --print-path: their output is that of another program. */
static void print_bus(int listener)
{
	struct sockaddr_un address = { 0 };
	socklen_t size = sizeof(address) - 1;

	getsockname(listener, (struct sockaddr *)&address, &size);
	fprintf(stderr, "ipcbusd: serving the bus %s\n", address.sun_path);
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
		fail("cannot watch", "the memory of clients");
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
	unsigned long files;
	int listener, signals, option;
	mode_t mode = 0600;

	descriptor_fill_streams(O_RDWR);
	while ((option = getopt_long(argc, argv, "+b:m:s:h", options, NULL)) >= 0) {
		if (option == 'h') {
			fputs(help, stdout);
			return descriptor_flush_output("ipcbusd", 0);
		}
		if (option == VERSION) {
			puts("ipcbusd " IPC_VERSION);
			return descriptor_flush_output("ipcbusd", 0);
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
	system_check();
	files = raise_limits();
	listener = socket_inherited(&problem);
	if (problem) {
		fprintf(stderr, "ipcbusd: %s\n", problem);
		return 1;
	}
	if (listener >= 0 && (bus || optind < argc || print_fd >= 0)) {
		fputs("ipcbusd: --bus, --print-path and a COMMAND cannot be used with a socket of systemd\n",
		      stderr);
		return 2;
	}
	if (mode & 066 || listener >= 0)
		refuse_ambiguous_users();
	signals = watch_signals();
	if (listener < 0) {
		choose_path(bus, optind < argc || print_fd >= 0);
		listener = listen_at(mode);
	}
	if (mode & 066 || !*socket_path)
		warn_if_hidden();
	set_limits(files);
	watch_all(listener, signals);
	connections_init(epoll_fd, listener);
	print_path();
	if (optind == argc && print_fd < 0)
		print_bus(listener);
	if (optind < argc) {
		command = command_start(argv + optind, socket_path);
		if (command < 0)
			fail("cannot start", argv[optind]);
	}
	daemon_boot();
	loop(signals);
}
