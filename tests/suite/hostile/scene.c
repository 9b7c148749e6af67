// SPDX-License-Identifier: MIT
/*
 * The scene and its processes; see board.h and hostile.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "board.h"

#define GROUP 900

struct board *board;
struct scene scene;

int board_make(void)
{
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	return board == MAP_FAILED ? -1 : 0;
}

/* --- For attackers ------------------------------------------------------------------ */

static bool has_begun;

void begun(void)
{
	if (!has_begun)
		board->begun++;
	has_begun = true;
}

void succeeded(const char *format, ...)
{
	va_list args;

	if (board->succeeded++)
		return;
	va_start(args, format);
	vsnprintf(board->how, sizeof(board->how), format, args);
	va_end(args);
}

void broken(const char *what)
{
	if (!board->broken++)
		snprintf(board->what, sizeof(board->what), "%s: %s", what, strerror(errno));
}

void must(bool condition, const char *what)
{
	if (condition)
		return;
	broken(what);
	_exit(1);
}

struct ipc *connect_bus(void)
{
	struct ipc *ipc = NULL;
	int r = ipc_open(&ipc, NULL);

	errno = -r;
	must(r == 0, "the bus");
	return ipc;
}

struct ipc_proxy *find(struct ipc *ipc, const char *name)
{
	struct ipc_proxy *proxy = NULL;
	int r = name ? ipc_proxy_wait(ipc, name, NULL, 5000000, &proxy) :
		       ipc_get_manager(ipc, &proxy);

	errno = -r;
	must(r == 0, name ? name : "the service manager");
	return proxy;
}

void offer_his(struct ipc *ipc, const char *interface,
	       int (*serve)(struct ipc_call *, const struct ipc_raw_message *, void *))
{
	static struct ipc_raw_ops ops = { .flags = IPC_RAW_ACCEPT_FDS };
	struct ipc_object *object;

	ops.interface = interface;
	ops.serve = serve;
	must(ipc_raw_object_new(ipc, &ops, ipc, &object) == 0 &&
	     ipc_register_name(ipc, HIS, object, NULL) == 0, "Mallory's service");
}

uint32_t code_of(const struct ipc_interface *interface, const char *method)
{
	for (size_t i = 0; i < interface->n_methods; i++)
		if (!strcmp(interface->methods[i].name, method))
			return interface->methods[i].number;
	must(false, method);
	return 0;
}

int call_bytes(struct ipc_proxy *proxy, uint32_t code, const void *data, size_t size)
{
	const struct ipc_raw_message message = { .method = code, .data = data, .size = size };

	return ipc_raw_call(proxy, &message, NULL, NULL, NULL);
}

uint32_t random_below(uint32_t limit)
{
	return limit ? (uint32_t)random() % limit : 0;
}

uint8_t *wrap(uint8_t *at, const uint8_t *end, unsigned int field)
{
	uint8_t prefix[8];
	size_t inner = end - at, n = 0;

	prefix[n++] = field << 3 | 2;
	for (; inner > 127; inner >>= 7)
		prefix[n++] = inner | 0x80;
	prefix[n++] = inner;
	return memcpy(at - n, prefix, n);
}

uint64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void pause_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

/* --- Processes ------------------------------------------------------------------------ */

/* In a process group, which the parent kills with all children of the process. */
static pid_t start(uid_t uid)
{
	static const gid_t group = GROUP;
	pid_t pid = fork();

	if (pid)
		return pid;
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	srandom(getpid());
	has_begun = false;
	must(!uid || (setgroups(1, &group) == 0 && setresgid(uid, uid, uid) == 0 &&
		      setresuid(uid, uid, uid) == 0), "another user");
	return 0;
}

pid_t start_process(uid_t uid, void (*fn)(void))
{
	pid_t pid = start(uid);

	if (pid == 0) {
		fn();
		for (;;)
			pause();
	}
	return pid;
}

pid_t start_ready(uid_t uid, void (*fn)(void))
{
	int before = board->begun;
	pid_t pid = start_process(uid, fn);

	for (int i = 0; i < 10000 && board->begun == before && !board->broken; i++)
		pause_ms(1);
	if (board->begun == before)
		broken("a process that does not get to work");
	return pid;
}

void end_process(pid_t pid)
{
	/* The group may not exist yet. */
	if (kill(-pid, SIGKILL) < 0)
		kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int run_as(uid_t uid, int (*fn)(void *data), void *data, unsigned int limit_ms)
{
	uint64_t end = clock_ms() + limit_ms;
	pid_t pid = start(uid);
	int status;

	if (pid == 0)
		_exit(fn(data));
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_ms() > end) {
			end_process(pid);
			return -1;
		}
		pause_ms(2);
	}
	kill(-pid, SIGKILL);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
}

/* --- Victims --------------------------------------------------------------------------- */

/* The default policy, and names that MALLORY must not know. */
static const char policy[] = "allow anyone find,list,call *\n"
			     "allow anyone register *\n"
			     "refuse anyone register victim.*\n"
			     "allow user 1000 register victim.*\n"
			     "refuse anyone register user/*\n"
			     "allow anyone register user/%u/*\n"
			     "hide user 1001 find,list,call secret.*\n";
static char folder[] = "/tmp/hostile.XXXXXX";
static FILE *manager_log;

