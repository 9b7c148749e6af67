/* SPDX-License-Identifier: MIT */
/* File systems that only provide inodes: see inode.c. */
#pragma once

#include "mount.h"

struct pseudo_fs_context;

struct pseudo_fs_context *init_pseudo(struct fs_context *fc, unsigned long magic);
