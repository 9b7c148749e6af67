/* SPDX-License-Identifier: MIT */
/*
 * libipc-test: a private bus for a test. The rules and the error list of <ipc/ipc.h> apply.
 *
 *     struct ipc_test_bus *bus;
 *
 *     ipc_test_bus_new(NULL, &bus);
 *     ipc_open(&ipc, ipc_test_bus_path(bus));
 *     ...
 *     ipc_test_bus_free(bus);
 *
 * A bus is a child process, ipcbusd(8), which runs a service manager of its own. It needs no
 * privileges and no module, and serves the first program within some milliseconds. It ends with
 * ipc_test_bus_free(), or at any end of the process that made it. It is separate from /dev/ipcbus
 * and all other buses.
 *
 * Link programs with the flags of `pkg-config --libs libipc-test`. Python has the same bus as
 * ipcbus.testing.Bus, Rust as ipcbus::testing::Bus. A test in another language needs no library: it
 * starts `ipcbusd -- COMMAND`, or reads the path that --print-path writes, and sets IPCBUS_BUS to
 * that path.
 */
#ifndef IPC_TEST_H
#define IPC_TEST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ipc_test_bus;

/* The bus has no service manager: the test must call ipc_set_manager(), or start a manager. */
#define IPC_TEST_NO_MANAGER	1U
/* Only ipc_test_bus_advance() advances the time of deadlines. */
#define IPC_TEST_MANUAL_CLOCK	2U

/*
 * Options of a bus. All members but size may be 0.
 *
 *   flags             IPC_TEST_*.
 *   ipcbusd           Path of the daemon. NULL: the first ipcbusd in $PATH, else the installed
 *                     ipcbusd.
 *   servicemanager    The same for the service manager.
 *   parameters        Parameters of the bus (ipcbus(4)), each "NAME=NUMBER". NULL ends them.
 *   manager_arguments More arguments for the service manager, as "--policy" and a folder. NULL
 *                     ends them. Without --policy and --activations, it reads the policy and the
 *                     activation files of the machine.
 */
struct ipc_test_options {
	size_t size;			/* sizeof(struct ipc_test_options) */
	unsigned int flags;
	const char *ipcbusd;
	const char *servicemanager;
	const char *const *parameters;
	const char *const *manager_arguments;
};

/*
 * Start a bus. Blocks until programs can connect and the service manager, if any, serves: some
 * milliseconds, at most 30 s for each. The daemon has its own process group. The daemon and the
 * service manager print to stderr.
 *
 * The process may have several buses. Until ipc_test_bus_free(), the process must not reap the
 * daemon, as waitpid(-1) could. The caller frees the bus with ipc_test_bus_free().
 *
 *   -ENOENT     The program ipcbusd or servicemanager was not found.
 *   -EPIPE      The daemon or the service manager ended at once. It printed the reason to stderr.
 *   -ETIMEDOUT  The daemon or the service manager was not ready within 30 s.
 */
int ipc_test_bus_new(const struct ipc_test_options *options, struct ipc_test_bus **ret_bus);

/*
 * End the bus and return NULL; bus may be NULL. Blocks until the daemon has ended, which takes some
 * milliseconds. Connections to it fail with -ECONNRESET from then on. Other threads must not use
 * the bus any more. In a forked child, only the memory is freed: the bus belongs to the parent.
 */
struct ipc_test_bus *ipc_test_bus_free(struct ipc_test_bus *bus);

/* Return the path of the bus, for ipc_open() and IPCBUS_BUS. The bus owns it. */
const char *ipc_test_bus_path(const struct ipc_test_bus *bus);

/* Return the process id of the daemon. A test may kill(2) it, also with SIGSTOP. */
pid_t ipc_test_bus_pid(const struct ipc_test_bus *bus);

/*
 * Advance the time of a bus with IPC_TEST_MANUAL_CLOCK by that many microseconds. 0 is allowed.
 * Blocks until each call whose deadline has passed has failed with -ETIMEDOUT; the calling thread
 * may not have returned yet. Any thread may call it, also in a forked child.
 *
 * Only deadlines of calls use this time: a call with a timeout of 5 s ends when the test has
 * advanced the clock by 5 s after the call had begun. ipc_test_bus_wait_calls() tells that a call
 * of another thread or program has begun. Deadlines that libipc itself watches use real time:
 * streams, ipc_stream_receive(), and oneways that wait for space. Such a bus has no direct
 * channels.
 *
 *   -EOPNOTSUPP  The bus does not have IPC_TEST_MANUAL_CLOCK.
 *   -ERANGE      The clock would pass 2^63 ns.
 *   -ECONNREFUSED, -ECONNRESET  The daemon has ended.
 */
int ipc_test_bus_advance(struct ipc_test_bus *bus, uint64_t usec);

/*
 * Block until n calls have arrived at their servers and have no reply yet, on the whole bus: calls
 * that wait for a thread, and calls that a handler has or keeps. Calls that have expired or were
 * canceled do not count. n is at most 64. Any thread may call it, also in a forked child. It looks
 * again every millisecond, without a limit of its own.
 *
 *   -EOPNOTSUPP  The bus does not have IPC_TEST_MANUAL_CLOCK. Its calls may use direct channels,
 *                where they cannot be counted.
 *   -ECONNREFUSED, -ECONNRESET  The daemon has ended.
 */
int ipc_test_bus_wait_calls(struct ipc_test_bus *bus, unsigned int n);

/*
 * Make an allocation of the bus fail: the nth from now, counted from 1, in ioctls of the process
 * pid, or of any process if pid is 0. The allocation and its ioctl fail once, mostly with -ENOMEM.
 * If nth is 0, no allocation fails. If a previously set failure has not happened yet, the function
 * cancels it and returns 1; otherwise it returns 0. This loop tries each place:
 *
 *	for (n = 1; ; n++) {
 *		ipc_test_bus_fail_memory(bus, getpid(), n);
 *		r = what_is_tested();
 *		if (ipc_test_bus_fail_memory(bus, 0, 0) == 1)
 *			break;
 *	}
 *
 * Allocations in the program itself, and of space in a region, are not counted. Any thread may call
 * it, also in a forked child. It blocks until the daemon replies.
 *
 *   -ECONNREFUSED, -ECONNRESET  The daemon has ended.
 */
int ipc_test_bus_fail_memory(struct ipc_test_bus *bus, pid_t pid, uint64_t nth);

/* For ipc_auto(ipc_test_bus_free). */
static inline void ipc_test_bus_freep(struct ipc_test_bus **p) { ipc_test_bus_free(*p); }

#ifdef __cplusplus
}
#endif

#endif /* IPC_TEST_H */
