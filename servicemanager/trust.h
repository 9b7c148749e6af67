/* SPDX-License-Identifier: MIT */
/*
 * Whether only trusted users can change a configuration file: root, the user of this process, and
 * the owner of the root folder, who may be an unmapped user in a user namespace. A file that other
 * users can change grants them the rights that it configures: an activation file can start any
 * program as root.
 */
#ifndef SERVICEMANAGER_TRUST_H
#define SERVICEMANAGER_TRUST_H

#include <stddef.h>

/* Logs a warning for each part of the absolute or relative path, and of its symbolic links, that
 * another user can change: a file, a folder, or a link. Does not examine the first skip bytes of
 * the path, which are a folder of an earlier call. A missing part gets no warning. A sticky folder,
 * such as /tmp, gets a warning only at the end of the path. */
void trust_check(const char *path, size_t skip);

#endif /* SERVICEMANAGER_TRUST_H */
