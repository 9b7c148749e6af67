// SPDX-License-Identifier: MIT
/*
 * Processes of the tests end by _exit(), which writes no counters; with
 * -Wl,--wrap=_exit they do. Linked into all that `make coverage` builds.
 */
#include <stdnoreturn.h>

void __gcov_dump(void);
noreturn void __real__exit(int status);
noreturn void __wrap__exit(int status);

noreturn void __wrap__exit(int status)
{
	__gcov_dump();
	__real__exit(status);
}
