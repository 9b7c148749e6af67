/* SPDX-License-Identifier: MIT */
/*
 * Small files.
 */
#ifndef GATEWAY_FILE_H
#define GATEWAY_FILE_H

/* Read a file of at most 1 MiB as a text, which the caller frees.
 *   -EFBIG    It is larger.
 *   Others    As open() and read().
 */
int file_read(const char *path, char **ret_text);

#endif /* GATEWAY_FILE_H */