static bool write_policy(void)
{
	char path[64];
	FILE *file;

	if (strstr(folder, "XXXXXX") && (!mkdtemp(folder) || chmod(folder, 0755) < 0))
		return false;
	snprintf(path, sizeof(path), "%s/50-hostile.conf", folder);
	file = fopen(path, "we");
	return file && fputs(policy, file) >= 0 && fclose(file) == 0;
}

static void run_manager(int log)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(log, STDERR_FILENO);
	execl("servicemanager/servicemanager", "servicemanager", "--policy", folder, NULL);
	_exit(127);
}

static bool start_manager(void)
{
	char line[256] = "";
	int fds[2];

	if (!write_policy() || pipe2(fds, O_CLOEXEC) < 0)
		return false;
	manager_log = fdopen(fds[0], "r");
	scene.manager = fork();
	if (scene.manager == 0)
		run_manager(fds[1]);
	close(fds[1]);
	while (manager_log && fgets(line, sizeof(line), manager_log))
		if (strstr(line, "ready")) {
			/* The rest is not read, and servicemanager must not wait for that. */
			fcntl(fds[0], F_SETFL, O_NONBLOCK);
			return true;
		}
	return false;
}

int scene_begin(void)
{
	if (!start_manager()) {
		fprintf(stderr, "servicemanager does not start\n");
		return -1;
	}
	scene.service = start_ready(ALICE, serve_victim);
	if (board->broken)
		fprintf(stderr, "the service does not start: %s\n", board->what);
	return board->broken ? -1 : 0;
}

void scene_end(void)
{
	end_process(scene.service);
	kill(scene.manager, SIGTERM);
	waitpid(scene.manager, NULL, 0);
	if (manager_log)
		fclose(manager_log);
}

bool scene_lives(void)
{
	char drop[4096];

	/* Discards servicemanager's messages about refused requests. */
	while (manager_log && read(fileno(manager_log), drop, sizeof(drop)) > 0)
		;
	return waitpid(scene.service, NULL, WNOHANG) == 0 &&
	       waitpid(scene.manager, NULL, WNOHANG) == 0;
}

size_t number_in(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	size_t length = strlen(name), number = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, length))
			sscanf(line + length, "%zu", &number);
	if (file)
		fclose(file);
	return number;
}

size_t peak_kib(void)
{
	return number_in("/proc/self/status", "VmHWM:");
}

struct holdings holdings_of(pid_t pid)
{
	struct holdings holdings = { 0 };
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	holdings.memory_kib = number_in(path, "RssAnon:");
	holdings.peak_kib = number_in(path, "VmHWM:");
	holdings.threads = number_in(path, "Threads:");
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	snprintf(line, sizeof(line), "ls %s | wc -l", path);
	file = popen(line, "re");
	if (!file || fscanf(file, "%u", &holdings.files) != 1)
		holdings.files = 0;
	if (file)
		pclose(file);
	snprintf(path, sizeof(path), "/proc/%d/clear_refs", (int)pid);
	file = fopen(path, "we");
	if (file) {
		fputs("5", file);
		fclose(file);
	}
	return holdings;
}

/* --- The witness ------------------------------------------------------------------------- */

#define CALLS_MAX 10000

struct observation {
	unsigned int ms, n;
	struct service_times times;
	double each_us[SERVED_BY][CALLS_MAX];
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double micros(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

static int observe(void *data)
{
	static const struct ipc_options options = { .timeout_usec = 5000000 };
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	struct observation *o = data;
	uint64_t end = clock_ms() + o->ms;
	struct ipc_raw_message message = { .method = code_of(&server_interface, "Say") };
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, SERVICE);
	struct ipc_name_info info = { .size = sizeof(info) };
	uint8_t packed[32];
	int r;

	request.text = (char *)"all well";
	message.data = packed;
	message.size = e2e__say_request__pack(&request, packed);
	ipc_set_timeout(ipc, options.timeout_usec);
	for (; clock_ms() < end && o->n < CALLS_MAX; o->n++) {
		double since = micros(), between;

		r = ipc_raw_call(proxy, &message, &options, NULL, NULL);
		o->times.failed += r < 0;
		between = micros();
		r = ipc_check_name(ipc, SERVICE, &info);
		o->times.failed += r < 0;
		o->each_us[BY_SERVICE][o->n] = between - since;
		o->each_us[BY_MANAGER][o->n] = micros() - between;
		o->times.calls += 2;
	}
	return 0;
}

struct service_times witness(unsigned int ms)
{
	static struct observation *o;

	if (!o)
		o = mmap(NULL, sizeof(*o), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			 0);
	if (o == MAP_FAILED)
		return (struct service_times){ .failed = 1 };
	memset(o, 0, sizeof(*o));
	o->ms = ms;
	if (run_as(WITNESS, observe, o, ms + 15000) != 0)
		o->times.failed++;
	if (!o->n)
		o->times.worst_ms = ms + 15000;
	for (int by = 0; o->n && by < SERVED_BY; by++) {
		double *each = o->each_us[by];

		qsort(each, o->n, sizeof(*each), compare);
		o->times.median_us[by] = each[o->n / 2];
		if (each[o->n - 1] / 1000 > o->times.worst_ms)
			o->times.worst_ms = each[o->n - 1] / 1000;
	}
	return o->times;
}
