/* SPDX-License-Identifier: MIT */
/*
 * Included first in programs that are built for gcov: a child that ends by _exit() also writes its
 * counters, so lines that only children execute are counted.
 */
#ifndef MUTANTS_EXIT_H
#define MUTANTS_EXIT_H

/* As the sources define it, before their first header. */
#define _GNU_SOURCE
#include <unistd.h>

void __gcov_dump(void);

static inline _Noreturn void exit_counted(int status)
{
	__gcov_dump();
	_exit(status);
}

#define _exit(status) exit_counted(status)

#endif /* MUTANTS_EXIT_H */
