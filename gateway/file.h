/* SPDX-License-Identifier: MIT */
/*
 * Small files.
 */
#ifndef GATEWAY_FILE_H
#define GATEWAY_FILE_H

#include <stddef.h>

/* Read a file of at most 1 MiB as bytes with a 0 behind them, which the caller frees.
 *   -EFBIG    It is larger.
 *   Others    As open() and read().
 */
int file_read(const char *path, char **ret_text, size_t *ret_size);

#endif /* GATEWAY_FILE_H */
