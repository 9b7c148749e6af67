/* SPDX-License-Identifier: MIT */
/*
 * Where a program is.
 */
#ifndef IPC_KIT_PROGRAM_H
#define IPC_KIT_PROGRAM_H

#include <limits.h>

#define PROGRAM_PATH PATH_MAX

/* The path that was given, if it is not NULL; else the first in $PATH, and then that of the
 * installation. 0, -ENOENT, or -ENAMETOOLONG. */
int program_find(const char *name, const char *given, char ret_path[PROGRAM_PATH]);

#endif
