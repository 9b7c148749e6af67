/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of a mounted bus that goes while it is used: see mounts.c.
 */
#pragma once

/* There is one, for one proc at a time. */
void mounts_prepare(void);

/* Comes, talks, goes; the bus may be gone, or have its one proc. */
void mounts_use(void *unused);
/* Reads what the bus tells about itself. */
void mounts_read(void *unused);
/* Takes the bus away from those to come. */
void mounts_unmount(void *unused);
/* Allows one proc more. */
void mounts_remount(void *unused);
