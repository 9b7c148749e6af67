// SPDX-License-Identifier: MIT
/*
 * LD_PRELOAD of ipcbusd: a worker that is about to sleep does so 2 ms later. In the meantime a
 * client that rings cannot wake it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DELAY 2000 /* microseconds */

long syscall(long number, ...)
{
	static long (*next)(long number, ...);
	long arg[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	if (!next)
		next = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	if (number == SYS_futex && arg[1] == FUTEX_WAIT_BITSET)
		usleep(DELAY);
	return next(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}
