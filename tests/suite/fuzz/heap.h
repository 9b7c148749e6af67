/* SPDX-License-Identifier: MIT */
/*
 * The heap of fast.c, in place of the C library's: it finds use after free, overruns and
 * double frees at a few instructions each, where the address sanitizer takes most of the time.
 *
 * What is freed is filled with HEAP_FREED and stays unused until heap_settle(). So a pointer
 * that is read from it points nowhere, and a write to it is found. Bytes behind each object
 * are looked at when the object is freed. A read behind an object is not found.
 *
 * For programs with one thread.
 */
#ifndef FUZZ_HEAP_H
#define FUZZ_HEAP_H

#include <stddef.h>

#define HEAP_FREED 0x6b

/* Looks at all that was freed since the last call, and lets it be used again. A write to it
 * ends the program by heap_found(). */
void heap_settle(void);

/* The program's: called with what is wrong, and never returns. */
_Noreturn void heap_found(const char *what);

#endif
