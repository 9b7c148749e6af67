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
 * privileges and no module, and serves the first client within some milliseconds. It ends with
 * ipc_test_bus_free(), or with the process that made it, however that ends. Nothing else is on it,
 * and nothing of /dev/ipcbus.
 *
 * Programs are linked with what `pkg-config --libs libipc-test` prints. A test in another language
 * needs no library: it starts `ipcbusd -- COMMAND`, or reads the path that --print-path writes,
 * and sets IPCBUS_DEVICE to that path.
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

/* Handle 0 belongs to nobody: the test plays the service manager, or starts one. */
#define IPC_TEST_NO_MANAGER	1U
/* Time stands still, and ipc_test_bus_advance() moves it. */
#define IPC_TEST_MANUAL_CLOCK	2U

/*
 * How a bus is made. All members but size may be 0.
 *
 *   flags             IPC_TEST_*.
 *   ipcbusd           Path of the daemon. Without it, the first in $PATH counts, then that of the
 *                     installation.
 *   servicemanager    Likewise of the service manager.
 *   parameters        Parameters of the driver (ipcbus(4)), each "NAME=NUMBER". NULL ends them.
 *   manager_arguments More arguments for the service manager, as "--policy" and a folder. NULL
 *                     ends them.
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
 * Start a bus. options may be NULL. Blocks until clients can connect and, unless there is none,
 * until the service manager serves: some milliseconds, at most 30 s. The daemon is in a process
 * group of its own. What it and the service manager have to say goes to stderr.
 *
 * The process may have several buses. While it has one, it must not wait for the daemon, as
 * waitpid(-1) may. The caller frees the bus with ipc_test_bus_free().
 *
 *   -ENOENT     There is no ipcbusd, or no servicemanager.
 *   -EPIPE      A program ended at once. It said why on stderr.
 *   -ETIMEDOUT  The bus was not ready within 30 s.
 */
int ipc_test_bus_new(const struct ipc_test_options *options, struct ipc_test_bus **ret_bus);

/*
 * End the bus and return NULL; bus may be NULL. Blocks until the daemon has ended, which takes some
 * milliseconds. Connections to it fail with -ECONNRESET from then on. No other thread may use the
 * bus any more. In a forked child, only the memory is freed: the bus belongs to the parent.
 */
struct ipc_test_bus *ipc_test_bus_free(struct ipc_test_bus *bus);

/* Return the path of the bus, for ipc_open() and IPCBUS_DEVICE. The bus owns it. */
const char *ipc_test_bus_path(const struct ipc_test_bus *bus);

/* Return the process id of the daemon. A test may kill(2) or stop it. */
pid_t ipc_test_bus_pid(const struct ipc_test_bus *bus);

/*
 * Advance the time of a bus with IPC_TEST_MANUAL_CLOCK by that many nanoseconds. 0 is allowed.
 * Blocks until each call whose deadline has come has failed with -ETIMEDOUT; its thread may
 * still have to run. Any thread may call it, also in a forked child.
 *
 * What goes by this time: deadlines of calls. A call that has 5 s ends when the test has advanced
 * 5 s since it was made, however long the test takes. What a program asks of its own clock goes by
 * real time, as the deadlines that libipc watches itself: those of streams, of
 * ipc_stream_receive(), and of oneways that wait for space.
 *
 *   -EOPNOTSUPP  The time of this bus goes by itself.
 *   -ERANGE      The clock would pass 2^63 ns.
 *   -ECONNREFUSED, -ECONNRESET  The daemon has ended.
 */
int ipc_test_bus_advance(struct ipc_test_bus *bus, uint64_t nsec);

/*
 * Let an allocation of the bus fail: the nth from now, counted from 1, that ioctls of the process
 * pid make, or with 0 those of any process. It fails once, and the ioctl with it: most calls with
 * -ENOMEM. nth 0: none fails. Returns 1 if the failure that was set before has not happened yet,
 * which then does not happen any more, and 0 otherwise. So this loop tries each place:
 *
 *	for (n = 1; ; n++) {
 *		ipc_test_bus_fail_memory(bus, getpid(), n);
 *		r = what_is_tested();
 *		if (ipc_test_bus_fail_memory(bus, 0, 0) == 1)
 *			break;
 *	}
 *
 * Allocations in the program itself, and those of space in a region, are not counted. Any thread
 * may call it, also in a forked child. It blocks until the daemon replies.
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
